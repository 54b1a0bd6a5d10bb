//! WGSL of strangers.

use std::sync::Once;

use fizz_reference::{CompileError, Program, RaceCheck, Watched};
use fizz_shader::exact::{self, Layout, Modes, Native};
use fizz_shader::meter::{METER_GROUP, MeterOptions};
use fizz_shader::{CheckedShader, Reason, ShaderLimits, check};
use naga::back::spv;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

use crate::memory;
use crate::wgsl::made;

/// What a check may take beyond a multiple of the source: tables of the front end, and the spelled-out zero values.
const MEMORY: usize = 64 << 20;

/// - No text makes the check panic outside the front end's own thread (where a panic is a refusal), overflow a stack,
///   or take memory or time without measure. The fuzzer's own limit watches the time.
/// - Checking twice says the same, and an error's place is in the text.
/// - A shader that passes can be given its constants and metered, but for known reasons; then it is valid in full, and can
///   be written for a device. If it is exact, the same holds of what it is lowered to, for which
///   nothing but the size is a reason.
pub fn shader(data: &[u8]) {
    contain_panics();
    let Ok(text) = std::str::from_utf8(data) else { return };
    let limits = ShaderLimits::default();
    let checked = memory::within(MEMORY + 1024 * text.len(), || check(text, "label", &limits));
    match checked {
        Ok(shader) => specialize(&shader, data),
        Err(error) => {
            assert_ne!(error.reason, Reason::Host, "{error}");
            if let Some(at) = error.location {
                let before = text.get(..at.offset as usize).expect("a place between two characters");
                assert_eq!(at.line as usize, before.matches('\n').count() + 1);
                assert_eq!(at.column as usize, before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1);
            }
            let words = error.to_string();
            assert!(words.len() < 8192, "{} bytes of error", words.len());
            let again = check(text, "label", &limits).map(|_| ()).expect_err("refused before");
            assert_eq!(again, error);
        }
    }
}

/// The same for a shader that the bytes choose, which is nearly always valid, and so comes far.
pub fn wgsl(data: &[u8]) {
    shader(made(data).as_bytes());
}

fn specialize(shader: &CheckedShader, data: &[u8]) {
    // Values of pipeline constants, chosen by the input.
    let choice = blake3::hash(data);
    let values = [0.0, 1.0, 2.0, 64.0, -1.0, 0.5, 1e300, f64::NAN];
    let names: Vec<String> = shader
        .module
        .overrides
        .iter()
        .enumerate()
        .map(|(n, (_, o))| o.id.map_or_else(|| o.name.clone().unwrap_or(n.to_string()), |id| id.to_string()))
        .collect();
    let constants: Vec<(&str, f64)> = names
        .iter()
        .zip(choice.as_bytes())
        .map(|(name, byte)| (name.as_str(), values[usize::from(*byte) % values.len()]))
        .collect();
    for entry in &shader.entry_points {
        assert_eq!(shader.entry_point(Some(&entry.name)), Some(entry));
        for constants in [&[][..], &constants] {
            if let Ok(known) = shader.specialize(&entry.name, "p", constants) {
                assert!((1..=256).contains(&known.invocations()));
                for find_cuts in [false, true] {
                    meter(shader, &entry.name, constants, MeterOptions { find_cuts });
                }
            }
        }
    }
}

/// Meters an entry point; what comes out is valid in full, and can be written for a device.
fn meter(shader: &CheckedShader, entry: &str, constants: &[(&str, f64)], options: MeterOptions) {
    let metered = match shader.meter(entry, "p", constants, options) {
        Ok((_, metered)) => metered,
        Err(error) => {
            // Too much before any check, a group that guests do not have, or what naga cannot write.
            let known = ["bind group index", "the shader front end cannot", "it cannot be written"];
            assert!(
                error.reason == Reason::Limit || known.iter().any(|known| error.message.starts_with(known)),
                "a checked shader cannot be metered: {error}"
            );
            return;
        }
    };
    assert!(metered.fixed <= metered.most);
    let capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32 | Capabilities::IMMEDIATES;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&metered.module)
        .unwrap_or_else(|error| panic!("metered, it is not valid: {:?}", error.as_inner()));
    spirv(&metered.module, &info, entry);
    if shader.classify(entry).is_empty() {
        exact(&metered.module, shader.source());
    }
}

/// Compiles for the reference device what was lowered for it, plain and watched: only its size is a reason not to, and what comes out is valid. A panic of the compiler
/// is another reason, and so a finding.
fn compile(lowered: &naga::Module, source: &str) {
    let Some(entry) = lowered.entry_points.first() else { return };
    let plain = compiled(fizz_reference::compile(lowered, &entry.name));
    let check = RaceCheck::default();
    let watched = Watched { check: &check, label: "label", source, unwatched_group: METER_GROUP };
    let watched = compiled(fizz_reference::compile_watched(lowered, &entry.name, watched));
    if let (Some(plain), Some(watched)) = (plain, watched) {
        let outside = |program: Program| (program.bindings, program.immediate_bytes, program.workgroup_size);
        assert_eq!(outside(plain), outside(watched), "watching changes what a shader is given");
    }
}

fn compiled(program: Result<Program, CompileError>) -> Option<Program> {
    match program {
        Ok(program) => {
            wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
                .validate_all(&program.wasm)
                .expect("a compiled shader is valid WebAssembly");
            assert_eq!(Program::decode(&program.encode()).as_ref(), Ok(&program));
            Some(program)
        }
        Err(CompileError::TooLarge(_)) => None,
        Err(error) => panic!("an exact shader cannot be compiled: {error}"),
    }
}

/// Lowers a module that is exact; what comes out has nothing else in it, and can be written for a device.
fn exact(module: &naga::Module, source: &str) {
    for native in [Native::NONE, Native::REFERENCE] {
        let lowered = match exact::lower(module.clone(), &native) {
            Ok(lowered) => lowered,
            Err(error) => {
                assert!(error.contains("more than"), "an exact shader cannot be lowered: {error}");
                continue;
            }
        };
        let problems = exact::verify(&lowered, &native);
        assert!(problems.is_empty(), "lowered, it is not exact: {problems:#?}");
        if native == Native::REFERENCE {
            compile(&lowered, source);
        }
        for zero_init_native in [false, true] {
            let modes = Modes { zero_init_native, ..Modes::default() };
            if let Err(error) = exact::emit(&lowered, &Layout::of(&lowered), &modes) {
                panic!("an exact shader cannot be written: {error}");
            }
        }
    }
}

fn spirv(module: &naga::Module, info: &ModuleInfo, entry: &str) {
    let stage = naga::ShaderStage::Compute;
    let options = spv::Options {
        lang_version: (1, 3),
        bounds_check_policies: naga::proc::BoundsCheckPolicies {
            index: naga::proc::BoundsCheckPolicy::Restrict,
            buffer: naga::proc::BoundsCheckPolicy::Restrict,
            ..Default::default()
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: stage, entry_point: entry.to_owned() };
    let written = spv::write_vec(module, info, &options, Some(&pipeline));
    if let Err(error) = written {
        panic!("a checked shader cannot be written: {error}");
    }
}

/// The front end's thread answers a panic of its own; the fuzzer's hook would end the process before it could.
fn contain_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some("shader") {
                eprintln!("contained: {panic}");
            } else {
                abort(panic);
            }
        }));
    });
}
