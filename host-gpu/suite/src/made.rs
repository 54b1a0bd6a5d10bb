//! Exact shaders that bytes choose, for comparing devices: nearly always valid, and never racy.
//!
//! Every invocation reads what nobody writes, or what a barrier has put in order, and writes places of its own. Indices may be out of bounds where
//! that has a meaning.

use crate::random::Random;
use crate::{Access, Case, Slot};
use std::fmt::Write;

/// Words that each invocation leaves.
const OUT: u32 = 8;
/// Invocations of a workgroup, and workgroups.
const SIZE: u32 = 64;
const GROUPS: u32 = 3;
/// Words of each input.
const INPUT: u32 = 256;

/// The shader that bytes choose, and its buffers. Any bytes choose one.
pub fn made(bytes: &[u8]) -> (String, Case) {
    let mut maker = Maker { bytes, left: 40, names: 0, variables: Vec::new() };
    let body = maker.body();
    let text = format!("{HEAD}{body}}}\n");
    let mut random =
        Random::new(bytes.iter().fold(1, |sum: u32, byte| sum.wrapping_mul(31) + u32::from(*byte)));
    let read = |words| Slot { access: Access::Read, words };
    let slots = vec![
        read(random.strange(INPUT)),
        read(random.words(INPUT)),
        Slot { access: Access::ReadWrite, words: vec![0x0a5a_5a5a; (OUT * SIZE * GROUPS) as usize] },
        Slot { access: Access::Texels { words: 2, written: false }, words: random.strange(INPUT) },
        Slot { access: Access::Texels { words: 1, written: false }, words: random.words(INPUT) },
        Slot { access: Access::Texels { words: 1, written: true }, words: random.strange(SIZE * GROUPS) },
    ];
    (text, Case { slots, workgroups: [GROUPS, 1, 1] })
}

const HEAD: &str = "@group(0) @binding(0) var<storage, read> reals: array<f32>;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@group(0) @binding(3) var halves: texture_storage_2d<rgba16float, read>;
@group(0) @binding(4) var colours: texture_storage_2d<rgba8snorm, read>;
@group(0) @binding(5) var canvas: texture_storage_2d<r32float, read_write>;
var<workgroup> tile: array<f32, 64>;
var<workgroup> count: array<u32, 64>;
fn mixed(a: f32, b: u32) -> f32 { if ((b & 1u) == 0u) { return a * 1.5; } return a - f32(b); }
fn turned(v: vec3f) -> vec3f { return cross(v.yzx, v) + v; }
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) own: u32) {
let x = reals[id.x];
let n = words[id.x];
let here = vec2u(id.x & 15u, id.x >> 4u);
var grid: array<f32, 5>;
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Bool,
    I32,
    U32,
    F32,
    Vector,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::I32 => "i32",
            Type::U32 => "u32",
            Type::F32 => "f32",
            Type::Vector => "vec3f",
        }
    }
}

struct Maker<'b> {
    bytes: &'b [u8],
    /// Statements that may still be written.
    left: u32,
    names: u32,
    /// Name, type, and whether it can be set.
    variables: Vec<(String, Type, bool)>,
}

impl Maker<'_> {
    /// A number below `most`, 0 where the bytes have ended.
    fn below(&mut self, most: u8) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first % most
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[usize::from(self.below(of.len() as u8))]
    }

    fn ty(&mut self) -> Type {
        [Type::F32, Type::U32, Type::I32, Type::Vector, Type::Bool][usize::from(self.below(5))]
    }

    fn body(&mut self) -> String {
        let mut text = String::new();
        for (name, ty) in [("x", Type::F32), ("n", Type::U32), ("id.x", Type::U32), ("own", Type::U32)] {
            self.variables.push((name.to_owned(), ty, false));
        }
        for part in 0..4 {
            text.push_str(&self.block(0));
            // An exchange between neighbours, in uniform flow.
            let (value, word) = (self.expression(Type::F32, 3), self.expression(Type::U32, 2));
            let (from, with) = (self.expression(Type::U32, 2), self.name());
            // Beyond the array there is zero.
            let mask = self.pick(&["63u", "127u", "0xffffffffu"]);
            writeln!(
                text,
                "tile[own] = {value};\ncount[own] = {word};\nworkgroupBarrier();\nlet {with} = tile[({from}) & {mask}];\nlet {with}c = count[own ^ {part}u];\nworkgroupBarrier();"
            )
            .expect("a string takes everything");
            self.variables.push((with.clone(), Type::F32, false));
            self.variables.push((format!("{with}c"), Type::U32, false));
        }
        for at in 0..OUT {
            let value = match at % 4 {
                0 | 1 => format!("bitcast<u32>({})", self.expression(Type::F32, 4)),
                2 => self.expression(Type::U32, 4),
                _ => format!("bitcast<u32>({})", self.expression(Type::I32, 4)),
            };
            writeln!(text, "result[id.x * {OUT}u + {at}u] = {value};").expect("a string takes everything");
        }
        text
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn block(&mut self, depth: u32) -> String {
        let known = self.variables.len();
        let mut text = String::new();
        for _ in 0..1 + self.below(4) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            text.push_str(&self.statement(depth));
        }
        // What is declared at the top stays known.
        if depth > 0 {
            self.variables.truncate(known);
        }
        text
    }

    fn statement(&mut self, depth: u32) -> String {
        let nested = depth < 3;
        match self.below(11) {
            10 => format!("textureStore(canvas, here, vec4f({}));\n", self.expression(Type::F32, 3)),
            0..3 => {
                let (ty, keyword) = (self.ty(), self.pick(&["var", "var", "let"]));
                let (value, name) = (self.expression(ty, 3), self.name());
                self.variables.push((name.clone(), ty, keyword == "var"));
                format!("{keyword} {name}: {} = {value};\n", ty.name())
            }
            3 if nested => {
                let (condition, yes) = (self.expression(Type::Bool, 2), self.block(depth + 1));
                format!("if ({condition}) {{\n{yes}}} else {{\n{}}}\n", self.block(depth + 1))
            }
            4 if nested => {
                let (name, end) = (self.name(), self.expression(Type::U32, 2));
                self.variables.push((name.clone(), Type::U32, false));
                let body = self.block(depth + 1);
                let way = self.pick(&["", "break", "continue"]);
                let leave = match way {
                    "" => String::new(),
                    way => format!("if ({}) {{ {way}; }}\n", self.expression(Type::Bool, 2)),
                };
                let last =
                    self.variables.iter().rposition(|(known, ..)| *known == name).expect("it was pushed");
                self.variables.truncate(last);
                let end = [format!("(({end}) & 7u)"), "5u".to_owned()][usize::from(self.below(2))].clone();
                format!("for (var {name} = 0u; {name} < {end}; {name}++) {{\n{leave}{body}}}\n")
            }
            5 if nested => {
                let (on, one) = (self.expression(Type::U32, 2), self.block(depth + 1));
                let (two, other) = (self.block(depth + 1), self.block(depth + 1));
                format!(
                    "switch (({on}) & 3u) {{\ncase 1u {{\n{one}}}\ncase 2u, 3u {{\n{two}}}\ndefault {{\n{other}}}\n}}\n"
                )
            }
            6 => {
                let (at, value) = (self.expression(Type::U32, 2), self.expression(Type::F32, 3));
                format!("grid[{at}] = {value};\n")
            }
            _ => {
                let can: Vec<usize> = (0..self.variables.len()).filter(|&n| self.variables[n].2).collect();
                let Some(&chosen) = can.get(usize::from(self.below(can.len().clamp(1, 255) as u8))) else {
                    return String::new();
                };
                let (name, ty, _) = self.variables[chosen].clone();
                format!("{name} = {};\n", self.expression(ty, 3))
            }
        }
    }

    fn leaf(&mut self, ty: Type) -> String {
        let known: Vec<usize> = (0..self.variables.len()).filter(|&n| self.variables[n].1 == ty).collect();
        if !known.is_empty() && self.below(3) != 0 {
            let chosen = known[usize::from(self.below(known.len().min(255) as u8))];
            return self.variables[chosen].0.clone();
        }
        match ty {
            Type::Bool => "(own > 7u)".to_owned(),
            // Nothing that the compiler could compute: it refuses constants that overflow.
            Type::I32 => format!("i32(n ^ {}u)", self.below(100)),
            Type::U32 => format!("(own ^ {}u)", self.below(100)),
            Type::F32 => {
                let of = [
                    "reals[own]",
                    "reals[id.x + 64u]",
                    "reals[n & 127u]",
                    "textureLoad(canvas, here).x",
                    "textureLoad(halves, here + 8u).z",
                    // Beyond the texture there is zero, of which a driver knows.
                    "textureLoad(canvas, vec2(-1i, i32(n))).x",
                ];
                self.pick(&of).to_owned()
            }
            Type::Vector => {
                let of = [
                    "vec3f(x, 2.0, -x)",
                    "textureLoad(colours, vec2u(own & 31u, n & 15u)).yzw",
                    "textureLoad(halves, vec2i(i32(own) - 40, 3)).xyz",
                ];
                self.pick(&of).to_owned()
            }
        }
    }

    fn expression(&mut self, ty: Type, depth: u32) -> String {
        if depth == 0 || self.bytes.is_empty() {
            return self.leaf(ty);
        }
        let depth = depth - 1;
        match ty {
            Type::Bool => {
                let of = [Type::F32, Type::I32, Type::U32][usize::from(self.below(3))];
                let (a, b) = (self.expression(of, depth), self.expression(of, depth));
                format!("(({a}) {} ({b}))", self.pick(&["<", "<=", ">", ">=", "==", "!="]))
            }
            Type::U32 | Type::I32 => self.whole(ty, depth),
            Type::F32 => self.real(depth),
            Type::Vector => {
                let (a, b) = (self.expression(ty, depth), self.expression(ty, depth));
                let c = self.expression(Type::F32, depth);
                match self.below(8) {
                    0 => format!("vec3f({c}, ({a}).x, ({b}).z)"),
                    1 => format!("turned({a})"),
                    2 => format!("mix({a}, {b}, {c})"),
                    3 => format!("normalize({a})"),
                    4 => format!("select({a}, {b}, {})", self.expression(Type::Bool, depth)),
                    5 => format!("(({a}) * ({c}))"),
                    6 => format!("(mat3x3f({a}, {b}, {a}) * ({b}))"),
                    _ => format!("(({a}) {} ({b}))", self.pick(&["+", "-", "*", "/"])),
                }
            }
        }
    }

    fn whole(&mut self, ty: Type, depth: u32) -> String {
        let name = ty.name();
        let (a, b) = (self.expression(ty, depth), self.expression(ty, depth));
        match self.below(10) {
            0..2 => format!("(({a}) {} ({b}))", self.pick(&["+", "-", "*", "&", "|", "^"])),
            2 => format!("(({a}) {} {name}({}))", self.pick(&["+", "-", "*"]), self.below(100)),
            // Divided by what the compiler does not know.
            3 => format!("(({a}) {} {name}(words[u32({b})]))", self.pick(&["/", "%"])),
            4 => format!("(({a}) {} (u32({b}) + (n & 0u)))", self.pick(&["<<", ">>"])),
            5 => format!("{name}({})", self.expression(Type::F32, depth)),
            6 => format!("bitcast<{name}>({})", self.expression(Type::F32, depth)),
            7 => format!("{}({a})", self.pick(&["countOneBits", "reverseBits", "firstLeadingBit", "abs"])),
            8 => format!("{}({a}, {b})", self.pick(&["min", "max"])),
            _ if ty == Type::U32 => format!("words[{a}]"),
            _ => format!("dot4I8Packed(u32({a}), u32({b}))"),
        }
    }

    fn real(&mut self, depth: u32) -> String {
        let a = self.expression(Type::F32, depth);
        match self.below(14) {
            0 => {
                let literal = self.pick(&["0.0f", "1.0f", "-2.5f", "1e-40f", "3e38f", "0.1f"]);
                format!("(({a}) {} {literal})", self.pick(&["+", "-", "*", "/"]))
            }
            1..4 => {
                let b = self.expression(Type::F32, depth);
                format!("(({a}) {} ({b}))", self.pick(&["+", "-", "*"]))
            }
            4 => format!("(({a}) {} ({}))", self.pick(&["/", "%"]), self.expression(Type::F32, depth)),
            5 => format!("{}({a})", self.pick(&["sqrt", "inverseSqrt", "floor", "ceil", "trunc", "round"])),
            6 => format!("{}({a})", self.pick(&["exp", "log", "sin", "cos", "tanh", "fract", "sign"])),
            7 => format!(
                "{}({a}, {})",
                self.pick(&["min", "max", "atan2", "step"]),
                self.expression(Type::F32, depth)
            ),
            8 => {
                let of = [Type::I32, Type::U32][usize::from(self.below(2))];
                format!("f32({})", self.expression(of, depth))
            }
            9 => format!("reals[{}]", self.expression(Type::U32, depth)),
            10 => format!("grid[{}]", self.expression(Type::U32, depth)),
            11 => {
                let (v, w) = (self.expression(Type::Vector, depth), self.expression(Type::Vector, depth));
                format!("dot({v}, {w})")
            }
            12 => format!("fma({a}, ({}).y, x)", self.expression(Type::Vector, depth)),
            _ => format!("mixed({a}, {})", self.expression(Type::U32, depth)),
        }
    }
}
