//! Whether what a device computes by itself is what the library computes, for all inputs.
//!
//! A square root has one argument, so that this can be found out: a shader compares the device's own root, emitted as sessions would emit it, with the
//! library's for all 2^32 numbers, as many at a time as a GPU computes in an instant. A quotient has two, and 2^64 pairs cannot be tried: it is the library's on every
//! driver.

use crate::device::Hardware;
use crate::exact::{Exact, Target};
use fizz_gpu_abi::Class;
use fizz_shader::exact::{self, Layout, Native, ROOTS};
use fizz_shader::meter::slice_bytes;
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What was found of a device's own square root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnSqrt {
    /// It is the correctly rounded one for all 2^32 numbers, and shaders use it.
    Proven,
    /// It is another one for the number with these bits. Shaders use the library's.
    Differs {
        /// The least such number of those that were tried, by its bits.
        bits: u32,
    },
    /// It is right for each number alone, and the probe differs with it. Shaders use the library's.
    Unsteady,
    /// As far as was tried it is right, and all would take too long. Shaders use the library's.
    Unfinished {
        /// How many numbers were tried.
        numbers: u64,
    },
}

impl fmt::Display for OwnSqrt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnSqrt::Proven => f.write_str("proven for all numbers, and used"),
            OwnSqrt::Differs { bits } => {
                write!(f, "another one for {bits:#010x} ({:e}), and not used", f32::from_bits(*bits))
            }
            OwnSqrt::Unsteady => f.write_str("not the same everywhere, and not used"),
            OwnSqrt::Unfinished { numbers } => {
                write!(f, "right for {numbers} numbers, and not used: to try all takes too long")
            }
        }
    }
}

/// The shader, behind [`ROOTS`].
const SHADER: &str = include_str!("own.wgsl");
/// Numbers of an invocation, and invocations in a row.
const TURNS: u32 = 64;
const ROW: u32 = 1 << 16;
/// Rows of a chunk, and numbers.
const ROWS: u32 = 4;
const CHUNK: u64 = (ROWS * ROW) as u64 * TURNS as u64;
/// All numbers.
pub(super) const CHUNKS: Range<u64> = 0..(1 << 32) / CHUNK;

/// Tries the device's own root, in order, for at most about so long: not on where all would take longer, either.
///
/// # Errors
/// Why nothing can be computed.
pub(super) fn sqrt(hardware: &Hardware, budget: Duration) -> Result<OwnSqrt, String> {
    attempt(hardware, SHADER, CHUNKS, budget)
}

fn attempt(
    hardware: &Hardware,
    shader: &str,
    chunks: Range<u64>,
    budget: Duration,
) -> Result<OwnSqrt, String> {
    let compared = Comparison::new(hardware, shader)?;
    let all = (chunks.end - chunks.start) as f64;
    let mut begun = Instant::now();
    for (done, chunk) in chunks.enumerate() {
        // The first chunk is compiled, too: the others are what all are reckoned from.
        match done {
            0 => {}
            1 => begun = Instant::now(),
            _ if begun.elapsed().as_secs_f64() / (done - 1) as f64 * all > budget.as_secs_f64() => {
                return Ok(OwnSqrt::Unfinished { numbers: done as u64 * CHUNK });
            }
            _ => {}
        }
        if let Some(bits) = compared.chunk((chunk * CHUNK) as u32)? {
            return Ok(OwnSqrt::Differs { bits });
        }
    }
    Ok(OwnSqrt::Proven)
}

/// The shader on a device.
struct Comparison {
    device: crate::device::Device,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    first: wgpu::Buffer,
    differing: wgpu::Buffer,
    answer: wgpu::Buffer,
}

/// Bytes of what the shader finds.
const FOUND: u64 = 8;

impl Comparison {
    fn new(hardware: &Hardware, shader: &str) -> Result<Comparison, String> {
        let Some(Exact { target: Target::Vulkan { modes, .. }, .. }) = hardware.exact() else {
            return Err("it takes no SPIR-V".to_owned());
        };
        let text = format!("{ROOTS}{shader}").replace("ROWu", &format!("{ROW}u"));
        let text = text.replace("TURNSu", &format!("{TURNS}u"));
        let checked = fizz_shader::check(&text, "own square root", &fizz_shader::ShaderLimits::default());
        let module = checked.map_err(|error| error.to_string())?.module;
        let module = exact::lower(module, &Native { sqrt: true, ..Native::NONE })?;
        let words = exact::emit(&module, &Layout::of(&module), modes)?;
        let device = hardware.open(Class::Exact).map_err(|stop| stop.to_string())?;
        let (pipeline, layout) = pipeline(&device.device, &words, exact::immediate_bytes(&module));
        let buffer = |size, usage| {
            device.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        use wgpu::BufferUsages as Usage;
        let first = buffer(4, Usage::STORAGE | Usage::COPY_DST);
        let differing = buffer(FOUND, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST);
        let answer = buffer(FOUND, Usage::MAP_READ | Usage::COPY_DST);
        let group = device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: first.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: differing.as_entire_binding() },
            ],
        });
        device.must("compare square roots").map_err(|stop| stop.to_string())?;
        Ok(Comparison { device, pipeline, group, first, differing, answer })
    }

    /// The least of the numbers from `first` on whose root differs.
    fn chunk(&self, first: u32) -> Result<Option<u32>, String> {
        let Comparison { device, differing, answer, .. } = self;
        let queue = &device.queue;
        queue.write_buffer(&self.first, 0, &first.to_le_bytes());
        queue.write_buffer(differing, 0, &[0_u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat());
        let mut encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        let workgroups = [ROW / 64, ROWS, 1];
        pass.set_immediates(0, &slice_bytes([0; 3], 1, workgroups));
        pass.dispatch_workgroups(workgroups[0], workgroups[1], workgroups[2]);
        drop(pass);
        encoder.copy_buffer_to_buffer(differing, 0, answer, 0, FOUND);
        queue.submit([encoder.finish()]);
        answer.map_async(wgpu::MapMode::Read, .., |_| {});
        device.wait(None).map_err(|stop| stop.to_string())?;
        let found = {
            let bytes = answer.get_mapped_range(..).map_err(|error| error.to_string())?;
            let words = bytes.as_chunks::<4>().0;
            match words {
                [count, least] if *count != [0; 4] => Some(u32::from_le_bytes(*least)),
                _ => None,
            }
        };
        answer.unmap();
        Ok(found)
    }
}

#[expect(unsafe_code, reason = "wgpu takes shaders as they are only so")]
fn pipeline(
    device: &wgpu::Device,
    words: &[u32],
    immediate_size: u32,
) -> (wgpu::ComputePipeline, wgpu::BindGroupLayout) {
    let entry_points =
        [wgpu::PassthroughShaderEntryPoint { name: "main".into(), workgroup_size: (64, 1, 1) }];
    let wanted = wgpu::ShaderModuleDescriptorPassthrough {
        label: None,
        entry_points: entry_points.as_slice().into(),
        spirv: Some(words.into()),
        ..Default::default()
    };
    // SAFETY: the words are those of a shader of ours, lowered, with bounds in it, whose loop ends.
    let module = unsafe { device.create_shader_module_passthrough(wanted) };
    let entry = |binding, read_only| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[entry(0, true), entry(1, false)],
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&group)],
        immediate_size,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    (pipeline, group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adapters, Choice};

    const LONG: Duration = Duration::from_secs(3600);

    /// The best adapter, which can be handed shaders. Where there is none: fails in CI, else says so.
    fn hardware() -> Option<Hardware> {
        let found = Adapters::list().choose(&Choice::Auto).ok().and_then(|found| found.unproven().ok());
        if found.is_none() {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have a Vulkan adapter");
            eprintln!("skipped: no adapter");
        }
        found
    }

    /// The shader with another root, of `x`, as the device's own.
    fn with(root: &str) -> String {
        let shader = SHADER.replace("return sqrt(x);", root);
        assert_ne!(shader, SHADER);
        shader
    }

    #[test]
    fn a_root_that_is_wrong_for_one_number_is_found_out() {
        let Some(hardware) = hardware() else { return };
        for (bits, wrong) in [
            (0x0040_0003_u32, "bitcast<f32>(bitcast<u32>(sqrt(x)) + 1u)"),
            (0x40ff_ffff, "bitcast<f32>(bitcast<u32>(sqrt(x)) - 1u)"),
            // +0 of -0, and -0 of the negative number beside it.
            (0x8000_0000, "abs(sqrt(x))"),
            (0x8000_0001, "bitcast<f32>(0x80000000u)"),
        ] {
            let root = format!("return select(sqrt(x), {wrong}, bitcast<u32>(x) == {bits:#x}u);");
            let chunk = u64::from(bits) / CHUNK;
            let found = attempt(&hardware, &with(&root), chunk..chunk + 1, LONG);
            assert_eq!(found, Ok(OwnSqrt::Differs { bits }), "{bits:#x}");
            assert_eq!(attempt(&hardware, SHADER, chunk..chunk + 1, LONG), Ok(OwnSqrt::Proven));
        }
        // A NaN is any.
        let root = with("return select(sqrt(x), 1.0, x != x);");
        let found = attempt(&hardware, &root, 0x7f..0x80, LONG);
        assert_eq!(found, Ok(OwnSqrt::Differs { bits: 0x7f80_0001 }));
    }

    #[test]
    fn the_least_number_is_told_and_the_first_chunk_ends_it() {
        let Some(hardware) = hardware() else { return };
        let root = with("return select(sqrt(x), 0.5, bitcast<u32>(x) > 0x01fffff0u);");
        let found = attempt(&hardware, &root, 0..4, LONG);
        assert_eq!(found, Ok(OwnSqrt::Differs { bits: 0x01ff_fff1 }));
    }

    #[test]
    fn what_would_take_too_long_is_left() {
        let Some(hardware) = hardware() else { return };
        let found = sqrt(&hardware, Duration::ZERO);
        assert_eq!(found, Ok(OwnSqrt::Unfinished { numbers: 2 * CHUNK }));
    }
}
