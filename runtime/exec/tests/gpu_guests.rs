//! Ordinary wgpu code gives the same answers in the sandbox as natively, on the same adapter.
//!
//! The programs are those of `sdk/wgpu/examples/compute`: here they are compiled into the test as well, and run
//! once against wgpu itself and once as a guest.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

#[allow(dead_code, reason = "some programs are for benchmarks")]
#[path = "../../../sdk/wgpu/examples/compute/programs/mod.rs"]
mod programs;

use fizz_attest::{GpuClass, Limits, Outcome, TrapKind};
use fizz_gpu::{Adapters, Choice, ChooseError, Hardware, Sessions};
use fizz_sandbox::{Engine, ModuleLimits, Program, TaskReport, TaskSpec, run};
use std::sync::{Arc, OnceLock};

/// The GPU of this machine; none means that the test cannot say anything here.
fn gpu() -> Option<Arc<dyn Sessions>> {
    match Adapters::list().choose(&Choice::Auto) {
        Ok(hardware) => Some(Arc::new(hardware)),
        Err(error @ ChooseError::None) => {
            let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!required, "CI needs an adapter: {error}");
            eprintln!("skipped: no adapter");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn guest() -> &'static Program {
    static GUEST: OnceLock<Program> = OnceLock::new();
    GUEST.get_or_init(|| {
        let engine = Engine::new().unwrap();
        Program::compile(&engine, fizz_examples::WGPU_COMPUTE, &ModuleLimits::default()).unwrap()
    })
}

fn run_guest(gpu: Option<&Arc<dyn Sessions>>, arguments: &[&str], limits: Limits) -> TaskReport {
    run_guest_as(GpuClass::Fast, gpu, arguments, limits)
}

fn run_guest_as(
    class: GpuClass,
    gpu: Option<&Arc<dyn Sessions>>,
    arguments: &[&str],
    limits: Limits,
) -> TaskReport {
    let mut task = TaskSpec::new("compute");
    task.gpu_class = class;
    task.args.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    task.limits = limits;
    run(guest(), task, gpu.cloned(), None).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What the program says natively, under the heading that its `main` gives it.
fn native(name: &str, gpu: &mut programs::Gpu) -> String {
    format!("== {name}\n{}", programs::run(name, gpu))
}

#[test]
fn guests_say_what_the_same_code_says_natively() {
    let Some(gpu) = gpu() else { return };
    let mut device = programs::Gpu::connect().unwrap();
    for name in programs::NAMES {
        let report = run_guest(Some(&gpu), &[name], Limits::default());
        let stderr = text(&report.stderr);
        assert_eq!(report.outcome, Outcome::Completed { exit_code: 0 }, "{name}: {stderr}");
        assert_eq!(text(&report.stdout), native(name, &mut device), "{name}: {stderr}");
    }
}

/// The programs compute with whole numbers, so that every device says the same.
#[test]
fn in_the_class_exact_the_reference_says_what_adapters_say() {
    let engine = fizz_reference_engine::Wasmtime::new().unwrap();
    let reference: Arc<dyn Sessions> = Arc::new(Hardware::reference(Arc::new(engine), 1).unwrap());
    let exact = |gpu, name| {
        let report = run_guest_as(GpuClass::Exact, Some(gpu), &[name], Limits::default());
        let stderr = text(&report.stderr);
        assert_eq!(report.outcome, Outcome::Completed { exit_code: 0 }, "{name}: {stderr}");
        (text(&report.stdout).to_owned(), report.gas, report.gpu_gas)
    };
    let said: Vec<_> = programs::NAMES.iter().map(|name| exact(&reference, name)).collect();
    let Ok(hardware) = Adapters::list().choose(&Choice::Auto) else { return };
    let driver: Arc<dyn Sessions> = Arc::new(hardware.unproven().unwrap());
    let mut device = programs::Gpu::connect().unwrap();
    for (name, said) in programs::NAMES.iter().zip(said) {
        assert_eq!(exact(&driver, name), said, "{name}");
        assert_eq!(said.0, native(name, &mut device), "{name}");
    }
}

#[test]
fn a_run_repeats_to_the_last_unit_of_gas() {
    let Some(gpu) = gpu() else { return };
    let first = run_guest(Some(&gpu), &[], Limits::default());
    let second = run_guest(Some(&gpu), &[], Limits::default());
    assert_eq!(first.outcome, Outcome::Completed { exit_code: 0 }, "{}", text(&first.stderr));
    assert_eq!(text(&first.stdout), text(&second.stdout));
    assert_eq!(text(&first.stderr), text(&second.stderr));
    assert_eq!((first.gas, first.gpu_gas), (second.gas, second.gpu_gas));
    assert!(first.gpu_gas > 0);
}

/// Limits whose command streams are short.
fn short_streams(bytes: u32) -> Limits {
    let mut limits = Limits::default();
    limits.gpu.stream_bytes = bytes;
    limits
}

#[test]
fn short_streams_carry_the_same_programs() {
    let Some(gpu) = gpu() else { return };
    let long = run_guest(Some(&gpu), &[], Limits::default());
    let short = run_guest(Some(&gpu), &[], short_streams(64 << 10));
    assert_eq!(short.outcome, Outcome::Completed { exit_code: 0 }, "{}", text(&short.stderr));
    assert_eq!(text(&short.stdout), text(&long.stdout));
}

#[test]
fn a_command_buffer_longer_than_a_stream_is_refused() {
    let Some(gpu) = gpu() else { return };
    let report = run_guest(Some(&gpu), &["large"], short_streams(32 << 10));
    assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::Unreachable });
    assert!(text(&report.stderr).contains("use several"), "{}", text(&report.stderr));
}

#[test]
fn an_error_that_nobody_handles_ends_the_job_and_says_why() {
    let Some(gpu) = gpu() else { return };
    let report = run_guest(Some(&gpu), &[programs::UNCAUGHT], Limits::default());
    assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::Unreachable });
    let stderr = text(&report.stderr);
    assert!(stderr.contains("wgpu error") && stderr.contains("refused"), "{stderr}");
}

#[test]
fn without_a_gpu_the_guest_is_told_there_is_no_adapter() {
    let report = run_guest(None, &[], Limits::default());
    assert_eq!(report.outcome, Outcome::Completed { exit_code: 3 });
    let stderr = text(&report.stderr);
    assert!(stderr.starts_with("error: No suitable graphics adapter found"), "{stderr}");
    assert_eq!((text(&report.stdout), report.gpu_gas), ("", 0));
}
