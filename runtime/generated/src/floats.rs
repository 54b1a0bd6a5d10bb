//! Generates modules that do little else than floats, so that most of what they show was once a NaN.

use wasm_encoder::{
    BlockType, Catch, CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, Instruction as I, MemArg, MemorySection, MemoryType, Module,
    TagKind, TagSection, TagType, TypeSection, ValType,
};

use ValType::{F32, F64, I32, I64, V128};

/// Where the choices come from: a byte each while there are some, then a splitmix64 generator.
#[derive(Clone, Debug)]
pub struct Choices<'c> {
    input: &'c [u8],
    state: u64,
}

impl<'c> Choices<'c> {
    /// Those that the bytes make, and then always the same.
    pub fn of(input: &'c [u8]) -> Self {
        Choices { input, state: 0 }
    }

    /// Those of a seed.
    pub fn from_seed(seed: u64) -> Self {
        Choices { input: &[], state: seed }
    }

    fn next(&mut self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        // A byte that changes changes one choice.
        let chosen = if let Some((byte, rest)) = self.input.split_first() {
            self.input = rest;
            STEP.wrapping_mul(u64::from(*byte) + 1)
        } else {
            self.state = self.state.wrapping_add(STEP);
            self.state
        };
        let mixed = (chosen ^ chosen >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// An operator with its operands and result.
type Op = (I<'static>, &'static [ValType], ValType);

fn operators(vectors: bool) -> Vec<Op> {
    let mut all: Vec<Op> = Vec::new();
    let mut add = |operands: &'static [ValType], result: ValType, list: &[I<'static>]| {
        all.extend(list.iter().map(|instruction| (instruction.clone(), operands, result)));
    };
    // Arithmetic twice, for it is what makes NaNs.
    for _ in 0..2 {
        add(&[F32, F32], F32, &[I::F32Add, I::F32Sub, I::F32Mul, I::F32Div, I::F32Min, I::F32Max]);
        add(&[F64, F64], F64, &[I::F64Add, I::F64Sub, I::F64Mul, I::F64Div, I::F64Min, I::F64Max]);
    }
    add(
        &[F32],
        F32,
        &[I::F32Ceil, I::F32Floor, I::F32Trunc, I::F32Nearest, I::F32Sqrt, I::F32Abs, I::F32Neg],
    );
    add(
        &[F64],
        F64,
        &[I::F64Ceil, I::F64Floor, I::F64Trunc, I::F64Nearest, I::F64Sqrt, I::F64Abs, I::F64Neg],
    );
    add(&[F32, F32], F32, &[I::F32Copysign]);
    add(&[F64, F64], F64, &[I::F64Copysign]);
    add(&[F64], F32, &[I::F32DemoteF64]);
    add(&[F32], F64, &[I::F64PromoteF32]);
    add(&[I32], F32, &[I::F32ConvertI32S, I::F32ReinterpretI32]);
    add(&[I64], F64, &[I::F64ConvertI64U, I::F64ReinterpretI64]);
    add(&[I64], F32, &[I::F32ConvertI64S]);
    add(&[F32], I32, &[I::I32ReinterpretF32, I::I32TruncSatF32S]);
    add(&[F64], I64, &[I::I64ReinterpretF64, I::I64TruncSatF64U]);
    add(&[F32, F32], I32, &[I::F32Eq, I::F32Lt, I::F32Ge]);
    add(&[F64, F64], I32, &[I::F64Ne, I::F64Gt, I::F64Le]);
    add(&[I32, I32], I32, &[I::I32Add, I::I32Xor]);
    add(&[I64, I64], I64, &[I::I64Add, I::I64Rotl]);
    if !vectors {
        return all;
    }
    for _ in 0..2 {
        add(
            &[V128, V128],
            V128,
            &[I::F32x4Add, I::F32x4Sub, I::F32x4Mul, I::F32x4Div, I::F32x4Min, I::F32x4Max],
        );
        add(
            &[V128, V128],
            V128,
            &[I::F64x2Add, I::F64x2Sub, I::F64x2Mul, I::F64x2Div, I::F64x2Min, I::F64x2Max],
        );
        add(&[F32], V128, &[I::F32x4Splat]);
        add(&[F64], V128, &[I::F64x2Splat]);
    }
    add(&[V128, V128], V128, &[I::F32x4PMin, I::F32x4PMax, I::F64x2PMin, I::F64x2PMax]);
    add(
        &[V128],
        V128,
        &[I::F32x4Ceil, I::F32x4Floor, I::F32x4Trunc, I::F32x4Nearest, I::F32x4Sqrt, I::F32x4Abs],
    );
    add(
        &[V128],
        V128,
        &[I::F64x2Ceil, I::F64x2Floor, I::F64x2Trunc, I::F64x2Nearest, I::F64x2Sqrt, I::F64x2Abs],
    );
    add(&[V128], V128, &[I::F32x4Neg, I::F64x2Neg, I::F32x4DemoteF64x2Zero, I::F64x2PromoteLowF32x4]);
    add(&[V128], V128, &[I::F32x4ConvertI32x4S, I::F64x2ConvertLowI32x4U, I::I32x4TruncSatF32x4S]);
    add(&[V128, V128], V128, &[I::F32x4Lt, I::F64x2Ne, I::I32x4Add, I::V128And, I::V128Or, I::V128Xor]);
    add(&[V128, V128, V128], V128, &[I::V128Bitselect]);
    add(&[V128], V128, &[I::V128Not, I::I8x16Neg]);
    add(&[V128], I32, &[I::I32x4Bitmask, I::I8x16ExtractLaneU(7), I::I32x4ExtractLane(2)]);
    add(&[V128], I64, &[I::I64x2ExtractLane(0)]);
    add(&[V128], F32, &[I::F32x4ExtractLane(0), I::F32x4ExtractLane(3)]);
    add(&[V128], F64, &[I::F64x2ExtractLane(0), I::F64x2ExtractLane(1)]);
    add(&[V128, F32], V128, &[I::F32x4ReplaceLane(1), I::F32x4ReplaceLane(2)]);
    add(&[V128, F64], V128, &[I::F64x2ReplaceLane(0), I::F64x2ReplaceLane(1)]);
    add(&[V128, I32], V128, &[I::I16x8ReplaceLane(3), I::I32x4Shl]);
    add(&[V128, V128], V128, &[I::I8x16Shuffle([0, 1, 2, 3, 20, 21, 22, 23, 4, 5, 6, 7, 30, 29, 28, 27])]);
    add(&[I32], V128, &[I::I32x4Splat]);
    all
}

fn at(offset: u64) -> MemArg {
    MemArg { offset, align: 0, memory_index: 0 }
}

/// A module with four functions, `f0` to `f3`, four globals, `g0` to `g3`, and a memory, all exported. Every call ends
/// soon.
pub fn module(choices: Choices<'_>, vectors: bool, exceptions: bool) -> Vec<u8> {
    let mut random = choices;
    let scalars: &[ValType] = &[F32, F64, F32, F64, I32, I64];
    let all: &[ValType] = &[F32, F64, V128, V128, F32, F64, I32, I64];
    let kinds = if vectors { all } else { scalars };
    let mut types = Types { section: TypeSection::new(), known: Vec::new() };
    let mut signatures = Vec::new();
    for _ in 0..4 {
        let list = |random: &mut Choices<'_>| {
            let count = random.below(4);
            (0..count).map(|_| random.pick(kinds)).collect::<Vec<_>>()
        };
        signatures.push((list(&mut random), list(&mut random)));
    }
    let tag = types.index(&[F64], &[]);
    let operators = operators(vectors);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut exports = ExportSection::new();
    for index in 0..signatures.len() {
        let (parameters, results) = signatures[index].clone();
        functions.function(types.index(&parameters, &results));
        exports.export(&format!("f{index}"), ExportKind::Func, index as u32);
        let mut locals = parameters.clone();
        let declared: Vec<ValType> = (0..6).map(|_| random.pick(kinds)).chain([I32]).collect();
        locals.extend(&declared);
        let mut body = Body {
            out: Function::new(declared.iter().map(|ty| (1, *ty))),
            random: &mut random,
            types: &mut types,
            operators: &operators,
            kinds,
            fuel: locals.len() as u32 - 1,
            locals,
            labels: vec![(results.clone(), false)],
            callable: &signatures[..index],
            exceptions,
            size: 250,
        };
        body.out.instruction(&I::I32Const(12));
        body.out.instruction(&I::LocalSet(body.fuel));
        for _ in 0..6 {
            body.statement(3);
        }
        for ty in &results {
            body.expression(*ty, 3);
        }
        body.out.instruction(&I::End);
        code.function(&body.out);
    }
    functions.function(types.index(&[], &[]));
    exports.export("_start", ExportKind::Func, signatures.len() as u32);
    let mut start = Function::new([]);
    start.instruction(&I::End);
    code.function(&start);
    let mut globals = GlobalSection::new();
    for (index, ty) in GLOBALS.into_iter().enumerate() {
        let init = match ty {
            F32 => ConstExpr::f32_const(f32::from_bits(0xffb0_0001).into()),
            F64 => ConstExpr::f64_const(f64::from_bits(0x7ff0_0000_0000_0bad).into()),
            _ => ConstExpr::v128_const(0x7fc0_0001_7f80_0000_fff8_0000_0000_0002_u128.cast_signed()),
        };
        globals.global(GlobalType { val_type: ty, mutable: true, shared: false }, &init);
        exports.export(&format!("g{index}"), ExportKind::Global, index as u32);
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: Some(1),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut tags = TagSection::new();
    tags.tag(TagType { kind: TagKind::Exception, func_type_idx: tag });
    let mut data = DataSection::new();
    let mut bytes: Vec<u8> = (0..96).flat_map(|_| wide(&mut random).to_le_bytes()).collect();
    bytes.extend((0..64).flat_map(|_| narrow(&mut random).to_le_bytes()));
    data.active(0, &ConstExpr::i32_const(0), bytes);
    let mut module = Module::new();
    module.section(&types.section).section(&functions).section(&memories);
    if exceptions {
        module.section(&tags);
    }
    module.section(&globals).section(&exports).section(&code).section(&data);
    module.finish()
}

const GLOBALS: [ValType; 4] = [F32, F64, F64, V128];

/// Bits of a float that is often a NaN, an infinity or zero.
fn wide(random: &mut Choices<'_>) -> u64 {
    let sign = random.next() & 1 << 63;
    sign | match random.below(8) {
        0 => 0x7ff0_0000_0000_0001 | random.next() >> 12,
        1 => 0x7ff8_0000_0000_0000 | random.next() >> 40,
        2 => 0x7ff0_0000_0000_0000,
        3 => 0,
        4 => random.next() >> 1,
        5 => 0xff90_0001_7fc0_0003 >> 1,
        _ => (random.below(9) as f64 / 2.0).to_bits(),
    }
}

fn narrow(random: &mut Choices<'_>) -> u32 {
    let sign = (random.next() as u32) & 1 << 31;
    sign | match random.below(7) {
        0 => 0x7f80_0001 | (random.next() as u32) >> 9,
        1 => 0x7fc0_0000 | (random.next() as u32) >> 20,
        2 => 0x7f80_0000,
        3 => 0,
        _ => (random.below(9) as f32 / 2.0).to_bits(),
    }
}

struct Types {
    section: TypeSection,
    known: Vec<(Vec<ValType>, Vec<ValType>)>,
}

impl Types {
    fn index(&mut self, parameters: &[ValType], results: &[ValType]) -> u32 {
        let ty = (parameters.to_vec(), results.to_vec());
        let index = self.known.iter().position(|known| *known == ty).unwrap_or_else(|| {
            self.section.ty().function(parameters.iter().copied(), results.iter().copied());
            self.known.push(ty);
            self.known.len() - 1
        });
        index as u32
    }
}

struct Body<'b, 'c> {
    out: Function,
    random: &'b mut Choices<'c>,
    types: &'b mut Types,
    operators: &'b [Op],
    kinds: &'b [ValType],
    locals: Vec<ValType>,
    /// Local that counts down what loops may still do.
    fuel: u32,
    /// The open labels' types, the innermost last, and whether they are a loop's.
    labels: Vec<(Vec<ValType>, bool)>,
    /// Functions before this one.
    callable: &'b [(Vec<ValType>, Vec<ValType>)],
    exceptions: bool,
    /// What may still be written, so that a function stays small.
    size: usize,
}

impl Body<'_, '_> {
    fn emit(&mut self, instruction: I<'_>) {
        self.out.instruction(&instruction);
    }

    fn local(&mut self, ty: ValType) -> Option<u32> {
        let fuel = self.fuel as usize;
        let all: Vec<u32> = (0..fuel).filter(|at| self.locals[*at] == ty).map(|at| at as u32).collect();
        (!all.is_empty()).then(|| self.random.pick(&all))
    }

    fn constant(&mut self, ty: ValType) {
        let instruction = match ty {
            I32 => I::I32Const(self.random.below(5) as i32 - 1),
            I64 => I::I64Const(self.random.next() as i64),
            F32 => I::F32Const(f32::from_bits(narrow(self.random)).into()),
            F64 => I::F64Const(f64::from_bits(wide(self.random)).into()),
            _ => I::V128Const(
                (u128::from(wide(self.random)) << 64 | u128::from(wide(self.random))).cast_signed(),
            ),
        };
        self.emit(instruction);
    }

    fn address(&mut self) -> MemArg {
        let offset = self.random.below(500) as u64 * 2;
        self.emit(I::I32Const(0));
        at(offset)
    }

    fn leaf(&mut self, ty: ValType) {
        match self.random.below(8) {
            0 => self.constant(ty),
            1 => {
                let place = self.address();
                self.emit(match ty {
                    I32 => I::I32Load(place),
                    I64 => I::I64Load(place),
                    F32 => I::F32Load(place),
                    F64 => I::F64Load(place),
                    _ => I::V128Load(place),
                });
            }
            2 if GLOBALS.contains(&ty) => {
                let index = GLOBALS.iter().position(|global| *global == ty).unwrap_or_default();
                self.emit(I::GlobalGet(index as u32));
            }
            _ => match self.local(ty) {
                Some(local) => self.emit(I::LocalGet(local)),
                None => self.constant(ty),
            },
        }
    }

    /// Writes code that leaves a value of the type.
    fn expression(&mut self, ty: ValType, depth: usize) {
        if depth == 0 || self.size == 0 {
            return self.leaf(ty);
        }
        self.size -= 1;
        match self.random.below(20) {
            0 => self.leaf(ty),
            1 => {
                self.expression(ty, depth - 1);
                self.expression(ty, depth - 1);
                self.expression(I32, depth - 1);
                let typed = ty == V128 || self.random.below(2) == 0;
                self.emit(if typed { I::TypedSelect(ty) } else { I::Select });
            }
            2 => {
                self.expression(ty, depth - 1);
                if let Some(local) = self.local(ty) {
                    self.emit(I::LocalTee(local));
                }
            }
            3 => {
                self.open(I::Block(BlockType::Result(ty)), vec![ty], false);
                self.statement(depth - 1);
                self.expression(ty, depth - 1);
                self.expression(I32, depth - 1);
                self.emit(I::BrIf(0));
                if self.random.below(2) == 0 {
                    self.emit(I::Drop);
                    self.statement(depth - 1);
                    self.expression(ty, depth - 1);
                }
                self.close();
            }
            4 => {
                self.expression(I32, depth - 1);
                self.open(I::If(BlockType::Result(ty)), vec![ty], false);
                self.statement(depth - 1);
                self.expression(ty, depth - 1);
                self.emit(I::Else);
                self.expression(ty, depth - 1);
                self.close();
            }
            5 => {
                // Three labels of one type.
                for _ in 0..3 {
                    self.open(I::Block(BlockType::Result(ty)), vec![ty], false);
                }
                self.expression(ty, depth - 1);
                self.expression(I32, depth - 1);
                self.emit(I::BrTable(vec![0, 2, 1, 0].into(), 1));
                self.close();
                self.statement(depth - 1);
                self.close();
                if let Some(local) = self.local(ty) {
                    self.emit(I::LocalTee(local));
                }
                self.close();
            }
            6 => {
                let index = self.types.index(&[ty], &[ty]);
                self.expression(ty, depth - 1);
                self.open(I::Loop(BlockType::FunctionType(index)), vec![ty], true);
                if let Some(local) = self.local(ty) {
                    self.emit(I::LocalTee(local));
                }
                self.operation(ty, depth - 1);
                self.again();
                self.close();
            }
            7 => {
                let found = self.callable.iter().position(|(_, results)| results[..] == [ty]);
                match found {
                    Some(index) => self.call(index, depth - 1),
                    None => self.operation_from_nothing(ty, depth),
                }
            }
            _ => self.operation_from_nothing(ty, depth),
        }
    }

    fn operation_from_nothing(&mut self, ty: ValType, depth: usize) {
        let operators: Vec<Op> = self.operators.iter().filter(|op| op.2 == ty).cloned().collect();
        let (instruction, operands, _) = self.random.pick(&operators);
        for operand in operands {
            self.expression(*operand, depth - 1);
        }
        self.emit(instruction);
    }

    /// A binary or unary operator on what is on the stack.
    fn operation(&mut self, ty: ValType, depth: usize) {
        let operators: Vec<Op> =
            self.operators.iter().filter(|op| op.2 == ty && op.1[0] == ty).cloned().collect();
        let (instruction, operands, _) = self.random.pick(&operators);
        for operand in &operands[1..] {
            self.expression(*operand, depth);
        }
        self.emit(instruction);
    }

    fn open(&mut self, instruction: I<'_>, label: Vec<ValType>, is_loop: bool) {
        self.emit(instruction);
        self.labels.push((label, is_loop));
    }

    fn close(&mut self) {
        self.emit(I::End);
        self.labels.pop();
    }

    /// Jumps back to the innermost label, a loop's, while there is fuel.
    fn again(&mut self) {
        self.spend();
        self.emit(I::BrIf(0));
    }

    fn spend(&mut self) {
        for instruction in
            [I::LocalGet(self.fuel), I::I32Const(1), I::I32Sub, I::LocalTee(self.fuel), I::I32Const(0)]
        {
            self.emit(instruction);
        }
        self.emit(I::I32GtS);
    }

    fn call(&mut self, index: usize, depth: usize) {
        for ty in &self.callable[index].0 {
            self.expression(*ty, depth);
        }
        self.emit(I::Call(index as u32));
    }

    /// Takes values off the stack into locals, or drops them.
    fn take(&mut self, types: &[ValType]) {
        for ty in types.iter().rev() {
            match self.local(*ty) {
                Some(local) => self.emit(I::LocalSet(local)),
                None => self.emit(I::Drop),
            }
        }
    }

    fn list(&mut self) -> Vec<ValType> {
        let count = self.random.below(4);
        (0..count).map(|_| self.random.pick(self.kinds)).collect()
    }

    fn statement(&mut self, depth: usize) {
        if self.size == 0 {
            return;
        }
        self.size -= 1;
        let next = depth.saturating_sub(1);
        let choice = if depth == 0 { self.random.below(5) } else { self.random.below(15) };
        match choice {
            0..=2 => {
                let ty = self.random.pick(self.kinds);
                self.expression(ty, depth);
                self.take(&[ty]);
            }
            3 => {
                let index = self.random.below(if self.kinds.contains(&V128) { 4 } else { 3 });
                self.expression(GLOBALS[index], depth);
                self.emit(I::GlobalSet(index as u32));
            }
            4 | 5 => {
                let ty = self.random.pick(self.kinds);
                let place = self.address();
                self.expression(ty, depth);
                let lane = self.random.below(3);
                self.emit(match (ty, lane) {
                    (I32, _) => I::I32Store(place),
                    (I64, _) => I::I64Store(place),
                    (F32, _) => I::F32Store(place),
                    (F64, _) => I::F64Store(place),
                    (_, 0) => I::V128Store64Lane { memarg: place, lane: 1 },
                    _ => I::V128Store(place),
                });
            }
            6 | 7 => {
                self.expression(I32, next);
                self.open(I::If(BlockType::Empty), vec![], false);
                self.statement(next);
                if self.random.below(2) == 0 {
                    self.emit(I::Else);
                    self.statement(next);
                }
                self.close();
            }
            8 | 9 => {
                self.open(I::Loop(BlockType::Empty), vec![], true);
                self.statement(next);
                self.statement(next);
                self.again();
                self.close();
            }
            10 => {
                let (parameters, results) = (self.list(), self.list());
                let index = BlockType::FunctionType(self.types.index(&parameters, &results));
                for ty in &parameters {
                    self.expression(*ty, next);
                }
                let is_loop = self.random.below(2) == 0;
                if is_loop {
                    self.open(I::Loop(index), parameters.clone(), true);
                } else {
                    self.open(I::Block(index), results.clone(), false);
                }
                self.take(&parameters);
                self.statement(next);
                if is_loop {
                    for ty in &parameters {
                        self.expression(*ty, next);
                    }
                    self.again();
                    self.take(&parameters);
                }
                for ty in &results {
                    self.expression(*ty, next);
                }
                self.close();
                self.take(&results);
            }
            11 | 12 => self.jump(next),
            13 if !self.callable.is_empty() => {
                let index = self.random.below(self.callable.len());
                self.call(index, next);
                let results = self.callable[index].1.clone();
                self.take(&results);
            }
            _ if self.exceptions => self.catch(next),
            _ => self.statement(next),
        }
    }

    /// A jump to any label, mostly under a condition. What follows one without is dead code.
    fn jump(&mut self, depth: usize) {
        let target = self.random.below(self.labels.len());
        let (types, is_loop) = self.labels[self.labels.len() - 1 - target].clone();
        for ty in &types {
            self.expression(*ty, depth);
        }
        if is_loop {
            self.spend();
        } else if self.random.below(6) == 0 {
            self.emit(I::Br(target as u32));
            return self.take(&types);
        } else {
            self.expression(I32, depth);
        }
        self.emit(I::BrIf(target as u32));
        self.take(&types);
    }

    /// Something is thrown, perhaps, and caught.
    fn catch(&mut self, depth: usize) {
        self.open(I::Block(BlockType::Result(F64)), vec![F64], false);
        let catches = vec![Catch::One { tag: 0, label: 0 }];
        self.open(I::TryTable(BlockType::Empty, catches.into()), vec![], false);
        self.statement(depth);
        self.expression(I32, depth);
        self.open(I::If(BlockType::Empty), vec![], false);
        self.expression(F64, depth);
        self.emit(I::Throw(0));
        self.close();
        self.statement(depth);
        self.close();
        self.expression(F64, depth);
        self.close();
        self.take(&[F64]);
    }
}
