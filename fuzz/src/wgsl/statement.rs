//! Statements: loops of every kind, with ways out of every kind; barriers, atomics, calls.

use super::{BOOL, F32, I32, Maker, Place, Scalar, Type, U32, Variable};

impl Maker<'_> {
    pub(super) fn block(&mut self, place: Place) -> String {
        let known = self.variables.len();
        let mut text = String::new();
        for _ in 0..1 + self.below(5) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            text.push_str(&self.statement(place));
        }
        self.variables.truncate(known);
        text
    }

    fn inside(&mut self, place: Place) -> String {
        self.block(Place { depth: place.depth + 1, ..place })
    }

    /// A variable that can be set, and its type.
    fn target(&mut self) -> (String, Type) {
        let mutable: Vec<usize> =
            (0..self.variables.len()).filter(|&index| self.variables[index].mutable).collect();
        let chosen = mutable[usize::from(self.below(mutable.len().min(255) as u8))];
        (self.variables[chosen].text.clone(), self.variables[chosen].ty)
    }

    fn declare(&mut self, keyword: &str, ty: Type, value: &str) -> String {
        let name = self.name();
        self.variables.push(Variable { text: name.clone(), ty, mutable: keyword == "var" });
        format!("{keyword} {name}: {} = {value};\n", ty.name())
    }

    fn statement(&mut self, place: Place) -> String {
        let nested = place.depth < 5;
        match self.below(24) {
            0..3 => {
                let (ty, keyword) = (self.ty(), ["let", "var"][usize::from(self.below(2))]);
                let value = self.expression(ty, 3);
                self.declare(keyword, ty, &value)
            }
            3..6 => {
                let (target, ty) = self.target();
                format!("{target} = {};\n", self.expression(ty, 3))
            }
            6 => {
                let (target, ty) = self.target();
                match ty {
                    Type::Scalar(Scalar::I32 | Scalar::U32) => {
                        format!("{target}{};\n", ["++", "--"][usize::from(self.below(2))])
                    }
                    Type::Scalar(Scalar::Bool) | Type::Vector(_, Scalar::Bool) | Type::Matrix(..) => {
                        format!("{target} = {};\n", self.expression(ty, 2))
                    }
                    _ => format!("{target} *= {};\n", self.expression(ty, 2)),
                }
            }
            7..10 if nested => {
                let (condition, yes) = (self.expression(BOOL, 2), self.inside(place));
                if self.chance(2) {
                    format!("if {condition} {{\n{yes}}} else {{\n{}}}\n", self.inside(place))
                } else {
                    format!("if {condition} {{\n{yes}}}\n")
                }
            }
            10..12 if nested => self.counted(place),
            12 if nested => {
                let condition = self.expression(BOOL, 2);
                format!(
                    "while {condition} {{\n{}}}\n",
                    self.inside(Place { loops: true, switches: false, ..place })
                )
            }
            13 if nested => {
                let body = self.inside(Place { loops: true, switches: false, ..place });
                let (target, ty) = self.target();
                let (value, until) = (self.expression(ty, 2), self.expression(BOOL, 2));
                format!("loop {{\n{body}continuing {{ {target} = {value}; break if {until}; }}\n}}\n")
            }
            14 if nested => {
                let on = [I32, U32][usize::from(self.below(2))];
                let (value, inside) = (self.expression(on, 2), Place { switches: true, ..place });
                let suffix = if on == I32 { "i" } else { "u" };
                let (one, two, other) = (self.inside(inside), self.inside(inside), self.inside(inside));
                format!(
                    "switch {value} {{\ncase 1{suffix}, 4{suffix} {{\n{one}}}\ncase 2{suffix} {{\n{two}}}\ndefault {{\n{other}}}\n}}\n"
                )
            }
            15 if place.loops || place.switches => {
                let condition = self.expression(BOOL, 2);
                let way = if place.loops && self.chance(2) { "continue" } else { "break" };
                format!("if {condition} {{ {way}; }}\n")
            }
            16 if !place.barriers => {
                let condition = self.expression(BOOL, 2);
                match place.result {
                    None => format!("if {condition} {{ return; }}\n"),
                    Some(ty) => format!("if {condition} {{ return {}; }}\n", self.expression(ty, 2)),
                }
            }
            // In uniform flow, but for a few.
            17 if (place.barriers && place.depth == 0) || self.chance(40) => self.pick_barrier(),
            18 => {
                let value = self.expression(U32, 2);
                let of = ["atomicAdd", "atomicMax", "atomicXor", "atomicStore"][usize::from(self.below(4))];
                format!("{of}(&{}, {value});\n", ["seen", "counts.total"][usize::from(self.below(2))])
            }
            19 => {
                let (index, value) = (self.expression(U32, 2), self.expression(I32, 2));
                let old = format!("atomicExchange(&counts.each[({index}) % 8u], {value})");
                self.declare("let", I32, &old)
            }
            20 => {
                let (index, value) = (self.index(2), self.expression(F32, 2));
                format!("tile[{index}] = {value};\n")
            }
            21 => self.call_by_pointer(),
            _ => {
                let (index, value) = (self.expression(U32, 2), self.expression(U32, 3));
                format!("words[{index}] = {value};\n")
            }
        }
    }

    fn counted(&mut self, place: Place) -> String {
        let (name, bound) = (self.name(), self.expression(U32, 2));
        let known = self.variables.len();
        // Sometimes the body may set the counter.
        let mutable = self.chance(4);
        self.variables.push(Variable { text: name.clone(), ty: U32, mutable });
        let body = self.inside(Place { loops: true, switches: false, ..place });
        self.variables.truncate(known);
        let (bound, step) = match self.below(4) {
            0 => (format!("({bound})"), "++"),
            1 => (format!("({bound} & 7u)"), " += 2u"),
            2 => ("few".to_owned(), "++"),
            _ => ("turns".to_owned(), " += few"),
        };
        format!("for (var {name} = 0u; {name} < {bound}; {name}{step}) {{\n{body}}}\n")
    }

    fn pick_barrier(&mut self) -> String {
        match self.below(4) {
            0 => "storageBarrier();\n".to_owned(),
            1 => self.declare("let", U32, "workgroupUniformLoad(&flag)"),
            _ => "workgroupBarrier();\n".to_owned(),
        }
    }

    fn call_by_pointer(&mut self) -> String {
        let with: Vec<usize> =
            (0..self.functions.len()).filter(|&index| self.functions[index].pointer.is_some()).collect();
        let Some(&function) = with.get(usize::from(self.below(3))) else {
            return self.declare("var", F32, "scale");
        };
        let ty = self.functions[function].pointer.unwrap_or(F32);
        let value = self.expression(ty, 2);
        let declared = self.declare("var", ty, &value);
        let pointer = self.variables.last().map(|variable| format!("&{}", variable.text));
        let call = self.call_of(function, pointer, 2);
        let result = self.functions[function].result;
        declared + &self.declare("let", result, &call)
    }
}
