//! Loops of every shape that is counted, against one charge per operator.

use wasmparser::{Parser, Payload};
use wasmtime::{Module, Val};

use super::super::plan::Planner;
use super::super::tests::{GAS, call, facts, naive};
use super::super::{Variant, rewrite};
use super::inverse;
use crate::Engine;

#[test]
fn inverses_are() {
    for odd in (1..=u32::MAX).step_by(1_000_002).chain([3, 5, 7, u32::MAX]) {
        assert_eq!(odd.wrapping_mul(inverse(odd)), 1, "{odd}");
    }
}

/// Where the step stands, seen from the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stepped {
    Within,
    Before,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    Local,
    Constant(i32),
    /// Without a comparison.
    Zero,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    step: i32,
    stepped: Stepped,
    against: Against,
    bound_first: bool,
    /// Tested in the middle of the round, not at its end.
    leaves_in_the_middle: bool,
}

impl Shape {
    fn all(step: i32, against: Against) -> impl Iterator<Item = Shape> {
        use Stepped::*;
        let places = [(Within, false), (Before, false)];
        let places = places.into_iter().chain([Within, Before, After].map(|at| (at, true)));
        places.flat_map(move |(stepped, leaves_in_the_middle)| {
            [false, true].map(|bound_first| Shape {
                step,
                stepped,
                against,
                bound_first,
                leaves_in_the_middle,
            })
        })
    }

    /// A module whose `a` runs the loop over parameter 0 up to parameter 1.
    fn module(&self, body: &str) -> Vec<u8> {
        let step = format!("local.get 0 i32.const {} i32.add", self.step);
        let value = match self.stepped {
            Stepped::Within => format!("{step} local.tee 0"),
            _ => "local.get 0".to_owned(),
        };
        let before = match self.stepped {
            Stepped::Before => format!("{step} local.set 0"),
            _ => String::new(),
        };
        let after = match self.stepped {
            Stepped::After => format!("{step} local.set 0"),
            _ => String::new(),
        };
        let compare = if self.leaves_in_the_middle { "i32.eq" } else { "i32.ne" };
        let bound = match self.against {
            Against::Local => "local.get 1".to_owned(),
            Against::Constant(value) => format!("i32.const {value}"),
            Against::Zero => String::new(),
        };
        let test = match (self.against, self.bound_first) {
            (Against::Zero, _) if self.leaves_in_the_middle => format!("{value} i32.eqz"),
            (Against::Zero, _) => value,
            (_, false) => format!("{value} {bound} {compare}"),
            (_, true) => format!("{bound} {value} {compare}"),
        };
        let code = if self.leaves_in_the_middle {
            format!("block loop {body} {before} {test} br_if 1 {after} {body} br 0 end end")
        } else {
            format!("loop {body} {before} {test} br_if 0 end")
        };
        module_with(&code)
    }

    /// Rounds, if there are not too many to run.
    fn rounds(&self, first: i32, bound: i32) -> Option<u32> {
        let bound = match self.against {
            Against::Local => bound,
            Against::Constant(value) => value,
            Against::Zero => 0,
        };
        let mut value = first;
        for round in 1..5_000 {
            let stepped = value.wrapping_add(self.step);
            if (if self.stepped == Stepped::After { value } else { stepped }) == bound {
                return Some(round);
            }
            value = stepped;
        }
        None
    }
}

fn module_with(code: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 1) (global i32 (i32.const 0)) (func (export "_start"))
            (func (export "a") (param i32 i32) (result i32) (local $sum i32) {code}
                (i32.add (local.get $sum) (local.get 0))))"#
    ))
    .unwrap()
}

/// What the rounds leave in memory and in a local.
const BODY: &str = "local.get 0 i32.const 0xfffc i32.and local.get $sum i32.store
    local.get $sum i32.const 5 i32.mul local.get 0 i32.xor local.set $sum";

fn counted_loops(wasm: &[u8]) -> usize {
    let mut count = 0;
    let (facts, mut function) = (facts(wasm), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload.unwrap() {
            count += Planner::new(&facts).plan(function, &body, None).unwrap().counted.len();
            function += 1;
        }
    }
    count
}

/// The module as it is charged operator by operator, and in both forms.
fn forms(engine: &Engine, wasm: &[u8]) -> [Module; 3] {
    let facts = facts(wasm);
    let ours = |variant| rewrite(wasm, &facts, variant).unwrap();
    [naive(wasm, &facts), ours(Variant::Fast), ours(Variant::WriteThrough)]
        .map(|wasm| Module::new(engine.wasmtime(), wasm).unwrap())
}

#[test]
fn every_shape_costs_what_its_rounds_cost() {
    let engine = Engine::new().unwrap();
    let (mut ended, mut endless) = (0, 0);
    for step in [1, -1, 2, -4, 8, 3, -5, 12, -24, 0x5000, i32::MAX, i32::MIN + 1] {
        for against in [Against::Local, Against::Constant(64), Against::Zero] {
            for shape in Shape::all(step, against) {
                let wasm = shape.module(BODY);
                assert_eq!(counted_loops(&wasm), 1, "{shape:?}");
                let [exact, fast, through] = forms(&engine, &wasm);
                let bound = if let Against::Constant(value) = against { value } else { 0 };
                for (rounds, bound) in [(0, bound), (1, bound), (2, -7), (9, i32::MIN), (700, 40), (0, 41)] {
                    let bound = if against == Against::Local { bound } else { 0 };
                    // So many rounds before the bound, or beside it for most steps.
                    let first =
                        bound.wrapping_sub(step.wrapping_mul(rounds)).wrapping_add(i32::from(rounds == 9));
                    let arguments = [Val::I32(first), Val::I32(bound)];
                    let run = |module, gas| call(module, "a", &arguments, gas).unwrap();
                    if shape.rounds(first, bound).is_none() {
                        // For ever, or for very long.
                        for module in [&fast, &through] {
                            let seen = run(module, 20_000);
                            assert!(seen.result.unwrap_err().contains("unreachable"), "{shape:?} {first}");
                        }
                        endless += 1;
                        continue;
                    }
                    let exact = run(&exact, GAS);
                    for module in [&fast, &through] {
                        assert_eq!(run(module, GAS), exact, "{shape:?} {first} {bound}");
                        assert_eq!(run(module, exact.gas).result, exact.result, "{shape:?} {first} {bound}");
                        // What comes behind the loop is not checked, so a little may be missing.
                        let short = run(module, exact.gas - 20);
                        assert!(short.result.is_err(), "{shape:?} {first} {bound}");
                    }
                    ended += 1;
                }
            }
        }
    }
    assert!(ended > 500 && endless > 200, "{ended} ended, {endless} did not");
}

#[test]
fn a_trap_inside_leaves_the_whole_loop_charged() {
    let engine = Engine::new().unwrap();
    // Each round writes one page further on; the second is outside.
    let body = "local.get 0 i32.const 16 i32.shl i32.const 7 i32.store";
    for shape in Shape::all(1, Against::Constant(5)) {
        let [exact, fast, through] = forms(&engine, &shape.module(body));
        let run = |module| call(module, "a", &[Val::I32(0), Val::I32(0)], GAS).unwrap();
        let (exact, fast, through) = (run(&exact), run(&fast), run(&through));
        assert!(exact.result.as_ref().unwrap_err().contains("out of bounds"), "{:?}", exact.result);
        assert_eq!((&fast.result, &through.result), (&exact.result, &exact.result));
        assert_eq!((fast.memory, through.memory), (exact.memory, exact.memory));
        // Two rounds of five were begun.
        assert!(through.gas > 2 * exact.gas, "{} {}", exact.gas, through.gas);
        let whole = forms(&engine, &shape.module(""));
        let [whole, _, _] = whole.map(|module| call(&module, "a", &[Val::I32(0), Val::I32(0)], GAS).unwrap());
        assert!(through.gas > whole.gas, "{} {}", through.gas, whole.gas);
    }
}

#[test]
fn other_loops_are_charged_round_by_round() {
    let engine = Engine::new().unwrap();
    let step = "local.get 0 i32.const 1 i32.add";
    for code in [
        // Stepped twice, by something else, or in a call's company.
        format!("loop {step} local.set 0 {step} local.tee 0 local.get 1 i32.ne br_if 0 end"),
        "loop local.get 0 local.get 0 i32.add local.tee 0 local.get 1 i32.ne br_if 0 end".to_owned(),
        format!("loop call 0 {step} local.tee 0 local.get 1 i32.ne br_if 0 end"),
        "loop local.get 0 i32.const 0 i32.add local.tee 0 local.get 1 i32.ne br_if 0 end".to_owned(),
        // The bound moves.
        format!("loop local.get 1 local.set 1 {step} local.tee 0 local.get 1 i32.ne br_if 0 end"),
        // Other tests, and other ways out.
        format!("loop {step} local.tee 0 local.get 1 i32.lt_u br_if 0 end"),
        format!("block loop {step} local.tee 0 local.get 1 i32.ne br_if 1 br 0 end end"),
        format!("block loop local.get 0 br_if 1 {step} local.tee 0 local.get 1 i32.ne br_if 0 end end"),
        format!("loop {step} local.tee 0 local.get 1 i32.ne if br 1 end end"),
        format!("loop {step} local.tee 0 local.get 1 i32.eq br_if 0 end"),
        // Something after the way back.
        format!("loop {step} local.tee 0 local.get 1 i32.ne br_if 0 i32.const 3 local.set $sum end"),
        // A value that only looks like the counter's.
        format!(
            "loop {step} local.set 0 local.get 1 i32.const 1 i32.add local.tee $sum local.get 0 i32.ne br_if 0 end"
        ),
    ] {
        let wasm = module_with(&code);
        assert_eq!(counted_loops(&wasm), 0, "{code}");
        let mut ended = 0;
        let [exact, fast, through] = forms(&engine, &wasm);
        for (first, bound) in [(64, 128), (128, 128), (127, 128), (-1, 0), (0, 0), (1 << 30, -1)] {
            let arguments = [Val::I32(first), Val::I32(bound)];
            let run = |module| call(module, "a", &arguments, 100_000).unwrap();
            let (fast, through) = (run(&fast), run(&through));
            if fast.result.is_ok() {
                let exact = run(&exact);
                assert_eq!((&fast, &through), (&exact, &exact), "{code} {first} {bound}");
                ended += 1;
            } else {
                assert_eq!(fast.result, through.result, "{code} {first} {bound}");
            }
        }
        assert!(ended > 0, "{code}");
    }
}
