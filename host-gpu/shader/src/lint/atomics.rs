//! Whether what atomics leave and give depends on the order of invocations.
//!
//! Atomic operations of one kind commute, so any order leaves the same, which nobody may look at before it is complete. What is in storage is complete when the dispatch is. What is in
//! workgroup memory is complete behind a barrier: the walk numbers the phases between barriers, and takes two for one where control flow leads from one into the
//! other without a barrier. Calls are walked where they stand.

use super::{COMPARE, EXCHANGE, name};
use naga::front::Typifier;
use naga::proc::ResolveContext;
use naga::{
    AddressSpace, Barrier, Block, EntryPoint, Expression, Function, GlobalVariable, Handle, Module, Span,
    Statement, TypeInner,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where an atomic stands: a variable, and which members of structs lead there. Elements of an array are one.
type Place = (Handle<GlobalVariable>, Vec<u32>);

/// Any element of an array, where a member of a struct would stand.
const ELEMENT: u32 = u32::MAX;

/// What lies between barriers; 0 is all of a dispatch.
type Phase = usize;

/// What is done with an atomic in a phase.
#[derive(Default)]
struct Uses {
    loads: Vec<Span>,
    writes: bool,
    /// Operations that do not commute with each other, and where the first of each stands.
    kinds: BTreeMap<String, Span>,
}

/// Where the order of invocations shows, and how.
pub(super) fn orders(module: &Module, entry: &EntryPoint) -> Vec<(Span, String)> {
    let alone = entry.workgroup_size == [1; 3];
    let mut walk = Walk {
        module,
        alone,
        types: vec![None; module.functions.len()],
        parents: vec![0, 1],
        phase: 1,
        uses: BTreeMap::new(),
        found: Vec::new(),
    };
    if let Some(types) = walk.types_of(&entry.function) {
        walk.function(&entry.function, &types);
    }
    walk.judge()
}

struct Walk<'m> {
    module: &'m Module,
    /// Whether a workgroup is one invocation, which has an order of its own.
    alone: bool,
    /// Of the functions that have been called: one may be called very often.
    types: Vec<Option<Rc<Typifier>>>,
    /// Which phase each is the same as.
    parents: Vec<Phase>,
    phase: Phase,
    uses: BTreeMap<(Place, Phase), Uses>,
    found: Vec<(Span, String)>,
}

/// Phases in which control leaves a loop or switch, a turn, a function.
#[derive(Default)]
struct Ways {
    breaks: Vec<Phase>,
    continues: Vec<Phase>,
    returns: Vec<Phase>,
}

impl Walk<'_> {
    fn find(&mut self, mut phase: Phase) -> Phase {
        while self.parents[phase] != phase {
            self.parents[phase] = self.parents[self.parents[phase]];
            phase = self.parents[phase];
        }
        phase
    }

    /// One phase of several; a new one of none.
    fn join(&mut self, phases: impl IntoIterator<Item = Phase>) -> Phase {
        let mut joined = None;
        for phase in phases {
            let phase = self.find(phase);
            match joined {
                None => joined = Some(phase),
                Some(first) => self.parents[phase] = first,
            }
        }
        joined.unwrap_or_else(|| self.fresh())
    }

    fn fresh(&mut self) -> Phase {
        self.parents.push(self.parents.len());
        self.parents.len() - 1
    }

    fn types_of(&self, function: &Function) -> Option<Typifier> {
        let context =
            ResolveContext::with_locals(self.module, &function.local_variables, &function.arguments);
        let mut types = Typifier::new();
        for (handle, _) in function.expressions.iter() {
            types.grow(handle, &function.expressions, &context).ok()?;
        }
        Some(types)
    }

    fn call(&mut self, callee: Handle<Function>) {
        let function = &self.module.functions[callee];
        let types = match &self.types[callee.index()] {
            Some(types) => types.clone(),
            None => {
                let Some(types) = self.types_of(function) else { return };
                self.types[callee.index()].insert(Rc::new(types)).clone()
            }
        };
        self.function(function, &types);
    }

    fn function(&mut self, function: &Function, types: &Typifier) {
        let mut ways = Ways::default();
        self.block(function, types, &function.body, &mut ways);
        let end = self.phase;
        self.phase = self.join(ways.returns.into_iter().chain([end]));
    }

    fn block(&mut self, function: &Function, types: &Typifier, block: &Block, ways: &mut Ways) {
        for (statement, span) in block.span_iter() {
            match *statement {
                Statement::Emit(ref range) => {
                    for handle in range.clone() {
                        if let Expression::Load { pointer } = function.expressions[handle] {
                            let at = function.expressions.get_span(handle);
                            self.at(function, types, pointer, |uses| uses.loads.push(at));
                        }
                    }
                }
                Statement::Atomic { pointer, ref fun, .. } => {
                    let kind = match name(fun) {
                        "atomicSub" => "atomicAdd",
                        other => other,
                    };
                    self.at(function, types, pointer, |uses| {
                        uses.writes = true;
                        // These are refused wherever they stand.
                        if !matches!(kind, EXCHANGE | COMPARE) {
                            uses.kinds.entry(kind.to_owned()).or_insert(*span);
                        }
                    });
                }
                Statement::Store { pointer, value } => {
                    let stored = match function.expressions[value] {
                        Expression::Literal(literal) => Some(format!("atomicStore of {literal:?}")),
                        Expression::ZeroValue(_) => Some("atomicStore of 0".to_owned()),
                        Expression::Constant(constant) => {
                            Some(format!("atomicStore of constant {}", constant.index()))
                        }
                        _ => None,
                    };
                    let mut differs = false;
                    self.at(function, types, pointer, |uses| {
                        uses.writes = true;
                        match stored {
                            Some(kind) => drop(uses.kinds.entry(kind).or_insert(*span)),
                            None => differs = true,
                        }
                    });
                    if differs {
                        let message = "what atomicStore leaves depends on the order of invocations, unless it is a constant";
                        self.found.push((*span, message.to_owned()));
                    }
                }
                Statement::ControlBarrier(barrier) if barrier.contains(Barrier::WORK_GROUP) => {
                    self.phase = self.fresh();
                }
                Statement::WorkGroupUniformLoad { pointer, .. } => {
                    self.phase = self.fresh();
                    self.at(function, types, pointer, |uses| uses.loads.push(*span));
                    self.phase = self.fresh();
                }
                Statement::Block(ref inner) => self.block(function, types, inner, ways),
                Statement::If { ref accept, ref reject, .. } => {
                    let before = self.phase;
                    self.block(function, types, accept, ways);
                    let accepted = std::mem::replace(&mut self.phase, before);
                    self.block(function, types, reject, ways);
                    self.phase = self.join([accepted, self.phase]);
                }
                Statement::Switch { ref cases, .. } => {
                    let before = self.phase;
                    let breaks = std::mem::take(&mut ways.breaks);
                    for case in cases {
                        // The one before may fall through.
                        self.phase = self.join([before, self.phase]);
                        self.block(function, types, &case.body, ways);
                    }
                    let inner = std::mem::replace(&mut ways.breaks, breaks);
                    self.phase = self.join(inner.into_iter().chain([before, self.phase]));
                }
                Statement::Loop { ref body, ref continuing, break_if } => {
                    let before = self.phase;
                    let outer = (std::mem::take(&mut ways.breaks), std::mem::take(&mut ways.continues));
                    self.block(function, types, body, ways);
                    let continues = std::mem::take(&mut ways.continues);
                    self.phase = self.join(continues.into_iter().chain([self.phase]));
                    self.block(function, types, continuing, ways);
                    let end = self.phase;
                    self.join([before, end]);
                    let (breaks, continues) = outer;
                    let inner = std::mem::replace(&mut ways.breaks, breaks);
                    ways.continues = continues;
                    self.phase = self.join(inner.into_iter().chain(break_if.map(|_| end)));
                }
                Statement::Break => ways.breaks.push(self.phase),
                Statement::Continue => ways.continues.push(self.phase),
                Statement::Return { .. } => ways.returns.push(self.phase),
                Statement::Call { function: callee, .. } => self.call(callee),
                _ => {}
            }
        }
    }

    /// Notes what is done where a pointer points to, if that is an atomic.
    fn at(
        &mut self,
        function: &Function,
        types: &Typifier,
        pointer: Handle<Expression>,
        note: impl FnOnce(&mut Uses),
    ) {
        let is_atomic = match types[pointer].inner_with(&self.module.types) {
            TypeInner::Pointer { base, .. } => matches!(self.module.types[*base].inner, TypeInner::Atomic(_)),
            _ => false,
        };
        if !is_atomic {
            return;
        }
        let Some(place) = place(self.module, function, types, pointer) else { return };
        let own = self.module.global_variables[place.0].space == AddressSpace::WorkGroup;
        if own && self.alone {
            return;
        }
        let phase = if own { self.phase } else { 0 };
        note(self.uses.entry((place, phase)).or_default());
    }

    fn judge(mut self) -> Vec<(Span, String)> {
        let mut all: BTreeMap<(Place, Phase), Uses> = BTreeMap::new();
        for ((place, phase), uses) in std::mem::take(&mut self.uses) {
            let phase = self.find(phase);
            let joined = all.entry((place, phase)).or_default();
            joined.loads.extend(uses.loads);
            joined.writes |= uses.writes;
            for (kind, span) in uses.kinds {
                joined.kinds.entry(kind).or_insert(span);
            }
        }
        for (((variable, _), phase), uses) in all {
            let name = self.module.global_variables[variable].name.as_deref().unwrap_or("an atomic");
            let until = if phase == 0 {
                "which this entry point also writes"
            } else {
                "which is written without a workgroupBarrier between"
            };
            for span in uses.loads.into_iter().filter(|_| uses.writes) {
                self.found.push((
                    span,
                    format!("atomicLoad of '{name}', {until}, depends on the order of invocations"),
                ));
            }
            let mut kinds = uses.kinds.into_iter();
            if let Some((first, _)) = kinds.next() {
                for (kind, span) in kinds {
                    let message =
                        format!("{kind} of '{name}' beside {first}: what comes out depends on their order");
                    self.found.push((span, message));
                }
            }
        }
        self.found
    }
}

/// Where a pointer points to.
fn place(
    module: &Module,
    function: &Function,
    types: &Typifier,
    mut pointer: Handle<Expression>,
) -> Option<Place> {
    let mut members = Vec::new();
    loop {
        match function.expressions[pointer] {
            Expression::Access { base, .. } => {
                members.push(ELEMENT);
                pointer = base;
            }
            Expression::AccessIndex { base, index } => {
                let of_struct = match *types[base].inner_with(&module.types) {
                    TypeInner::Pointer { base, .. } => {
                        matches!(module.types[base].inner, TypeInner::Struct { .. })
                    }
                    _ => false,
                };
                members.push(if of_struct { index } else { ELEMENT });
                pointer = base;
            }
            Expression::GlobalVariable(variable) => {
                members.reverse();
                return Some((variable, members));
            }
            _ => return None,
        }
    }
}
