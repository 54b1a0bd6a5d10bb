//! WGSL's uniformity analysis: which control flow do all invocations of a workgroup share?
//!
//! A barrier that only some invocations reach hangs a device or tears its memory. WGSL therefore refuses any barrier that is not
//! *proven* to stand in uniform control flow; naga does not. This is that proof, after the section "Uniformity" of the WGSL
//! specification, as a forward walk over naga's IR instead of the specification's graph:
//!
//! - A value is uniform, or has a reason why it may differ between invocations. Constants, overrides, `workgroup_id`, `num_workgroups`, loads from
//!   uniform and read-only storage buffers, read-only storage textures and `workgroupUniformLoad` are uniform; other built-in values, loads of writable module
//!   variables and results of atomics are not; everything else is as its operands are.
//! - A variable of a function takes the reasons of what is stored to it, of the place in it, and of the control flow at the store.
//! - Control flow that branches on a value that may differ is not uniform in the branches; after them it is again, unless a
//!   branch left by `break`, `continue` or `return`. A function call ends what its `return`s did.
//! - A loop's start joins all ways back to it, until nothing changes. What stands behind a loop may also follow from the start of any turn,
//!   where the meter may end it; so some shaders that WGSL allows are refused.
//! - Two pointers to one variable are refused where one of them is stored through, as in WGSL.
//! - A function is walked once for each combination of its arguments' and its call's uniformity.
//!
//! The walk also finds which loops all invocations run equally often; the meter counts those once for a workgroup.

mod place;
mod value;
mod walk;

use crate::error::{Reason, ShaderError};
use naga::{Function, Handle, Module, ShaderStage, Span};
use place::Writes;
use std::collections::{BTreeMap, BTreeSet};
use value::What;

pub(crate) use place::LoopIndex;

/// Why something may differ between invocations: an index into [`Reasons`], or 0 for "it does not".
pub(crate) type Why = u32;

/// "The same in all invocations".
pub(crate) const UNIFORM: Why = 0;

/// The first of two reasons.
pub(crate) fn join(a: Why, b: Why) -> Why {
    if a == UNIFORM { b } else { a }
}

/// Where invocations part, and on what.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// The condition on which control flow branches, for control flow.
    branch: Option<Span>,
    /// What differs, and where it comes from.
    what: What,
    origin: Span,
}

/// A reason in words.
#[derive(Clone, Debug)]
struct Cause {
    branch: Option<Span>,
    what: String,
    origin: Span,
}

/// All reasons found, from 1.
#[derive(Default)]
struct Reasons {
    all: Vec<Found>,
    /// Made already: by walk, expression, and whether it is of a branch.
    known: BTreeMap<(usize, usize, bool), Why>,
}

impl Reasons {
    fn get(&self, why: Why) -> Option<&Found> {
        self.all.get((why as usize).checked_sub(1)?)
    }

    fn make(&mut self, key: (usize, usize, bool), cause: impl FnOnce(&Self) -> Found) -> Why {
        if let Some(why) = self.known.get(&key) {
            return *why;
        }
        let cause = cause(self);
        self.all.push(cause);
        let why = Why::try_from(self.all.len()).unwrap_or(Why::MAX);
        self.known.insert(key, why);
        why
    }
}

/// A function as the walk names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Body {
    Function(usize),
    Entry(usize),
}

/// Which of a walk's inputs may differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Context {
    body: Body,
    flow: bool,
    /// Value of each argument; for a pointer, the place it points to.
    values: Vec<bool>,
    /// What each pointer points at.
    contents: Vec<bool>,
}

/// What a call does in one context.
#[derive(Clone, Debug)]
struct Summary {
    result: bool,
    /// What each pointer argument points at afterwards.
    contents: Vec<bool>,
}

/// What is known of a module.
#[derive(Debug, Default)]
pub(crate) struct Uniformity {
    /// Of each loop, numbered as in [`LoopIndex`], whether all invocations of a workgroup run it equally often in every
    /// context. Loops that no entry point reaches are not in it.
    loops: BTreeMap<(Body, usize), Runs>,
    /// What the walk visited: statements, expressions, copied variables.
    pub(crate) work: u64,
}

/// How the calls of a function run one of its loops.
#[derive(Clone, Copy, Debug, Default)]
struct Runs {
    /// In some calls all invocations of a workgroup run it equally often.
    together: bool,
    /// In some calls they may not.
    apart: bool,
}

impl Uniformity {
    /// Whether all invocations of a workgroup run this loop equally often.
    pub(crate) fn is_uniform(&self, body: Body, index: usize) -> bool {
        self.loops.get(&(body, index)).is_some_and(|runs| runs.together && !runs.apart)
    }
}

/// A barrier that cannot be allowed, or too much work to know.
#[derive(Debug)]
pub(crate) struct Refused {
    span: Span,
    message: String,
    cause: Option<Cause>,
    reason: Reason,
}

impl Refused {
    pub(crate) fn into_error(self, label: &str, source: &str) -> ShaderError {
        let mut message = self.message;
        if let Some(cause) = self.cause {
            if let Some(branch) = cause.branch {
                message.push_str(&format!(": invocations part{}, on ", at(branch, source, " at ")));
            } else {
                message.push_str(": it depends on ");
            }
            message.push_str(&cause.what);
            message.push_str(&at(cause.origin, source, " at "));
        }
        match self.span.to_range() {
            Some(range) => ShaderError::at(self.reason, label, message, source, range.start, range.len()),
            None => ShaderError::new(self.reason, label, message),
        }
    }
}

fn at(span: Span, source: &str, before: &str) -> String {
    let Some(range) = span.to_range().filter(|range| source.is_char_boundary(range.start)) else {
        return String::new();
    };
    let text = &source[..range.start];
    let line = text.matches('\n').count() + 1;
    let column = text.len() - text.rfind('\n').map_or(0, |at| at + 1) + 1;
    format!("{before}line {line}, column {column}")
}

/// Statements, expressions and copied variables that the walk may visit. Real shaders need thousands; only
/// loops nested around many variables that change one after the other need more.
const WORK: u64 = 1 << 24;
/// The same for a new reason, which takes memory.
const REASON: u64 = 256;

/// The walk over one module.
struct Analysis<'m> {
    module: &'m Module,
    reasons: Reasons,
    known: BTreeMap<Context, Summary>,
    found: Uniformity,
    /// Loops that all invocations share in one call and not in another. The meter counts them for each invocation, so that it may end
    /// them for each in another turn, whatever the call.
    apart: BTreeSet<(Body, usize)>,
    writes: Writes,
    /// Numbers of the loops of each body walked so far.
    indices: BTreeMap<Body, LoopIndex>,
    /// The walk under way, and how many there were.
    context: usize,
    contexts: usize,
    work: u64,
}

impl<'m> Analysis<'m> {
    fn function(&self, body: Body) -> &'m Function {
        match body {
            Body::Function(index) => self.module.functions.iter().nth(index).map(|(_, f)| f),
            Body::Entry(index) => self.module.entry_points.get(index).map(|entry| &entry.function),
        }
        .expect("bodies are made from the module's own")
    }

    fn next_context(&mut self) {
        self.contexts += 1;
        self.context = self.contexts;
    }

    /// The reason that an expression of this walk differs by itself.
    fn origin(&mut self, expression: usize, span: Span, what: What) -> Why {
        self.work = self.work.saturating_add(REASON);
        let key = (self.context, expression, false);
        self.reasons.make(key, |_| Found { branch: None, what, origin: span })
    }

    /// The reason of flow behind a condition with the reason `why`: its first one in this walk.
    fn parted(&mut self, condition: usize, why: Why, span: Span) -> Why {
        if why == UNIFORM {
            return UNIFORM;
        }
        self.work = self.work.saturating_add(REASON);
        self.reasons.make((self.context, condition, true), |reasons| {
            let of = reasons.get(why).copied();
            let of = of.unwrap_or(Found { branch: None, what: What::Unknown, origin: span });
            Found { branch: Some(span), ..of }
        })
    }

    /// A reason in words; none if there is no reason.
    fn cause(&self, why: Why) -> Option<Cause> {
        let Found { branch, what, origin } = *self.reasons.get(why)?;
        Some(Cause { branch, what: what.words(self.module), origin })
    }

    /// Walks the entry points, until no loop is shared in one call and not in another without being known for it.
    fn entries(&mut self) -> Result<(), Refused> {
        loop {
            for (index, entry) in self.module.entry_points.iter().enumerate() {
                if entry.stage == ShaderStage::Compute {
                    self.entry(index)?;
                }
            }
            let mixed = self.found.loops.iter().filter(|(_, runs)| runs.together && runs.apart);
            let before = self.apart.len();
            self.apart.extend(mixed.map(|(index, _)| *index));
            if self.apart.len() == before {
                return Ok(());
            }
            self.known.clear();
            self.found = Uniformity::default();
        }
    }

    fn spend(&mut self, work: usize, span: Span) -> Result<(), Refused> {
        self.work = self.work.saturating_add(work as u64);
        if self.work > WORK {
            let message = "control flow is too tangled to check its uniformity".to_owned();
            return Err(Refused { span, message, cause: None, reason: Reason::Limit });
        }
        Ok(())
    }
}

/// Walks the compute entry points, and then what they do not reach.
///
/// # Errors
/// The first barrier that is not in uniform control flow, in the order of the walk.
pub(crate) fn analyse(module: &Module) -> Result<Uniformity, Refused> {
    let mut analysis = Analysis {
        module,
        reasons: Reasons::default(),
        known: BTreeMap::new(),
        found: Uniformity::default(),
        apart: BTreeSet::new(),
        writes: Writes::of(module),
        indices: BTreeMap::new(),
        context: 0,
        contexts: 0,
        work: 0,
    };
    analysis.entries()?;
    let mut found = std::mem::take(&mut analysis.found);
    let functions: Vec<Handle<Function>> = module.functions.iter().map(|(handle, _)| handle).collect();
    for handle in functions {
        if !analysis.indices.contains_key(&Body::Function(handle.index())) {
            analysis.alone(handle)?;
        }
    }
    found.work = analysis.work;
    Ok(found)
}
