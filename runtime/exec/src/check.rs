//! Runs one task in several ways that must not change a bit, and compares.

use std::sync::Arc;

use fizz_attest::{Blob, GpuUse, Job, Outcome};
use fizz_gpu_abi::host::Sessions;
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
    pub name: String,
    /// How the task ended.
    pub outcome: Outcome,
    /// CPU gas; `None` where this way does not know it exactly after a trap.
    pub gas: Option<u64>,
    /// GPU gas.
    pub gpu_gas: u64,
    /// Whether it must give what the first way gives.
    pub compared: bool,
}

/// A GPU on which a task is run, and its name in words.
#[derive(Clone)]
pub struct CheckGpu {
    /// What is special about it.
    pub name: String,
    /// The device.
    pub sessions: Arc<dyn Sessions>,
    /// Whether it must give what the first gives; if not, it need not even be able to run the task.
    pub compared: bool,
}

impl std::fmt::Debug for CheckGpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckGpu({})", self.name)
    }
}

/// What several runs of a task say about each other.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The runs, the first of which is the one that the others are compared with.
    pub ways: Vec<Way>,
    /// What differs between the first way and another, in words.
    pub differences: Vec<String>,
    /// With `trace`: the first gas at which two ways differ, and the name of the second.
    pub divergence: Option<(String, Divergence)>,
    /// Whether the task was run with GPUs.
    pub with_gpu: bool,
    /// Ways that need not be possible, and were not, with the reasons.
    pub impossible: Vec<String>,
}

/// A way before it is run.
struct Plan {
    name: String,
    subject: Subject,
    compared: bool,
}

impl Executor {
    /// Runs a task in every way that there is here: twice in the form that tasks run in, the second time in a module
    /// and an engine made anew, which optimises nothing; in the form that keeps the gas exact; and, with `interpreter`,
    /// in the engine's interpreter, many times slower. A module with steps is also stopped in the middle and taken up
    /// again from bytes, and its chunks but the first, sixteen or so of many, are run alone, from no more of memory than
    /// they touch. One with fewer chunks than four is cut into shorter ones for that, whose ends cost gas: these ways
    /// are compared with one uninterrupted run in the same chunks. With `trace`, states are
    /// compared too, and where they differ the first gas at which they do is looked for.
    ///
    /// Where the module looks for a GPU and the job has one, the guest finds one of `gpus`: the first in the first run, the
    /// second that is compared in the other forms. Then it is run on each but the first as well. What lies in a GPU's memory is not
    /// part of the states.
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
        gpus: impl FnOnce() -> Result<Vec<CheckGpu>, ExecuteError>,
    ) -> Result<Checked, ExecuteError> {
        if task as usize >= job.tasks.len() {
            return Err(ExecuteError::NoSuchTask { task, tasks: job.tasks.len() });
        }
        let (program, _) = self.program(&job.module.blob, blobs)?;
        let plain = EngineSettings { optimization: Optimization::None, ..EngineSettings::default() };
        let anew = self.program_of(plain, &job.module.blob, blobs)?;
        let task = specify(job, task, blobs)?;
        // A module with steps has none.
        let wants_gpu = program.imports_gpu() && job.gpu != GpuUse::Off;
        let gpus = if wants_gpu { gpus()? } else { Vec::new() };
        let second = gpus.iter().skip(1).find(|gpu| gpu.compared);
        let any = second.or(gpus.first()).map(|gpu| gpu.sessions.clone());
        let plan = |name: &str, program: &Program, form| {
            let subject = Subject { program: program.clone(), task: task.clone(), form, gpu: any.clone() };
            Plan { name: name.to_owned(), subject, compared: true }
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
        let mut gpus = gpus.into_iter();
        if let Some(CheckGpu { name, sessions, .. }) = gpus.next() {
            plans[0].name = format!("first run, {name}");
            plans[0].subject.gpu = Some(sessions);
        }
        for CheckGpu { name, sessions, compared } in gpus {
            let mut plan = plan(&name, &program, Form::Fast);
            (plan.subject.gpu, plan.compared) = (Some(sessions), compared);
            plans.push(plan);
        }
        let mut checked = Checked { with_gpu: any.is_some(), ..Checked::default() };
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
        self.add(&base.name, &first, base.subject.form == Form::WriteThrough);
        for plan in others {
            if !plan.compared {
                self.run_apart(plan);
                continue;
            }
            let report = plan.subject.run()?;
            let gas = self.add(&plan.name, &report, plan.subject.form == Form::WriteThrough);
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
                self.divergence = Some((plan.name.clone(), divergence));
            }
            self.differ(&plan.name, found);
        }
        Ok(first)
    }

    /// Runs a plan that says nothing of the others.
    fn run_apart(&mut self, plan: &Plan) {
        match plan.subject.run() {
            Ok(report) => {
                self.add(&plan.name, &report, plan.subject.form == Form::WriteThrough);
                self.ways.iter_mut().next_back().expect("it was added").compared = false;
            }
            Err(fault) => self.impossible.push(format!("{}: {fault}", plan.name)),
        }
    }

    /// Adds a way, and returns its gas where it is exact: in the fast form alone, that of a trap in the middle of a
    /// function would be found by a second run.
    fn add(&mut self, name: &str, report: &TaskReport, exact: bool) -> Option<u64> {
        let exact = exact || !matches!(report.outcome, Outcome::Trapped { .. });
        let gas = exact.then_some(report.gas);
        let name = name.to_owned();
        let outcome = report.outcome.clone();
        self.ways.push(Way { name, outcome, gas, gpu_gas: report.gpu_gas, compared: true });
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
    if a.gpu_gas != b.gpu_gas {
        found.push(format!("GPU gas: {} and {}", a.gpu_gas, b.gpu_gas));
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
