//! `poll_oneoff` and the clocks.

use crate::common::script::{Arg, CREAT, N, OUT, READ, Script, TO, WRITE};
use crate::common::task;
use crate::errno::*;

/// Where subscriptions and events lie.
const IN: usize = 8192;
const EVENTS: usize = 16_384;

const REALTIME: i64 = 0;
const MONOTONIC: i64 = 1;
const CLOCK: i64 = 0;
const FD_READ: i64 = 1;
const FD_WRITE: i64 = 2;
const ABSOLUTE: i64 = 1;
const EPOCH: i64 = 5_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Subscriptions and how many; each has its number as user data.
struct Poll(i64);

impl Poll {
    fn clock(&mut self, script: &mut Script, clock: i64, timeout: i64, flags: i64) -> &mut Self {
        let at = self.next(script, CLOCK);
        script.store(at + 16, clock).store(at + 24, timeout).store(at + 32, 0).store(at + 40, flags);
        self
    }

    fn file(&mut self, script: &mut Script, kind: i64, fd: i64) -> &mut Self {
        let at = self.next(script, kind);
        script.store(at + 16, fd);
        self
    }

    fn next(&mut self, script: &mut Script, kind: i64) -> usize {
        let at = IN + 48 * self.0 as usize;
        self.0 += 1;
        script.store(at, self.0).store(at + 8, kind);
        at
    }

    /// Polls, and expects these events: user data, error number, kind.
    fn expect(&self, script: &mut Script, events: &[(i64, i64, i64)]) {
        script.call(OK, "poll_oneoff", &[N(IN as i64), N(EVENTS as i64), N(self.0), TO]);
        script.value32(OUT, events.len() as i64);
        for (index, (userdata, errno, kind)) in events.iter().enumerate() {
            let at = EVENTS + 32 * index;
            script.value(at, *userdata).value32(at + 8, errno | kind << 16);
        }
    }
}

/// Runs a script that notes the times before and after what `body` does, and returns by how much both clocks went on.
fn passed(body: impl FnOnce(&mut Script)) -> (i64, i64) {
    let mut script = Script::new();
    let time = |clock| [N(clock), N(0), TO];
    let start = script.len();
    for clock in [REALTIME, MONOTONIC] {
        script.call(OK, "clock_time_get", &time(clock)).seen(OUT);
    }
    body(&mut script);
    let end = script.len();
    for clock in [REALTIME, MONOTONIC] {
        script.call(OK, "clock_time_get", &time(clock)).seen(OUT);
    }
    let mut spec = task();
    spec.epoch_ns = EPOCH as u64;
    let report = script.run_with(spec);
    let number =
        |index: usize| i64::from_le_bytes(report.stdout[8 * index..8 * (index + 1)].try_into().unwrap());
    (number(end + 1) - number(start + 1), number(end + 3) - number(start + 3))
}

/// Less than this passes by work alone in these tests.
const WORK: i64 = SECOND / 100;

#[test]
fn the_first_of_several_timers_ends_the_wait() {
    let (real, monotonic) = passed(|script| {
        let mut poll = Poll(0);
        poll.clock(script, MONOTONIC, 3 * SECOND, 0).clock(script, REALTIME, 2 * SECOND, 0);
        poll.clock(script, REALTIME, 9 * SECOND, 0);
        poll.expect(script, &[(2, OK, CLOCK)]);
    });
    assert!((2 * SECOND..2 * SECOND + WORK).contains(&real), "{real}");
    assert!((2 * SECOND..2 * SECOND + WORK).contains(&monotonic), "{monotonic}");
}

#[test]
fn absolute_timers_go_by_their_own_clock() {
    let (real, _) = passed(|script| {
        let mut poll = Poll(0);
        poll.clock(script, REALTIME, EPOCH + 4 * SECOND, ABSOLUTE);
        poll.clock(script, MONOTONIC, 4 * SECOND, ABSOLUTE);
        // Both mean the same moment.
        poll.expect(script, &[(1, OK, CLOCK), (2, OK, CLOCK)]);
        // It lies in the past now, as does the year 1970.
        poll.expect(script, &[(1, OK, CLOCK), (2, OK, CLOCK)]);
        let mut poll = Poll(0);
        poll.clock(script, REALTIME, 1, ABSOLUTE)
            .clock(script, REALTIME, 0, 0)
            .clock(script, MONOTONIC, -1, 0);
        poll.expect(script, &[(1, OK, CLOCK), (2, OK, CLOCK)]);
    });
    assert!((4 * SECOND - WORK..4 * SECOND + WORK).contains(&real), "{real}");
}

#[test]
fn nobody_waits_while_a_file_is_ready() {
    let (real, _) = passed(|script| {
        script.file("file", b"12345").open(OK, "file", CREAT, READ | WRITE);
        let mut poll = Poll(0);
        poll.clock(script, MONOTONIC, SECOND, 0);
        poll.file(script, FD_READ, 4).file(script, FD_WRITE, 4).file(script, FD_WRITE, 1);
        poll.expect(script, &[(2, OK, FD_READ), (3, OK, FD_WRITE), (4, OK, FD_WRITE)]);
        script.value(EVENTS + 16, 5);
    });
    assert!(real < WORK, "{real}");
}

#[test]
fn standard_input_says_what_is_left_and_when_it_has_ended() {
    let mut script = Script::new();
    let mut poll = Poll(0);
    poll.file(&mut script, FD_READ, 0);
    poll.expect(&mut script, &[(1, OK, FD_READ)]);
    script.value(EVENTS + 16, 6).value32(EVENTS + 24, 0);
    script.call(OK, "fd_read", &[N(0), Arg::Room(10), TO]);
    poll.expect(&mut script, &[(1, OK, FD_READ)]);
    script.value(EVENTS + 16, 0).value32(EVENTS + 24, 1);
    let mut spec = task();
    spec.stdin = "input!".into();
    script.run_with(spec);
}

#[test]
fn a_bad_descriptor_is_its_own_event() {
    let (real, _) = passed(|script| {
        let mut poll = Poll(0);
        poll.file(script, FD_READ, 99).file(script, FD_WRITE, 99).file(script, FD_READ, 3);
        poll.file(script, FD_WRITE, 2).clock(script, MONOTONIC, SECOND, 0);
        let events = [(1, BADF, FD_READ), (2, BADF, FD_WRITE), (3, BADF, FD_READ), (4, OK, FD_WRITE)];
        poll.expect(script, &events);
    });
    assert!(real < WORK, "{real}");
}

#[test]
fn what_cannot_be_polled_is_refused() {
    let mut script = Script::new();
    let poll = |count| [N(IN as i64), N(EVENTS as i64), N(count), TO];
    script.call(INVAL, "poll_oneoff", &poll(0));
    // An unknown kind, an unknown clock, unknown flags.
    Poll(0).next(&mut script, 3);
    script.call(INVAL, "poll_oneoff", &poll(1));
    Poll(0).clock(&mut script, 4, 0, 0);
    script.call(INVAL, "poll_oneoff", &poll(1));
    Poll(0).clock(&mut script, MONOTONIC, 0, 2);
    script.call(INVAL, "poll_oneoff", &poll(1));
    script.run();
}

#[test]
fn every_clock_ticks_in_nanoseconds_of_the_guest() {
    let mut script = Script::new();
    for clock in 0..4 {
        script.call(OK, "clock_res_get", &[N(clock), TO]).value(OUT, 1);
        script.call(OK, "clock_time_get", &[N(clock), N(SECOND), TO]);
    }
    for clock in [4, -1] {
        script.call(INVAL, "clock_res_get", &[N(clock), TO]);
        script.call(INVAL, "clock_time_get", &[N(clock), N(0), TO]);
    }
    // Sleeping is no work: the processor's clocks stand still.
    let mut poll = Poll(0);
    poll.clock(&mut script, MONOTONIC, 3600 * SECOND, 0);
    poll.expect(&mut script, &[(1, OK, CLOCK)]);
    let clock = script.len();
    for clock in [2, 3] {
        script.call(OK, "clock_time_get", &[N(clock), N(0), TO]).seen(OUT);
    }
    let report = script.run();
    for index in [clock + 1, clock + 3] {
        let time = i64::from_le_bytes(report.stdout[8 * index..8 * (index + 1)].try_into().unwrap());
        assert!((1..SECOND).contains(&time), "{time}");
    }
}
