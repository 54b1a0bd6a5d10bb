//! Loops that are charged before they begin are charged for the turns that they take, at the ends of their types too.
#![allow(clippy::unwrap_used, dead_code)] // A test fails by panicking.

mod common;

use common::{Guest, QUOTAS, hardware};
use fizz_gpu::{Hardware, Stop};

/// A loop from `a` to `n` by steps of `s`, and how it goes on and moves.
struct Form {
    head: &'static str,
    goes_on: fn(u32, u32) -> bool,
    next: fn(u32, u32) -> u32,
}

fn signed(word: u32) -> i32 {
    word.cast_signed()
}

const FORMS: [Form; 14] = [
    Form { head: "var i = a; i < n; i += s", goes_on: |i, n| i < n, next: u32::wrapping_add },
    Form { head: "var i = a; n >= i; i = s + i", goes_on: |i, n| i <= n, next: u32::wrapping_add },
    Form { head: "var i = a; i > n; i -= s", goes_on: |i, n| i > n, next: u32::wrapping_sub },
    Form { head: "var i = a; !(i < n); i -= s", goes_on: |i, n| i >= n, next: u32::wrapping_sub },
    Form { head: "var i = a; i < n; i++", goes_on: |i, n| i < n, next: |i, _| i.wrapping_add(1) },
    Form { head: "var i = a; i <= n; i++", goes_on: |i, n| i <= n, next: |i, _| i.wrapping_add(1) },
    Form { head: "var i = a; i <= n; i += 3u", goes_on: |i, n| i <= n, next: |i, _| i.wrapping_add(3) },
    Form { head: "var i = a; i >= n; i--", goes_on: |i, n| i >= n, next: |i, _| i.wrapping_sub(1) },
    Form { head: "var i = a; i != n; i++", goes_on: |i, n| i != n, next: |i, _| i.wrapping_add(1) },
    Form { head: "var i = a; i != n; i--", goes_on: |i, n| i != n, next: |i, _| i.wrapping_sub(1) },
    Form { head: "var i = a; i > 0u; i >>= 1u", goes_on: |i, _| i > 0, next: |i, _| i >> 1 },
    Form { head: "var i = a; 0u != i; i >>= 5u", goes_on: |i, _| i > 0, next: |i, _| i >> 5 },
    Form {
        head: "var i = bitcast<i32>(a); i < bitcast<i32>(n); i += bitcast<i32>(s)",
        goes_on: |i, n| signed(i) < signed(n),
        next: u32::wrapping_add,
    },
    Form {
        head: "var i = bitcast<i32>(a); i >= bitcast<i32>(n); i -= 7",
        goes_on: |i, n| signed(i) >= signed(n),
        next: |i, _| i.wrapping_sub(7),
    },
];

/// Values at which something may go wrong, and some between.
const ENDS: [u32; 18] = [
    0,
    1,
    2,
    3,
    7,
    30,
    31,
    99,
    0x7fff_fff0,
    0x7fff_fffe,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0x8000_0011,
    0xffff_ffd0,
    0xffff_fffd,
    0xffff_fffe,
    0xffff_ffff,
];
const STEPS: [u32; 6] = [1, 2, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const MOST: u32 = 300;
const SIZE: usize = 64;

/// Turns, the last of which finds the end; none if there are many, or if the variable passes the end of its type.
fn turns(form: &Form, [a, n, s]: [u32; 3]) -> Option<u32> {
    let is_signed = form.head.contains("i32");
    let mut i = a;
    for turn in 1..=MOST {
        if !(form.goes_on)(i, n) {
            return Some(turn);
        }
        let next = (form.next)(i, s);
        let step = if form.head.contains("!=") || form.head.contains(">>") {
            true
        } else {
            // It moves towards the bound.
            let up = form.head.contains("+=") || form.head.contains("s + i") || form.head.contains("++");
            let order = if is_signed { signed(next).cmp(&signed(i)) } else { next.cmp(&i) };
            let positive = !is_signed || !form.head.contains("(s)") || signed(s) > 0;
            positive && order == if up { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less }
        };
        if !step {
            return None;
        }
        i = next;
    }
    None
}

/// Gas and results of one workgroup.
fn run(hardware: &Hardware, form: &Form, inputs: &[[u32; 3]]) -> Result<(u64, Vec<u32>), Stop> {
    let mut guest = Guest::on(hardware, QUOTAS);
    let words: Vec<u32> = inputs.iter().flatten().copied().collect();
    let data = guest.data(&words);
    let shader = guest.shader(&format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size({SIZE}) fn main(@builtin(global_invocation_id) id: vec3u) {{
            let a = data[3u * id.x];
            let n = data[3u * id.x + 1u];
            let s = data[3u * id.x + 2u];
            var count = 0u;
            for ({}) {{ count++; }}
            data[3u * id.x] = count;
        }}",
        form.head
    ));
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.clean();
    let before = guest.session.gas();
    guest.dispatch(pipeline, group, [1, 1, 1]);
    guest.flush()?;
    let gas = guest.session.gas() - before;
    guest.clean();
    Ok((gas, guest.read(data, 0, words.len()).into_iter().step_by(3).collect()))
}

/// Inputs with which a loop takes this many turns.
fn with_turns(form: &Form, wanted: u32) -> [u32; 3] {
    let inputs = (0..4000_u32).flat_map(|a| [[a, 9, 1], [a, 0, 1], [a, 100, 1]]);
    inputs.into_iter().find(|input| turns(form, *input) == Some(wanted)).unwrap()
}

#[test]
fn known_turns_are_the_turns_that_are_taken() {
    let Some(hardware) = hardware() else { return };
    for form in &FORMS {
        let all = |turns| run(&hardware, form, &[with_turns(form, turns); SIZE]).unwrap().0;
        let one = all(1);
        let each = (all(2) - one) / SIZE as u64;
        assert!(each > 0, "{}", form.head);
        let inputs = ENDS.iter().flat_map(|a| ENDS.iter().flat_map(move |n| STEPS.map(|s| [*a, *n, s])));
        let known: Vec<([u32; 3], u32)> =
            inputs.filter_map(|input| Some((input, turns(form, input)?))).collect();
        assert!(known.len() > 100, "{}: {}", form.head, known.len());
        for known in known.chunks(SIZE) {
            let mut inputs: Vec<[u32; 3]> = known.iter().map(|(input, _)| *input).collect();
            inputs.resize(SIZE, with_turns(form, 1));
            let (gas, rounds) = run(&hardware, form, &inputs).unwrap();
            for ((input, turns), rounds) in known.iter().zip(rounds) {
                assert_eq!(rounds + 1, *turns, "{} with {input:x?}", form.head);
            }
            let more: u64 = known.iter().map(|(_, turns)| u64::from(turns - 1)).sum();
            assert_eq!(gas - one, more * each, "{} with {inputs:x?}", form.head);
        }
    }
}

#[test]
fn loops_that_pass_the_end_of_their_type_are_without_end() {
    let Some(hardware) = hardware() else { return };
    let (far, top) = (u32::MAX, i32::MAX.cast_unsigned());
    for (form, input) in [
        (0, [0, far, 2]),
        (0, [0, 5, 0]),
        (0, [far - 10, far - 2, 7]),
        (1, [far, far, 1]),
        (2, [10, 0, 20]),
        (3, [5, 0, 3]),
        (4, [0, far, 1]),
        (5, [0, far, 1]),
        (5, [far, far, 1]),
        (6, [far - 1, far, 1]),
        (7, [3, 0, 1]),
        (8, [1, 0, 1]),
        (9, [0, 1, 1]),
        (12, [0, top, 2]),
        (12, [0, 9, 0]),
        (12, [0, 9, far]),
        (13, [0, top + 1, 1]),
        (13, [top + 3, top + 1, 1]),
    ] {
        let form = &FORMS[form];
        let mut inputs = vec![with_turns(form, 1); SIZE];
        inputs[17] = input;
        assert_eq!(run(&hardware, form, &inputs), Err(Stop::OutOfGas), "{} with {input:x?}", form.head);
    }
}
