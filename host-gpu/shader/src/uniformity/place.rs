//! What pointers point into, and the numbers of loops.

use naga::{AddressSpace, Block, Expression, Function, GlobalVariable, Handle, Module, Statement, TypeInner};
use std::collections::BTreeMap;

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
