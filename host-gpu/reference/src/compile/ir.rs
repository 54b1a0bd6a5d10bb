//! The compiler's own form of a shader: scalars, cells and structured statements.
//!
//! Everything is said of one invocation. Vectors, matrices, structs and arrays are taken apart into scalars ("leaves"), calls are inlined, and control flow is
//! [`Stmt::If`], endless [`Stmt::Loop`]s and jumps to the end of a [`Stmt::Block`]. A [`Node`] is computed where a [`Stmt::Let`] names
//! it, once; it may be used in the same list behind that place and in the lists within.

use std::collections::HashMap;

/// A scalar value: an index into [`Ir::nodes`].
pub(crate) type Val = u32;
/// A scalar variable of an invocation.
pub(crate) type Cell = u32;
/// The end of a block.
pub(crate) type Label = u32;

/// No value.
pub(crate) const NONE: Val = Val::MAX;

/// Types of scalars; signed and unsigned integers differ in operations only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ty {
    F32,
    I32,
    Bool,
}

/// What comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    LocalIndex,
    LocalId(u8),
    GroupId(u8),
    Groups(u8),
    /// What a function is called with: the first or second, of this type.
    Argument(u8, Ty),
}

/// A call of a function that takes one or two numbers and gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    /// Its number among those that are called.
    pub(crate) callee: u32,
    pub(crate) result: Ty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Un {
    FNeg,
    FAbs,
    FSqrt,
    FFloor,
    FCeil,
    FTrunc,
    FNearest,
    INot,
    IAbs,
    Not,
    Clz,
    Popcount,
    FloatToI,
    FloatToU,
    IToFloat,
    UToFloat,
    BoolToI,
    FloatBits,
    BitsFloat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bin {
    FAdd,
    FSub,
    FMul,
    FDiv,
    FMin,
    FMax,
    IAdd,
    ISub,
    IMul,
    DivS,
    DivU,
    RemS,
    RemU,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    MinS,
    MinU,
    MaxS,
    MaxU,
    Dot4S,
    Dot4U,
    FEq,
    FNe,
    FLt,
    FLe,
    IEq,
    INe,
    LtS,
    LtU,
    LeS,
    LeU,
    BAnd,
    BOr,
    BXor,
}

impl Bin {
    pub(crate) fn result(self) -> Ty {
        match self {
            Bin::FAdd | Bin::FSub | Bin::FMul | Bin::FDiv | Bin::FMin | Bin::FMax => Ty::F32,
            Bin::FEq | Bin::FNe | Bin::FLt | Bin::FLe => Ty::Bool,
            Bin::IEq | Bin::INe | Bin::LtS | Bin::LtU | Bin::LeS | Bin::LeU => Ty::Bool,
            Bin::BAnd | Bin::BOr | Bin::BXor => Ty::Bool,
            _ => Ty::I32,
        }
    }

    pub(crate) fn commutes(self) -> bool {
        matches!(
            self,
            Bin::IAdd
                | Bin::IMul
                | Bin::And
                | Bin::Or
                | Bin::Xor
                | Bin::MinS
                | Bin::MinU
                | Bin::MaxS
                | Bin::MaxU
                | Bin::IEq
                | Bin::INe
                | Bin::BAnd
                | Bin::BOr
                | Bin::BXor
        )
    }
}

impl Un {
    pub(crate) fn result(self) -> Ty {
        match self {
            Un::FNeg | Un::FAbs | Un::FSqrt | Un::FFloor | Un::FCeil | Un::FTrunc | Un::FNearest => Ty::F32,
            Un::IToFloat | Un::UToFloat | Un::BitsFloat => Ty::F32,
            Un::Not => Ty::Bool,
            _ => Ty::I32,
        }
    }
}

/// Where something lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Space {
    /// A variable of the invocation, by its number; offsets are leaves.
    Var(u32),
    /// Workgroup memory; offsets are bytes.
    Group,
    /// A binding, by its position; offsets are bytes.
    Buffer(u32),
    /// The immediates; offsets are bytes.
    Immediate,
}

/// How many elements there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Len {
    Const(u32),
    /// As many as fit into this binding.
    Runtime(u32),
}

/// One computed index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Term {
    pub(crate) index: Val,
    pub(crate) stride: u32,
    pub(crate) len: Len,
}

/// A place of one scalar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct At {
    pub(crate) space: Space,
    pub(crate) offset: u32,
    pub(crate) ty: Ty,
    pub(crate) terms: Vec<Term>,
}

/// An index into [`Ir::ats`].
pub(crate) type AtId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Const(Ty, u32),
    Input(Input),
    Un(Un, Val),
    Bin(Bin, Val, Val),
    /// Condition, value if it holds, value otherwise.
    Sel(Val, Val, Val),
    /// Length of a binding's runtime array.
    Length(u32),
    Get(Cell),
    Load(AtId),
    /// The second value may be [`NONE`].
    Call(Call, Val, Val),
    /// What a statement gives.
    Result(Ty),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AtomicOp {
    Load,
    Store,
    Add,
    Sub,
    And,
    Or,
    Xor,
    MinS,
    MinU,
    MaxS,
    MaxU,
    Exchange,
    CompareExchange,
}

#[derive(Clone, Debug)]
pub(crate) struct Atomic {
    pub(crate) at: AtId,
    pub(crate) op: AtomicOp,
    /// [`NONE`] for a load.
    pub(crate) value: Val,
    /// [`NONE`] but for compare-exchange.
    pub(crate) compare: Val,
    /// A [`Node::Result`]: the value before.
    pub(crate) result: Val,
}

#[derive(Clone, Debug)]
pub(crate) enum Stmt {
    Let(Val),
    Set(Cell, Val),
    /// All leaves of a variable become zero.
    Zero(u32),
    Store(AtId, Val),
    Atomic(Box<Atomic>),
    If(Val, Vec<Stmt>, Vec<Stmt>),
    Block(Label, Vec<Stmt>),
    Loop(Vec<Stmt>),
    Break(Label),
    Barrier(Orders),
    /// Tells of a touch of shared memory: number of the place, and the word. Watched programs alone have it.
    Touch(u32, AtId),
    /// A workgroup variable read by one invocation for all: place, and the [`Node::Result`]. Barriers stand around it.
    UniformLoad(AtId, Val),
    /// What a function that is called gives, at its end.
    Give(Val),
}

/// Which memory a barrier orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) storage: bool,
    pub(crate) group: bool,
    pub(crate) textures: bool,
}

/// A variable of the invocation.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    pub(crate) first: Cell,
    pub(crate) leaves: u32,
}

/// A shader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ir {
    pub(crate) nodes: Vec<Node>,
    pub(crate) types: Vec<Ty>,
    pub(crate) ats: Vec<At>,
    pub(crate) at_ids: HashMap<At, AtId>,
    /// Computed indices of all places together.
    pub(crate) terms: usize,
    pub(crate) vars: Vec<Var>,
    pub(crate) cells: Vec<Ty>,
    /// The variable of each cell.
    pub(crate) owner: Vec<u32>,
    pub(crate) labels: u32,
    pub(crate) body: Vec<Stmt>,
}

impl Ir {
    pub(crate) fn node(&mut self, node: Node) -> Val {
        let ty = self.type_of(node);
        self.nodes.push(node);
        self.types.push(ty);
        (self.nodes.len() - 1) as Val
    }

    fn type_of(&self, node: Node) -> Ty {
        match node {
            Node::Const(ty, _) | Node::Result(ty) => ty,
            Node::Input(Input::Argument(_, ty)) | Node::Call(Call { result: ty, .. }, ..) => ty,
            Node::Input(_) | Node::Length(_) => Ty::I32,
            Node::Un(op, _) => op.result(),
            Node::Bin(op, _, _) => op.result(),
            Node::Sel(_, value, _) => self.types[value as usize],
            Node::Get(cell) => self.cells[cell as usize],
            Node::Load(at) => self.ats[at as usize].ty,
        }
    }

    pub(crate) fn at(&mut self, at: At) -> AtId {
        if let Some(id) = self.at_ids.get(&at) {
            return *id;
        }
        let id = self.ats.len() as AtId;
        self.terms += at.terms.len();
        self.ats.push(at.clone());
        self.at_ids.insert(at, id);
        id
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels += 1;
        self.labels - 1
    }

    pub(crate) fn variable(&mut self, types: impl IntoIterator<Item = Ty>) -> u32 {
        let first = self.cells.len() as Cell;
        self.cells.extend(types);
        let leaves = self.cells.len() as u32 - first;
        let number = self.vars.len() as u32;
        self.owner.resize(self.cells.len(), number);
        self.vars.push(Var { first, leaves });
        number
    }

    pub(crate) fn constant(&self, value: Val) -> Option<u32> {
        match self.nodes.get(value as usize) {
            Some(Node::Const(_, bits)) => Some(*bits),
            _ => None,
        }
    }
}

/// What a value is computed from.
pub(crate) fn operands(ir: &Ir, value: Val, mut each: impl FnMut(Val)) {
    match ir.nodes[value as usize] {
        Node::Un(_, a) => each(a),
        Node::Bin(_, a, b) => {
            each(a);
            each(b);
        }
        Node::Sel(a, b, c) => {
            each(a);
            each(b);
            each(c);
        }
        Node::Call(_, a, b) => [a, b].into_iter().filter(|value| *value != NONE).for_each(each),
        Node::Load(at) => ir.ats[at as usize].terms.iter().for_each(|term| each(term.index)),
        Node::Const(..) | Node::Input(_) | Node::Length(_) | Node::Get(_) | Node::Result(_) => {}
    }
}

/// What a statement itself uses, without the statements within it.
pub(crate) fn uses(ir: &Ir, stmt: &Stmt, mut each: impl FnMut(Val)) {
    let place = |at: AtId, each: &mut dyn FnMut(Val)| {
        ir.ats[at as usize].terms.iter().for_each(|term| each(term.index));
    };
    match stmt {
        Stmt::Let(value) => operands(ir, *value, each),
        Stmt::Set(_, value) | Stmt::Give(value) => each(*value),
        Stmt::Store(at, value) => {
            place(*at, &mut each);
            each(*value);
        }
        Stmt::Atomic(atomic) => {
            place(atomic.at, &mut each);
            [atomic.value, atomic.compare].into_iter().filter(|value| *value != NONE).for_each(each);
        }
        Stmt::If(condition, _, _) => each(*condition),
        Stmt::UniformLoad(at, _) | Stmt::Touch(_, at) => place(*at, &mut each),
        Stmt::Zero(_) | Stmt::Block(..) | Stmt::Loop(_) | Stmt::Break(_) | Stmt::Barrier(_) => {}
    }
}

/// Steps of a walk that goes to each statement once for each list around it: what passes that look at lists from outside and again from inside take.
pub(crate) fn nested_steps(ir: &Ir, list: &[Stmt], depth: usize) -> usize {
    let steps = |stmt: &Stmt| {
        let own = match stmt {
            Stmt::Zero(var) => ir.vars[*var as usize].leaves as usize,
            _ => 1,
        };
        lists(stmt).fold(own * depth, |sum, list| sum.saturating_add(nested_steps(ir, list, depth + 1)))
    };
    list.iter().fold(0, |sum, stmt| sum.saturating_add(steps(stmt)))
}

/// The lists within a statement.
pub(crate) fn lists(stmt: &Stmt) -> impl Iterator<Item = &Vec<Stmt>> {
    let (a, b) = match stmt {
        Stmt::If(_, a, b) => (Some(a), Some(b)),
        Stmt::Block(_, a) | Stmt::Loop(a) => (Some(a), None),
        _ => (None, None),
    };
    a.into_iter().chain(b)
}
