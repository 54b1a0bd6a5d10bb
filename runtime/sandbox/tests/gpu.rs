//! The imports of `fizz_gpu`: pointers, missing sessions, and what a session's refusals mean. The session here only
//! writes down what it is asked; real ones are tested where they live.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod common;

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use common::{compile, program, task};
use fizz_attest::{HostFault, LimitKind, Outcome, TrapKind};
use fizz_gpu_abi::PollState;
use fizz_gpu_abi::host::{self as abi, Identity, Limit, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::imports::status;
use fizz_sandbox::trace::{Form, Part, Subject, first_difference};
use fizz_sandbox::{Fault, TaskReport, run};

#[derive(Default)]
struct Log {
    calls: Vec<String>,
    sessions: u32,
    quotas: Option<Quotas>,
}

#[derive(Clone, Default)]
struct Recorder {
    log: Arc<Mutex<Log>>,
    /// What `wait` ends with.
    stop: Option<Stop>,
    /// What is wrong with each byte that is read.
    error: u8,
}

impl Recorder {
    fn note(&self, call: String) {
        self.log.lock().unwrap().calls.push(call);
    }
}

impl Sessions for Recorder {
    fn session(&self, quotas: &Quotas) -> Result<Box<dyn Session>, Stop> {
        let mut log = self.log.lock().unwrap();
        log.sessions += 1;
        log.quotas = Some(*quotas);
        Ok(Box::new(self.clone()))
    }

    fn identity(&self) -> Identity {
        Identity { stream: 1, fast: None, exact: None }
    }
}

impl Session for Recorder {
    fn open(&mut self, request: &[u8], caps: &mut [u8]) -> Result<i32, Stop> {
        self.note(format!("open {request:?} {}", caps.len()));
        caps[0] = 42;
        Ok(1)
    }
    fn submit(&mut self, stream: &[u8]) -> Result<i64, Stop> {
        self.note(format!("submit {stream:?}"));
        Ok(1 << 40)
    }
    fn write(&mut self, buffer: u32, offset: u64, data: &[u8]) -> Result<i32, Stop> {
        self.note(format!("write {buffer} {offset} {data:?}"));
        Ok(0)
    }
    fn read(&mut self, buffer: u32, offset: u64, into: &mut [u8]) -> Result<i32, Stop> {
        self.note(format!("read {buffer} {offset} {}", into.len()));
        into.fill(9 + self.error);
        Ok(0)
    }
    fn wait(&mut self, serial: i64, timeout_ns: i64) -> Result<i32, Stop> {
        self.note(format!("wait {serial} {timeout_ns}"));
        self.stop.clone().map_or(Ok(0), Err)
    }
    fn poll(&mut self, out: &mut [u8; PollState::SIZE]) -> Result<i64, Stop> {
        out.fill(3);
        Ok(5)
    }
    fn take_error(&mut self, into: &mut [u8]) -> Result<i32, Stop> {
        self.note(format!("take_error {}", into.len()));
        Ok(0)
    }
    fn close(&mut self) -> Result<i32, Stop> {
        self.note("close".to_owned());
        Ok(0)
    }
    fn gas(&self) -> u64 {
        777
    }
}

fn module(body: &str) -> String {
    format!(
        r#"(module
        (import "fizz_gpu" "open" (func $open (param i32 i32 i32 i32) (result i32)))
        (import "fizz_gpu" "submit" (func $submit (param i32 i32) (result i64)))
        (import "fizz_gpu" "write" (func $write (param i32 i64 i32 i32) (result i32)))
        (import "fizz_gpu" "read" (func $read (param i32 i64 i32 i32) (result i32)))
        (import "fizz_gpu" "wait" (func $wait (param i64 i64) (result i32)))
        (import "fizz_gpu" "poll" (func $poll (param i32) (result i64)))
        (import "fizz_gpu" "take_error" (func $take_error (param i32 i32) (result i32)))
        (import "fizz_gpu" "close" (func $close (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func $expect (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))))
        (func (export "_start") {body}))"#
    )
}

fn with(recorder: &Recorder, body: &str) -> Result<TaskReport, Fault> {
    run(&program(&module(body)), task(), Some(Arc::new(recorder.clone())), None)
}

#[test]
fn calls_reach_the_session_with_their_bytes() {
    let recorder = Recorder::default();
    let body = "(i32.store (i32.const 0) (i32.const 0x04030201))
        (call $expect (i32.eq (call $open (i32.const 0) (i32.const 2) (i32.const 1) (i32.const 8)) (i32.const 1)))
        (call $expect (i32.eq (i32.load8_u (i32.const 1)) (i32.const 42)))
        (call $expect (i64.eq (call $submit (i32.const 2) (i32.const 2)) (i64.const 0x10000000000)))
        (drop (call $write (i32.const -1) (i64.const -1) (i32.const 3) (i32.const 1)))
        (drop (call $read (i32.const 7) (i64.const 8) (i32.const 65532) (i32.const 4)))
        (call $expect (i32.eq (i32.load (i32.const 65532)) (i32.const 0x09090909)))
        (drop (call $wait (i64.const -1) (i64.const 6)))
        (call $expect (i64.eq (call $poll (i32.const 65520)) (i64.const 5)))
        (call $expect (i32.eq (i32.load (i32.const 65520)) (i32.const 0x03030303)))
        (drop (call $take_error (i32.const 65536) (i32.const 0)))
        (drop (call $close))";
    let report = with(&recorder, body).unwrap();
    assert!(report.outcome.is_success(), "{}", report.outcome);
    assert_eq!(report.gpu_gas, 777);
    let log = recorder.log.lock().unwrap();
    let quotas = log.quotas.unwrap();
    assert_eq!((quotas.gas, quotas.bytes), (task().limits.gpu.gas, task().limits.gpu.bytes));
    assert_eq!(
        log.calls,
        [
            "open [1, 2] 8",
            "submit [3, 4]",
            "write 4294967295 18446744073709551615 [4]",
            "read 7 8 4",
            "wait -1 6",
            "take_error 0",
            "close",
        ]
    );
}

#[test]
fn pointers_outside_memory_trap_before_the_session_is_asked() {
    for body in [
        "(drop (call $open (i32.const -1) (i32.const 2) (i32.const 0) (i32.const 8)))",
        "(drop (call $open (i32.const 0) (i32.const 2) (i32.const 65530) (i32.const 8)))",
        "(drop (call $submit (i32.const 65536) (i32.const 1)))",
        "(drop (call $write (i32.const 1) (i64.const 0) (i32.const 4) (i32.const -1)))",
        "(drop (call $read (i32.const 1) (i64.const 0) (i32.const -4) (i32.const 8)))",
        "(drop (call $poll (i32.const 65521)))",
        "(drop (call $take_error (i32.const 1) (i32.const 65536)))",
    ] {
        let recorder = Recorder::default();
        let report = with(&recorder, body).unwrap();
        assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::BadHostCall }, "{body}");
        let log = recorder.log.lock().unwrap();
        assert!(log.calls.is_empty(), "{body}");
        assert_eq!(log.sessions, 1, "the gas of such a trap is known at once");
    }
}

#[test]
fn without_a_gpu_open_says_so_and_the_guest_goes_on() {
    let body = format!(
        "(call $expect (i32.eq (call $open (i32.const 0) (i32.const 16) (i32.const 0) (i32.const 8)) (i32.const {})))
        (call $expect (i32.eq (call $close) (i32.const {not_open})))
        (call $expect (i64.eq (call $submit (i32.const 0) (i32.const 0)) (i64.const {not_open})))
        (call $exit (i32.const 7))",
        status::NO_GPU,
        not_open = status::NOT_OPEN
    );
    let program = program(&module(&body));
    assert!(program.imports_gpu());
    let report = run(&program, task(), None, None).unwrap();
    assert_eq!(report.outcome, Outcome::Completed { exit_code: 7 });
    assert_eq!(report.gpu_gas, 0);
}

#[test]
fn refusals_of_the_session_become_outcomes_and_faults() {
    let ends = |stop: Stop| {
        let recorder = Recorder { stop: Some(stop), ..Recorder::default() };
        with(&recorder, "(drop (call $wait (i64.const 1) (i64.const 0)))")
    };
    let outcome = |stop| {
        let report = ends(stop).unwrap();
        assert_eq!(report.gpu_gas, 777);
        report.outcome
    };
    let limit = |kind| Outcome::LimitExceeded { kind };
    let protocol = outcome(Stop::Protocol(Cow::Borrowed("bad op")));
    assert_eq!(protocol, Outcome::Trapped { kind: TrapKind::GpuProtocol });
    assert_eq!(outcome(Stop::OutOfGas), limit(LimitKind::GpuGas));
    for (quota, kind) in [
        (Limit::Objects, LimitKind::GpuObjects),
        (Limit::Shaders, LimitKind::GpuShaders),
        (Limit::ShaderBytes, LimitKind::GpuShaderBytes),
        (Limit::StreamBytes, LimitKind::GpuStreamBytes),
        (Limit::Invocations, LimitKind::GpuInvocations),
        (Limit::Records, LimitKind::GpuRecords),
    ] {
        assert_eq!(outcome(Stop::LimitExceeded(quota)), limit(kind));
    }
    for (fault, kind) in [
        (abi::HostFault::DeviceLost, HostFault::GpuLost),
        (abi::HostFault::OutOfMemory, HostFault::OutOfMemory),
        (abi::HostFault::TimedOut, HostFault::TimedOut),
    ] {
        assert_eq!(ends(Stop::HostFault(fault, "why".to_owned())).unwrap_err().kind, kind);
    }
}

#[test]
fn a_trap_that_must_be_counted_again_gets_a_second_session() {
    let recorder = Recorder::default();
    let report = with(&recorder, "(drop (call $close)) (drop (i32.load (i32.const -1)))").unwrap();
    assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::MemoryOutOfBounds });
    assert_eq!(recorder.log.lock().unwrap().sessions, 2);
}

#[test]
fn other_names_of_the_module_are_not_served() {
    let error = compile(
        "(module (import \"fizz_gpu\" \"reset\" (func)) (memory (export \"memory\") 1) (func (export \"_start\")))",
    );
    assert!(error.unwrap_err().to_string().contains("fizz_gpu.reset"));
}

#[test]
fn where_two_gpus_part_is_found_at_the_read() {
    let work = "(local $i i32)
        (loop $more (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000))))";
    let body = format!(
        "{work} (drop (call $read (i32.const 1) (i64.const 0) (i32.const 256) (i32.const 4)))
        (loop $more (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
    );
    let program = program(&module(&body));
    let with = |error, form| {
        let gpu: Arc<dyn Sessions> = Arc::new(Recorder { error, ..Recorder::default() });
        Subject { program: program.clone(), task: task(), form, gpu: Some(gpu) }
    };
    let (right, again, wrong) = (with(0, Form::Fast), with(0, Form::WriteThrough), with(1, Form::Fast));
    assert_eq!(first_difference(&right, &again).unwrap(), None);
    let found = first_difference(&right, &wrong).unwrap().unwrap();
    assert_eq!(found.parts, [Part::Page(0)]);
    let total = right.run().unwrap().gas;
    // Behind it are 5,000 turns of five operators.
    assert!((total - 30_000..total - 20_000).contains(&found.gas), "{} of {total}", found.gas);
    // A guest that finds none, or one in one run alone.
    let without = Subject { gpu: None, ..right.clone() };
    let found = first_difference(&right, &without).unwrap().unwrap();
    assert!(found.parts.contains(&Part::GpuGas(777, 0)), "{:?}", found.parts);
}
