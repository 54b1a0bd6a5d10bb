//! Runs exact shaders on the adapter of this machine, from WGSL to SPIR-V to its memory.

use fizz_shader::exact::{self, Layout, Modes, Native};
use fizz_shader::meter::{MeterOptions, Metered, SLICE_BYTES, slice_bytes};
use fizz_shader::{ShaderLimits, check};
use std::sync::OnceLock;

pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    queue: wgpu::Queue,
}

/// What Mesa's lavapipe offers; it is the only adapter that these tests look for modes on.
pub(crate) const MODES: Modes =
    Modes { rte: true, szinp: true, denorm_preserve: false, integer_dot: false, zero_init_native: true };

/// The first Vulkan adapter. Where there is none: fails in CI, else says so.
pub(crate) fn gpu() -> Option<&'static Gpu> {
    static FOUND: OnceLock<Option<Gpu>> = OnceLock::new();
    FOUND.get_or_init(find).as_ref()
}

fn find() -> Option<Gpu> {
    let backends = wgpu::Backends::VULKAN;
    let wanted =
        wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let instance = wgpu::Instance::new(wanted);
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let Some(adapter) = adapters.into_iter().next() else {
        let ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!ci, "CI must have a GPU adapter (install lavapipe)");
        eprintln!("skipped: no adapter");
        return None;
    };
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wgpu::Features::PASSTHROUGH_SHADERS | wgpu::Features::IMMEDIATES,
        required_limits: wgpu::Limits {
            max_immediate_size: SLICE_BYTES,
            max_bind_groups: 5,
            ..wgpu::Limits::default()
        },
        // SAFETY: the SPIR-V comes from naga and a pass of ours.
        experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
        ..wgpu::DeviceDescriptor::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Some(Gpu { device, queue })
}

/// A shader's metered module, of which lint has nothing to say.
#[track_caller]
pub(crate) fn metered(wgsl: &str) -> Metered {
    let shader =
        check(wgsl, "test", &ShaderLimits::default()).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    let entry = shader.entry_points[0].name.clone();
    let reasons = shader.classify(&entry);
    assert!(reasons.is_empty(), "{reasons:#?}\n{wgsl}");
    shader.meter(&entry, "test", &[], MeterOptions::default()).unwrap().1
}

/// What an exact shader becomes for a device.
#[track_caller]
pub(crate) fn lowered(wgsl: &str, native: &Native) -> naga::Module {
    let metered = metered(wgsl);
    let lowered = exact::lower(metered.module, native).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    let problems = exact::verify(&lowered, native);
    assert!(problems.is_empty(), "{problems:#?}\n{wgsl}");
    lowered
}

pub(crate) struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    groups: Vec<Vec<(u32, bool)>>,
    immediates: bool,
}

impl Gpu {
    pub(crate) fn pipeline(&self, module: &naga::Module, modes: &Modes) -> Pipeline {
        let layout = Layout::of(module);
        let words = exact::emit(module, &layout, modes).unwrap();
        let entry = &module.entry_points[0];
        let [x, y, z] = entry.workgroup_size;
        let point =
            wgpu::PassthroughShaderEntryPoint { name: entry.name.clone().into(), workgroup_size: (x, y, z) };
        let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
            label: None,
            entry_points: vec![point].into(),
            spirv: Some(words.into()),
            ..wgpu::ShaderModuleDescriptorPassthrough::default()
        };
        // SAFETY: the SPIR-V comes from naga and a pass of ours, with bounds in it.
        let shader = unsafe { self.device.create_shader_module_passthrough(descriptor) };
        self.with_shader(module, &layout, &shader)
    }

    /// What wgpu makes of the same by itself.
    #[allow(dead_code, reason = "for benchmarks")]
    pub(crate) fn plain(&self, wgsl: &str) -> Pipeline {
        let module = naga::front::wgsl::parse_str(wgsl).unwrap();
        let source = wgpu::ShaderSource::Wgsl(wgsl.into());
        let shader = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        self.with_shader(&module, &Layout::of(&module), &shader)
    }

    fn with_shader(&self, module: &naga::Module, layout: &Layout, shader: &wgpu::ShaderModule) -> Pipeline {
        let entry = &module.entry_points[0];
        let groups: Vec<Vec<(u32, bool)>> = (0_u32..)
            .zip(&layout.groups)
            .map(|(group, numbers)| {
                let read_only = |number: &u32| {
                    let wanted = naga::ResourceBinding { group, binding: *number };
                    let mut all = module.global_variables.iter();
                    let (_, found) = all.find(|(_, found)| found.binding == Some(wanted)).unwrap();
                    match found.space {
                        naga::AddressSpace::Storage { access } => {
                            !access.contains(naga::StorageAccess::STORE)
                        }
                        ref other => panic!("a binding in {other:?}"),
                    }
                };
                numbers.iter().map(|number| (*number, read_only(number))).collect()
            })
            .collect();
        let layouts: Vec<_> = groups.iter().map(|group| self.group_layout(group)).collect();
        let immediates = exact::immediate_bytes(module);
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &layouts.iter().map(Some).collect::<Vec<_>>(),
            immediate_size: immediates,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&layout),
            module: shader,
            entry_point: Some(&entry.name),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Pipeline { pipeline, groups, immediates: immediates > 0 }
    }

    fn group_layout(&self, group: &[(u32, bool)]) -> wgpu::BindGroupLayout {
        let entries: Vec<_> = group
            .iter()
            .map(|(binding, read_only)| wgpu::BindGroupLayoutEntry {
                binding: *binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: *read_only },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        self.device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
    }

    fn buffer(&self, words: &[u32]) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let size = words.len() as u64 * 4;
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        let buffer = self.device.create_buffer(&descriptor);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.queue.write_buffer(&buffer, 0, &bytes);
        buffer
    }

    /// Runs it once on buffers of these words, the bindings of group 0 in order, and gives what is in them then.
    pub(crate) fn run(&self, pipeline: &Pipeline, words: &[Vec<u32>], workgroups: u32) -> Vec<Vec<u32>> {
        let buffers: Vec<_> = words.iter().map(|words| self.buffer(words)).collect();
        let meter = self.buffer(&vec![0; fizz_shader::meter::METER_WORDS as usize]);
        let groups: Vec<_> = pipeline
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| {
                let buffers: Vec<&wgpu::Buffer> =
                    if index == 0 { buffers.iter().collect() } else { vec![&meter] };
                let entries: Vec<_> = group
                    .iter()
                    .zip(buffers)
                    .map(|((binding, _), buffer)| wgpu::BindGroupEntry {
                        binding: *binding,
                        resource: buffer.as_entire_binding(),
                    })
                    .collect();
                self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: None,
                    layout: &self.group_layout(group),
                    entries: &entries,
                })
            })
            .collect();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline.pipeline);
            for (index, group) in (0..).zip(&groups) {
                pass.set_bind_group(index, group, &[]);
            }
            if pipeline.immediates {
                pass.set_immediates(0, &slice_bytes([0; 3], 1, [workgroups, 1, 1]));
            }
            pass.dispatch_workgroups(workgroups, 1, 1);
        }
        let mut reads = Vec::new();
        for (buffer, words) in buffers.iter().zip(words) {
            let size = words.len() as u64 * 4;
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let read = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            });
            encoder.copy_buffer_to_buffer(buffer, 0, &read, 0, size);
            reads.push(read);
        }
        self.queue.submit([encoder.finish()]);
        for read in &reads {
            read.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
        }
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let words = |read: &wgpu::Buffer| {
            let bytes = read.get_mapped_range(..).unwrap();
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
        };
        reads.iter().map(words).collect()
    }

    /// How long it takes on zeroed buffers of so many words, done `rounds` times, from submission to the end.
    #[allow(dead_code, reason = "for benchmarks")]
    pub(crate) fn time(
        &self,
        pipeline: &Pipeline,
        words: &[Vec<u32>],
        workgroups: [u32; 3],
    ) -> std::time::Duration {
        let buffers: Vec<_> = words.iter().map(|words| self.buffer(words)).collect();
        let entries: Vec<_> = pipeline.groups[0]
            .iter()
            .zip(&buffers)
            .map(|((binding, _), buffer)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.group_layout(&pipeline.groups[0]),
            entries: &entries,
        });
        self.queue.submit([]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, &group, &[]);
            if pipeline.immediates {
                pass.set_immediates(0, &slice_bytes([0; 3], 1, workgroups));
            }
            let [x, y, z] = workgroups;
            pass.dispatch_workgroups(x, y, z);
        }
        let commands = encoder.finish();
        let start = std::time::Instant::now();
        self.queue.submit([commands]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        start.elapsed()
    }
}
