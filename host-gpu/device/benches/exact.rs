//! What exactness costs: the same shaders through `wgpu` alone and as exact ones, both without metering, on one adapter: making the pipeline, and running it. Each
//! number is the least of alternating runs. Names behind `--` choose kernels.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by panicking")]

#[path = "../tests/exact/gpu.rs"]
#[allow(dead_code, unreachable_pub, reason = "the module belongs to the tests")]
mod gpu;

use fizz_shader::exact::{self, Native};
use std::time::{Duration, Instant};

const RUNS: usize = 15;
const WORDS: usize = 1 << 18;

const HEAD: &str = "
    @group(0) @binding(0) var<storage, read> a: array<f32>;
    @group(0) @binding(1) var<storage, read> b: array<f32>;
    @group(0) @binding(2) var<storage, read_write> c: array<f32>;
    const N = 512u;
";

const KERNELS: [(&str, &str, [u32; 3]); 4] = [
    (
        "matmul 512³, tiles of 16 × 16",
        "var<workgroup> at: array<f32, 256>;
         var<workgroup> bt: array<f32, 256>;
         @compute @workgroup_size(16, 16)
         fn main(@builtin(local_invocation_id) l: vec3u, @builtin(workgroup_id) w: vec3u) {
             let row = w.y * 16u + l.y;
             let column = w.x * 16u + l.x;
             var sum = 0.0;
             for (var t = 0u; t < N / 16u; t++) {
                 at[l.y * 16u + l.x] = a[row * N + t * 16u + l.x];
                 bt[l.y * 16u + l.x] = b[(t * 16u + l.y) * N + column];
                 workgroupBarrier();
                 for (var k = 0u; k < 16u; k++) { sum += at[l.y * 16u + k] * bt[k * 16u + l.x]; }
                 workgroupBarrier();
             }
             c[row * N + column] = sum;
         }",
        [32, 32, 1],
    ),
    (
        "matmul 512³, naive",
        "@compute @workgroup_size(8, 8)
         fn main(@builtin(global_invocation_id) id: vec3u) {
             var sum = 0.0;
             for (var k = 0u; k < N; k++) { sum += a[id.y * N + k] * b[k * N + id.x]; }
             c[id.y * N + id.x] = sum;
         }",
        [64, 64, 1],
    ),
    (
        "n-body, 2048, with inverseSqrt",
        "@compute @workgroup_size(64)
         fn main(@builtin(global_invocation_id) id: vec3u) {
             let at = vec3(a[3u * id.x], a[3u * id.x + 1u], a[3u * id.x + 2u]);
             var force = vec3(0.0);
             for (var k = 0u; k < 2048u; k++) {
                 let d = vec3(b[3u * k], b[3u * k + 1u], b[3u * k + 2u]) - at;
                 let inverse = inverseSqrt(dot(d, d) + 0.01);
                 force += d * (inverse * inverse * inverse);
             }
             c[id.x] = force.x + force.y + force.z;
         }",
        [32, 1, 1],
    ),
    (
        "exp and divisions",
        "@compute @workgroup_size(64)
         fn main(@builtin(global_invocation_id) id: vec3u) {
             var x = a[id.x] + 0.5;
             for (var k = 0u; k < 64u; k++) { x = exp(-x) / (1.0 + x); }
             c[id.x] = x;
         }",
        [1024, 1, 1],
    ),
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(gpu) = gpu::gpu() else { return };
    let numbers = || {
        let mut words = 0_u32;
        let number = |_| {
            words = words.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f32::from((words >> 16) as u16) / 65536.0).to_bits()
        };
        (0..WORDS).map(number).collect::<Vec<u32>>()
    };
    let buffers = [numbers(), numbers(), vec![0; WORDS]];
    println!(
        "{:34} {:>9} {:>9} {:>6}   {:>9} {:>9} {:>6}",
        "ms", "plain", "exact", "ratio", "compiling", "exact", "ratio"
    );
    for (name, body, workgroups) in KERNELS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let wgsl = format!("{HEAD}{body}");
        for (native, note) in [
            (Native { divide: true, sqrt: true, ..Native::NONE }, ""),
            (Native::NONE, ", no native / and sqrt"),
        ] {
            let (mut compiling, mut running) = ([Duration::MAX; 2], [Duration::MAX; 2]);
            let plain = || gpu.plain(&wgsl);
            let exact = || {
                let module = naga::front::wgsl::parse_str(&wgsl).unwrap();
                gpu.pipeline(&exact::lower(module, &native).unwrap(), &gpu::MODES)
            };
            for _ in 0..3 {
                for (index, make) in [&plain as &dyn Fn() -> gpu::Pipeline, &exact].into_iter().enumerate() {
                    let start = Instant::now();
                    make();
                    compiling[index] = compiling[index].min(start.elapsed());
                }
            }
            let pipelines = [plain(), exact()];
            for _ in 0..RUNS {
                for (index, pipeline) in pipelines.iter().enumerate() {
                    running[index] = running[index].min(gpu.time(pipeline, &buffers, workgroups));
                }
            }
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            println!(
                "{:34} {:9.2} {:9.2} {:6.2}   {:9.2} {:9.2} {:6.2}",
                format!("{name}{note}"),
                ms(running[0]),
                ms(running[1]),
                ms(running[1]) / ms(running[0]),
                ms(compiling[0]),
                ms(compiling[1]),
                ms(compiling[1]) / ms(compiling[0]),
            );
        }
    }
}
