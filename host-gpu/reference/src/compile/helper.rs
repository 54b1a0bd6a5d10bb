//! Functions that the program calls where spelling them out would be long.

use super::asm::{Asm, Local, memory, splat};
use super::ir::{AtomicOp, Bin};
use wasm_encoder::{BlockType, Function, ValType};

/// A function beside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Helper {
    /// `(address, index, length) → words`: four words in a row, those out of bounds zero.
    LoadRow,
    /// `(address, index, length, mask, words)`.
    StoreRow,
    /// Quotient or remainder of two numbers.
    Divide(Bin),
    DivideVector(Bin),
    /// Shifts by different amounts.
    Shift(Bin),
    Clz,
    /// `(addresses, values, compare) → values before`, for addresses that are not 0; whether other threads may be there.
    Atomic(AtomicOp, bool),
    /// A function of the shader, by its number, and how many vectors it takes.
    Callee(u32, usize),
}

/// The helpers in use, in order of first use. Their functions come after the program's.
#[derive(Default)]
pub(super) struct Helpers {
    used: Vec<Helper>,
    /// Functions that the module imports.
    imported: u32,
}

const I: ValType = ValType::I32;
const V: ValType = ValType::V128;

impl Helpers {
    pub(super) fn new(imported: u32) -> Self {
        Helpers { used: Vec::new(), imported }
    }

    pub(super) fn imported(&self) -> u32 {
        self.imported
    }

    /// The index of a helper's function.
    pub(super) fn index(&mut self, helper: Helper) -> u32 {
        let position = self.used.iter().position(|used| *used == helper).unwrap_or_else(|| {
            self.used.push(helper);
            self.used.len() - 1
        });
        self.imported + position as u32 + 1
    }

    pub(super) fn all(&self) -> &[Helper] {
        &self.used
    }
}

impl Helper {
    pub(super) fn parameters(self) -> Vec<ValType> {
        match self {
            Helper::LoadRow => vec![I, I, I],
            Helper::StoreRow => vec![I, I, I, V, V],
            Helper::Divide(_) => vec![I, I],
            Helper::DivideVector(_) | Helper::Shift(_) => vec![V, V],
            Helper::Clz => vec![V],
            Helper::Atomic(..) => vec![V, V, V],
            Helper::Callee(_, arguments) => vec![V; arguments],
        }
    }

    pub(super) fn results(self) -> Vec<ValType> {
        match self {
            Helper::StoreRow => vec![],
            Helper::Divide(_) => vec![I],
            _ => vec![V],
        }
    }

    /// Its code; that of a function of the shader is in `callees`.
    pub(super) fn function(self, callees: &[Option<Function>]) -> Function {
        let mut asm = Asm::new(self.parameters().len() as u32);
        match self {
            Helper::LoadRow => load_row(&mut asm),
            Helper::StoreRow => store_row(&mut asm),
            Helper::Divide(op) => divide(&mut asm, op),
            Helper::DivideVector(op) => divide_vector(&mut asm, op),
            Helper::Shift(op) => lanes(&mut asm, |asm, lane| {
                for operand in 0..2 {
                    asm.get(operand);
                    asm.op().i32x4_extract_lane(lane);
                }
                match op {
                    Bin::Shl => asm.op().i32_shl(),
                    Bin::ShrS => asm.op().i32_shr_s(),
                    _ => asm.op().i32_shr_u(),
                };
            }),
            Helper::Clz => lanes(&mut asm, |asm, lane| {
                asm.get(0);
                asm.op().i32x4_extract_lane(lane).i32_clz();
            }),
            Helper::Atomic(op, shared) => atomic(&mut asm, op, shared),
            Helper::Callee(number, _) => {
                return callees[number as usize].clone().expect("every function that is called is written");
            }
        }
        asm.finish()
    }
}

/// Leaves a vector of what `one` pushes for each lane.
fn lanes(asm: &mut Asm, mut one: impl FnMut(&mut Asm, u8)) {
    one(asm, 0);
    asm.op().i32x4_splat();
    for lane in 1..4 {
        one(asm, lane);
        asm.op().i32x4_replace_lane(lane);
    }
}

/// Pushes whether a lane's index is in bounds.
fn in_bounds(asm: &mut Asm, lane: u32) {
    asm.get(1);
    asm.int(lane);
    asm.op().i32_add().local_get(2).i32_lt_u();
}

fn load_row(asm: &mut Asm) {
    lanes(asm, |asm, lane| {
        in_bounds(asm, u32::from(lane));
        asm.op().if_(BlockType::Result(I));
        asm.depth += 1;
        asm.get(0);
        asm.int(u32::from(lane) * 4);
        asm.op().i32_add().i32_load(memory(0)).else_();
        asm.int(0);
        asm.end();
    });
}

fn store_row(asm: &mut Asm) {
    for lane in 0..4 {
        in_bounds(asm, u32::from(lane));
        asm.get(3);
        asm.op().i32x4_extract_lane(lane).i32_and();
        asm.begin_if();
        asm.get(0);
        asm.int(u32::from(lane) * 4);
        asm.op().i32_add();
        asm.get(4);
        asm.op().i32x4_extract_lane(lane).i32_store(memory(0));
        asm.end();
    }
}

fn divide(asm: &mut Asm, op: Bin) {
    let signed = matches!(op, Bin::DivS | Bin::RemS);
    let remainder = matches!(op, Bin::RemS | Bin::RemU);
    // x / 0 = x and x % 0 = 0; MIN / −1 would trap, and is MIN.
    asm.get(1);
    asm.op().i32_eqz();
    if signed && !remainder {
        asm.get(0);
        asm.int(i32::MIN as u32);
        asm.op().i32_eq();
        asm.get(1);
        asm.int(u32::MAX);
        asm.op().i32_eq().i32_and().i32_or();
    }
    asm.op().if_(BlockType::Result(I));
    asm.depth += 1;
    if remainder {
        asm.int(0)
    } else {
        asm.get(0)
    }
    asm.op().else_();
    asm.get(0);
    asm.get(1);
    match op {
        Bin::DivS => asm.op().i32_div_s(),
        Bin::DivU => asm.op().i32_div_u(),
        Bin::RemS => asm.op().i32_rem_s(),
        _ => asm.op().i32_rem_u(),
    };
    asm.end();
}

/// Division through 64-bit floats. The quotient of 32-bit numbers differs from the next whole number by more than 2⁻³² of itself, so that rounding it to 53 bits
/// does not reach that number; cutting it off is exact.
fn divide_vector(asm: &mut Asm, op: Bin) {
    let signed = matches!(op, Bin::DivS | Bin::RemS);
    let quotient = asm.local(V);
    for half in 0..2 {
        for operand in 0..2 {
            asm.get(operand);
            if half == 1 {
                asm.get(operand);
                asm.op().i8x16_shuffle([8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);
            }
            if signed {
                asm.op().f64x2_convert_low_i32x4_s();
            } else {
                asm.op().f64x2_convert_low_i32x4_u();
            }
        }
        asm.op().f64x2_div();
        if signed {
            asm.op().i32x4_trunc_sat_f64x2_s_zero();
        } else {
            asm.op().i32x4_trunc_sat_f64x2_u_zero();
        }
    }
    asm.op().i8x16_shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
    asm.set(quotient);
    // By 0, and MIN / −1: what is divided.
    asm.get(0);
    asm.get(quotient);
    asm.get(1);
    asm.op().v128_const(0).i32x4_eq();
    if signed {
        asm.get(0);
        asm.op().v128_const(splat(i32::MIN as u32)).i32x4_eq();
        asm.get(1);
        asm.op().v128_const(-1).i32x4_eq().v128_and().v128_or();
    }
    asm.op().v128_bitselect();
    if matches!(op, Bin::RemS | Bin::RemU) {
        asm.set(quotient);
        asm.get(0);
        asm.get(quotient);
        asm.get(1);
        asm.op().i32x4_mul().i32x4_sub();
        // By 0 nothing remains.
        asm.get(1);
        asm.op().v128_const(0).i32x4_ne().v128_and();
    }
}

/// Pushes the new value from the locals `old` and `value`.
fn combine(asm: &mut Asm, op: AtomicOp, old: Local, value: Local) {
    asm.get(old);
    asm.get(value);
    match op {
        AtomicOp::Add => {
            asm.op().i32_add();
        }
        AtomicOp::Sub => {
            asm.op().i32_sub();
        }
        AtomicOp::And => {
            asm.op().i32_and();
        }
        AtomicOp::Or => {
            asm.op().i32_or();
        }
        AtomicOp::Xor => {
            asm.op().i32_xor();
        }
        AtomicOp::MinS | AtomicOp::MinU | AtomicOp::MaxS | AtomicOp::MaxU => {
            asm.get(old);
            asm.get(value);
            match op {
                AtomicOp::MinS => asm.op().i32_lt_s(),
                AtomicOp::MinU => asm.op().i32_lt_u(),
                AtomicOp::MaxS => asm.op().i32_gt_s(),
                _ => asm.op().i32_gt_u(),
            };
            asm.op().select();
        }
        // The second of the two.
        _ => {
            asm.op().i32_const(0).select();
        }
    }
}

fn atomic(asm: &mut Asm, op: AtomicOp, shared: bool) {
    let [address, value, compare, old] = [I; 4].map(|ty| asm.local(ty));
    let result = asm.local(V);
    let word = wasm_encoder::MemArg { offset: 0, align: 2, memory_index: 0 };
    for lane in 0..4 {
        asm.get(0);
        asm.op().i32x4_extract_lane(lane).local_tee(address);
        asm.begin_if();
        for (vector, local) in [(1, value), (2, compare)] {
            asm.get(vector);
            asm.op().i32x4_extract_lane(lane).local_set(local);
        }
        match (op, shared) {
            (AtomicOp::Load, true) => {
                asm.get(address);
                asm.op().i32_atomic_load(word).local_set(old);
            }
            (AtomicOp::Store, true) => {
                asm.get(address);
                asm.get(value);
                asm.op().i32_atomic_store(word);
            }
            (AtomicOp::CompareExchange, true) => {
                asm.get(address);
                asm.get(compare);
                asm.get(value);
                asm.op().i32_atomic_rmw_cmpxchg(word).local_set(old);
            }
            (AtomicOp::MinS | AtomicOp::MinU | AtomicOp::MaxS | AtomicOp::MaxU, true) => {
                exchange_until_kept(asm, op, [address, value, compare, old]);
            }
            (_, true) => {
                asm.get(address);
                asm.get(value);
                match op {
                    AtomicOp::Add => asm.op().i32_atomic_rmw_add(word),
                    AtomicOp::Sub => asm.op().i32_atomic_rmw_sub(word),
                    AtomicOp::And => asm.op().i32_atomic_rmw_and(word),
                    AtomicOp::Or => asm.op().i32_atomic_rmw_or(word),
                    AtomicOp::Xor => asm.op().i32_atomic_rmw_xor(word),
                    _ => asm.op().i32_atomic_rmw_xchg(word),
                };
                asm.set(old);
            }
            (_, false) => alone(asm, op, [address, value, compare, old]),
        }
        asm.get(result);
        asm.get(old);
        asm.op().i32x4_replace_lane(lane).local_set(result);
        asm.end();
    }
    asm.get(result);
}

/// The same in memory that no other thread sees.
fn alone(asm: &mut Asm, op: AtomicOp, [address, value, compare, old]: [Local; 4]) {
    asm.get(address);
    asm.op().i32_load(memory(0)).local_set(old);
    match op {
        AtomicOp::Load => return,
        AtomicOp::CompareExchange => {
            asm.get(old);
            asm.get(compare);
            asm.op().i32_eq();
            asm.begin_if();
            asm.get(address);
            asm.get(value);
            asm.op().i32_store(memory(0));
            asm.end();
            return;
        }
        _ => {}
    }
    asm.get(address);
    combine(asm, op, old, value);
    asm.op().i32_store(memory(0));
}

fn exchange_until_kept(asm: &mut Asm, op: AtomicOp, [address, value, before, old]: [Local; 4]) {
    let word = wasm_encoder::MemArg { offset: 0, align: 2, memory_index: 0 };
    asm.get(address);
    asm.op().i32_atomic_load(word).local_set(old);
    let again = asm.repeat();
    asm.get(old);
    asm.set(before);
    asm.get(address);
    asm.get(before);
    combine(asm, op, before, value);
    asm.op().i32_atomic_rmw_cmpxchg(word).local_tee(old);
    asm.get(before);
    asm.op().i32_ne();
    asm.jump_if(again);
    asm.end();
}
