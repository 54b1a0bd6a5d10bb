//! A kernel, compiled for a device in one of the ways that there are.

use crate::{Access, Case, Device, Failure, Kernel, TEXELS, Target};
use fizz_reference::Watched;
use fizz_shader::exact::{self, Layout, Native};
use fizz_shader::meter::{self, Counts, METER_GROUP, METER_WORDS, MeterOptions, SLICE_BYTES};
use fizz_shader::{CheckedShader, ShaderLimits};
use std::borrow::Cow;
use std::num::NonZeroU64;
use wgpu::naga;

/// How a kernel gets onto a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// As `wgpu` does it.
    Plain,
    /// Metered, and then as `wgpu` does it.
    Metered,
    /// Exact, but not metered: for measuring alone.
    Exact,
    /// As sessions of the exact class do it.
    MeteredExact,
}

impl Way {
    fn is_metered(self) -> bool {
        matches!(self, Way::Metered | Way::MeteredExact)
    }

    fn is_exact(self) -> bool {
        matches!(self, Way::Exact | Way::MeteredExact)
    }
}

/// A compiled kernel.
#[derive(Debug)]
pub struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    counter: Option<wgpu::BindGroupLayout>,
    /// Gas of each invocation, whatever it does.
    fixed: u64,
    counts: Counts,
    invocations: u64,
    immediates: bool,
}

/// Checks a kernel's shader.
///
/// # Errors
/// It is refused.
pub fn check(kernel: &Kernel) -> Result<CheckedShader, Failure> {
    fizz_shader::check(kernel.wgsl, kernel.name, &ShaderLimits::default())
        .map_err(|error| Failure::Shader(error.to_string()))
}

impl Pipeline {
    /// Compiles a checked shader, whose bindings are those of `case`.
    ///
    /// # Errors
    /// The shader is not exact and ought to be, it cannot be compiled, or the driver refuses it.
    pub fn new(device: &Device, shader: &CheckedShader, case: &Case, way: Way) -> Result<Self, Failure> {
        let refused = |error: fizz_shader::ShaderError| Failure::Shader(error.to_string());
        let entry = "main";
        let facts = shader.specialize(entry, "", &[]).map_err(refused)?;
        if way.is_exact()
            && let Some(reason) = shader.classify(entry).first()
        {
            return Err(Failure::Shader(format!("not exact: {}", reason.message)));
        }
        let (module, fixed, counts, immediates) = if way.is_metered() {
            let (_, metered) = shader.meter(entry, "", &[], MeterOptions::default()).map_err(refused)?;
            (metered.module, metered.fixed, metered.counts, metered.sliced)
        } else {
            (shader.module.clone(), 0, Counts::Nothing, false)
        };
        let mut groups = vec![(0..).take(case.slots.len()).collect()];
        if counts != Counts::Nothing {
            groups.resize(METER_GROUP as usize, Vec::new());
            groups.push(vec![0]);
        }
        let made = if way.is_exact() {
            let words = device.words(module, &Layout { groups }, shader.source())?;
            device.checked("shader", || device.pass_through(&words, entry, facts.workgroup_size))?
        } else {
            device.checked("shader", || {
                device.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: None,
                    source: wgpu::ShaderSource::Naga(Cow::Owned(module)),
                })
            })?
        };
        let (layout, counter, whole) = device.checked("layout", || layouts(device, case, counts))?;
        let pipeline = device.checked("pipeline", || {
            device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: Some(&whole),
                module: &made,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        })?;
        let invocations = facts.invocations();
        Ok(Pipeline { pipeline, layout, counter, fixed, counts, invocations, immediates })
    }

    /// Gives it the buffers of a case.
    ///
    /// # Errors
    /// The case is too large for the device or for the meter.
    pub fn load(&self, device: &Device, case: &Case) -> Result<Loaded<'_>, Failure> {
        let groups: u64 = case.workgroups.iter().map(|count| u64::from(*count)).product();
        let words = match self.counts {
            Counts::Nothing => 0,
            Counts::Workgroups => groups,
            Counts::Invocations => groups * self.invocations,
        };
        if words >= u64::from(METER_WORDS) {
            return Err(Failure::TooLarge(format!("{words} words of the meter")));
        }
        let limits = device.device.limits();
        for slot in &case.slots {
            let bytes = 4 * slot.words.len() as u64;
            if bytes > limits.max_storage_buffer_binding_size {
                return Err(Failure::TooLarge(format!("a buffer of {bytes} bytes")));
            }
        }
        let buffer = |usage, size| {
            device.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage: usage | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let resources: Vec<Resource> = device.checked("buffers", || {
            let one = |slot: &crate::Slot| {
                let usage = match slot.access {
                    Access::Uniform => wgpu::BufferUsages::UNIFORM,
                    Access::Read | Access::ReadWrite => wgpu::BufferUsages::STORAGE,
                    Access::Texels { words, .. } => return Resource::View(texture(device, slot, words)),
                };
                let buffer = buffer(usage, 4 * slot.words.len() as u64);
                device.queue.write_buffer(&buffer, 0, &bytes(&slot.words));
                Resource::Buffer(buffer)
            };
            case.slots.iter().map(one).collect()
        })?;
        let counter = self.counter.is_some().then(|| buffer(wgpu::BufferUsages::STORAGE, METER_BYTES));
        let group = |layout: &wgpu::BindGroupLayout, resources: &[Resource]| {
            let entries: Vec<_> = (0..)
                .zip(resources)
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource: resource.binding() })
                .collect();
            device.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout,
                entries: &entries,
            })
        };
        let (own, meter) = device.checked("bind group", || {
            let meter = self.counter.as_ref().zip(counter.clone());
            let meter = meter.map(|(layout, buffer)| group(layout, &[Resource::Buffer(buffer)]));
            (group(&self.layout, &resources), meter)
        })?;
        let Resource::Buffer(result) = resources[case.result().0 as usize].clone() else {
            unreachable!("results are buffers");
        };
        Ok(Loaded {
            pipeline: self,
            device: device.clone(),
            result,
            counter: counter.zip(meter),
            group: own,
            workgroups: case.workgroups,
            words: u32::try_from(words).expect("fewer than the meter has"),
        })
    }
}

/// What is bound.
#[derive(Clone)]
enum Resource {
    Buffer(wgpu::Buffer),
    View(wgpu::TextureView),
}

impl Resource {
    fn binding(&self) -> wgpu::BindingResource<'_> {
        match self {
            Resource::Buffer(buffer) => buffer.as_entire_binding(),
            Resource::View(view) => wgpu::BindingResource::TextureView(view),
        }
    }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The format that exact shaders have for texels of so many words.
fn format(words: u32) -> wgpu::TextureFormat {
    match words {
        1 => wgpu::TextureFormat::R32Uint,
        2 => wgpu::TextureFormat::Rg32Uint,
        _ => wgpu::TextureFormat::Rgba32Uint,
    }
}

/// A texture that holds a slot's words.
fn texture(device: &Device, slot: &crate::Slot, words: u32) -> wgpu::TextureView {
    let row = TEXELS * words;
    let rows = u32::try_from(slot.words.len()).expect("textures are small") / row;
    let size = wgpu::Extent3d { width: TEXELS, height: rows, depth_or_array_layers: 1 };
    let texture = device.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: format(words),
        usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let lies = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * row), rows_per_image: None };
    device.queue.write_texture(texture.as_image_copy(), &bytes(&slot.words), lies, size);
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// Bytes of the meter's buffer.
const METER_BYTES: u64 = 4 * METER_WORDS as u64;

/// The layout of group 0, that of the meter's group, and the pipeline's.
fn layouts(
    device: &Device,
    case: &Case,
    counts: Counts,
) -> (wgpu::BindGroupLayout, Option<wgpu::BindGroupLayout>, wgpu::PipelineLayout) {
    let device = &device.device;
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty,
        count: None,
    };
    let buffer =
        |ty, min_binding_size| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size };
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let slots = (0..).zip(&case.slots).map(|(binding, slot)| {
        let ty = match slot.access {
            Access::Uniform => buffer(wgpu::BufferBindingType::Uniform, None),
            Access::Read => buffer(storage(true), None),
            Access::ReadWrite => buffer(storage(false), None),
            Access::Texels { words, written } => wgpu::BindingType::StorageTexture {
                access: if written {
                    wgpu::StorageTextureAccess::ReadWrite
                } else {
                    wgpu::StorageTextureAccess::ReadOnly
                },
                format: format(words),
                view_dimension: wgpu::TextureViewDimension::D2,
            },
        };
        entry(binding, ty)
    });
    let layout = |entries: &[wgpu::BindGroupLayoutEntry]| {
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
    };
    let own = layout(&slots.collect::<Vec<_>>());
    let counter = (counts != Counts::Nothing)
        .then(|| layout(&[entry(0, buffer(storage(false), NonZeroU64::new(METER_BYTES)))]));
    let groups: &[Option<&wgpu::BindGroupLayout>] = match &counter {
        None => &[Some(&own)],
        Some(counter) => &[Some(&own), None, None, None, Some(counter)],
    };
    let whole = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: groups,
        immediate_size: SLICE_BYTES,
    });
    (own, counter, whole)
}

/// Lowers a module for a device that does by itself what `native` says; then it holds nothing else that is not exact.
pub(crate) fn lower(module: naga::Module, native: &Native) -> Result<naga::Module, Failure> {
    let lowered = exact::lower(module, native).map_err(Failure::Shader)?;
    match exact::verify(&lowered, native).first() {
        None => Ok(lowered),
        Some(problem) => Err(Failure::Shader(format!("lowered, it is not exact: {problem}"))),
    }
}

impl Device {
    /// A module, made of `source`, in words for this device.
    fn words(&self, module: naga::Module, layout: &Layout, source: &str) -> Result<Vec<u32>, Failure> {
        match self.target {
            None => Err(Failure::Device("no exact shader can be given to this device".to_owned())),
            Some(Target::Vulkan { native, modes }) => {
                exact::emit(&lower(module, &native)?, layout, &modes).map_err(Failure::Shader)
            }
            Some(Target::Reference) => {
                let module = lower(module, &Native::REFERENCE)?;
                let entry = module.entry_points.first().map_or("main", |entry| &entry.name);
                let program = match &self.races {
                    None => fizz_reference::compile(&module, entry),
                    Some(check) => {
                        let watched = Watched { check, label: "", source, unwatched_group: METER_GROUP };
                        fizz_reference::compile_watched(&module, entry, watched)
                    }
                };
                program.map(|program| program.encode()).map_err(|error| Failure::Shader(error.to_string()))
            }
        }
    }

    #[expect(unsafe_code, reason = "wgpu does not look into shaders that are handed through")]
    pub(crate) fn pass_through(
        &self,
        words: &[u32],
        entry: &str,
        workgroup_size: [u32; 3],
    ) -> wgpu::ShaderModule {
        let entry = wgpu::PassthroughShaderEntryPoint {
            name: Cow::Borrowed(entry),
            workgroup_size: workgroup_size.into(),
        };
        // SAFETY: the words come from a module that was checked and lowered: every access of it is within bounds, and its bindings are those of the
        // layout that it is used with.
        unsafe {
            self.device.create_shader_module_passthrough(wgpu::ShaderModuleDescriptorPassthrough {
                label: None,
                entry_points: Cow::Owned(vec![entry]),
                spirv: Some(Cow::Borrowed(words)),
                ..Default::default()
            })
        }
    }
}

/// A compiled kernel with its buffers.
#[derive(Debug)]
pub struct Loaded<'p> {
    pipeline: &'p Pipeline,
    device: Device,
    result: wgpu::Buffer,
    counter: Option<(wgpu::Buffer, wgpu::BindGroup)>,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
    words: u32,
}

impl Loaded<'_> {
    /// Runs it once, to its end.
    ///
    /// # Errors
    /// The device is lost.
    pub fn run(&self) -> Result<(), Failure> {
        let mut encoder =
            self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        if let Some((_, group)) = &self.counter {
            pass.set_bind_group(METER_GROUP, group, &[]);
        }
        if self.pipeline.immediates {
            pass.set_immediates(0, &meter::slice_bytes([0; 3], 1, self.workgroups));
        }
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
        drop(pass);
        self.device.queue.submit([encoder.finish()]);
        self.device.wait()
    }

    /// The words of the result.
    ///
    /// # Errors
    /// The device is lost.
    pub fn result(&self) -> Result<Vec<u32>, Failure> {
        let words = u32::try_from(self.result.size() / 4).expect("buffers are below 16 GiB");
        self.device.read(&self.result, words)
    }

    /// The gas of a run; 0 if it is not metered.
    ///
    /// # Errors
    /// The device is lost, or an invocation took more than its loops may.
    pub fn gas(&self) -> Result<u64, Failure> {
        let groups: u64 = self.workgroups.iter().map(|count| u64::from(*count)).product();
        let invocations = groups * self.pipeline.invocations;
        let mut gas = self.pipeline.fixed * invocations;
        if let Some((counter, _)) = &self.counter {
            let words = self.device.read(counter, self.words + 1)?;
            let bytes: Vec<u8> = words[1..].iter().flat_map(|word| word.to_le_bytes()).collect();
            let sum = meter::sum_words(&bytes).ok_or(Failure::OutOfGas)?;
            gas += sum * (invocations / u64::from(self.words));
        }
        Ok(gas)
    }
}
