use proptest::prelude::*;

use super::*;

/// How a simulated node behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nature {
    Honest,
    Liar,
    /// Never answers the dial.
    Absent,
    /// Dies after this many actions.
    Mortal(u8),
    /// Fails at every task whose number is a multiple of this.
    Faulty(u32),
}

fn nature() -> impl Strategy<Value = Nature> {
    prop_oneof![
        Just(Nature::Honest),
        Just(Nature::Liar),
        Just(Nature::Absent),
        (0u8..6).prop_map(Nature::Mortal),
        (1u32..4).prop_map(Nature::Faulty),
    ]
}

fn truth(task: u32) -> Digest {
    Digest([task as u8; 32])
}

/// Runs a job to its end; the order in which nodes answer follows `order`.
fn simulate(tasks: u32, natures: &[Nature], slots: &[usize], order: &[u8]) -> (Dispatch, Ending) {
    let mut dispatch = Dispatch::new(tasks, natures.len(), true);
    let mut queue: Vec<Action> = Vec::new();
    let mut lives: Vec<u8> =
        natures.iter().map(|n| if let Nature::Mortal(n) = n { *n } else { u8::MAX }).collect();
    for (node, nature) in natures.iter().enumerate() {
        match nature {
            Nature::Absent => dispatch.handle_node_lost(node),
            _ => dispatch.handle_ready(node, slots[node % slots.len()]),
        }
    }
    for step in 0..100_000 {
        while let Some(action) = dispatch.poll_action() {
            queue.push(action);
        }
        if let Some(ending) = dispatch.ending() {
            return (dispatch, ending);
        }
        assert!(!queue.is_empty(), "the job is stuck: {dispatch:?}");
        let action = queue.remove(order[step % order.len()] as usize % queue.len());
        let (Action::Lease { node, .. } | Action::Run { node, .. } | Action::Check { node, .. }) = &action;
        let node = *node;
        if lives[node] == 0 && !matches!(action, Action::Check { .. }) {
            dispatch.handle_node_lost(node);
            continue;
        }
        if let Nature::Mortal(_) = natures[node] {
            lives[node] = lives[node].saturating_sub(1);
        }
        match action {
            Action::Lease { lease, .. } => dispatch.handle_leased(node, lease),
            Action::Run { task, .. } => match natures[node] {
                Nature::Faulty(n) if task % n == 0 => dispatch.handle_fault(node, task),
                Nature::Liar => dispatch.handle_committed(node, task, Digest([255; 32])),
                _ => dispatch.handle_committed(node, task, truth(task)),
            },
            Action::Check { committed, .. } => {
                assert!(!committed.is_empty());
                if committed.iter().any(|c| c.result != truth(c.task)) {
                    dispatch.handle_check_failed(node);
                } else {
                    dispatch.handle_check_passed(node, &committed);
                }
            }
        }
    }
    panic!("the job does not end: {dispatch:?}");
}

proptest! {
    #[test]
    fn every_job_ends_and_no_lie_stays(
        tasks in 1u32..40,
        natures in proptest::collection::vec(nature(), 1..6),
        slots in proptest::collection::vec(1usize..4, 1..4),
        order in proptest::collection::vec(any::<u8>(), 1..50),
    ) {
        let (dispatch, ending) = simulate(tasks, &natures, &slots, &order);
        let done: BTreeMap<u32, NodeId> = dispatch.committed().collect();
        for node in done.values() {
            prop_assert_ne!(natures[*node], Nature::Liar);
            prop_assert_ne!(natures[*node], Nature::Absent);
        }
        match ending {
            Ending::Complete => prop_assert_eq!(done.len(), tasks as usize),
            Ending::Incomplete(missing) => {
                prop_assert!(!natures.contains(&Nature::Honest)
                    || natures.iter().filter(|n| matches!(n, Nature::Faulty(_))).count() >= 3);
                prop_assert_eq!(missing.len() + done.len(), tasks as usize);
            }
        }
    }
}

#[test]
fn tasks_are_shared_out() {
    let (dispatch, _) = simulate(12, &[Nature::Honest; 3], &[1], &[0]);
    let mut counts = [0; 3];
    dispatch.committed().for_each(|(_, node)| counts[node] += 1);
    assert!(counts.iter().all(|count| *count >= 2), "{counts:?}");
}

#[test]
fn a_task_is_given_up_after_three_nodes_failed() {
    let natures = [Nature::Faulty(1), Nature::Faulty(1), Nature::Faulty(1), Nature::Faulty(1)];
    let (_, ending) = simulate(1, &natures, &[1], &[0]);
    assert_eq!(ending, Ending::Incomplete(vec![0]));
}

#[test]
fn an_idle_node_takes_over_what_a_slow_one_has_not_begun() {
    let mut dispatch = Dispatch::new(8, 2, false);
    dispatch.handle_ready(0, 1);
    let Some(Action::Lease { lease, tasks, .. }) = dispatch.poll_action() else { panic!("no lease") };
    dispatch.handle_leased(0, lease);
    assert!(tasks.len() > 1);
    assert!(matches!(dispatch.poll_action(), Some(Action::Run { node: 0, .. })));
    // Node 0 hangs in its first task; node 1 comes late and does all the rest.
    dispatch.handle_ready(1, 1);
    let mut done = 0;
    while let Some(action) = dispatch.poll_action() {
        match action {
            Action::Lease { node: 1, lease, .. } => dispatch.handle_leased(1, lease),
            Action::Run { node: 1, task, .. } => {
                done += 1;
                dispatch.handle_committed(1, task, truth(task));
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(done, 7);
}

#[test]
fn late_answers_of_a_lost_node_change_nothing() {
    let mut dispatch = Dispatch::new(1, 1, false);
    dispatch.handle_ready(0, 1);
    let Some(Action::Lease { lease, .. }) = dispatch.poll_action() else { panic!("no lease") };
    dispatch.handle_leased(0, lease);
    assert!(dispatch.poll_action().is_some());
    dispatch.handle_node_lost(0);
    dispatch.handle_committed(0, 0, truth(0));
    dispatch.handle_fault(0, 0);
    assert_eq!(dispatch.ending(), Some(Ending::Incomplete(vec![0])));
}
