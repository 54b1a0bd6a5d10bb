//! Runs one task in several ways that must not change a bit, and compares.

use fizz_attest::{Blob, Job, Outcome};
use fizz_sandbox::trace::{Divergence, Form, Subject, first_difference};
use fizz_sandbox::{
    Backend, Engine, EngineSettings, ModuleLimits, Optimization, Program, ProgramError, TaskReport,
};

use crate::blobs::{self, Blobs};
use crate::executor::{ExecuteError, Executor, outputs, specify};

/// One way to run a task, and what came of it.
#[derive(Clone, Debug)]
pub struct Way {
    /// What is special about it, in words.
    pub name: &'static str,
    /// How the task ended.
    pub outcome: Outcome,
    /// CPU gas; `None` where this way does not know it exactly after a trap.
    pub gas: Option<u64>,
}

/// What several runs of a task say about each other.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The runs, the first of which is the one that the others are compared with.
    pub ways: Vec<Way>,
    /// What differs between the first way and another, in words.
    pub differences: Vec<String>,
    /// With `trace`: the first gas at which two ways differ, and the name of the second.
    pub divergence: Option<(&'static str, Divergence)>,
}

/// A way before it is run.
struct Plan {
    name: &'static str,
    subject: Subject,
}

impl Executor {
    /// Runs a task in every way that there is here: twice in the form that tasks run in, the second time in a module
    /// and an engine made anew, which optimises nothing; in the form that keeps the gas exact; and, with `interpreter`,
    /// in the engine's interpreter, many times slower. The guest finds no GPU. With `trace`, states are compared too,
    /// and where they differ the first gas at which they do is looked for.
    ///
    /// # Errors
    /// [`ExecuteError`] when the task cannot be run. A difference is no error.
    pub fn check(
        &self,
        job: &Job,
        task: u32,
        blobs: &dyn Blobs,
        trace: bool,
        interpreter: bool,
    ) -> Result<Checked, ExecuteError> {
        if task as usize >= job.tasks.len() {
            return Err(ExecuteError::NoSuchTask { task, tasks: job.tasks.len() });
        }
        let (program, _) = self.program(&job.module.blob, blobs)?;
        let plain = EngineSettings { optimization: Optimization::None, ..EngineSettings::default() };
        let anew = compile_with(plain, &job.module.blob, blobs)?;
        let task = specify(job, task, blobs)?;
        let plan = |name, program: &Program, form| {
            let subject = Subject { program: program.clone(), task: task.clone(), form };
            Plan { name, subject }
        };
        let mut plans = vec![
            plan("first run", &program, Form::Fast),
            plan("second run, compiled anew without optimisation", &anew, Form::Fast),
            plan("gas exact at every operator", &program, Form::WriteThrough),
        ];
        if interpreter {
            let settings = EngineSettings { backend: Backend::Interpreter, ..EngineSettings::default() };
            let interpreted = compile_with(settings, &job.module.blob, blobs)?;
            plans.push(plan("interpreter", &interpreted, Form::Fast));
        }
        compare(&plans, job, trace)
    }
}

fn compile_with(settings: EngineSettings, module: &Blob, blobs: &dyn Blobs) -> Result<Program, ExecuteError> {
    let engine = Engine::with_settings(settings).map_err(|error| ExecuteError::Fault {
        kind: fizz_attest::HostFault::Internal,
        detail: error.to_string(),
    })?;
    let bytes = blobs::read(blobs, module)?;
    Program::compile(&engine, &bytes, &ModuleLimits::default()).map_err(|error| match error {
        ProgramError::Fault(fault) => fault.into(),
        module => ExecuteError::Module(module),
    })
}

fn compare(plans: &[Plan], job: &Job, trace: bool) -> Result<Checked, ExecuteError> {
    let mut checked = Checked { ways: Vec::new(), differences: Vec::new(), divergence: None };
    let mut first: Option<(&Plan, TaskReport)> = None;
    for plan in plans {
        let report = plan.subject.run()?;
        // In the fast form the gas of a trap in the middle of a function is found by a second run.
        let exact =
            plan.subject.form == Form::WriteThrough || !matches!(report.outcome, Outcome::Trapped { .. });
        checked.ways.push(Way {
            name: plan.name,
            outcome: report.outcome.clone(),
            gas: exact.then_some(report.gas),
        });
        let Some((base, expected)) = &first else {
            first = Some((plan, report));
            continue;
        };
        let mut found = differences(expected, &report, &checked.ways, job);
        if trace
            && checked.divergence.is_none()
            && let Some(divergence) = first_difference(&base.subject, &plan.subject)?
        {
            if found.is_empty() {
                found.push("the state that is left".to_owned());
            }
            checked.divergence = Some((plan.name, divergence));
        }
        checked.differences.extend(found.into_iter().map(|what| format!("{}: {what}", plan.name)));
    }
    Ok(checked)
}

/// What differs between the first way's report and the last way's.
fn differences(a: &TaskReport, b: &TaskReport, ways: &[Way], job: &Job) -> Vec<String> {
    let mut found = Vec::new();
    if a.outcome != b.outcome {
        found.push(format!("outcome: {} and {}", a.outcome, b.outcome));
    }
    if let (Some(Way { gas: Some(a), .. }), Some(Way { gas: Some(b), .. })) = (ways.first(), ways.last())
        && a != b
    {
        found.push(format!("gas: {a} and {b}"));
    }
    if a.stdout != b.stdout {
        found.push("standard output".to_owned());
    }
    if a.stderr != b.stderr {
        found.push("standard error".to_owned());
    }
    let (files, others) = (outputs(&a.files, &job.out), outputs(&b.files, &job.out));
    if let Some((path, _)) = files.iter().find(|file| !others.contains(file)) {
        found.push(format!("output file `{path}`"));
    } else if let Some((path, _)) = others.iter().find(|file| !files.contains(file)) {
        found.push(format!("output file `{path}`"));
    }
    if a.boundaries != b.boundaries {
        found.push("the states between chunks".to_owned());
    }
    found
}
