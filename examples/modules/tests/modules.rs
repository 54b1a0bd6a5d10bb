//! What was embedded is WebAssembly that the sandbox can take.

use fizz_examples::{BLOCKS, DENOISE, HELLO, KERNELS, PHOTO, TOUR, WGPU_COMPUTE};
use wasmparser::{ExternalKind, Parser, Payload, Validator};

const MODULES: [(&str, &[u8]); 6] = [
    ("blocks", BLOCKS),
    ("hello", HELLO),
    ("denoise", DENOISE),
    ("kernels", KERNELS),
    ("tour", TOUR),
    ("compute", WGPU_COMPUTE),
];

#[test]
fn modules_are_valid_core_wasm() {
    for (name, bytes) in MODULES {
        assert!(bytes.starts_with(b"\0asm\x01\0\0\0"), "{name} is not a core module");
        Validator::new().validate_all(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn modules_import_only_wasi_and_the_gpu() {
    for (name, bytes) in MODULES {
        let mut imports = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            let Payload::ImportSection(section) = payload.unwrap() else { continue };
            for import in section.into_imports() {
                let import = import.unwrap();
                let known = match name {
                    "blocks" | "denoise" | "compute" => {
                        ["wasi_snapshot_preview1", "fizz_gpu"].contains(&import.module)
                    }
                    _ => import.module == "wasi_snapshot_preview1",
                };
                assert!(known, "{name} imports {}.{}", import.module, import.name);
                imports += 1;
            }
        }
        assert!(imports > 0, "{name} imports nothing, so it cannot print");
    }
}

#[test]
fn modules_are_commands() {
    for (name, bytes) in MODULES {
        let exports: Vec<(String, ExternalKind)> = Parser::new(0)
            .parse_all(bytes)
            .filter_map(|payload| match payload.unwrap() {
                Payload::ExportSection(section) => Some(section),
                _ => None,
            })
            .flatten()
            .map(|export| export.map(|e| (e.name.to_string(), e.kind)).unwrap())
            .collect();
        for wanted in [("_start", ExternalKind::Func), ("memory", ExternalKind::Memory)] {
            assert!(
                exports.iter().any(|(export, kind)| (export.as_str(), *kind) == wanted),
                "{name} does not export {wanted:?}: {exports:?}"
            );
        }
    }
}

#[test]
fn modules_name_no_path_of_this_machine() {
    let manifest = env!("CARGO_MANIFEST_DIR");
    let root = manifest.strip_suffix("examples/modules").unwrap_or(manifest);
    let home = std::env::home_dir().unwrap();
    for (name, bytes) in MODULES {
        for path in [root, home.join(".cargo").to_str().unwrap(), home.join(".rustup").to_str().unwrap()] {
            let found = bytes.windows(path.len()).any(|window| window == path.as_bytes());
            assert!(!found, "{name} names {path}");
        }
    }
}

#[test]
fn photo_is_a_png_under_a_megabyte() {
    assert!(PHOTO.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(PHOTO.len() < 1 << 20);
    let size = |at: usize| u32::from_be_bytes(PHOTO[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (600, 400));
}
