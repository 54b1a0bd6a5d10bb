//! Timestamps: of passes, and between them. Natively they are times; in the sandbox they are gas, which is the same in every run.

use super::{Gpu, say};

/// What this needs; an adapter without it has nothing to show.
pub(super) const FEATURES: wgpu::Features =
    wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS);

/// Invocations turn differently often, so that only the device knows how much work it was.
const WORK: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;

    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        var n = data[id.x];
        for (var i = 0u; i < id.x; i++) { n = n * 1664525u + 1013904223u; }
        data[id.x] = n;
    }";

/// Where in the set which timestamp is: before and after everything, and around each pass.
const FIRST: u32 = 0;
const LAST: u32 = 1;
const PASSES: [(u32, u32, u32); 3] = [(2, 3, 4), (4, 5, 16), (6, 7, 4)];
const COUNT: u32 = 9;

pub(super) fn run(gpu: &mut Gpu, out: &mut String) {
    refused(gpu, out);
    if !gpu.device.features().contains(FEATURES) {
        if cfg!(target_family = "wasm") {
            panic!("the sandbox has timestamps wherever it has a GPU");
        }
        // A few drivers have none. No line tells times, so that all devices say the same.
        unknown(out);
        return;
    }
    let first = stamps(gpu);
    let second = stamps(gpu);
    let ordered = |at: &[u64]| {
        let inside = |begin: u32, end: u32| {
            let (begin, end) = (at[begin as usize], at[end as usize]);
            at[FIRST as usize] <= begin && begin <= end && end <= at[LAST as usize]
        };
        PASSES.iter().all(|(begin, end, _)| inside(*begin, *end))
    };
    say!(out, "in order: {}", ordered(&first) && ordered(&second));
    say!(out, "later is more: {}", first[LAST as usize] <= second[FIRST as usize]);
    say!(out, "not written: {}", first[COUNT as usize - 1]);
    say!(out, "period: {}", gpu.queue.get_timestamp_period() > 0.0);
    say!(out, "repeats: {}", repeats(&first, &second));
}

fn unknown(out: &mut String) {
    say!(out, "in order: true\nlater is more: true\nnot written: 0\nperiod: true\nrepeats: true");
}

/// Whether the same work was measured alike. Only gas is; times are not, and nothing is asked of them.
fn repeats(first: &[u64], second: &[u64]) -> bool {
    let took = |at: &[u64], begin: u32, end: u32| at[end as usize] - at[begin as usize];
    let pairs = PASSES.iter().map(|(begin, end, _)| (*begin, *end)).chain([(FIRST, LAST)]);
    let equal = pairs.clone().all(|(begin, end)| {
        took(first, begin, end) == took(second, begin, end) && took(first, begin, end) > 0
    });
    // The pass of 16 workgroups did more than the others, which did the same.
    let passes: Vec<u64> = pairs.map(|(begin, end)| took(first, begin, end)).collect();
    let alike = passes[0] == passes[2] && passes[1] > 4 * passes[0];
    cfg!(not(target_family = "wasm")) || (equal && alike)
}

/// The timestamps of the same work, done again.
fn stamps(gpu: &Gpu) -> Vec<u64> {
    let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("stamps"),
        ty: wgpu::QueryType::Timestamp,
        count: COUNT,
    });
    let data = gpu.storage("data", &[1; 16 * 64]);
    let pipeline = gpu.pipeline("work", WORK);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&data]);
    let bytes = u64::from(COUNT) * u64::from(wgpu::QUERY_SIZE);
    let results = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("results"),
        size: bytes,
        usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.write_timestamp(&set, FIRST);
    for (begin, end, groups) in PASSES {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("timed"),
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &set,
                beginning_of_pass_write_index: Some(begin),
                end_of_pass_write_index: Some(end),
            }),
        });
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
    }
    encoder.write_timestamp(&set, LAST);
    encoder.resolve_query_set(&set, 0..COUNT, &results, 0);
    gpu.queue.submit([encoder.finish()]);
    let words = gpu.read(&results);
    words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect()
}

/// What no compute device has.
fn refused(gpu: &Gpu, out: &mut String) {
    let error = |ty, count| {
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        drop(gpu.device.create_query_set(&wgpu::QuerySetDescriptor { label: None, ty, count }));
        pollster::block_on(scope.pop()).is_some()
    };
    let statistics = wgpu::QueryType::PipelineStatistics(wgpu::PipelineStatisticsTypes::all());
    say!(out, "statistics refused: {}", error(statistics, 1));
    say!(out, "no queries refused: {}", error(wgpu::QueryType::Timestamp, 0));
}
