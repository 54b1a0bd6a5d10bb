//! naga IR to naga IR.
//!
//! Each function is written anew, expression by expression, in the order in which they are computed: nothing is computed more often or elsewhere than in
//! the source. Vectors are treated component by component, in their order.
//!
//! One expression of the source becomes at most [`MOST_FACTOR`] of the result, library functions apart, of which each
//! stands in the result once: a product of two 4 × 4 matrices is the longest.

mod arithmetic;
pub(super) mod bound;
mod build;
mod expression;
mod function;
pub(super) mod library;
mod math;
mod matrix;
mod memory;
mod opaque;
mod statement;
mod texture;

use super::Native;
use crate::meter::{self, build as metered};
use crate::{deep, measure, metered_capabilities};
use function::Rewriter;
use naga::proc::TypeResolution;
use naga::valid::{ValidationFlags, Validator};
use naga::{
    AddressSpace, Arena, ArraySize, EntryPoint, Function, GlobalVariable, Handle, Module, Scalar, ScalarKind,
    Span, Type, TypeInner, VectorSize,
};
use std::collections::BTreeMap;

/// Most expressions that one of the source becomes.
pub const MOST_FACTOR: usize = 512;
/// Most expressions of the functions of a lowered module together.
const MOST_EXPRESSIONS: usize = 1 << 21;
/// How many times the limits a module may be that is lowered for a device. Whether it is within them was asked of the module as no driver needs anything special of it, and what
/// a driver does need of the meter must not be what refuses it.
const SLACK: usize = 2;
/// Most floats of a value that is stored, passed or returned whole.
pub(crate) const MOST_FLOATS: u64 = 256;

/// Lowers a module with one compute entry point and no overrides for a device that does by itself what `native` says.
///
/// The result validates. Where `native` lacks [`Native::zeros`], it may read immediates that the source has not: see [`immediate_bytes`].
///
/// # Errors
/// What is not exact, and a module that would become too large.
pub fn lower(module: Module, native: &Native) -> Result<Module, String> {
    lower_within(module, native, SLACK)
}

/// The same, within so many times the limits.
pub(super) fn lower_within(module: Module, native: &Native, slack: usize) -> Result<Module, String> {
    deep("", || {
        let lowered = Lower::new(&module, *native, slack * MOST_EXPRESSIONS).module()?;
        measure::lowered(&lowered, slack)?;
        Validator::new(ValidationFlags::all(), metered_capabilities())
            .validate(&lowered)
            .map_err(|error| format!("lowered, it does not validate: {}", chain(error.as_inner())))?;
        Ok(lowered)
    })
    .map_err(|error| error.message)?
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Bytes of immediates that a lowered module reads: 0, or [`SLICE_BYTES`](meter::SLICE_BYTES), laid out as [`slice_bytes`](meter::slice_bytes) does.
pub fn immediate_bytes(module: &Module) -> u32 {
    let mut variables = module.global_variables.iter();
    let found = variables.any(|(_, variable)| variable.space == AddressSpace::Immediate);
    if found { meter::SLICE_BYTES } else { 0 }
}

/// A module under way.
struct Lower<'m> {
    source: &'m Module,
    /// What it becomes: types, constants and variables of the source keep their handles.
    result: Module,
    native: Native,
    /// Expressions of the functions so far, and the most that there may be.
    written: usize,
    most: usize,
    /// The source's functions in the result.
    functions: Vec<Handle<Function>>,
    /// Library functions in the result.
    imported: BTreeMap<String, Handle<Function>>,
    /// Functions that make the NaNs of a value canonical, by type.
    canonical: BTreeMap<Handle<Type>, Handle<Function>>,
    /// What a value of each type is made of.
    sizes: Vec<Size>,
    slice: Option<Handle<GlobalVariable>>,
}

impl<'m> Lower<'m> {
    fn new(source: &'m Module, native: Native, most: usize) -> Self {
        let mut result = source.clone();
        result.functions = Arena::new();
        result.entry_points = Vec::new();
        let sizes = sizes(&source.types);
        let slice = source.global_variables.iter().find(|(_, found)| found.space == AddressSpace::Immediate);
        let slice = slice.map(|(handle, _)| handle);
        Lower {
            source,
            result,
            native,
            written: 0,
            most,
            functions: Vec::with_capacity(source.functions.len()),
            imported: BTreeMap::new(),
            canonical: BTreeMap::new(),
            sizes,
            slice,
        }
    }

    fn module(mut self) -> Result<Module, String> {
        let source = self.source;
        for (handle, variable) in source.global_variables.iter() {
            self.result.global_variables[handle].ty = self.kept_type(variable.ty)?;
        }
        let bounds = bound::bounds(source);
        // Callees stand before their callers.
        for (handle, function) in source.functions.iter() {
            let known = bounds.functions.get(handle.index()).map_or(&[][..], Vec::as_slice);
            let mut rewriter = Rewriter::new(&mut self, source, function, known)?;
            rewriter.keep_textures()?;
            let lowered = rewriter.shader()?;
            self.written += lowered.expressions.len();
            let handle = self.result.functions.append(lowered, source.functions.get_span(handle));
            self.functions.push(handle);
        }
        for entry in &source.entry_points {
            let function = Rewriter::new(&mut self, source, &entry.function, &bounds.entry)?.shader()?;
            let shell = EntryPoint { function, ..entry.clone() };
            self.result.entry_points.push(shell);
        }
        Ok(self.result)
    }

    /// A type without a name.
    fn plain(&mut self, inner: TypeInner) -> Handle<Type> {
        let handle = self.result.types.insert(Type { name: None, inner }, Span::UNDEFINED);
        while self.sizes.len() <= handle.index() {
            let next = self.result.types.iter().nth(self.sizes.len());
            let size = next.map_or(Size::default(), |(_, ty)| size_of(&ty.inner, &self.sizes));
            self.sizes.push(size);
        }
        handle
    }

    fn vector(&mut self, size: VectorSize, scalar: Scalar) -> Handle<Type> {
        self.plain(TypeInner::Vector { size, scalar })
    }

    /// The immediates, of which the last word is 0.
    fn slice(&mut self) -> Handle<GlobalVariable> {
        if let Some(slice) = self.slice {
            return slice;
        }
        let word = self.plain(TypeInner::Scalar(Scalar::U32));
        let vec3 = self.vector(VectorSize::Tri, Scalar::U32);
        let slice = metered::slice(&mut self.result, vec3, word);
        self.slice = Some(slice);
        slice
    }

    fn size(&self, ty: Handle<Type>) -> Size {
        self.sizes.get(ty.index()).copied().unwrap_or_default()
    }

    fn float_count(&self, ty: Handle<Type>) -> u64 {
        self.size(ty).floats
    }
}

/// Of how much a value is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    /// Scalars, and the structs and arrays that they are in.
    pub(crate) parts: u64,
    /// Floats among the scalars.
    pub(crate) floats: u64,
}

impl Size {
    fn times(self, count: u64) -> Self {
        Size { floats: self.floats.saturating_mul(count), parts: self.parts.saturating_mul(count) }
    }

    fn add(self, other: Self) -> Self {
        Size {
            floats: self.floats.saturating_add(other.floats),
            parts: self.parts.saturating_add(other.parts),
        }
    }
}

/// Of how much a value of each type is made.
pub(crate) fn sizes(types: &naga::UniqueArena<Type>) -> Vec<Size> {
    let mut sizes = Vec::with_capacity(types.len());
    for (_, ty) in types.iter() {
        let size = size_of(&ty.inner, &sizes);
        sizes.push(size);
    }
    sizes
}

/// How many floats a value has, where the types' sizes are known.
pub(crate) fn floats(module: &Module, ty: &TypeResolution, sizes: &[Size]) -> u64 {
    size_of(ty.inner_with(&module.types), sizes).floats
}

/// The same of one type, whose parts are known.
fn size_of(inner: &TypeInner, known: &[Size]) -> Size {
    let of = |ty: Handle<Type>| known.get(ty.index()).copied().unwrap_or_default();
    let whole = Size { parts: 1, floats: 0 };
    let one = |scalar: Scalar| Size { floats: u64::from(scalar.kind == ScalarKind::Float), parts: 1 };
    match *inner {
        TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => one(scalar),
        TypeInner::Vector { size, scalar } => one(scalar).times(size as u64),
        TypeInner::Matrix { columns, rows, scalar } => one(scalar).times(columns as u64 * rows as u64),
        TypeInner::Array { base, size: ArraySize::Constant(size), .. } => {
            whole.add(of(base).times(size.get().into()))
        }
        TypeInner::Array { base, .. } => of(base),
        TypeInner::Struct { ref members, .. } => {
            members.iter().fold(whole, |sum, member| sum.add(of(member.ty)))
        }
        _ => Size::default(),
    }
}
