//! Machine code from elsewhere: a source that fails is asked again, and what does not load is compiled anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use std::sync::{Arc, Mutex};

use common::{engine, step_guest, step_task, task};
use fizz_attest::{HostFault, Outcome, TrapKind};
use fizz_sandbox::{
    CodeSource, Fault, Form, MachineCode, ModuleLimits, Opening, OwnCompiler, Program, ProgramError,
    Progress, Steps, Wanted, run,
};

/// Compiles here, but fails or lies as often as it is told.
#[derive(Default)]
struct Source {
    /// Forms that fail once.
    failing: Mutex<Vec<Form>>,
    /// Bytes given for machine code, once each.
    lies: Mutex<Vec<Vec<u8>>>,
    /// What was wanted.
    asked: Mutex<Vec<(Form, bool)>>,
}

impl CodeSource for Source {
    fn code(&self, wanted: &Wanted<'_>) -> Result<MachineCode, ProgramError> {
        self.asked.lock().unwrap().push((wanted.form, wanted.anew));
        let mut failing = self.failing.lock().unwrap();
        if let Some(at) = failing.iter().position(|form| *form == wanted.form) {
            failing.remove(at);
            return Err(Fault { kind: HostFault::OutOfMemory, detail: "for a moment".into() }.into());
        }
        if let Some(lie) = self.lies.lock().unwrap().pop() {
            // SAFETY: the engine refuses these bytes before it runs any of them: they do not begin as its own do.
            return Ok(MachineCode::of(lie, unsafe { OwnCompiler::promise() }));
        }
        Program::precompile(wanted.engine, wanted.wasm, &ModuleLimits::default(), wanted.form)
    }
}

fn load(wat: &str, source: &Arc<Source>) -> Result<Program, ProgramError> {
    Program::load(engine(), &wat::parse_str(wat).unwrap(), &ModuleLimits::default(), source.clone())
}

#[test]
fn a_fault_that_passes_does_not_stay() {
    let source = Arc::new(Source::default());
    let trap = r#"(module (memory (export "memory") 1)
        (func (export "_start") (drop (i32.load (i32.const -4)))))"#;
    let program = load(trap, &source).unwrap();
    source.failing.lock().unwrap().push(Form::Exact);
    let fault = run(&program, task(), None, None).unwrap_err();
    assert_eq!(fault.kind, HostFault::OutOfMemory);
    for _ in 0..2 {
        let report = run(&program, task(), None, None).unwrap();
        assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::MemoryOutOfBounds });
    }
    // Once it is made, it is kept.
    let asked = [(Form::Fast, false), (Form::Exact, false), (Form::Exact, false)];
    assert_eq!(*source.asked.lock().unwrap(), asked);

    let source = Arc::new(Source::default());
    let program = load(&step_guest("", 4), &source).unwrap();
    let mut steps = Steps::start(&program, step_task(), None).unwrap();
    assert!(matches!(steps.next_chunk().unwrap(), Progress::Chunk(_)));
    let snapshot = steps.snapshot().unwrap().unwrap();
    source.failing.lock().unwrap().push(Form::Tracked);
    assert!(Opening::of(&program, step_task(), &snapshot).is_err());
    let opening = Opening::of(&program, step_task(), &snapshot).unwrap();
    assert_eq!(opening.boundary(), snapshot.boundary());
}

#[test]
fn code_that_does_not_load_is_wanted_anew_once() {
    let wat = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    for lie in [Vec::new(), vec![7; 7], vec![0; 8], vec![7; 10_000]] {
        let source = Arc::new(Source::default());
        *source.lies.lock().unwrap() = vec![lie.clone()];
        let program = load(wat, &source).unwrap();
        assert!(run(&program, task(), None, None).unwrap().outcome.is_success());
        assert_eq!(*source.asked.lock().unwrap(), [(Form::Fast, false), (Form::Fast, true)]);
        // A source that always lies is a fault, and no loop.
        *source.lies.lock().unwrap() = vec![lie.clone(), lie];
        match load(wat, &source) {
            Err(ProgramError::Fault(fault)) => assert_eq!(fault.kind, HostFault::Compile),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_said_of_a_program_does_not_depend_on_where_its_code_came_from() {
    let here = Program::compile(engine(), fizz_examples::HELLO, &ModuleLimits::default()).unwrap();
    let source = Arc::new(Source::default());
    let loaded = Program::load(engine(), fizz_examples::HELLO, &ModuleLimits::default(), source).unwrap();
    assert_eq!(loaded.instrumented_bytes(), here.instrumented_bytes());
    assert_eq!(loaded.code_bytes(), here.code_bytes());
}
