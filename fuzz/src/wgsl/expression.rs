//! Expressions of a wanted type.

use super::{BOOL, F32, I32, Maker, Scalar, Type, U32};

impl Maker<'_> {
    pub(super) fn expression(&mut self, ty: Type, depth: u32) -> String {
        if depth == 0 || self.bytes.is_empty() || self.chance(5) {
            return self.leaf(ty);
        }
        if self.chance(9)
            && let Some(call) = self.call(ty, depth - 1)
        {
            return call;
        }
        match ty {
            Type::Scalar(Scalar::Bool) => self.truth(depth - 1),
            Type::Scalar(Scalar::F32) => self.real(depth - 1),
            Type::Scalar(scalar) => self.whole(scalar, depth - 1),
            Type::Vector(size, scalar) => self.vector(size, scalar, depth - 1),
            Type::Matrix(columns, rows) => self.matrix(columns, rows, depth - 1),
        }
    }

    /// A variable or a constant.
    fn leaf(&mut self, ty: Type) -> String {
        let known: Vec<usize> =
            (0..self.variables.len()).filter(|&index| self.variables[index].ty == ty).collect();
        if !known.is_empty() && !self.chance(4) {
            let chosen = known[usize::from(self.below(known.len().min(255) as u8))];
            return self.variables[chosen].text.clone();
        }
        match ty {
            Type::Scalar(Scalar::Bool) => ["false", "true"][usize::from(self.below(2))].to_owned(),
            Type::Scalar(Scalar::I32) => format!("{}i", self.below(100)),
            Type::Scalar(Scalar::U32) => format!("{}u", self.below(100)),
            Type::Scalar(Scalar::F32) => format!("{}.25f", self.below(100)),
            Type::Vector(..) | Type::Matrix(..) => format!("{}()", ty.name()),
        }
    }

    fn call(&mut self, ty: Type, depth: u32) -> Option<String> {
        let fitting: Vec<usize> = (0..self.functions.len())
            .filter(|&index| self.functions[index].result == ty && self.functions[index].pointer.is_none())
            .collect();
        let chosen = *fitting.get(usize::from(self.below(4)))?;
        Some(self.call_of(chosen, None, depth))
    }

    pub(super) fn call_of(&mut self, function: usize, pointer: Option<String>, depth: u32) -> String {
        let types = self.functions[function].parameters.clone();
        let mut arguments: Vec<String> = pointer.into_iter().collect();
        for ty in types {
            arguments.push(self.expression(ty, depth));
        }
        format!("{}({})", self.functions[function].name, arguments.join(", "))
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[usize::from(self.below(from.len() as u8))]
    }

    /// An index of an array with a size. What the compiler knows must be inside.
    pub(super) fn index(&mut self, depth: u32) -> String {
        let index = self.expression(U32, depth);
        match self.below(3) {
            0 => format!("words[{index}]"),
            _ => format!("(({index}) & 3u)"),
        }
    }

    fn truth(&mut self, depth: u32) -> String {
        match self.below(6) {
            0 => format!("!({})", self.expression(BOOL, depth)),
            1 => {
                let (a, operator, b) = (
                    self.expression(BOOL, depth),
                    self.pick(&["&&", "||", "&", "|", "==", "!="]),
                    self.expression(BOOL, depth),
                );
                format!("(({a}) {operator} ({b}))")
            }
            2 => {
                let (of, size) = (self.pick(&["any", "all"]), 2 + self.below(3));
                format!("{of}({})", self.expression(Type::Vector(size, Scalar::Bool), depth))
            }
            _ => {
                let ty = [I32, U32, F32][usize::from(self.below(3))];
                let (a, b) = (self.expression(ty, depth), self.expression(ty, depth));
                format!("(({a}) {} ({b}))", self.pick(&["<", "<=", ">", ">=", "==", "!="]))
            }
        }
    }

    fn whole(&mut self, scalar: Scalar, depth: u32) -> String {
        let ty = Type::Scalar(scalar);
        let name = scalar.name();
        match self.below(14) {
            0..4 => {
                let (a, b) = (self.expression(ty, depth), self.expression(ty, depth));
                format!("({a} {} {b})", self.pick(&["+", "-", "*", "&", "|", "^"]))
            }
            4 => {
                // Divided by what the compiler does not know.
                let (a, b) = (self.expression(ty, depth), self.expression(U32, depth));
                format!("({a} {} {name}(words[({b}) & 7u]))", self.pick(&["/", "%"]))
            }
            5 => {
                let (a, b) = (self.expression(ty, depth), self.expression(U32, depth));
                format!("({a} {} (words[{b}] & 31u))", self.pick(&["<<", ">>"]))
            }
            6 => format!("{name}({})", {
                let from = [BOOL, I32, U32, F32][usize::from(self.below(4))];
                self.expression(from, depth)
            }),
            7 => format!("bitcast<{name}>({})", self.expression(F32, depth)),
            8 => {
                let of = self.pick(&[
                    "abs",
                    "countOneBits",
                    "reverseBits",
                    "firstLeadingBit",
                    "firstTrailingBit",
                    "countLeadingZeros",
                ]);
                format!("{of}({})", self.expression(ty, depth))
            }
            9 => {
                let (of, a, b) =
                    (self.pick(&["min", "max"]), self.expression(ty, depth), self.expression(ty, depth));
                format!("{of}({a}, {b})")
            }
            10 => {
                let (size, a) = (2 + self.below(3), depth);
                let vector = Type::Vector(size, scalar);
                let (a, b) = (self.expression(vector, a), self.expression(vector, a));
                format!("dot({a}, {b})")
            }
            11 => {
                let (a, b, c) =
                    (self.expression(ty, depth), self.expression(ty, depth), self.expression(BOOL, depth));
                format!("select({a}, {b}, {c})")
            }
            12 if scalar == Scalar::U32 => {
                let index = self.expression(U32, depth);
                match self.below(5) {
                    0 => format!("words[{index}]"),
                    1 => "arrayLength(&words)".to_owned(),
                    2 => format!("pack4x8unorm(reals[{index}])"),
                    3 => "atomicLoad(&counts.total)".to_owned(),
                    _ => format!("given[{index}].n"),
                }
            }
            12 => {
                let index = self.index(depth);
                match self.below(4) {
                    0 => format!("given[1].w[{index}]"),
                    1 => format!("grid[{index}][2]"),
                    2 => format!("grid[1][({index}) % 3u]"),
                    _ => format!("atomicLoad(&counts.each[({index}) & 7u])"),
                }
            }
            _ => {
                let size = 2 + self.below(3);
                let vector = self.expression(Type::Vector(size, scalar), depth);
                let part = ["x", "y", "z", "w"][usize::from(self.below(size))];
                format!("({vector}).{part}")
            }
        }
    }

    fn real(&mut self, depth: u32) -> String {
        match self.below(12) {
            0..3 => {
                let (a, b) = (self.expression(F32, depth), self.expression(F32, depth));
                format!("({a} {} {b})", self.pick(&["+", "-", "*"]))
            }
            3 => {
                let (a, b) = (self.expression(F32, depth), self.expression(U32, depth));
                format!("({a} {} tile[{b}])", self.pick(&["/", "%"]))
            }
            4 => {
                let of = self.pick(&[
                    "sin", "cos", "exp2", "floor", "ceil", "trunc", "round", "fract", "abs", "sign", "atan",
                    "saturate", "tanh",
                ]);
                format!("{of}({})", self.expression(F32, depth))
            }
            5 => {
                let of = self.pick(&["min", "max", "atan2", "step"]);
                let (a, b) = (self.expression(F32, depth), self.expression(F32, depth));
                format!("{of}({a}, {b})")
            }
            6 => {
                let of = self.pick(&["fma", "mix"]);
                let (a, b, c) =
                    (self.expression(F32, depth), self.expression(F32, depth), self.expression(F32, depth));
                format!("{of}({a}, {b}, {c})")
            }
            7 => format!("f32({})", {
                let from = [BOOL, I32, U32][usize::from(self.below(3))];
                self.expression(from, depth)
            }),
            8 => {
                let (of, size) = (self.pick(&["length", "distance"]), 2 + self.below(3));
                let vector = Type::Vector(size, Scalar::F32);
                let a = self.expression(vector, depth);
                if of == "length" {
                    format!("length({a})")
                } else {
                    format!("distance({a}, {})", self.expression(vector, depth))
                }
            }
            9 => {
                let of = self.pick(&["modf", "frexp"]);
                format!("{of}({}).fract", self.expression(F32, depth))
            }
            10 => {
                let size = 2 + self.below(3);
                format!("determinant({})", self.expression(Type::Matrix(size, size), depth))
            }
            _ => format!("tile[{}]", self.index(depth)),
        }
    }

    fn vector(&mut self, size: u8, scalar: Scalar, depth: u32) -> String {
        let (ty, one) = (Type::Vector(size, scalar), Type::Scalar(scalar));
        match self.below(8) {
            0 => {
                let parts: Vec<String> = (0..size).map(|_| self.expression(one, depth)).collect();
                format!("{}({})", ty.name(), parts.join(", "))
            }
            1 => format!("{}({})", ty.name(), self.expression(one, depth)),
            2 => {
                let from = 2 + self.below(3);
                let parts: String =
                    (0..size).map(|_| ["x", "y", "z", "w"][usize::from(self.below(from))]).collect();
                format!("({}).{parts}", self.expression(Type::Vector(from, scalar), depth))
            }
            3 if scalar == Scalar::F32 => {
                let columns = 2 + self.below(3);
                let matrix = self.expression(Type::Matrix(columns, size), depth);
                match self.below(2) {
                    0 => format!("({matrix})[{}]", self.below(columns)),
                    _ => {
                        format!("(({matrix}) * ({}))", self.expression(Type::Vector(columns, scalar), depth))
                    }
                }
            }
            4 if scalar == Scalar::F32 => {
                let of = self.pick(&["fract", "sqrt", "cos"]);
                format!("{of}({})", self.expression(ty, depth))
            }
            5 => {
                let (a, b, c) =
                    (self.expression(ty, depth), self.expression(ty, depth), self.expression(BOOL, depth));
                format!("select({a}, {b}, {c})")
            }
            _ if scalar == Scalar::Bool => format!("!({})", self.expression(ty, depth)),
            6 => {
                let (a, b) = (self.expression(ty, depth), self.expression(one, depth));
                format!("({a} {} {b})", self.pick(&["+", "-", "*"]))
            }
            _ => {
                let (a, b) = (self.expression(ty, depth), self.expression(ty, depth));
                format!("({a} {} {b})", self.pick(&["+", "-", "*"]))
            }
        }
    }

    fn matrix(&mut self, columns: u8, rows: u8, depth: u32) -> String {
        let ty = Type::Matrix(columns, rows);
        match self.below(5) {
            0 => {
                let parts: Vec<String> =
                    (0..columns).map(|_| self.expression(Type::Vector(rows, Scalar::F32), depth)).collect();
                format!("{}({})", ty.name(), parts.join(", "))
            }
            1 => format!("transpose({})", self.expression(Type::Matrix(rows, columns), depth)),
            2 => {
                let inner = 2 + self.below(3);
                let (a, b) = (
                    self.expression(Type::Matrix(inner, rows), depth),
                    self.expression(Type::Matrix(columns, inner), depth),
                );
                format!("(({a}) * ({b}))")
            }
            3 => {
                let (a, b) = (self.expression(ty, depth), self.expression(F32, depth));
                format!("(({a}) * {b})")
            }
            _ => {
                let (a, b) = (self.expression(ty, depth), self.expression(ty, depth));
                format!("(({a}) {} ({b}))", self.pick(&["+", "-"]))
            }
        }
    }
}
