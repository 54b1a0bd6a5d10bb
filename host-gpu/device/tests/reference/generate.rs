//! Makes integer shaders: loops of every kind, with ways out of every kind.

/// A generator of numbers (xorshift), and what is written so far.
pub(crate) struct Generator {
    state: u64,
    /// Statements that may still be written.
    left: u32,
    names: u32,
}

/// Shaders run on workgroups of so many invocations.
pub(crate) const SIZE: u32 = 8;

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Generator { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, left: 24, names: 0 }
    }

    fn below(&mut self, most: u32) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        ((self.state >> 33) % u64::from(most)) as u32
    }

    pub(crate) fn shader(&mut self) -> String {
        let body = self.block(0, true);
        format!(
            "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
            fn turn(x: u32) -> u32 {{
                var y = x;
                for (var i = 0u; i < (x & 3u); i++) {{ if (y == 7u) {{ return y; }} y = y * 5u + i; }}
                return y;
            }}
            @compute @workgroup_size({SIZE})
            fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {{
                var a = data[id.x];
                var b = id.x;
                var c = group.x;
                var d = groups.x;
                {body}
                data[id.x] = a ^ b * 3u ^ c * 5u ^ d * 7u;
            }}"
        )
    }

    /// A value; `uniform` ones only of what workgroups share.
    fn word(&mut self, uniform: bool) -> String {
        let word = match (self.below(8), uniform) {
            // Not a constant: loops whose turns are known are charged wherever they stand.
            (0, _) => format!("({}u * groups.y)", self.below(9)),
            (1 | 2, false) => "a".to_owned(),
            (3 | 4, false) => "b".to_owned(),
            (5, _) => "group.x".to_owned(),
            (6, _) => "groups.x".to_owned(),
            _ => "(group.x + groups.x)".to_owned(),
        };
        match self.below(3) {
            0 => word,
            1 => format!("({word} + {})", self.below(5)),
            _ => format!("({word} * {}u)", self.below(5)),
        }
    }

    fn condition(&mut self, uniform: bool) -> String {
        let (word, limit) = (self.word(uniform), self.below(4));
        match self.below(3) {
            0 => format!("({word} & 3u) == {limit}u"),
            1 => format!("({word} & 3u) < {limit}u"),
            _ => format!("!(({word} & 3u) >= {limit}u)"),
        }
    }

    fn block(&mut self, loops: u32, uniform: bool) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.below(4) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            text.push_str(&self.statement(loops, uniform));
        }
        text
    }

    fn statement(&mut self, loops: u32, uniform: bool) -> String {
        let shared = self.below(2) == 0;
        let variable = ["a", "b"][self.below(2) as usize];
        match self.below(11) {
            0 => {
                let (condition, yes) = (self.condition(shared), self.block(loops, uniform && shared));
                let no = self.block(loops, uniform && shared);
                format!("if ({condition}) {{ {yes} }} else {{ {no} }}\n")
            }
            1..=3 if loops < 3 => {
                self.names += 1;
                let i = format!("i{}", self.names);
                let (bound, start, step) = (self.word(shared), self.below(3), 1 + self.below(3));
                let body = self.block(loops + 1, uniform && shared);
                format!(
                    "for (var {i} = {start}u; {i} < ({bound} & 7u); {i} += {step}u) {{ {variable} += {i}; {body} }}\n"
                )
            }
            4 if loops < 3 => {
                self.names += 1;
                let i = format!("i{}", self.names);
                let (bound, body) = (self.word(shared), self.block(loops + 1, false));
                format!(
                    "{{ var {i} = 0u; loop {{ {body} continuing {{ {i}++; break if !({i} < ({bound} & 7u)); }} }} }}\n"
                )
            }
            5 if loops > 0 => {
                let condition = self.condition(false);
                let way = ["break", "continue"][self.below(2) as usize];
                format!("if ({condition}) {{ {way}; }}\n")
            }
            6 if loops > 0 && self.below(3) == 0 => {
                let condition = self.condition(false);
                format!("if ({condition}) {{ data[id.x] = a; return; }}\n")
            }
            7 => {
                let (word, one, two) = (self.word(false), self.block(loops, false), self.word(false));
                format!(
                    "switch ({word} & 3u) {{ case 0u, 2u: {{ {one} }} case 1u: {{ if ({two} == 3u) {{ break; }} {variable} += 1u; }} default: {{}} }}\n"
                )
            }
            8 => {
                let word = self.word(false);
                format!("{variable} = turn({word});\n")
            }
            9 => format!("{variable} = {};\n", self.word(false)),
            _ => {
                let word = self.word(false);
                format!("{variable} = {variable} * 3u + {word};\n")
            }
        }
    }
}
