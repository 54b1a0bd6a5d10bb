//! Sessions in another process: the same answers, and what happens when that process hangs, crashes, lies or wants too much.
//!
//! This program starts itself again as the GPU's process, so it has its own `main`. It takes a filter and `--list`.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(unreachable_pub, reason = "a test program has no other user")]

mod faults;
mod roles;
mod script;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("answers_are_those_of_a_session_here", script::answers_are_those_of_a_session_here),
    ("a_session_leaves_its_process_to_the_next", script::a_session_leaves_its_process_to_the_next),
    ("nothing_is_left_behind", faults::nothing_is_left_behind),
    ("a_process_killed_in_a_dispatch_is_a_fault_and_another_starts", faults::killed_in_a_dispatch),
    ("a_process_that_hangs_is_ended", faults::a_process_that_hangs_is_ended),
    ("a_process_that_goes_on_is_not_ended", faults::a_process_that_goes_on_is_not_ended),
    ("a_process_that_dies_is_a_fault_each_time", faults::a_process_that_dies_is_a_fault_each_time),
    ("a_compile_bomb_is_ended", faults::a_compile_bomb_is_ended),
    ("work_left_behind_is_not_the_next_sessions", faults::work_left_behind_is_not_the_next_sessions),
    ("memory_over_the_ceiling_stays_in_the_process", faults::memory_over_the_ceiling_stays_in_the_process),
    ("a_stop_is_told_before_the_work_left_is_waited_for", faults::a_stop_is_told_at_once),
    ("a_long_answer_leaves_no_memory_behind", faults::a_long_answer_leaves_no_memory_behind),
    ("work_left_behind_ends_with_its_session", faults::work_left_behind_ends),
    ("lies_are_noticed", faults::lies_are_noticed),
    ("what_trickles_is_late", faults::what_trickles_is_late),
    ("frames_of_a_mad_worker_end_the_process", faults::frames_of_a_mad_worker_end_the_process),
    ("a_process_that_cannot_start_says_why", faults::a_process_that_cannot_start_says_why),
    ("it_ends_with_its_worker", faults::it_ends_with_its_worker),
    ("a_deaf_one_ends_with_its_worker", faults::a_deaf_one_ends_with_its_worker),
    #[cfg(target_os = "linux")]
    ("it_inherits_little", faults::it_inherits_little),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(role) = args.first().and_then(|arg| arg.strip_prefix(roles::PREFIX)) {
        roles::play(role, &args[1..]);
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|arg| arg == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(&**filter));
    let mut failed = Vec::new();
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        let passed = catch_unwind(*test).is_ok();
        println!(
            "test {name} ... {} ({} ms)",
            if passed { "ok" } else { "FAILED" },
            start.elapsed().as_millis()
        );
        if !passed {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}
