//! How many steps each number takes to reach one.

use super::{Gpu, say};

const SHADER: &str = r"
@group(0) @binding(0) var<storage, read_write> numbers: array<u32>;

fn steps(start: u32) -> u32 {
    var n = start;
    var count = 0u;
    loop {
        if n <= 1u { break; }
        if n % 2u == 0u {
            n = n / 2u;
        } else {
            if n >= 1431655765u { return 4294967295u; }
            n = 3u * n + 1u;
        }
        count += 1u;
    }
    return count;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&numbers) {
        numbers[id.x] = steps(numbers[id.x]);
    }
}
";

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    let input: Vec<u32> = (1..=1000).collect();
    let numbers = gpu.storage("numbers", &input);
    let pipeline = gpu.pipeline("collatz", SHADER);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&numbers]);
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(1000_u32.div_ceil(64), 1, 1);
    });
    let steps = gpu.read(&numbers);
    say!(out, "first: {:?}", &steps[..10]);
    let (index, most) =
        steps.iter().enumerate().max_by_key(|(_, steps)| **steps).expect("a thousand numbers");
    say!(out, "longest below 1001: {} takes {most}", index + 1);
    say!(out, "total: {}", steps.iter().sum::<u32>());
}
