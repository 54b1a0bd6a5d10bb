//! Functions of numbers that stand in the program once, and are called, where inlining every call would make it large.
//!
//! They take one or two vectors of four invocations' numbers and give one: the functions of lowered shaders' library are such. What the invocations of a mask that
//! is not full hand over is whatever is there, as for every other operation on values.

use super::CompileError;
use super::asm::MAX_BYTES;
use super::emit::{Emit, Turn};
use super::helper::{Helper, Helpers};
use super::inline::{Inline, Value};
use super::ir::{Call, Input, Ir, NONE, Node, Stmt, Ty};
use super::plan::Plan;
use super::region::Mask;
use super::shape::Shapes;
use super::{optimise, unused};
use naga::{
    Block, EntryPoint, Expression, Function, Handle, Module, Scalar, ScalarKind, Statement, Type, TypeInner,
};

/// Smaller functions are inlined always.
const SMALL: u64 = 24;
/// Larger ones, too.
const LARGE: u64 = 4096;
/// Expressions that a function may become by being inlined.
const INLINED: u64 = 1 << 14;

/// Which functions of a module are called.
pub(super) fn choose(module: &Module, entry: &EntryPoint) -> Vec<bool> {
    let count = module.functions.len();
    // Expressions of each with all calls inlined, and whether it is one of those that can be called.
    let (mut sizes, mut simple) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for (_, function) in module.functions.iter() {
        let mut size = function.expressions.len() as u64;
        sites(&function.body, &mut |callee| size = size.saturating_add(sizes[callee.index()]));
        let can = is_simple(module, function, &simple);
        sizes.push(size);
        simple.push(can);
    }
    let mut times = vec![0_u64; count];
    sites(&entry.function.body, &mut |callee| times[callee.index()] += 1);
    let mut chosen = vec![false; count];
    let all: Vec<_> = module.functions.iter().collect();
    // Callers stand behind their callees.
    for (handle, function) in all.into_iter().rev() {
        let (size, of) = (sizes[handle.index()], &mut times[handle.index()]);
        if simple[handle.index()] && (SMALL..LARGE).contains(&size) && size.saturating_mul(*of) > INLINED {
            chosen[handle.index()] = true;
            *of = 1;
        }
        let here = *of;
        sites(&function.body, &mut |callee| {
            let of = &mut times[callee.index()];
            *of = of.saturating_add(here);
        });
    }
    chosen
}

/// Calls `each` with the callee of each call.
fn sites(block: &Block, each: &mut impl FnMut(Handle<Function>)) {
    for statement in block {
        match statement {
            Statement::Call { function, .. } => each(*function),
            Statement::Block(inner) => sites(inner, each),
            Statement::If { accept, reject, .. } => {
                sites(accept, each);
                sites(reject, each);
            }
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| sites(&case.body, each)),
            Statement::Loop { body, continuing, .. } => {
                sites(body, each);
                sites(continuing, each);
            }
            _ => {}
        }
    }
}

/// The type of a number of 32 bits.
fn number(module: &Module, ty: Handle<Type>) -> Option<Ty> {
    match module.types[ty].inner {
        TypeInner::Scalar(Scalar { kind: ScalarKind::Float, width: 4 }) => Some(Ty::F32),
        TypeInner::Scalar(Scalar { kind: ScalarKind::Sint | ScalarKind::Uint, width: 4 }) => Some(Ty::I32),
        _ => None,
    }
}

/// Whether a function makes a number of one or two numbers, and touches nothing else.
fn is_simple(module: &Module, function: &Function, simple: &[bool]) -> bool {
    let numbers = function.arguments.iter().all(|argument| number(module, argument.ty).is_some());
    let result = function.result.as_ref().is_some_and(|result| number(module, result.ty).is_some());
    let scalars = function.local_variables.iter().all(|(_, local)| number(module, local.ty).is_some());
    let own = function.expressions.iter().all(|(_, expression)| {
        !matches!(
            expression,
            Expression::GlobalVariable(_) | Expression::Access { .. } | Expression::AtomicResult { .. }
        )
    });
    (1..=2).contains(&function.arguments.len())
        && numbers
        && result
        && scalars
        && own
        && is_straight(&function.body, simple)
}

/// Whether nothing but branches parts the invocations at a block.
fn is_straight(block: &Block, simple: &[bool]) -> bool {
    block.iter().all(|statement| match statement {
        Statement::Emit(_) | Statement::Return { .. } | Statement::Store { .. } => true,
        Statement::Block(inner) => is_straight(inner, simple),
        Statement::If { accept, reject, .. } => is_straight(accept, simple) && is_straight(reject, simple),
        Statement::Call { function, .. } => simple.get(function.index()).copied().unwrap_or(false),
        _ => false,
    })
}

/// A function that is called.
#[derive(Debug)]
pub(crate) struct Callee {
    ir: Ir,
    arguments: u32,
}

impl<'m> Inline<'m> {
    /// A call of a function that is called; `None` of one that is inlined.
    pub(super) fn call_out(
        &mut self,
        handle: Handle<Function>,
        arguments: &[Value],
    ) -> Result<Option<Value>, CompileError> {
        if !self.chosen[handle.index()] {
            return Ok(None);
        }
        let function = &self.module.functions[handle];
        let ty = |ty: Handle<Type>| number(self.module, ty);
        let result = function.result.as_ref().and_then(|result| ty(result.ty)).expect("it was chosen");
        let number = match self.called[handle.index()] {
            Some(number) => number,
            None => {
                let types: Vec<Ty> = function
                    .arguments
                    .iter()
                    .map(|argument| ty(argument.ty).expect("it was chosen"))
                    .collect();
                let callee = self.callee(handle, &types)?;
                let number = self.callees.len() as u32;
                self.callees.push(callee);
                self.called[handle.index()] = Some(number);
                number
            }
        };
        let mut values = [NONE; 2];
        for (to, argument) in values.iter_mut().zip(arguments) {
            let Value::Flat(flat) = argument else {
                return Err(CompileError::unsupported("a pointer as a value"));
            };
            *to = flat[0];
        }
        let [a, b] = values;
        let value = self.emit(Node::Call(Call { callee: number, result }, a, b));
        Ok(Some(Value::Flat([value].into())))
    }

    /// The function by itself.
    fn callee(&mut self, handle: Handle<Function>, types: &[Ty]) -> Result<Callee, CompileError> {
        let ir = std::mem::take(&mut self.ir);
        let (list, used) = (std::mem::take(&mut self.list), std::mem::take(&mut self.used));
        let arguments = (0..)
            .zip(types)
            .map(|(number, ty)| Value::Flat([self.emit(Node::Input(Input::Argument(number, *ty)))].into()));
        let arguments = arguments.collect();
        let value = self.call(&self.module.functions[handle], &self.info[handle], arguments)?;
        let Some(Value::Flat(flat)) = value else {
            return Err(CompileError::unsupported("a function that gives nothing"));
        };
        self.list.push(Stmt::Give(flat[0]));
        let mut callee = std::mem::replace(&mut self.ir, ir);
        callee.body = std::mem::replace(&mut self.list, list);
        self.used = used;
        let mut callee = optimise::optimise(&callee, &[])?;
        unused::remove_unused(&mut callee);
        Ok(Callee { ir: callee, arguments: types.len() as u32 })
    }
}

/// The code of the functions that are called, each at its number; none of those that nobody calls. What they call is added to `helpers`.
pub(super) fn emit(
    callees: &[Callee],
    helpers: &mut Helpers,
) -> Result<Vec<Option<wasm_encoder::Function>>, CompileError> {
    let mut written = vec![None; callees.len()];
    let (mut next, mut bytes) = (0, 0);
    // A function may call others, which then are helpers behind it.
    while let Some(helper) = helpers.all().get(next).copied() {
        next += 1;
        if let Helper::Callee(number, _) = helper {
            let function = one(&callees[number as usize], helpers)?;
            bytes += function.byte_len();
            if bytes > MAX_BYTES {
                return Err(CompileError::TooLarge("the code of the whole shader"));
            }
            written[number as usize] = Some(function);
        }
    }
    Ok(written)
}

fn one(callee: &Callee, helpers: &mut Helpers) -> Result<wasm_encoder::Function, CompileError> {
    let shapes = Shapes::of_vectors(&callee.ir);
    let plan = Plan::of_one_region(&callee.ir);
    let mut emit = Emit::new(&callee.ir, &shapes, &plan, std::mem::take(helpers), callee.arguments);
    emit.turn = Turn { id: Plan::ONE, ..Turn::outside() };
    // All of them now: a local that is in use further up must not become a cell's.
    for cell in 0..callee.ir.cells.len() as u32 {
        emit.cell_local(cell, 0);
    }
    let body: Vec<&Stmt> = callee.ir.body.iter().collect();
    emit.list(&body, Mask::Full)?;
    *helpers = emit.helpers;
    Ok(emit.asm.finish())
}
