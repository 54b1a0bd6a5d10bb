//! Checks of WGSL before any driver sees it.
//!
//! In: source text of a stranger. Out: a [`CheckedShader`] (naga's module and its analysis), or a [`ShaderError`]
//! with line and column. The order: `scan` bounds how deep the text can make any recursion → naga
//! parses and validates, with nothing enabled beyond what compute in WebGPU always has → `measure` bounds
//! what a driver will have to chew → `uniformity` proves that all invocations of a workgroup reach each barrier. Then, for a
//! pipeline: [`CheckedShader::meter`]. All of it is deterministic, and its texts never come from a driver.
//!
//! Parsing happens on a thread of its own with a large stack: naga recurses over expressions, and the scan
//! alone bounds how far.
#![forbid(unsafe_code)]

mod bypass;
mod error;
pub mod exact;
mod folded;
mod lint;
mod measure;
pub mod meter;
mod scan;
mod specialize;
mod uniformity;
mod words;
mod write;
mod zero;

pub use error::{Location, Reason, ShaderError};
pub use lint::Inexact;
pub use measure::EntryFacts;
pub use specialize::Specialized;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// Name and version of the shader front end and of its meter: part of what defines a result.
pub const FRONT_END: &str = "naga 30.0, meter 5";

/// Bounds on one shader. They are part of what defines a result: a shader refused here is refused everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShaderLimits {
    /// Bytes of source.
    pub source_bytes: usize,
    /// Declarations at module scope (functions, constants, types, variables).
    pub declarations: usize,
    /// Functions.
    pub functions: usize,
    /// Expressions and statements after inlining every call, summed over the entry points.
    pub inlined: u64,
    /// Depth of brackets in the source, and of nested statements.
    pub nesting: usize,
    /// Length of one chain of operators, member accesses or `else if`s, nested chains added up.
    pub chain: usize,
    /// Bytes of `private` and function variables per invocation, along the deepest chain of calls; also of any one value.
    pub invocation_bytes: u64,
    /// Bytes of `workgroup` variables of one entry point.
    pub workgroup_bytes: u64,
    /// Scalars that a zero value such as `array<u32, 64>()` may spell out.
    pub zero_scalars: u64,
    /// Invocations of a workgroup.
    pub workgroup_invocations: u32,
    /// Workgroup size in x, y and z.
    pub workgroup_size: [u32; 3],
}

impl Default for ShaderLimits {
    fn default() -> Self {
        ShaderLimits {
            source_bytes: 256 << 10,
            declarations: 4096,
            functions: 1024,
            inlined: 1 << 20,
            nesting: 64,
            chain: 1000,
            invocation_bytes: 16 << 10,
            workgroup_bytes: 16 << 10,
            zero_scalars: 1 << 16,
            workgroup_invocations: 256,
            workgroup_size: [256, 256, 64],
        }
    }
}

/// A shader that may be given to a device.
#[derive(Clone, Debug)]
pub struct CheckedShader {
    /// The module as naga sees it.
    pub module: naga::Module,
    /// naga's analysis of it.
    pub info: ModuleInfo,
    /// The compute entry points, in source order.
    pub entry_points: Vec<EntryFacts>,
    /// Steps of proving the shader uniform, about 20 ns each. Each pipeline takes as many again, at most.
    pub work: u64,
    limits: ShaderLimits,
    source: String,
}

impl CheckedShader {
    /// The WGSL, which the modules' spans are of.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// What a shader may use: compute as every WebGPU device has it. No 16- or 64-bit numbers, no subgroups, no float
/// atomics, no ray queries, no binding arrays, no immediates.
fn capabilities() -> Capabilities {
    // `pack2x16float` and `quantizeToF16` are in every WebGPU.
    Capabilities::SHADER_FLOAT16_IN_FLOAT32
}

/// The same for a metered one, which may read a slice from its immediates.
fn metered_capabilities() -> Capabilities {
    capabilities() | Capabilities::IMMEDIATES
}

/// Checks a shader. `label` is the guest's name for it and stands in errors.
///
/// # Errors
/// [`ShaderError`] with the place in the source, for anything that is not WGSL, that uses more than compute
/// in WebGPU has, or that passes a limit. [`Reason::Host`] alone is not the shader's fault.
pub fn check(wgsl: &str, label: &str, limits: &ShaderLimits) -> Result<CheckedShader, ShaderError> {
    if wgsl.len() > limits.source_bytes {
        let message = format!("source of {} bytes is longer than {} bytes", wgsl.len(), limits.source_bytes);
        return Err(ShaderError::limit(label, message));
    }
    deep(label, || compile(wgsl, label, limits))?
}

fn compile(wgsl: &str, label: &str, limits: &ShaderLimits) -> Result<CheckedShader, ShaderError> {
    let found = scan::scan(wgsl, limits).and_then(|tokens| zero::check(wgsl, &tokens, limits));
    found
        .map_err(|refused| ShaderError::at(Reason::Limit, label, refused.message, wgsl, refused.offset, 1))?;
    let options = naga::front::wgsl::Options { parse_doc_comments: false, capabilities: capabilities() };
    let module = naga::front::wgsl::Frontend::new_with_options(options)
        .parse(wgsl)
        .map_err(|error| ShaderError::parse(label, wgsl, &error))?;
    // Before validation, which recurses over statements.
    measure::structure(&module, limits).map_err(|refused| refused.into_error(label, wgsl))?;
    words::fit(&module).map_err(|refused| refused.into_error(label, wgsl))?;
    let info = Validator::new(ValidationFlags::all(), capabilities())
        .validate(&module)
        .map_err(|error| ShaderError::invalid(label, wgsl, &error))?;
    if let Some((span, value)) = bypass::find(&module) {
        let at = span.to_range().unwrap_or_default();
        let message = format!("this continue jumps over '{value}', which the loop's continuing uses");
        return Err(ShaderError::at(Reason::Invalid, label, message, wgsl, at.start, at.len()));
    }
    let entry_points =
        measure::entry_points(&module, &info, limits).map_err(|refused| refused.into_error(label, wgsl))?;
    measure::values(&module, &info, limits).map_err(|refused| refused.into_error(label, wgsl))?;
    let known = uniformity::analyse(&module).map_err(|refused| refused.into_error(label, wgsl))?;
    Ok(CheckedShader {
        module,
        info,
        entry_points,
        work: known.work,
        limits: limits.clone(),
        source: wgsl.to_owned(),
    })
}

/// Bytes of stack for naga; untouched pages cost nothing. At the limits of [`ShaderLimits`] an optimised build needs less than 2 MiB.
const STACK: usize = 64 << 20;

/// Runs `work` on a thread with a large stack. A panic in naga becomes an error.
fn deep<T: Send>(label: &str, work: impl FnOnce() -> T + Send) -> Result<T, ShaderError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("shader".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|error| ShaderError::host(label, format!("no thread to check a shader: {error}")))?;
        thread.join().map_err(|_| {
            ShaderError::new(
                Reason::Invalid,
                label,
                "the shader front end cannot handle this shader".to_owned(),
            )
        })
    })
}
