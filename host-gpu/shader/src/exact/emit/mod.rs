//! naga IR to SPIR-V that a driver may not change the floats of.
//!
//! naga's writer, then [`post`] over its words: every float result is marked `NoContraction`, and the entry point gets the
//! modes that the device offers.

mod post;
mod zero;

use crate::{deep, metered_capabilities};
use naga::back::spv;
use naga::proc::BoundsCheckPolicies;
use naga::valid::{ValidationFlags, Validator};
use naga::{Module, ResourceBinding};

/// The bindings of a pipeline's layout: for each group its binding numbers, in ascending order.
///
/// wgpu gives a passthrough shader the descriptor set of the group's index, and in it the binding of the *place* among the layout's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Binding numbers by group; an empty list for a group without bindings.
    pub groups: Vec<Vec<u32>>,
}

impl Layout {
    /// The layout of just the bindings that a module has.
    pub fn of(module: &Module) -> Self {
        let mut layout = Layout::default();
        for (_, variable) in module.global_variables.iter() {
            let Some(binding) = variable.binding else { continue };
            let group = usize::try_from(binding.group).unwrap_or(usize::MAX).min(MOST_GROUPS - 1);
            if layout.groups.len() <= group {
                layout.groups.resize(group + 1, Vec::new());
            }
            layout.groups[group].push(binding.binding);
        }
        for group in &mut layout.groups {
            group.sort_unstable();
            group.dedup();
        }
        layout
    }
}

/// Groups of any module: guests' and the meter's.
const MOST_GROUPS: usize = crate::meter::METER_GROUP as usize + 1;

/// What a Vulkan device offers (`VkPhysicalDeviceFloatControlsProperties`, `shaderZeroInitializeWorkgroupMemory`). To ask for what it does not is not allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// `RoundingModeRTE` for 32 bits.
    pub rte: bool,
    /// `SignedZeroInfNanPreserve` for 32 bits.
    pub szinp: bool,
    /// `DenormPreserve` for 32 bits.
    pub denorm_preserve: bool,
    /// `VK_KHR_shader_integer_dot_product` is on, for `dot4I8Packed` and `dot4U8Packed`.
    pub integer_dot: bool,
    /// Workgroup memory may have an initial value; else the shader zeroes it.
    pub zero_init_native: bool,
}

/// Writes a lowered module with one compute entry point as SPIR-V 1.3.
///
/// # Errors
/// A binding that `layout` does not have, and what naga cannot write; where it panics, too.
pub fn emit(module: &Module, layout: &Layout, modes: &Modes) -> Result<Vec<u32>, String> {
    deep("", || write(module, layout, modes)).map_err(|error| error.message)?
}

fn write(module: &Module, layout: &Layout, modes: &Modes) -> Result<Vec<u32>, String> {
    let mut zeroed;
    let module = if modes.zero_init_native {
        module
    } else {
        zeroed = module.clone();
        zero::workgroup_memory(&mut zeroed);
        &zeroed
    };
    let entry = module.entry_points.first().ok_or("the module has no entry point")?;
    let info = Validator::new(ValidationFlags::all(), metered_capabilities())
        .validate(module)
        .map_err(|error| error.into_inner().to_string())?;
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::empty(),
        fake_missing_bindings: false,
        binding_map: bindings(module, layout)?,
        // Bounds are lowered.
        bounds_check_policies: BoundsCheckPolicies::default(),
        zero_initialize_workgroup_memory: if modes.zero_init_native {
            spv::ZeroInitializeWorkgroupMemoryMode::Native
        } else {
            spv::ZeroInitializeWorkgroupMemoryMode::None
        },
        capabilities: Some(capabilities(modes)),
        // The meter ends loops.
        force_loop_bounding: false,
        ..spv::Options::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: entry.stage, entry_point: entry.name.clone() };
    let words =
        spv::write_vec(module, &info, &options, Some(&pipeline)).map_err(|error| error.to_string())?;
    post::exact(&words, modes)
}

/// What naga may ask a device for; what else an exact shader has, it writes with these.
fn capabilities(modes: &Modes) -> naga::FastHashSet<spv::Capability> {
    use spv::Capability::{
        DotProduct, DotProductInput4x8BitPacked, Image1D, ImageQuery, Matrix, Shader,
        StorageImageExtendedFormats,
    };
    let dot = [DotProduct, DotProductInput4x8BitPacked].into_iter().filter(|_| modes.integer_dot);
    // What every WebGPU device has for storage textures.
    let textures = [Image1D, ImageQuery, StorageImageExtendedFormats];
    [Shader, Matrix].into_iter().chain(textures).chain(dot).collect()
}

/// Where each binding of the module is.
fn bindings(module: &Module, layout: &Layout) -> Result<spv::BindingMap, String> {
    let mut map = spv::BindingMap::default();
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else { continue };
        let ResourceBinding { group, binding: number } = binding;
        let place = usize::try_from(group)
            .ok()
            .and_then(|group| layout.groups.get(group))
            .and_then(|numbers| numbers.binary_search(&number).ok())
            .and_then(|place| u32::try_from(place).ok())
            .ok_or_else(|| format!("binding {number} of group {group} is not in the layout"))?;
        map.insert(
            binding,
            spv::BindingInfo { descriptor_set: group, binding: place, binding_array_size: None },
        );
    }
    Ok(map)
}
