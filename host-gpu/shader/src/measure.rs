//! What a checked module will cost the driver and the device.

use crate::error::{Reason, ShaderError};
use crate::meter::{self, MeterOptions, Metered, Unmetered};
use crate::specialize::Specialized;
use crate::write::try_write;
use crate::{CheckedShader, ShaderLimits, metered_capabilities};
use naga::valid::ModuleInfo;
use naga::{
    AddressSpace, Block, Expression, Function, Handle, ImageClass, ImageDimension, Module, Span, Statement,
    StorageAccess, StorageFormat, TypeInner,
};

/// A compute entry point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    /// Its name.
    pub name: String,
    /// Expressions and statements after inlining every call; a loop's body counts once.
    pub cost: u64,
    /// Bytes of the `workgroup` variables it uses; those sized by an `override` count nothing here.
    pub workgroup_bytes: u64,
}

impl CheckedShader {
    /// The entry point with this name, or the only one.
    pub fn entry_point(&self, name: Option<&str>) -> Option<&EntryFacts> {
        match (name, &self.entry_points[..]) {
            (Some(name), all) => all.iter().find(|entry| entry.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// Gives the `override`s of an entry point their values and checks what depends on them.
    ///
    /// # Errors
    /// An unknown name, a value that does not fit, or a workgroup larger than the limits.
    pub fn specialize(
        &self,
        entry: &str,
        label: &str,
        constants: &[(&str, f64)],
    ) -> Result<Specialized, ShaderError> {
        Specialized::new(self, &self.limits, entry, label, constants)
    }

    /// As [`CheckedShader::specialize`], and meters what comes out.
    ///
    /// # Errors
    /// The same, a binding in a group that guests do not have, an invocation or a turn of a loop that takes more than
    /// [`CAP`](crate::meter::CAP) before anything can end it, and what naga cannot write for a device.
    pub fn meter(
        &self,
        entry: &str,
        label: &str,
        constants: &[(&str, f64)],
        options: MeterOptions,
    ) -> Result<(Specialized, Metered), ShaderError> {
        Specialized::with_module(self, &self.limits, entry, label, constants, |module| {
            let metered = meter::meter(module, options).map_err(|error| match error {
                Unmetered::Refused(refused) => refused.into_error(label, ""),
                Unmetered::TooMuch(gas) => ShaderError::limit(
                    label,
                    format!(
                        "{gas} expressions and statements without a check of gas are more than {}",
                        meter::CAP
                    ),
                ),
                Unmetered::Binding(group) => ShaderError::new(
                    Reason::Invalid,
                    label,
                    format!("bind group index {group} is above {}", meter::METER_GROUP - 1),
                ),
            })?;
            try_write(&metered.module, metered_capabilities()).map_err(|message| {
                ShaderError::new(
                    Reason::Invalid,
                    label,
                    format!("it cannot be written for a device: {message}"),
                )
            })?;
            Ok(metered)
        })
    }
}

/// A refusal with the span it is about.
pub(crate) struct TooMuch {
    span: Span,
    message: String,
}

impl TooMuch {
    pub(crate) fn new(span: Span, message: String) -> Self {
        TooMuch { span, message }
    }

    pub(crate) fn into_error(self, label: &str, source: &str) -> ShaderError {
        match self.span.to_range() {
            Some(range) => {
                ShaderError::at(Reason::Limit, label, self.message, source, range.start, range.len())
            }
            None => ShaderError::limit(label, self.message),
        }
    }
}

/// What one function does, calls included.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Expressions and statements.
    nodes: u64,
    /// Bytes of variables along the deepest chain of calls.
    bytes: u64,
}

/// Checks counts, nesting, address spaces and inlined sizes. Runs before validation, so it trusts nothing.
pub(crate) fn structure(module: &Module, limits: &ShaderLimits) -> Result<(), TooMuch> {
    if module.functions.len() + module.entry_points.len() > limits.functions {
        return Err(TooMuch::new(Span::UNDEFINED, format!("more than {} functions", limits.functions)));
    }
    for (handle, variable) in module.global_variables.iter() {
        let refused = match variable.space {
            AddressSpace::Private
            | AddressSpace::WorkGroup
            | AddressSpace::Uniform
            | AddressSpace::Storage { .. } => None,
            AddressSpace::Handle => refused_handle(&module.types[variable.ty].inner),
            _ => Some("immediates are not offered"),
        };
        if let Some(message) = refused {
            return Err(TooMuch::new(module.global_variables.get_span(handle), message.to_owned()));
        }
    }
    sizes(module, limits).map(|_| ())
}

/// Format and access of the storage texture that an expression names.
pub(crate) fn texture(
    module: &Module,
    function: &Function,
    image: Handle<Expression>,
) -> Option<(StorageFormat, StorageAccess)> {
    let ty = match function.expressions[image] {
        Expression::GlobalVariable(variable) => module.global_variables[variable].ty,
        Expression::FunctionArgument(index) => function.arguments.get(index as usize)?.ty,
        _ => return None,
    };
    match module.types[ty].inner {
        TypeInner::Image { class: ImageClass::Storage { format, access }, .. } => Some((format, access)),
        _ => None,
    }
}

/// Why what is not a buffer cannot be bound; storage textures as every WebGPU device has them can.
fn refused_handle(ty: &TypeInner) -> Option<&'static str> {
    const OTHER: &str =
        "only buffers and storage textures can be bound: sampled textures and samplers are not offered";
    let TypeInner::Image { dim, class: ImageClass::Storage { format, access }, .. } = ty else {
        return Some(OTHER);
    };
    if *dim == ImageDimension::Cube {
        return Some(OTHER);
    }
    if access.contains(StorageAccess::ATOMIC) {
        return Some("atomic operations on textures are not offered");
    }
    let (known, both) = match format {
        StorageFormat::R32Uint | StorageFormat::R32Sint | StorageFormat::R32Float => (true, true),
        StorageFormat::Rgba8Unorm
        | StorageFormat::Rgba8Snorm
        | StorageFormat::Rgba8Uint
        | StorageFormat::Rgba8Sint
        | StorageFormat::Rg32Uint
        | StorageFormat::Rg32Sint
        | StorageFormat::Rg32Float
        | StorageFormat::Rgba16Uint
        | StorageFormat::Rgba16Sint
        | StorageFormat::Rgba16Float
        | StorageFormat::Rgba32Uint
        | StorageFormat::Rgba32Sint
        | StorageFormat::Rgba32Float => (true, false),
        _ => (false, false),
    };
    if !known {
        return Some("storage textures of this format are not offered");
    }
    let reads_and_writes = access.contains(StorageAccess::LOAD | StorageAccess::STORE);
    (reads_and_writes && !both)
        .then_some("only r32uint, r32sint and r32float can be read and written by one shader")
}

/// Sizes of the entry points, in order.
fn sizes(module: &Module, limits: &ShaderLimits) -> Result<Vec<Size>, TooMuch> {
    // naga puts callees before their callers, so one pass is enough and cannot recurse.
    let mut functions: Vec<Size> = Vec::with_capacity(module.functions.len());
    for (handle, function) in module.functions.iter() {
        let size = function_size(module, function, &functions, limits, module.functions.get_span(handle))?;
        functions.push(size);
    }
    let mut entries = Vec::with_capacity(module.entry_points.len());
    let mut total = 0_u64;
    for entry in &module.entry_points {
        let size = function_size(module, &entry.function, &functions, limits, Span::UNDEFINED)?;
        total = total.saturating_add(size.nodes);
        if total > limits.inlined {
            let message = format!(
                "entry point '{}' has more than {} expressions and statements after inlining its calls",
                entry.name, limits.inlined
            );
            return Err(TooMuch::new(Span::UNDEFINED, message));
        }
        entries.push(size);
    }
    Ok(entries)
}

/// What a lowered module may be: several times what a shader may, as its operations become several. Drivers take time that grows with the square of
/// what they inline: lavapipe half a minute for the most of it.
const LOWERED: (u64, u64, usize) = (1 << 18, 64 << 10, 256);

/// Checks that a lowered module is within so many times the limits.
pub(crate) fn lowered(module: &Module, slack: usize) -> Result<(), String> {
    let (inlined, invocation_bytes, nesting) = LOWERED;
    let times = slack as u64;
    let limits = ShaderLimits {
        inlined: inlined * times,
        invocation_bytes: invocation_bytes * times,
        nesting: nesting * slack,
        ..ShaderLimits::default()
    };
    let sizes = sizes(module, &limits).map_err(|refused| format!("lowered, its {}", refused.message))?;
    if sizes.iter().any(|size| size.bytes > limits.invocation_bytes) {
        return Err(format!("lowered, it has more than {} bytes of variables", limits.invocation_bytes));
    }
    Ok(())
}

/// Parameters of a function, WGSL's own limit.
const MOST_PARAMETERS: usize = 255;

fn function_size(
    module: &Module,
    function: &Function,
    callees: &[Size],
    limits: &ShaderLimits,
    span: Span,
) -> Result<Size, TooMuch> {
    let mut walk = Walk { callees, limits, nodes: 0, deepest_call: 0 };
    walk.block(&function.body, 0)?;
    if function.arguments.len() > MOST_PARAMETERS {
        return Err(TooMuch::new(span, format!("function has more than {MOST_PARAMETERS} parameters")));
    }
    let mut bytes = 0_u64;
    for (handle, variable) in function.local_variables.iter() {
        bytes = bytes.saturating_add(type_bytes(module, variable.ty));
        if bytes > limits.invocation_bytes {
            let span = function.local_variables.get_span(handle);
            return Err(TooMuch::new(span, too_many_bytes(limits)));
        }
    }
    bytes = bytes.saturating_add(walk.deepest_call);
    if bytes > limits.invocation_bytes {
        return Err(TooMuch::new(span, too_many_bytes(limits)));
    }
    Ok(Size { nodes: walk.nodes, bytes })
}

fn too_many_bytes(limits: &ShaderLimits) -> String {
    format!("variables of one invocation take more than {} bytes", limits.invocation_bytes)
}

struct Walk<'a> {
    callees: &'a [Size],
    limits: &'a ShaderLimits,
    nodes: u64,
    deepest_call: u64,
}

impl Walk<'_> {
    fn block(&mut self, block: &Block, depth: usize) -> Result<(), TooMuch> {
        for (statement, span) in block.span_iter() {
            if depth > self.limits.nesting {
                let message = format!("statements are nested deeper than {}", self.limits.nesting);
                return Err(TooMuch::new(*span, message));
            }
            self.nodes = self.nodes.saturating_add(1);
            match statement {
                Statement::Emit(range) => {
                    // The statement itself is no work.
                    self.nodes = self.nodes.saturating_add(range.clone().count() as u64).saturating_sub(1);
                }
                // A block that naga made for itself; it costs nothing and nests nothing in a driver.
                Statement::Block(inner) => self.block(inner, depth + 1)?,
                Statement::If { accept, reject, .. } => {
                    self.block(accept, depth + 1)?;
                    self.block(reject, depth + 1)?;
                }
                Statement::Switch { cases, .. } => {
                    for case in cases {
                        self.nodes = self.nodes.saturating_add(1);
                        self.block(&case.body, depth + 1)?;
                    }
                }
                Statement::Loop { body, continuing, .. } => {
                    self.block(body, depth + 1)?;
                    self.block(continuing, depth + 1)?;
                }
                Statement::Call { function, .. } => self.call(*function, *span)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn call(&mut self, function: Handle<Function>, span: Span) -> Result<(), TooMuch> {
        let Some(callee) = self.callees.get(function.index()) else {
            return Err(TooMuch::new(span, "function is called before its definition".to_owned()));
        };
        self.nodes = self.nodes.saturating_add(callee.nodes);
        self.deepest_call = self.deepest_call.max(callee.bytes);
        Ok(())
    }
}

/// Bytes of a type; too large ones everything.
pub(crate) fn bytes(module: &Module, ty: &TypeInner) -> u64 {
    ty.try_size(module.to_ctx()).map_or(u64::MAX, u64::from)
}

/// Bytes of a type; arrays sized by an `override` that has no value yet count nothing, too large ones everything.
fn type_bytes(module: &Module, ty: Handle<naga::Type>) -> u64 {
    bytes(module, &module.types[ty].inner)
}

/// Bytes of the variables in `space` that entry point `index` uses.
pub(crate) fn used_bytes(module: &Module, info: &ModuleInfo, index: usize, space: AddressSpace) -> u64 {
    let uses = info.get_entry_point(index);
    let used = module
        .global_variables
        .iter()
        .filter(|(handle, variable)| variable.space == space && !uses[*handle].is_empty());
    used.fold(0, |sum, (_, variable)| {
        // Each variable begins at a multiple of 16, as in WebGPU's limit.
        sum.saturating_add(type_bytes(module, variable.ty).saturating_add(15) / 16 * 16)
    })
}

/// Where the largest of the variables is that an entry point uses.
fn largest(module: &Module, info: &ModuleInfo, index: usize, space: AddressSpace) -> Span {
    let uses = info.get_entry_point(index);
    let variables = module.global_variables.iter();
    let used = variables.filter(|(handle, variable)| variable.space == space && !uses[*handle].is_empty());
    let found = used.max_by_key(|(_, variable)| type_bytes(module, variable.ty));
    found.map_or(Span::UNDEFINED, |(handle, _)| module.global_variables.get_span(handle))
}

/// Refuses values that are too large to be one invocation's: loads of whole arrays, and what is made of them.
pub(crate) fn values(module: &Module, info: &ModuleInfo, limits: &ShaderLimits) -> Result<(), TooMuch> {
    let functions = module.functions.iter().map(|(handle, function)| (function, &info[handle]));
    let entries = module.entry_points.iter().enumerate();
    let entries = entries.map(|(index, entry)| (&entry.function, info.get_entry_point(index)));
    for (function, info) in functions.chain(entries) {
        for (handle, expression) in function.expressions.iter() {
            // A constant is there once.
            if matches!(expression, Expression::Constant(_)) {
                continue;
            }
            let ty = info[handle].ty.inner_with(&module.types);
            if ty.pointer_space().is_none() && bytes(module, ty) > limits.invocation_bytes {
                let message = format!("a value of more than {} bytes", limits.invocation_bytes);
                return Err(TooMuch::new(function.expressions.get_span(handle), message));
            }
        }
    }
    Ok(())
}

/// Facts of the compute entry points of a valid module.
pub(crate) fn entry_points(
    module: &Module,
    info: &ModuleInfo,
    limits: &ShaderLimits,
) -> Result<Vec<EntryFacts>, TooMuch> {
    let sizes = sizes(module, limits)?;
    let mut facts = Vec::new();
    for (index, (entry, size)) in module.entry_points.iter().zip(sizes).enumerate() {
        let private = used_bytes(module, info, index, AddressSpace::Private);
        if size.bytes.saturating_add(private) > limits.invocation_bytes {
            let message = format!("entry point '{}': {}", entry.name, too_many_bytes(limits));
            return Err(TooMuch::new(largest(module, info, index, AddressSpace::Private), message));
        }
        let workgroup_bytes = used_bytes(module, info, index, AddressSpace::WorkGroup);
        if workgroup_bytes > limits.workgroup_bytes {
            let message = format!(
                "entry point '{}': workgroup variables take {workgroup_bytes} bytes, more than {}",
                entry.name, limits.workgroup_bytes
            );
            return Err(TooMuch::new(largest(module, info, index, AddressSpace::WorkGroup), message));
        }
        if entry.stage == naga::ShaderStage::Compute {
            facts.push(EntryFacts { name: entry.name.clone(), cost: size.nodes, workgroup_bytes });
        }
    }
    Ok(facts)
}
