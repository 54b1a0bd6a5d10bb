//! How far results are from what they should be.

use super::interpreter::Program;
use super::lanes::LANES;
use super::oracle::units;
use super::table::{Function, Gives};

/// The worst of a function's results.
#[derive(Clone, Copy, Default)]
pub(crate) struct Measure {
    /// Units of the last place; infinite for a result that must be exact and is not.
    pub(crate) units: f64,
    /// What was given.
    pub(crate) input: [u32; 2],
    /// What it gave.
    pub(crate) found: u32,
    /// How many results differ from what they must be exactly.
    pub(crate) wrong: u64,
}

/// Results, a NaN as the one that shaders show.
pub(crate) fn results(function: &Function, program: &mut Program, inputs: &[[u32; 2]]) -> Vec<u32> {
    compute(function, program, inputs)
        .iter()
        .take(inputs.len())
        .map(|bits| match function.gives {
            Gives::Word(_) => *bits,
            _ if f32::from_bits(*bits).is_nan() => 0x7fc0_0000,
            _ => *bits,
        })
        .collect()
}

fn compute<'p>(function: &Function, program: &'p mut Program, inputs: &[[u32; 2]]) -> &'p [u32; LANES] {
    use super::table::Takes;
    let arguments = if matches!(function.takes, Takes::Two | Takes::Power) { 2 } else { 1 };
    for argument in 0..arguments {
        for (lane, input) in program.argument(argument).iter_mut().zip(inputs) {
            *lane = input[argument];
            if function.takes == Takes::Half {
                *lane &= 0xffff;
            }
        }
    }
    program.run()
}

impl Measure {
    /// Computes at most a block of inputs.
    pub(crate) fn add(&mut self, function: &Function, program: &mut Program, inputs: &[[u32; 2]]) {
        let found = compute(function, program, inputs);
        for (input, found) in inputs.iter().zip(found) {
            let [x, y] = *input;
            let same = |wanted: u32| if *found == wanted { 0.0 } else { f64::INFINITY };
            let value = f32::from_bits(*found);
            let distance = match function.gives {
                Gives::Word(of) => same(of(x, y)),
                Gives::Float(of) => {
                    let wanted = of(x, y);
                    if f32::from_bits(wanted).is_nan() && value.is_nan() { 0.0 } else { same(wanted) }
                }
                Gives::Near(of, _) => {
                    let wanted = of(f64::from(f32::from_bits(x)));
                    // The nearest float is at most half a unit away: no need to say how far.
                    if self.units > 0.5 && (wanted as f32).to_bits() == *found {
                        0.0
                    } else {
                        units(value, wanted)
                    }
                }
                Gives::NearTwo(of, _) => {
                    units(value, of(f64::from(f32::from_bits(x)), f64::from(f32::from_bits(y))))
                }
            };
            self.wrong += u64::from(distance.is_infinite());
            if distance > self.units {
                (self.units, self.input, self.found) = (distance, *input, *found);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn join(&mut self, other: Measure) {
        let wrong = self.wrong + other.wrong;
        if other.units > self.units {
            *self = other;
        }
        self.wrong = wrong;
    }

    pub(crate) fn is_right(&self, function: &Function) -> bool {
        match function.gives {
            Gives::Near(_, most) | Gives::NearTwo(_, most) => self.units <= most,
            Gives::Word(_) | Gives::Float(_) => self.units == 0.0,
        }
    }

    /// A line of the table.
    pub(crate) fn line(&self, function: &Function, program: &Program) -> String {
        let Measure { units, input: [x, y], found, wrong } = self;
        let [a, b, value] = [*x, *y, *found].map(f32::from_bits);
        format!(
            "{}: {} operations, {units:.4} units at most, {wrong} wrong: {x:#010x} {y:#010x} ({a:e}, {b:e}) gives {found:#010x} ({value:e})",
            function.name,
            program.cost(),
        )
    }
}
