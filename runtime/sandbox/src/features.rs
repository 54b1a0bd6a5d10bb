//! Which WebAssembly proposals a module may use: one list for the validator, the engine and the profile.

use wasmparser::WasmFeatures;

/// A proposal, its flag, and the name used in messages and in the profile.
pub(crate) struct Proposal {
    pub(crate) name: &'static str,
    pub(crate) flag: WasmFeatures,
}

macro_rules! proposals {
    ($($name:literal => $flag:ident,)*) => {
        &[$(Proposal { name: $name, flag: WasmFeatures::$flag },)*]
    };
}

/// Proposals a module may use, sorted by name.
pub(crate) const ALLOWED: &[Proposal] = proposals![
    "bulk-memory" => BULK_MEMORY,
    "exception-handling" => EXCEPTIONS,
    "extended-const" => EXTENDED_CONST,
    "multi-value" => MULTI_VALUE,
    "mutable-globals" => MUTABLE_GLOBAL,
    "reference-types" => REFERENCE_TYPES,
    "saturating-float-to-int" => SATURATING_FLOAT_TO_INT,
    "sign-extension" => SIGN_EXTENSION,
    "simd" => SIMD,
    "tail-calls" => TAIL_CALL,
];

/// Proposals a module must not use. Each has a test.
pub(crate) const REFUSED: &[Proposal] = proposals![
    "compact-import-section" => COMPACT_IMPORTS,
    "custom-descriptors" => CUSTOM_DESCRIPTORS,
    "custom-page-sizes" => CUSTOM_PAGE_SIZES,
    "function-references" => FUNCTION_REFERENCES,
    "garbage-collection" => GC,
    "legacy-exceptions" => LEGACY_EXCEPTIONS,
    "memory-control" => MEMORY_CONTROL,
    "memory64" => MEMORY64,
    "multi-memory" => MULTI_MEMORY,
    "relaxed-simd" => RELAXED_SIMD,
    "shared-everything-threads" => SHARED_EVERYTHING_THREADS,
    "stack-switching" => STACK_SWITCHING,
    "threads" => THREADS,
    "wide-arithmetic" => WIDE_ARITHMETIC,
];

/// The flags of [`ALLOWED`], with floats and the reference types that exceptions stand on.
pub(crate) fn allowed_features() -> WasmFeatures {
    let base = WasmFeatures::FLOATS | WasmFeatures::GC_TYPES;
    ALLOWED.iter().fold(base, |all, proposal| all | proposal.flag)
}

/// The names of [`ALLOWED`], sorted, comma-separated, as the profile holds them.
pub(crate) fn allowed_names() -> String {
    ALLOWED.iter().map(|proposal| proposal.name).collect::<Vec<_>>().join(",")
}

/// The refused proposals without which `wasm` does not validate, by name. Empty when the module is invalid anyway.
///
/// This validates the module once for each refused proposal, and is called only for modules already refused.
pub(crate) fn refused_proposals_of(wasm: &[u8]) -> Vec<&'static str> {
    let every = REFUSED.iter().fold(allowed_features(), |all, proposal| all | proposal.flag);
    let is_valid = |features| wasmparser::Validator::new_with_features(features).validate_all(wasm).is_ok();
    if !is_valid(every) {
        return Vec::new();
    }
    REFUSED.iter().filter(|proposal| !is_valid(every - proposal.flag)).map(|proposal| proposal.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_lists_do_not_overlap() {
        for list in [ALLOWED, REFUSED] {
            assert!(list.windows(2).all(|pair| pair[0].name < pair[1].name));
        }
        for refused in REFUSED {
            assert!(!allowed_features().contains(refused.flag), "{} is allowed", refused.name);
        }
    }

    #[test]
    fn every_core_proposal_of_the_parser_is_decided() {
        // A parser update that adds a proposal must be looked at, not inherited.
        let component = WasmFeatures::all()
            .iter_names()
            .filter(|(name, _)| name.starts_with("CM") || *name == "COMPONENT_MODEL");
        let mut decided =
            allowed_features() | WasmFeatures::CALL_INDIRECT_OVERLONG | WasmFeatures::BULK_MEMORY_OPT;
        for (_, flag) in component {
            decided |= flag;
        }
        for refused in REFUSED {
            decided |= refused.flag;
        }
        let missing: Vec<_> = (WasmFeatures::all() - decided).iter_names().map(|(name, _)| name).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
