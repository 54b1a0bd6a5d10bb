//! Functions that are called give what they give where they are inlined.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{engine, program, words};

/// Two functions of numbers, with a branch that some leave early, a variable, and a call of the one in the other.
const FUNCTIONS: &str = "
    fn bent(a: f32, n: u32) -> f32 {
        var sum = a;
        if (n > 3u) {
            if (a < 0.0) { return -a * f32(n); }
            sum = sum * 2.0 + f32(n & 15u);
        } else if (n == 2u) {
            sum += f32(n << 2u) - a * 0.5;
        }
        let x = sum * 1.5 + a;
        let y = x * x - 0.25 * x + 3.0;
        return select(y - sum, y * 0.125 + sum, (bitcast<u32>(y) & 1u) == 0u);
    }
    fn twisted(n: u32) -> u32 {
        let first = bent(f32(n) - 7.0, n);
        let second = bent(first * 0.01, n >> 1u);
        return bitcast<u32>(first) ^ (bitcast<u32>(second) >> 3u) ^ (n * 2654435761u);
    }";

/// A shader that calls them at the level of the workgroup, of a vector, and of invocations, under masks and in loops; and, never, as often as `more` says.
fn shader(more: usize) -> String {
    let never: String = (0..more).map(|n| format!("sum = bent(sum, twisted(word + {n}u));\n")).collect();
    format!(
        "@group(0) @binding(0) var<storage, read> input: array<u32>;
        @group(0) @binding(1) var<storage, read_write> out: array<u32>;
        var<workgroup> shared_words: array<u32, 64>;
        {FUNCTIONS}
        @compute @workgroup_size(16, 4)
        fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3u) {{
            let at = group.x * 64u + index;
            var word = input[at];
            var sum = bent(f32(group.x) + f32(input[0]), group.x + 3u);
            sum += bent(f32(id.y), id.y);
            shared_words[index] = twisted(word);
            workgroupBarrier();
            for (var i = 0u; i < (word & 7u); i++) {{
                word ^= twisted(shared_words[(index + i) & 63u]);
                if ((word & 3u) == 1u) {{ sum -= bent(sum, word & 15u); continue; }}
                if (bent(sum * 0.5, i) > 100.0) {{ break; }}
            }}
            if (input[at] == 0xffffffffu) {{ {never} }}
            out[at] = word ^ bitcast<u32>(select(sum, 0.0, sum != sum));
        }}"
    )
}

#[test]
fn what_is_called_gives_what_is_inlined() {
    let input: Vec<u32> = (0..192_u32).map(|n| n.wrapping_mul(0x9e37_79b9) >> (n % 29)).collect();
    let engine = engine();
    let ran = |wgsl: &str| {
        let program = program(wgsl);
        let bytes = program.wasm.len();
        let mut machine = common::Machine::new(&engine, program, 256);
        let bound = [words(0, &input), words(1, &[0; 192])];
        let (after, _) = machine.run([3, 1, 1], &bound);
        (after[1].words(), bytes)
    };
    let (inlined, small) = ran(&shader(0));
    assert!(inlined.iter().filter(|word| **word != 0).count() > 150, "{inlined:x?}");
    let (called, large) = ran(&shader(400));
    assert_eq!(inlined, called);
    // Far less than 400 times three functions' code: what each of them takes is there once.
    assert!(large < small + 400 * 100, "{small} and {large} bytes");
}
