//! WGSL that is made of the input: nearly always valid, so that it comes far.

mod expression;
mod statement;

use std::fmt::Write;

/// The shader that bytes choose. Any bytes choose one.
pub fn made(data: &[u8]) -> String {
    let mut maker = Maker { bytes: data, left: 60, names: 0, variables: Vec::new(), functions: Vec::new() };
    maker.module()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scalar {
    Bool,
    I32,
    U32,
    F32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Scalar(Scalar),
    Vector(u8, Scalar),
    /// Columns and rows, of `f32`.
    Matrix(u8, u8),
}

const BOOL: Type = Type::Scalar(Scalar::Bool);
const I32: Type = Type::Scalar(Scalar::I32);
const U32: Type = Type::Scalar(Scalar::U32);
const F32: Type = Type::Scalar(Scalar::F32);

impl Scalar {
    fn name(self) -> &'static str {
        ["bool", "i32", "u32", "f32"][self as usize]
    }
}

impl Type {
    fn name(self) -> String {
        match self {
            Type::Scalar(scalar) => scalar.name().to_owned(),
            Type::Vector(size, scalar) => format!("vec{size}<{}>", scalar.name()),
            Type::Matrix(columns, rows) => format!("mat{columns}x{rows}<f32>"),
        }
    }
}

/// What can be read, and perhaps set.
struct Variable {
    text: String,
    ty: Type,
    mutable: bool,
}

struct Function {
    name: String,
    /// A pointer to a variable of this type comes first.
    pointer: Option<Type>,
    parameters: Vec<Type>,
    result: Type,
}

/// Where a statement stands.
#[derive(Clone, Copy)]
struct Place {
    depth: u32,
    /// `break` and `continue` have a meaning.
    loops: bool,
    switches: bool,
    /// The function has barriers, and so returns at its end.
    barriers: bool,
    /// What the function gives; `None` in an entry point.
    result: Option<Type>,
}

struct Maker<'d> {
    bytes: &'d [u8],
    /// Statements that may still be written.
    left: u32,
    names: u32,
    variables: Vec<Variable>,
    functions: Vec<Function>,
}

/// What every shader may use.
const GLOBALS: &str = "struct Given { a: vec3f, n: u32, m: mat3x3f, w: array<i32, 5> }
struct Fixed { a: vec4f, n: vec4u, m: mat4x4f, i: i32 }
struct Counts { total: atomic<u32>, each: array<atomic<i32>, 8> }
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> reals: array<vec4f>;
@group(0) @binding(2) var<storage> given: array<Given>;
@group(0) @binding(3) var<uniform> fixed: Fixed;
@group(1) @binding(0) var<storage, read_write> counts: Counts;
var<workgroup> tile: array<f32, 64>;
var<workgroup> seen: atomic<u32>;
var<workgroup> flag: u32;
var<private> state: vec4u;
var<private> grid: array<array<i32, 3>, 4>;
override scale: f32 = 1.5;
@id(7) override turns: u32 = 4u;
const few = 3u;
";

impl Maker<'_> {
    /// A number below `most`, 0 where the input has ended.
    fn below(&mut self, most: u8) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first % most
    }

    fn chance(&mut self, one_in: u8) -> bool {
        self.below(one_in) == 1
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn scalar(&mut self) -> Scalar {
        [Scalar::U32, Scalar::I32, Scalar::F32, Scalar::Bool][usize::from(self.below(4))]
    }

    fn ty(&mut self) -> Type {
        match self.below(8) {
            0..4 => Type::Scalar(self.scalar()),
            4..7 => Type::Vector(2 + self.below(3), self.scalar()),
            _ => Type::Matrix(2 + self.below(3), 2 + self.below(3)),
        }
    }

    fn module(&mut self) -> String {
        let mut text = GLOBALS.to_owned();
        for _ in 0..self.below(4) {
            let function = self.function();
            text.push_str(&function);
        }
        for index in 0..1 + self.below(2) {
            let size = ["64", "8, 2, 4", "turns", "1", "4, few, turns"][usize::from(self.below(5))];
            self.globals();
            let mut known = |text: &str, ty| {
                self.variables.push(Variable { text: text.to_owned(), ty, mutable: false });
            };
            for vector in ["id", "own", "group", "groups"] {
                known(vector, Type::Vector(3, Scalar::U32));
            }
            known("local", U32);
            let barriers = self.chance(2);
            let body = self.block(Place { depth: 0, loops: false, switches: false, barriers, result: None });
            writeln!(
                text,
                "@compute @workgroup_size({size})
fn main{index}(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) own: vec3u,
    @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) local: u32) {{\n{body}}}"
            )
            .expect("a string takes everything");
        }
        text
    }

    /// What may be named everywhere.
    fn globals(&mut self) {
        self.variables.clear();
        for (text, ty, mutable) in [
            ("state", Type::Vector(4, Scalar::U32), true),
            ("fixed.a", Type::Vector(4, Scalar::F32), false),
            ("fixed.n", Type::Vector(4, Scalar::U32), false),
            ("fixed.m", Type::Matrix(4, 4), false),
            ("fixed.i", I32, false),
            ("scale", F32, false),
            ("turns", U32, false),
            ("flag", U32, true),
            ("grid[2][1]", I32, true),
            ("words[5]", U32, true),
            ("reals[1]", Type::Vector(4, Scalar::F32), true),
            ("given[3].m", Type::Matrix(3, 3), false),
        ] {
            self.variables.push(Variable { text: text.to_owned(), ty, mutable });
        }
    }

    fn function(&mut self) -> String {
        self.globals();
        let pointer = self.chance(3).then(|| self.ty());
        let parameters: Vec<Type> = (0..self.below(4)).map(|_| self.ty()).collect();
        let result = self.ty();
        let mut list = Vec::new();
        if let Some(ty) = pointer {
            list.push(format!("p: ptr<function, {}>", ty.name()));
            self.variables.push(Variable { text: "(*p)".to_owned(), ty, mutable: true });
        }
        for (index, ty) in parameters.iter().enumerate() {
            list.push(format!("a{index}: {}", ty.name()));
            self.variables.push(Variable { text: format!("a{index}"), ty: *ty, mutable: false });
        }
        let place = Place { depth: 0, loops: false, switches: false, barriers: false, result: Some(result) };
        let body = self.block(place);
        let last = self.expression(result, 2);
        let name = format!("f{}", self.functions.len());
        let text =
            format!("fn {name}({}) -> {} {{\n{body}return {last};\n}}\n", list.join(", "), result.name());
        self.functions.push(Function { name, pointer, parameters, result });
        text
    }
}
