//! What pointers point into, and the numbers of loops.

use naga::{AddressSpace, Block, Expression, Function, GlobalVariable, Handle, Module, Statement, TypeInner};
use std::collections::{BTreeMap, BTreeSet};

/// The variable that a pointer expression points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// Not a pointer.
    None,
    Local(usize),
    Argument(usize),
    Global(Handle<GlobalVariable>),
}

/// The roots of a function's expressions.
pub(crate) struct Places(Vec<Root>);

impl Places {
    pub(crate) fn of(function: &Function) -> Self {
        let mut roots: Vec<Root> = Vec::with_capacity(function.expressions.len());
        for (_, expression) in function.expressions.iter() {
            roots.push(match expression {
                Expression::LocalVariable(variable) => Root::Local(variable.index()),
                Expression::FunctionArgument(index) => Root::Argument(*index as usize),
                Expression::GlobalVariable(variable) => Root::Global(*variable),
                // Operands stand before what uses them.
                Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                    roots.get(base.index()).copied().unwrap_or(Root::None)
                }
                _ => Root::None,
            });
        }
        Places(roots)
    }

    pub(crate) fn root(&self, pointer: Handle<Expression>) -> Root {
        self.0.get(pointer.index()).copied().unwrap_or(Root::None)
    }
}

/// Through which of their pointer arguments functions store, by themselves or by what they call.
pub(crate) struct Writes(Vec<BTreeSet<usize>>);

impl Writes {
    pub(crate) fn of(module: &Module) -> Self {
        // Callees stand before their callers.
        let mut all = Writes(Vec::with_capacity(module.functions.len()));
        for (_, function) in module.functions.iter() {
            let (places, mut own) = (Places::of(function), BTreeSet::new());
            all.block(&function.body, &places, &mut own);
            all.0.push(own);
        }
        all
    }

    pub(crate) fn stores(&self, function: Handle<Function>, argument: usize) -> bool {
        self.0.get(function.index()).is_none_or(|own| own.contains(&argument))
    }

    /// Whether two of the arguments of a call point into one variable, and the function stores through one of them. WGSL forbids it.
    pub(crate) fn aliased(&self, function: Handle<Function>, slots: &[Option<usize>]) -> bool {
        // Of each variable, whether it was given before, and whether it is stored to.
        let mut seen: BTreeMap<usize, bool> = BTreeMap::new();
        for (index, slot) in slots.iter().enumerate() {
            let Some(slot) = *slot else { continue };
            let stores = self.stores(function, index);
            if seen.get(&slot).is_some_and(|before| *before || stores) {
                return true;
            }
            seen.insert(slot, stores);
        }
        false
    }

    fn block(&self, block: &Block, places: &Places, own: &mut BTreeSet<usize>) {
        for statement in block.iter() {
            match statement {
                Statement::Store { pointer, .. } => {
                    if let Root::Argument(index) = places.root(*pointer) {
                        own.insert(index);
                    }
                }
                Statement::Call { function, arguments, .. } => {
                    for (index, argument) in arguments.iter().enumerate() {
                        if let Root::Argument(from) = places.root(*argument)
                            && self.stores(*function, index)
                        {
                            own.insert(from);
                        }
                    }
                }
                Statement::Block(inner) => self.block(inner, places, own),
                Statement::If { accept, reject, .. } => {
                    self.block(accept, places, own);
                    self.block(reject, places, own);
                }
                Statement::Switch { cases, .. } => {
                    for case in cases {
                        self.block(&case.body, places, own);
                    }
                }
                Statement::Loop { body, continuing, .. } => {
                    self.block(body, places, own);
                    self.block(continuing, places, own);
                }
                _ => {}
            }
        }
    }
}

/// The address space that an argument of this type points to, if it is a pointer.
pub(crate) fn pointed(module: &Module, ty: Handle<naga::Type>) -> Option<AddressSpace> {
    match module.types[ty].inner {
        TypeInner::Pointer { space, .. } | TypeInner::ValuePointer { space, .. } => Some(space),
        _ => None,
    }
}

/// Numbers of a function's loops: in the order in which they stand, an outer loop before its inner ones.
#[derive(Debug, Default)]
pub(crate) struct LoopIndex {
    /// By the address of the loop's body, which stays while the module is borrowed.
    by_body: BTreeMap<usize, usize>,
}

impl LoopIndex {
    pub(crate) fn of(function: &Function) -> Self {
        let mut index = LoopIndex::default();
        index.block(&function.body);
        index
    }

    /// The number of the loop with this body.
    pub(crate) fn get(&self, body: &Block) -> usize {
        self.by_body.get(&address(body)).copied().unwrap_or(usize::MAX)
    }

    fn block(&mut self, block: &Block) {
        for statement in block.iter() {
            match statement {
                Statement::Block(inner) => self.block(inner),
                Statement::If { accept, reject, .. } => {
                    self.block(accept);
                    self.block(reject);
                }
                Statement::Switch { cases, .. } => {
                    for case in cases {
                        self.block(&case.body);
                    }
                }
                Statement::Loop { body, continuing, .. } => {
                    let next = self.by_body.len();
                    self.by_body.insert(address(body), next);
                    self.block(body);
                    self.block(continuing);
                }
                _ => {}
            }
        }
    }
}

fn address(block: &Block) -> usize {
    std::ptr::from_ref(block).addr()
}
