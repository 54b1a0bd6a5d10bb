//! The table of effects against the list of all operators, and against what their names say.

use std::collections::BTreeMap;

use wasmparser::{BinaryReader, Operator, OperatorsReader};

use crate::instrument::nan::class::Lanes;
use crate::instrument::nan::effect::{Effect, effect};

/// The proposals, as the parser's list of operators names them, whose operators a module may use.
const PROPOSALS: [&str; 8] = [
    "mvp",
    "sign_extension",
    "saturating_float_to_int",
    "bulk_memory",
    "reference_types",
    "tail_call",
    "simd",
    "exceptions",
];

/// Every operator that a module may use: its name, and its arity where that is fixed.
fn names() -> Vec<(&'static str, Option<(u8, u8)>)> {
    macro_rules! list {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            [$( (stringify!($proposal), stringify!($op), list!(@ $($ann)*)) ),*]
        };
        (@ arity custom) => { None };
        (@ arity $operands:literal -> $results:literal) => { Some(($operands, $results)) };
    }
    let all = wasmparser::for_each_operator!(list);
    all.into_iter().filter(|op| PROPOSALS.contains(&op.0)).map(|(_, name, arity)| (name, arity)).collect()
}

/// The effects by name, of every opcode with immediates of zero.
fn effects() -> BTreeMap<String, Effect> {
    let zeros = [0u8; 20];
    let mut effects = BTreeMap::new();
    let mut decode = |opcode: &[u8]| {
        let bytes = [opcode, &zeros].concat();
        if let Ok(operator) = OperatorsReader::new(BinaryReader::new(&bytes, 0)).read() {
            let name = format!("{operator:?}");
            let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap().to_owned();
            effects.insert(name, effect(&operator));
        }
    };
    for first in 0..=0xff_u8 {
        decode(&[first]);
    }
    for second in 0..=0x7f {
        decode(&[0xfc, second]);
        decode(&[0xfd, second]);
        decode(&[0xfd, second | 0x80, 1]);
        decode(&[0xfd, second | 0x80, 2]);
    }
    // `select` with one type.
    decode(&[0x1c, 1, 0x7c]);
    effects
}

/// What the name of an operator says of its effect.
fn said(name: &str, arity: Option<(u8, u8)>) -> Effect {
    let Some((operands, results)) = arity else { return Effect::Other };
    let shows = Effect::Shows { operands, results };
    for (shape, lanes, vector) in [
        ("F32x4", Lanes::F32, true),
        ("F64x2", Lanes::F64, true),
        ("F32", Lanes::F32, false),
        ("F64", Lanes::F64, false),
    ] {
        let Some(verb) = name.strip_prefix(shape) else { continue };
        let from = |reads| Effect::Arithmetic { operands, reads, gives: lanes, vector };
        return match verb {
            "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" | "Ceil" | "Floor" | "Trunc" | "Nearest"
            | "Sqrt" => from(lanes),
            "DemoteF64" | "DemoteF64x2Zero" => from(Lanes::F64),
            "PromoteF32" | "PromoteLowF32x4" => from(Lanes::F32),
            "Neg" => Effect::Turn { lanes, vector },
            "Abs" => Effect::Clear { lanes, vector },
            "Eq" | "Ne" | "Lt" | "Gt" | "Le" | "Ge" => Effect::Asks { operands, lanes },
            "PMin" | "PMax" => Effect::Pick(lanes),
            "ExtractLane" => Effect::Extract(lanes),
            "ReplaceLane" => Effect::Replace(lanes),
            "Splat" => Effect::Splat(lanes),
            "ConvertLowI32x4S" | "ConvertLowI32x4U" | "Load" | "Store" | "Copysign" | "ReinterpretI32"
            | "ReinterpretI64" => shows,
            "Const" => Effect::Number { operands: 0 },
            convert if convert.starts_with("ConvertI") => Effect::Number { operands: 1 },
            other => panic!("what does {shape}{other} do to NaNs?"),
        };
    }
    match name {
        "V128Const" => Effect::Number { operands: 0 },
        "Select" | "TypedSelect" => Effect::Select,
        "Drop" => Effect::Drop,
        "LocalGet" => Effect::Get(0),
        "LocalSet" => Effect::Set(0),
        "LocalTee" => Effect::Tee(0),
        "Unreachable" | "ThrowRef" => Effect::Other,
        _ if name.contains("Trunc") && name.contains("F32") => Effect::Asks { operands, lanes: Lanes::F32 },
        _ if name.contains("Trunc") && name.contains("F64") => Effect::Asks { operands, lanes: Lanes::F64 },
        _ => shows,
    }
}

#[test]
fn every_operator_has_the_effect_that_its_name_says() {
    let effects = effects();
    let names = names();
    assert!(names.len() > 430, "{}", names.len());
    for (name, arity) in names {
        // An `else` or an `end` that belongs to nothing is not decoded; nor is a list of several types.
        if ["Else", "End", "TypedSelectMulti"].contains(&name) {
            continue;
        }
        assert_eq!(effects.get(name), Some(&said(name, arity)), "{name}");
    }
}

#[test]
fn the_walk_knows_every_operator_whose_arity_is_not_fixed() {
    // Each of these has an arm in the walk, but the last, which validation refuses.
    const CONTROL: [&str; 18] = [
        "Block",
        "Br",
        "BrIf",
        "BrTable",
        "Call",
        "CallIndirect",
        "Else",
        "End",
        "If",
        "Loop",
        "Return",
        "ReturnCall",
        "ReturnCallIndirect",
        "Throw",
        "ThrowRef",
        "TryTable",
        "TypedSelectMulti",
        "Unreachable",
    ];
    let mut others: Vec<_> =
        names().into_iter().filter(|(name, arity)| said(name, *arity) == Effect::Other).collect();
    others.sort_unstable();
    assert_eq!(others.iter().map(|other| other.0).collect::<Vec<_>>(), CONTROL);
}

#[test]
fn constants_that_are_nans_keep_their_bits() {
    let shows = Effect::Shows { operands: 0, results: 1 };
    for bits in [0x7fc0_0000, 0xff80_0001, 0x7f80_0001] {
        assert_eq!(effect(&Operator::F32Const { value: f32::from_bits(bits).into() }), shows);
    }
    assert_eq!(effect(&Operator::F64Const { value: f64::from_bits(0x7ff0_0000_0000_0001).into() }), shows);
    // A NaN in 32-bit lanes only, and one in 64-bit lanes.
    for vector in [0x7fc0_0000_0000_0000_0000_0000_u128, 0x7ff0_0000_0000_0001_u128 << 64] {
        assert_eq!(effect(&Operator::V128Const { value: vector.into() }), shows, "{vector:x}");
    }
    let infinity = Operator::F64Const { value: f64::INFINITY.into() };
    assert_eq!(effect(&infinity), Effect::Number { operands: 0 });
}
