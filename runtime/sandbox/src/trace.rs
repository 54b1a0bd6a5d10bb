//! Finds where two runs part that should be the same.
//!
//! The state of any task at any gas is had by running it with that much gas as its limit: it stops at the next check,
//! which is the same place on every machine, with memory and globals to be read. So the first gas at which two runs
//! differ is found by halving, whatever the guest is and wherever it was in its calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use fizz_attest::{Digest, Outcome};
use fizz_gpu_abi::host::Sessions;

use crate::files::{Inode, KindState, ROOT};
use crate::instance::{Begun, begin, explain, internal};
use crate::instrument::Variant;
use crate::program::Program;
use crate::run::run_once;
use crate::state::{Core, PageTree, split_globals};
use crate::steps::Stepper;
use crate::task::{Fault, TaskReport, TaskSpec};
use crate::wasi::StreamHashes;

/// Which form of the instrumentation. Both must do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The one that tasks run in.
    Fast,
    /// The one that keeps the gas exact at every operator, in which traps are found again.
    WriteThrough,
}

impl Form {
    fn variant(self) -> Variant {
        match self {
            Form::Fast => Variant::Fast,
            Form::WriteThrough => Variant::WriteThrough,
        }
    }
}

/// One of two runs to be compared.
#[derive(Clone)]
pub struct Subject {
    /// The program; two subjects may have programs of two engines.
    pub program: Program,
    /// The task.
    pub task: TaskSpec,
    /// The form.
    pub form: Form,
    /// What a guest finds that looks for a GPU.
    pub gpu: Option<Arc<dyn Sessions>>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Subject { program, task, form, gpu } = self;
        let gpu = gpu.as_ref().map(|gpu| gpu.identity());
        let mut shown = f.debug_struct("Subject");
        shown.field("program", program).field("task", task).field("form", form).field("gpu", &gpu).finish()
    }
}

/// The first difference of two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Up to one gas less than this the runs are the same, as far as halving has looked.
    pub gas: u64,
    /// What differs there.
    pub parts: Vec<Part>,
    /// Where the first run is at that gas, for people.
    pub place: String,
}

/// Something in which two states differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// How the run ended.
    Outcome(Box<(Outcome, Outcome)>),
    /// The gas at the end.
    Gas(u64, u64),
    /// The GPU gas.
    GpuGas(u64, u64),
    /// The size of linear memory in pages.
    Pages(u32, u32),
    /// A page of linear memory, by its number.
    Page(u32),
    /// A global, by its index.
    Global(u32),
    /// A file, folder or link; by its path, or its number where it has no name.
    File(String),
    /// Something else of the host's: what a guest has read, written, opened or slept.
    Host(&'static str),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Outcome(both) => write!(f, "outcome: {} and {}", both.0, both.1),
            Part::Gas(a, b) => write!(f, "gas: {a} and {b}"),
            Part::GpuGas(a, b) => write!(f, "GPU gas: {a} and {b}"),
            Part::Pages(a, b) => write!(f, "linear memory: {a} and {b} pages"),
            Part::Page(page) => {
                write!(f, "linear memory: page {page} (from {:#x} on)", u64::from(*page) << 16)
            }
            Part::Global(index) => write!(f, "global {index}"),
            Part::File(path) => write!(f, "file {path}"),
            Part::Host(what) => f.write_str(what),
        }
    }
}

impl Subject {
    /// Runs the subject to its end, in its form alone: without the second run by which a trap's gas becomes exact.
    ///
    /// # Errors
    /// [`Fault`] when the node could not run it.
    pub fn run(&self) -> Result<TaskReport, Fault> {
        let Subject { program, task, form, gpu } = self.clone();
        let stacks = program.engine().stacks().clone();
        let run = || run_once(&program, &task, gpu.as_ref(), None, form.variant());
        stacks.run(|| run().map(|finished| finished.report)).map_err(|error| internal(error.to_string()))?
    }

    /// The state when the gas is used up, or at the end if that comes first.
    fn at(&self, gas: u64) -> Result<State, Fault> {
        let Subject { program, mut task, form, gpu } = self.clone();
        let stacks = program.engine().stacks().clone();
        task.limits.gas = gas;
        stacks
            .run(move || State::after(&program, &task, gpu.as_ref(), form.variant()))
            .map_err(|error| internal(error.to_string()))?
    }
}

/// The machine as a run left it: all but memory, the tree over memory, and the globals by index.
type Left = (Core, PageTree, Vec<(u32, Vec<u8>)>);

/// What a run left. Of a GPU's memory it has what the guest has read, and no more.
struct State {
    /// `None` where the form cannot know whether the gas was used up before a trap.
    outcome: Option<Outcome>,
    gas: Option<u64>,
    gpu_gas: u64,
    /// `None` for a run that ended before its first instruction.
    left: Option<Left>,
    place: String,
}

impl State {
    fn after(
        program: &Program,
        task: &TaskSpec,
        gpu: Option<&Arc<dyn Sessions>>,
        variant: Variant,
    ) -> Result<State, Fault> {
        let live = match begin(program, task, gpu, None, variant)? {
            Begun::Over(report) => {
                let (outcome, gas, gpu_gas) = (Some(report.outcome), Some(report.gas), report.gpu_gas);
                let place = "before the first instruction".into();
                return Ok(State { outcome, gas, gpu_gas, left: None, place });
            }
            Begun::Live(live) => live,
        };
        let (mut live, result) = Stepper::run_through(live, program, task.chunk_gas);
        let place = result.as_ref().err().map(explain).unwrap_or_default();
        let mut tree = PageTree::default();
        tree.hash(live.guest.handles.memory.data(&live.store));
        let (facts, at) = (program.facts(), (Digest::default(), 0));
        let pages = live.guest.handles.memory.size(&live.store) as u32;
        let core = Core::collect(&mut live, facts, at, (pages, tree.root()), &mut StreamHashes::default())?;
        let globals = split_globals(facts, &core.globals).unwrap_or_default();
        let globals = globals.into_iter().map(|(index, bytes)| (index, bytes.to_vec())).collect();
        let finished = live.finish(result)?;
        let exact = finished.gas_is_exact;
        Ok(State {
            outcome: Some(finished.report.outcome).filter(|_| exact),
            gas: Some(finished.report.gas).filter(|_| exact),
            gpu_gas: finished.report.gpu_gas,
            left: Some((core, tree, globals)),
            place,
        })
    }

    /// What differs between two states.
    fn differences(&self, other: &State) -> Vec<Part> {
        let mut parts = Vec::new();
        if let (Some(a), Some(b)) = (&self.outcome, &other.outcome)
            && a != b
        {
            parts.push(Part::Outcome(Box::new((a.clone(), b.clone()))));
        }
        if let (Some(a), Some(b)) = (self.gas, other.gas)
            && a != b
        {
            parts.push(Part::Gas(a, b));
        }
        if self.gpu_gas != other.gpu_gas {
            parts.push(Part::GpuGas(self.gpu_gas, other.gpu_gas));
        }
        let (Some((a, a_tree, a_globals)), Some((b, b_tree, b_globals))) = (&self.left, &other.left) else {
            if self.left.is_some() != other.left.is_some() {
                parts.push(Part::Host("only one of the runs began"));
            }
            return parts;
        };
        if a.pages != b.pages {
            parts.push(Part::Pages(a.pages, b.pages));
        }
        parts.extend(a_tree.first_difference(b_tree).map(Part::Page));
        let global = a_globals.iter().zip(b_globals).find(|(a, b)| a != b);
        parts.extend(global.map(|(a, _)| Part::Global(a.0)));
        parts.extend(first_file(a, b).map(Part::File));
        let (v, w) = (&a.wasi, &b.wasi);
        for (what, same) in [
            ("time slept", a.slept == b.slept),
            ("random bytes given out", v.random == w.random),
            ("standard input read", v.stdin == w.stdin),
            ("standard output", v.stdout == w.stdout),
            ("standard error", v.stderr == w.stderr),
            ("open descriptors", v.descriptors == w.descriptors),
            (
                "counts of files and their bytes",
                (v.files.next, v.files.used_bytes) == (w.files.next, w.files.used_bytes),
            ),
        ] {
            if !same {
                parts.push(Part::Host(what));
            }
        }
        parts
    }
}

/// The path of the first file that differs, by number.
fn first_file(a: &Core, b: &Core) -> Option<String> {
    let nodes = |core: &Core| -> BTreeMap<Inode, _> {
        core.wasi.files.nodes.iter().map(|node| (node.inode, node.clone())).collect()
    };
    let (one, other) = (nodes(a), nodes(b));
    let differs = |inode: &&Inode| one.get(inode) != other.get(inode);
    let inode = *one.keys().chain(other.keys()).filter(differs).min()?;
    let names = if one.contains_key(&inode) { &one } else { &other };
    let mut parts = Vec::new();
    let mut at = inode;
    // No path is longer than there are folders.
    for _ in 0..names.len() {
        let parent = names.iter().find_map(|(&parent, node)| match &node.kind {
            KindState::Dir { entries, .. } => {
                entries.iter().find(|(_, child)| *child == at).map(|(name, _)| (parent, name))
            }
            _ => None,
        });
        let Some((parent, name)) = parent else { break };
        parts.push(format!("/{name}"));
        at = parent;
    }
    parts.reverse();
    Some(if at == ROOT && inode != ROOT { parts.concat() } else { format!("number {inode}") })
}

/// What differs between two runs when each has used up `gas`, or has ended before.
///
/// # Errors
/// [`Fault`] when the node could not run one of them.
pub fn differences(a: &Subject, b: &Subject, gas: u64) -> Result<Vec<Part>, Fault> {
    Ok(a.at(gas)?.differences(&b.at(gas)?))
}

/// Runs both to their ends, and if they differ there, finds by halving the least gas at which they do. `None` when they
/// end in the same state.
///
/// It takes about as many runs as the gas has binary digits, each as long as the gas it looks at. Two runs that differ
/// and become the same again are not told from others.
///
/// # Errors
/// [`Fault`] when the node could not run one of them.
pub fn first_difference(a: &Subject, b: &Subject) -> Result<Option<Divergence>, Fault> {
    let limit = a.task.limits.gas.max(b.task.limits.gas);
    let (x, y) = (a.at(a.task.limits.gas)?, b.at(b.task.limits.gas)?);
    if x.differences(&y).is_empty() {
        return Ok(None);
    }
    // Where both have ended, more gas changes nothing. A trap whose gas is not known may lie anywhere below the limit.
    let mut different = x.gas.zip(y.gas).map_or(limit, |(x, y)| x.max(y).saturating_add(1).min(limit));
    let mut found = (x, y);
    let mut same = 0;
    while different - same > 1 {
        let middle = same + (different - same) / 2;
        let (x, y) = (a.at(middle)?, b.at(middle)?);
        if x.differences(&y).is_empty() {
            same = middle;
        } else {
            different = middle;
            found = (x, y);
        }
    }
    let (x, y) = found;
    Ok(Some(Divergence { gas: different, parts: x.differences(&y), place: x.place }))
}
