//! Layouts taken from the shader, shared by hand between pipelines, and with gaps.

use super::{Gpu, say};

const SHADER: &str = r"
override SCALE: f32 = 2.0;
override NEGATE: bool = false;
@id(7) override START: i32;

@group(0) @binding(0) var<storage, read_write> first: array<i32>;
@group(2) @binding(5) var<storage, read> second: array<i32>;

@compute @workgroup_size(4)
fn add(@builtin(local_invocation_index) index: u32) {
    let value = START + first[index] + second[index] * i32(SCALE);
    first[index] = select(value, -value, NEGATE);
}

@compute @workgroup_size(4)
fn twice(@builtin(local_invocation_index) index: u32) {
    first[index] = first[index] * 2;
}
";

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    let module = gpu.shader("layouts", SHADER);
    let pipeline = |entry, constants: &[(&str, f64)]| {
        gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
            cache: None,
        })
    };
    let add = pipeline("add", &[("SCALE", 3.0), ("NEGATE", 1.0), ("7", -100.0)]);
    let twice = pipeline("twice", &[("7", 0.0)]);

    let first = gpu.storage("first", &[1, 2, 3, 4]);
    let second = gpu.storage("second", &[10, 20, 30, 40]);
    let first_group = gpu.bind(&add.get_bind_group_layout(0), &[&first]);
    let second_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("second"),
        layout: &add.get_bind_group_layout(2),
        entries: &[wgpu::BindGroupEntry { binding: 5, resource: second.as_entire_binding() }],
    });
    let other_group = gpu.bind(&twice.get_bind_group_layout(0), &[&first]);
    gpu.pass(|pass| {
        pass.set_bind_group(0, &first_group, &[]);
        pass.set_bind_group(2, &second_group, &[]);
        pass.set_pipeline(&add);
        pass.dispatch_workgroups(1, 1, 1);
        pass.set_pipeline(&twice);
        pass.set_bind_group(0, &other_group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    });
    let values: Vec<i32> = gpu.read(&first).into_iter().map(|word| word as i32).collect();
    say!(out, "values: {values:?}");

    // A constant without a default must be given, and an unknown one is refused.
    for (what, constants) in [("missing", vec![]), ("unknown", vec![("7", 1.0), ("NOWHERE", 1.0)])] {
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let _refused = pipeline("add", &constants);
        let error = pollster::block_on(scope.pop());
        say!(out, "{what} constant: {}", matches!(error, Some(wgpu::Error::Validation { .. })));
    }

    // A bind group of another pipeline's automatic layout does not fit, even if it looks the same.
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    gpu.pass(|pass| {
        pass.set_pipeline(&twice);
        pass.set_bind_group(0, &first_group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    });
    let error = pollster::block_on(scope.pop());
    say!(out, "foreign group: {}", matches!(error, Some(wgpu::Error::Validation { .. })));
}
