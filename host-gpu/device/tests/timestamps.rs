//! Timestamps are the gas used so far, wherever they stand.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{DOUBLE, Guest, QUOTAS, hardware};
use fizz_gpu::{Hardware, Quotas, schedule};
use fizz_gpu_abi::{Encoder, ErrorClass, ObjectKind, QueryKind, usage};

const RESULTS: u32 = usage::QUERY_RESOLVE | usage::COPY_SRC | usage::COPY_DST | usage::STORAGE;

fn set(guest: &mut Guest, count: u32) -> u32 {
    let id = guest.id();
    guest.stream.create_query_set(id, QueryKind::Timestamp, count, "set");
    id
}

/// Results that lie in a buffer from its start.
fn results(guest: &mut Guest, buffer: u32, count: usize) -> Vec<u64> {
    let words = guest.read(buffer, 0, 2 * count);
    words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect()
}

/// Each invocation turns as often as its number says, or as the first word says.
const SPIN: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id: vec3u) {
        var sum = 0u;
        for (var i = 0u; i < id.x + data[0]; i++) { sum += i; }
        data[id.x + 1] = sum;
    }";

/// A guest with a pipeline that counts, and one that does not, and their groups.
struct Stage {
    guest: Guest,
    spin: (u32, u32),
    double: (u32, u32),
    /// The first word says how often invocations turn beside their number.
    data: u32,
    set: u32,
    results: u32,
}

impl Stage {
    fn new(hardware: &Hardware) -> Self {
        let mut guest = Guest::on(hardware, QUOTAS);
        let data = guest.data(&[0; 1025]);
        let bound = |guest: &mut Guest, wgsl: &str| {
            let shader = guest.shader(wgsl);
            let pipeline = guest.pipeline(0, shader);
            let layout = guest.auto_layout(pipeline);
            (pipeline, guest.group(layout, &[data]))
        };
        let (spin, double) = (bound(&mut guest, SPIN), bound(&mut guest, DOUBLE));
        let set = set(&mut guest, 16);
        let results = guest.buffer(RESULTS, 256);
        guest.clean();
        Stage { guest, spin, double, data, set, results }
    }

    /// Gas of a submission of these commands.
    fn gas(&mut self, body: impl FnOnce(&mut Encoder)) -> u64 {
        let before = self.guest.session.gas();
        self.guest.submit(body);
        self.guest.clean();
        self.guest.session.gas() - before
    }
}

fn dispatch(to: &mut Encoder, (pipeline, group): (u32, u32), groups: u32) {
    to.set_pipeline(pipeline);
    to.set_bind_group(0, group, &[]);
    to.dispatch(groups, 1, 1);
}

#[test]
fn differences_are_the_gas_of_the_work_between() {
    let Some(hardware) = hardware() else { return };
    let mut stage = Stage::new(&hardware);
    let (spin, double, set, results_in) = (stage.spin, stage.double, stage.set, stage.results);
    // What each piece of work costs alone, and an empty submission of as many commands.
    let pass = |to: &mut Encoder, work: (u32, u32), groups: u32| {
        to.begin_pass("");
        dispatch(to, work, groups);
        to.end_pass();
    };
    let empty = stage.gas(|to| {
        to.begin_pass("");
        (0..3).for_each(|_| to.insert_debug_marker(""));
        to.end_pass();
    });
    let spun = stage.gas(|to| pass(to, spin, 8)) - empty;
    let doubled = stage.gas(|to| pass(to, double, 8)) - empty;
    let few = stage.gas(|to| pass(to, spin, 1)) - empty;
    assert!(spun > 8 * 32 && few < spun && doubled > schedule::DISPATCH);
    stage.guest.submit(|to| {
        to.write_timestamp(set, 0);
        to.begin_timed_pass(set, Some(1), Some(4), "pass");
        dispatch(to, spin, 8);
        to.write_timestamp(set, 2);
        dispatch(to, double, 8);
        to.write_timestamp(set, 3);
        dispatch(to, spin, 1);
        to.end_pass();
        to.clear_buffer(results_in, 128, 64);
        to.write_timestamp(set, 5);
        to.write_timestamp(set, 6);
        to.resolve_queries(set, 0, 8, results_in, 0);
    });
    let found = results(&mut stage.guest, results_in, 8);
    let differences: Vec<u64> = found[..7].windows(2).map(|pair| pair[1] - pair[0]).collect();
    // `spun` anew, because `DOUBLE` has doubled the first word, which is 0.
    assert_eq!(differences, [0, spun, doubled, few, 64 * schedule::BYTE, 0]);
    assert_eq!(found[7], 0, "a query that was not written");
    // The last one is all that was used but for the resolving, and the reading.
    let after = schedule::RESOLVE + 64 * schedule::BYTE + schedule::SUBMIT + 64 * schedule::BYTE;
    assert_eq!(stage.guest.session.gas() - found[6], after);
}

/// Work of every kind with timestamps between, in several command buffers of one submission.
fn tour(hardware: &Hardware) -> (Vec<u64>, u64) {
    let mut stage = Stage::new(hardware);
    let (spin, double, set, into, data) = (stage.spin, stage.double, stage.set, stage.results, stage.data);
    let counts = stage.guest.buffer(usage::INDIRECT | usage::COPY_DST, 12);
    let words = [5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    stage.guest.stream.write_buffer(counts, 0, &words).unwrap();
    let first = stage.guest.record(|to| {
        to.write_timestamp(set, 0);
        to.begin_timed_pass(set, Some(1), Some(2), "");
        dispatch(to, spin, 7);
        to.dispatch_indirect(counts, 0);
        to.write_timestamp(set, 3);
        dispatch(to, double, 9);
        to.end_pass();
        to.resolve_queries(set, 1, 2, into, 0);
        to.copy_buffer(into, 0, data, 0, 4);
        to.write_timestamp(set, 4);
    });
    let second = stage.guest.record(|to| {
        to.begin_timed_pass(set, None, Some(5), "");
        // It doubles a result, which must be there.
        dispatch(to, double, 1);
        to.end_pass();
        to.clear_buffer(data, 0, 4);
        to.begin_timed_pass(set, Some(6), None, "");
        (0..3).for_each(|_| dispatch(to, spin, 3));
        to.end_pass();
        to.write_timestamp(set, 7);
        to.resolve_queries(set, 0, 8, into, 0);
    });
    stage.guest.stream.submit(&[first, second]);
    stage.guest.submit(|to| {
        to.begin_timed_pass(set, Some(8), Some(9), "");
        dispatch(to, spin, 2);
        to.end_pass();
    });
    // In another submission, what was written before.
    stage.guest.submit(|to| to.resolve_queries(set, 0, 10, into, 0));
    stage.guest.clean();
    (results(&mut stage.guest, into, 10), stage.guest.session.gas())
}

#[test]
fn timestamps_are_the_same_in_every_run_and_any_slices() {
    let Some(hardware) = hardware() else { return };
    let whole = tour(&hardware);
    let order = [0, 1, 3, 2, 4, 5, 6, 7, 8, 9];
    assert!(order.windows(2).all(|pair| whole.0[pair[0]] <= whole.0[pair[1]]), "{whole:?}");
    assert!(whole.0[9] < whole.1);
    assert_eq!(tour(&hardware), whole);
    for gas in [1, 1 << 10, 1 << 13, 1 << 16] {
        assert_eq!(tour(&hardware.clone().with_slice_gas(gas)), whole, "{gas}");
    }
}

#[test]
fn what_follows_sees_the_results() {
    let Some(hardware) = hardware() else { return };
    let mut stage = Stage::new(&hardware);
    let (spin, set, into) = (stage.spin, stage.set, stage.results);
    let kept = stage.guest.buffer(RESULTS, 512);
    stage.guest.submit(|to| {
        to.clear_buffer(into, 0, 256);
        to.begin_timed_pass(set, Some(0), Some(1), "");
        dispatch(to, spin, 4);
        to.end_pass();
        to.resolve_queries(set, 0, 2, into, 0);
        to.copy_buffer(into, 0, kept, 0, 16);
        to.write_timestamp(set, 1);
        to.resolve_queries(set, 0, 2, into, 0);
        to.copy_buffer(into, 0, kept, 16, 16);
        to.resolve_queries(set, 0, 0, kept, 512);
    });
    let found = results(&mut stage.guest, kept, 4);
    assert!(found[0] < found[1] && found[1] < found[3], "{found:?}");
    assert_eq!(found[0], found[2]);
    stage.guest.clean();
}

#[test]
fn what_webgpu_refuses_is_refused() {
    let Some(mut guest) = Guest::new() else { return };
    for count in [0, 4097, u32::MAX] {
        let wrong = set(&mut guest, count);
        assert!(guest.invalid().contains("create query set 'set'"));
        guest.record(|to| to.write_timestamp(wrong, 0));
        assert!(guest.invalid().contains("query set 'set' is invalid"));
    }
    let (good, into) = (set(&mut guest, 4), guest.buffer(RESULTS, 512));
    let other = guest.buffer(usage::COPY_DST, 512);
    guest.clean();
    type Record<'r> = &'r dyn Fn(&mut Encoder);
    let wrong: [Record<'_>; 9] = [
        &|to| to.write_timestamp(good, 4),
        &|to| to.write_timestamp(good, u32::MAX),
        &|to| to.resolve_queries(good, 0, 5, into, 0),
        &|to| to.resolve_queries(good, 4, 1, into, 0),
        &|to| to.resolve_queries(good, u32::MAX, u32::MAX, into, 0),
        &|to| to.resolve_queries(good, 0, 4, into, 8),
        &|to| to.resolve_queries(good, 0, 4, into, 512),
        &|to| to.resolve_queries(good, 0, 4, into, u64::MAX - 255),
        &|to| to.resolve_queries(good, 0, 4, other, 0),
    ];
    for (number, body) in wrong.iter().enumerate() {
        guest.record(body);
        let text = guest.invalid();
        assert!(text.starts_with("finish command buffer 'commands': "), "{number}: {text}");
    }
    for (begin, end) in [(Some(0), Some(0)), (Some(4), None), (None, Some(4)), (Some(0), Some(9))] {
        guest.record(|to| {
            to.begin_timed_pass(good, begin, end, "");
            to.end_pass();
        });
        guest.invalid();
    }
    let empty = guest.record(|to| {
        to.begin_timed_pass(good, None, None, "");
        to.end_pass();
    });
    let late = guest.record(|to| to.write_timestamp(good, 3));
    guest.clean();
    guest.stream.destroy_query_set(good);
    guest.stream.destroy_query_set(good);
    guest.stream.submit(&[empty]);
    assert_eq!(guest.invalid(), "submit: query set 'set' is destroyed");
    guest.stream.release(ObjectKind::QuerySet, good);
    guest.stream.submit(&[late]);
    guest.invalid();
}

#[test]
fn query_sets_count_towards_the_quota() {
    let Some(mut guest) = Guest::with(Quotas { bytes: 32 << 10, ..QUOTAS }) else { return };
    let all = set(&mut guest, 4096);
    guest.clean();
    let more = set(&mut guest, 1);
    guest.error(ErrorClass::OutOfMemory);
    guest.stream.release(ObjectKind::QuerySet, more);
    guest.stream.destroy_query_set(all);
    for _ in 0..128 {
        set(&mut guest, 32);
    }
    guest.clean();
    set(&mut guest, 1);
    guest.error(ErrorClass::OutOfMemory);
}
