//! Whether a shader can be written for a device at all.
//!
//! naga's writer ends in a panic at some modules that its validator lets through: where a variable begins with a value of
//! overrides that it cannot compute beforehand, say. In the process that has the driver, that would be the node's fault,
//! and such a shader would walk from node to node. So each is written once here, where a panic is a refusal, the same on
//! every node; what is written is dropped.

use naga::Module;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Writes a module with one compute entry point and no overrides as SPIR-V.
///
/// # Errors
/// What naga says. It may also panic.
pub(crate) fn try_write(module: &Module, capabilities: Capabilities) -> Result<(), String> {
    let Some(entry) = module.entry_points.first() else { return Ok(()) };
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .map_err(|error| error.into_inner().to_string())?;
    let options = spv::Options {
        lang_version: (1, 3),
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Restrict,
            buffer: BoundsCheckPolicy::Restrict,
            ..BoundsCheckPolicies::default()
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
        ..spv::Options::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: entry.stage, entry_point: entry.name.clone() };
    spv::write_vec(module, &info, &options, Some(&pipeline)).map(drop).map_err(|error| error.to_string())
}
