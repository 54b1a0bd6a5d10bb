//! Runs one task in several ways that must not change a bit, and compares.

use fizz_attest::{Blob, Job, Outcome};
use fizz_sandbox::trace::{Divergence, Form, Subject, first_difference};
use fizz_sandbox::{Backend, Engine, EngineSettings, Optimization, Program, TaskReport};

use crate::blobs::{self, Blobs};
use crate::executor::{ExecuteError, Executor, outputs, specify};

mod steps;

/// What differs where a chunk ends with another state, or elsewhere.
const BETWEEN: &str = "the states between chunks";

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
#[derive(Clone, Debug, Default)]
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
    /// in the engine's interpreter, many times slower. A module with steps is also stopped in the middle and taken up
    /// again from bytes, and its chunks but the first, sixteen or so of many, are run alone, from no more of memory than
    /// they touch. One with fewer chunks than four is cut into shorter ones for that, whose ends cost gas: these ways
    /// are compared with one uninterrupted run in the same chunks. The guest finds no GPU. With `trace`, states are
    /// compared too, and where they differ the first gas at which they do is looked for.
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
        let anew = self.program_of(plain, &job.module.blob, blobs)?;
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
            let interpreted = self.program_of(settings, &job.module.blob, blobs)?;
            plans.push(plan("interpreter", &interpreted, Form::Fast));
        }
        let mut checked = Checked::default();
        let first = checked.compare(&plans, job, trace)?;
        if program.has_steps() {
            steps::compare(&mut checked, (&program, &anew), &task, &first, job)?;
        }
        Ok(checked)
    }

    fn program_of(
        &self,
        settings: EngineSettings,
        module: &Blob,
        blobs: &dyn Blobs,
    ) -> Result<Program, ExecuteError> {
        let engine = Engine::with_settings(settings).map_err(|error| ExecuteError::Fault {
            kind: fizz_attest::HostFault::Internal,
            detail: error.to_string(),
        })?;
        self.load_with(&engine, &blobs::read(blobs, module)?)
    }
}

impl Checked {
    /// Runs all plans, of which there is one at least, and returns what the first one reported.
    fn compare(&mut self, plans: &[Plan], job: &Job, trace: bool) -> Result<TaskReport, ExecuteError> {
        let (base, others) = plans.split_first().expect("there is a first run");
        let first = base.subject.run()?;
        self.add(base.name, &first, base.subject.form == Form::WriteThrough);
        for plan in others {
            let report = plan.subject.run()?;
            let gas = self.add(plan.name, &report, plan.subject.form == Form::WriteThrough);
            let mut found = differences((&first, self.gas()), (&report, gas), job);
            if first.boundaries != report.boundaries {
                found.push(BETWEEN.to_owned());
            }
            if trace
                && self.divergence.is_none()
                && let Some(divergence) = first_difference(&base.subject, &plan.subject)?
            {
                if found.is_empty() {
                    found.push("the state that is left".to_owned());
                }
                self.divergence = Some((plan.name, divergence));
            }
            self.differ(plan.name, found);
        }
        Ok(first)
    }

    /// Adds a way, and returns its gas where it is exact: in the fast form alone, that of a trap in the middle of a
    /// function would be found by a second run.
    fn add(&mut self, name: &'static str, report: &TaskReport, exact: bool) -> Option<u64> {
        let exact = exact || !matches!(report.outcome, Outcome::Trapped { .. });
        let gas = exact.then_some(report.gas);
        self.ways.push(Way { name, outcome: report.outcome.clone(), gas });
        gas
    }

    fn differ(&mut self, name: &str, found: Vec<String>) {
        self.differences.extend(found.into_iter().map(|what| format!("{name}: {what}")));
    }

    /// The first way that knows its gas exactly.
    fn gas(&self) -> Option<u64> {
        self.ways.iter().find_map(|way| way.gas)
    }
}

/// What differs between two reports, each with its gas where that is exact, states between chunks apart.
fn differences(
    (a, a_gas): (&TaskReport, Option<u64>),
    (b, b_gas): (&TaskReport, Option<u64>),
    job: &Job,
) -> Vec<String> {
    let mut found = Vec::new();
    if a.outcome != b.outcome {
        found.push(format!("outcome: {} and {}", a.outcome, b.outcome));
    }
    if let (Some(a), Some(b)) = (a_gas, b_gas)
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
    found
}
