//! Exact sessions: shaders that give the same bits on every device, and what `wgpu` does not check for them.
//!
//! A pipeline's entry point is looked at ([`fizz_shader::CheckedShader::classify`]), metered, lowered for the device and written as what the device
//! takes; `wgpu` hands that on as it is. So `wgpu` knows nothing of the shader: its bindings are held against layouts
//! here ([`interface`]), layouts are made of them ([`pipeline`]), and bind groups are looked at when dispatching ([`dispatch`]), alike on all
//! devices and with texts of our own.

mod dispatch;
mod interface;
mod modes;
mod pipeline;

use crate::SHADER_FRONT_END;
use crate::admission::OwnSqrt;
use fizz_reference::{CompileError, Watched};
use fizz_shader::exact::{self, Layout, Modes, Native};
use std::sync::Arc;
use wgpu::naga;

pub(crate) use pipeline::{Facts, check, check_portable};

/// [`SHADER_FRONT_END`](crate::SHADER_FRONT_END), and the version of the lowering.
pub fn front_end() -> String {
    format!("{SHADER_FRONT_END}, exact {}", exact::VERSION)
}

/// How exact shaders get onto a device.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    pub(crate) target: Target,
    /// What the probe computed, as hexadecimal digits.
    pub(crate) probe: Arc<str>,
    /// What was found of its own square root, if that was tried.
    pub(crate) own_sqrt: Option<OwnSqrt>,
}

/// What a device takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// SPIR-V.
    Vulkan {
        /// What it computes by itself with our bits.
        native: Native,
        /// What it can be told about floats.
        modes: Modes,
    },
    /// Programs of the reference device.
    Reference,
}

impl Target {
    /// What Vulkan adapters take; none for adapters of other interfaces, and for those that cannot be handed shaders.
    pub(crate) fn of(adapter: &wgpu::Adapter) -> Result<Target, &'static str> {
        if !adapter.features().contains(wgpu::Features::PASSTHROUGH_SHADERS) {
            return Err("its driver takes no shader as it is");
        }
        let modes =
            modes::of(adapter).ok_or("only Vulkan of version 1.2 or later can be told how to round")?;
        Ok(Target::Vulkan { native: Native::NONE, modes })
    }

    /// A metered module in words for the device. `groups` are the binding numbers of the pipeline layout's groups, each sorted; `portable` is what
    /// [`portable`] says of the same shader.
    ///
    /// # Errors
    /// What could not be written. A shader that passed every check can be, so this is the host's fault.
    pub(crate) fn words(
        self,
        module: naga::Module,
        groups: &Layout,
        portable: Vec<u32>,
    ) -> Result<Vec<u32>, String> {
        match self {
            Target::Reference => Ok(portable),
            Target::Vulkan { native, modes } => deep(|| {
                let module = exact::lower(module, &native)?;
                exact::emit(&module, groups, &modes)
            })?,
        }
    }
}

/// Why a shader cannot be on every device.
pub(crate) enum NotPortable {
    /// The shader's fault, in words that are the same on every device.
    Shader(String),
    Host(String),
}

/// Whether a metered module, as no driver needs anything special of it, can be lowered, written for any driver, and compiled for the reference
/// device: asked for every pipeline on every device, so that what one of them cannot take is refused by all, and whatever runs exactly can be verified without a GPU.
/// Returns the words for the reference device, which tell of touches of memory if it is `watched`: whether it is does not change what is refused.
pub(crate) fn portable(module: naga::Module, watched: Option<Watched<'_>>) -> Result<Vec<u32>, NotPortable> {
    let panicked = || NotPortable::Shader("the lowering cannot handle this shader".to_owned());
    let checked = deep(|| {
        let checked = std::panic::catch_unwind(|| {
            exact::check(&module)?;
            let module = exact::lower(module, &Native::REFERENCE)?;
            let entry = module.entry_points.first().ok_or("the module has no entry point")?;
            let program = fizz_reference::compile(&module, &entry.name);
            Ok::<_, String>(match (program, watched) {
                (Ok(_), Some(watched)) => {
                    let program = fizz_reference::compile_watched(&module, &entry.name, watched);
                    program.map_err(|error| CompileError::Host(format!("it cannot be watched: {error}")))
                }
                (program, _) => program,
            })
        });
        checked.map_err(|_| panicked())
    });
    match checked.map_err(NotPortable::Host)?? {
        Err(reason) => Err(NotPortable::Shader(reason)),
        Ok(Err(CompileError::Host(reason))) => Err(NotPortable::Host(reason)),
        Ok(Err(error)) => Err(NotPortable::Shader(error.to_string())),
        Ok(Ok(program)) => Ok(program.encode()),
    }
}

/// Modules nest as deep as shaders may: works on a thread with a large stack.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("lowering".to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| format!("no thread: {error}"))?;
        thread.join().map_err(|_| "the lowering panicked".to_owned())
    })
}

/// Bytes of stack, as for checking shaders.
const STACK: usize = 64 << 20;
