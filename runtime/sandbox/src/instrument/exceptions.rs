//! Where exceptions may live, so that the engine's heap of them can never be the first limit that a guest meets.
//!
//! An exception object lives as long as something refers to it, which only the engine's collector knows: how many are
//! alive cannot be counted at the level of WebAssembly. So they are bounded by where a reference can be held. Tables,
//! globals and the payloads of other exceptions may hold none (no compiler makes such modules: C++ and Rust throw one
//! number, and keep a caught exception in a local); then every live exception sits in a local or an operand of a
//! metered frame, and the metered stack bounds their number. `limiter` holds the engine's heap against that bound.

use wasmparser::{FuncType, Payload, RefType, ValType};

use super::error::ModuleError;

/// Bytes of the values that one exception carries, at most.
pub(crate) const PAYLOAD_BYTES_MAX: u64 = 64;

/// Checks a validated section for places where an exception could be held.
pub(super) fn check(payload: &Payload<'_>, types: &[FuncType]) -> Result<(), ModuleError> {
    match payload {
        Payload::TableSection(section) => {
            section.clone().into_iter().try_for_each(|table| check_table(table?.ty.element_type))
        }
        Payload::TagSection(section) => section.clone().into_iter().try_for_each(|tag| {
            // Validation has proven that the type exists.
            types.get(tag?.func_type_idx as usize).map_or(Ok(()), check_tag)
        }),
        Payload::GlobalSection(section) => {
            section.clone().into_iter().try_for_each(|global| check_global(global?.ty.content_type))
        }
        _ => Ok(()),
    }
}

/// Checks the type of a tag.
fn check_tag(ty: &FuncType) -> Result<(), ModuleError> {
    let mut bytes = 0;
    for value in ty.params() {
        bytes += match value {
            ValType::I32 | ValType::F32 => 4,
            ValType::I64 | ValType::F64 => 8,
            ValType::V128 => 16,
            ValType::Ref(_) => return Err(ModuleError::HeldException("a reference in an exception")),
        };
    }
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(ModuleError::TooLarge {
            what: "bytes in one exception",
            found: bytes,
            limit: PAYLOAD_BYTES_MAX,
        });
    }
    Ok(())
}

/// Checks the type of a table's elements.
fn check_table(ty: RefType) -> Result<(), ModuleError> {
    let plain = ty == RefType::FUNCREF || ty == RefType::EXTERNREF;
    if plain { Ok(()) } else { Err(ModuleError::HeldException("a table of exceptions")) }
}

/// Checks the type of a global.
fn check_global(ty: ValType) -> Result<(), ModuleError> {
    match ty {
        ValType::Ref(ty) => {
            check_table(ty).map_err(|_| ModuleError::HeldException("a global that holds an exception"))
        }
        _ => Ok(()),
    }
}
