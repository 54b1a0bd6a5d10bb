//! Programs whose frames are as large as any that the compiler lets be: they run, and nothing traps.
#![allow(clippy::unwrap_used, reason = "tests")]

use fizz_reference::{ARGUMENT_WORDS, Engine, MAX_CODE, Machine, THREAD_STACK, Work, compile};
use fizz_reference_engine::Wasmtime;
use std::sync::Arc;

const ARGS: u32 = 1024;
const BUFFER: u32 = 1 << 16;
const INVOCATIONS: u32 = 4;

/// Words in each of the two buffers.
const WORDS: u32 = 1 << 20;

/// Writes words to a machine's memory.
#[expect(unsafe_code, reason = "nothing runs meanwhile")]
fn write(machine: &Arc<dyn Machine>, at: u32, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert!(u64::from(at) + bytes.len() as u64 <= machine.size());
    // SAFETY: it is within the memory.
    unsafe { std::ptr::copy(bytes.as_ptr(), machine.base().as_ptr().add(at as usize), bytes.len()) };
}

#[expect(unsafe_code, reason = "nothing runs meanwhile")]
fn read(machine: &Arc<dyn Machine>, at: u32, words: u32) -> Vec<u32> {
    assert!(u64::from(at) + u64::from(words) * 4 <= machine.size());
    let word = |word: u32| {
        // SAFETY: it is within the memory.
        unsafe { machine.base().as_ptr().add((at + word * 4) as usize).cast::<u32>().read_unaligned() }
    };
    (0..words).map(word).collect()
}

/// Runs a shader on one workgroup, on a thread as the device has them. Its bindings are what it reads, and what it writes.
fn run(wgsl: &str, input: &[u32]) -> (usize, Vec<u32>) {
    let module = naga_module(wgsl);
    let program = compile(&module, "main").unwrap();
    let machine = Wasmtime::new().unwrap().machine(None).unwrap();
    let output = BUFFER + WORDS * 4;
    let scratch = output + WORDS * 4;
    machine.grow(u64::from(scratch + program.scratch_bytes)).unwrap();
    let mut args = vec![0; ARGUMENT_WORDS];
    args[..3].fill(1);
    args.extend([BUFFER, WORDS * 4, output, WORDS * 4]);
    write(&machine, ARGS, &args);
    write(&machine, BUFFER, input);
    let mut instance = machine.compile(&program.wasm).unwrap().instance().unwrap();
    let work = Work { args: ARGS, scratch, first: [0; 3], count: 1 };
    let thread = std::thread::Builder::new().stack_size(THREAD_STACK);
    #[expect(unsafe_code, reason = "nobody else uses the memory")]
    // SAFETY: as it says.
    let done = thread.spawn(move || unsafe { instance.run(work) }).unwrap().join().unwrap();
    done.unwrap();
    (program.wasm.len(), read(&machine, output, WORDS))
}

fn naga_module(wgsl: &str) -> wgpu::naga::Module {
    wgpu::naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|error| panic!("{error}"))
}

/// `arrays` values of `length` scalars each, all loaded before the first is stored.
fn kept(arrays: u32, length: u32) -> String {
    let loads: String = (0..arrays).map(|n| format!("let a{n} = input[i * {arrays}u + {n}u];")).collect();
    let stores: String = (0..arrays).map(|n| format!("output[i * {arrays}u + {n}u] = a{n};")).collect();
    format!(
        "@group(0) @binding(0) var<storage, read> input: array<array<u32, {length}>>;
        @group(0) @binding(1) var<storage, read_write> output: array<array<u32, {length}>>;
        @compute @workgroup_size({INVOCATIONS}) fn main(@builtin(local_invocation_index) i: u32) {{ {loads} {stores} }}"
    )
}

#[test]
fn frames_of_a_program_at_the_limit_fit() {
    let arrays = 4;
    // As many scalars as can be: the code of one more array would be too large.
    let length = (1000..4000)
        .rev()
        .step_by(100)
        .find(|length| compile(&naga_module(&kept(arrays, *length)), "main").is_ok());
    let length = length.unwrap();
    let used = arrays * length * INVOCATIONS;
    let input: Vec<u32> = (0..used).map(|n| n.wrapping_mul(2_654_435_761)).collect();
    let (bytes, output) = run(&kept(arrays, length), &input);
    assert!(bytes > MAX_CODE - (256 << 10), "{bytes} bytes of code at {length} scalars");
    assert!(output[..used as usize] == input);
}

#[test]
fn what_is_compiled_in_a_straight_way_computes_the_same() {
    // The same work in a program of either size; what is added is never done.
    let shader = |more: usize| {
        let more = "x = x * 3.0 + f32(i); y = y ^ (y << 1u); if (x > 7.0) { y += input[y]; } ".repeat(more);
        format!(
            "@group(0) @binding(0) var<storage, read> input: array<u32>;
            @group(0) @binding(1) var<storage, read_write> output: array<u32>;
            @compute @workgroup_size({INVOCATIONS}) fn main(@builtin(local_invocation_index) i: u32) {{
                var x = bitcast<f32>(input[i]); var y = input[i + 4u];
                for (var n = 0u; n < 500u; n++) {{
                    x = x * 1.25 - f32(n) / 3.0; y = y * 1664525u + n;
                    if (x > 1000.0) {{ x = sqrt(x); y ^= input[n % 8u]; }}
                }}
                if (input[20] == 77u) {{ {more} }}
                output[i] = bitcast<u32>(x); output[i + 4u] = y; }}"
        )
    };
    let input: Vec<u32> = (0..24).map(|n| (n as f32 * 0.75).to_bits() + n).collect();
    let (small, expected) = run(&shader(0), &input);
    let (large, found) = run(&shader(600), &input);
    assert!(small < 32 << 10 && large > 100 << 10, "{small} and {large} bytes");
    assert!(expected[..8].iter().any(|word| *word != 0));
    assert_eq!(found[..8], expected[..8]);
}
