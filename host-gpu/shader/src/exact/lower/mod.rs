//! naga IR to naga IR.

use super::Native;
use naga::{AddressSpace, Module};

/// Lowers a module with one compute entry point and no overrides for a device that does by itself what `native` says.
///
/// # Errors
/// What is not exact, and a module that would become too large.
pub fn lower(module: Module, native: &Native) -> Result<Module, String> {
    let _ = native;
    Ok(module)
}

/// Bytes of immediates that a lowered module reads: 0, or [`SLICE_BYTES`](crate::meter::SLICE_BYTES), laid out as [`slice_bytes`](crate::meter::slice_bytes) does.
pub fn immediate_bytes(module: &Module) -> u32 {
    let mut variables = module.global_variables.iter();
    let found = variables.any(|(_, variable)| variable.space == AddressSpace::Immediate);
    if found { crate::meter::SLICE_BYTES } else { 0 }
}
