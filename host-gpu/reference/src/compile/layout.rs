//! Where the scalars of a type lie.

use super::CompileError;
use super::ir::Ty;
use naga::{ArraySize, Handle, Module, Scalar, ScalarKind, Type, TypeInner, VectorSize};

/// A type as pointers name it: the components of vectors and matrices need not be in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Type(Handle<Type>),
    Vector(VectorSize, Scalar),
    Scalar(Scalar),
}

/// How offsets are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// As WGSL lays out buffers.
    Bytes,
    /// One scalar after the other.
    Leaves,
}

/// A step into a type.
pub(crate) enum Step {
    /// To a fixed offset.
    Fixed(u32, Shape),
    /// To one of so many elements; `None` is a runtime array.
    Element { stride: u32, len: Option<u32>, shape: Shape },
}

/// Most scalars of one value or variable.
const MAX_LEAVES: u32 = 1 << 16;

/// Counts of scalars in the types of a module.
pub(crate) struct Layouts<'m> {
    module: &'m Module,
    leaves: Vec<u32>,
}

pub(crate) fn scalar(scalar: Scalar) -> Result<Ty, CompileError> {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 4) => Ok(Ty::F32),
        (ScalarKind::Sint | ScalarKind::Uint, 4) => Ok(Ty::I32),
        (ScalarKind::Bool, _) => Ok(Ty::Bool),
        (kind, width) => Err(CompileError::unsupported(format!("{kind:?} of {width} bytes"))),
    }
}

fn rows_stride(rows: VectorSize, unit: Unit) -> u32 {
    match (unit, rows) {
        (Unit::Leaves, _) => rows as u32,
        (Unit::Bytes, VectorSize::Bi) => 8,
        (Unit::Bytes, _) => 16,
    }
}

impl<'m> Layouts<'m> {
    pub(crate) fn new(module: &'m Module) -> Self {
        let mut leaves: Vec<u32> = Vec::with_capacity(module.types.len());
        // Types come after those that they are made of.
        for (_, ty) in module.types.iter() {
            let of = |handle: &Handle<Type>| leaves.get(handle.index()).copied().unwrap_or(0);
            leaves.push(match &ty.inner {
                TypeInner::Scalar(_) | TypeInner::Atomic(_) => 1,
                TypeInner::Vector { size, .. } => *size as u32,
                TypeInner::Matrix { columns, rows, .. } => *columns as u32 * *rows as u32,
                TypeInner::Array { base, size: ArraySize::Constant(count), .. } => {
                    of(base).saturating_mul(count.get())
                }
                TypeInner::Struct { members, .. } => {
                    members.iter().fold(0, |sum, member| of(&member.ty).saturating_add(sum))
                }
                _ => 0,
            });
        }
        Layouts { module, leaves }
    }

    pub(crate) fn count(&self, shape: Shape) -> Result<u32, CompileError> {
        let count = match shape {
            Shape::Type(ty) => self.leaves.get(ty.index()).copied().unwrap_or(0),
            Shape::Vector(size, _) => size as u32,
            Shape::Scalar(_) => 1,
        };
        if count > MAX_LEAVES {
            return Err(CompileError::TooLarge("a value of more than 65536 scalars"));
        }
        Ok(count)
    }

    /// Each scalar of a type: its offset and type.
    pub(crate) fn each(
        &self,
        shape: Shape,
        unit: Unit,
        at: u32,
        each: &mut dyn FnMut(u32, Ty),
    ) -> Result<(), CompileError> {
        self.count(shape)?;
        let width = if unit == Unit::Bytes { 4 } else { 1 };
        match shape {
            Shape::Scalar(of) => each(at, scalar(of)?),
            Shape::Vector(size, of) => {
                let ty = scalar(of)?;
                (0..size as u32).for_each(|index| each(at + index * width, ty));
            }
            Shape::Type(handle) => match &self.module.types[handle].inner {
                TypeInner::Scalar(of) | TypeInner::Atomic(of) => each(at, scalar(*of)?),
                TypeInner::Vector { size, scalar } => {
                    self.each(Shape::Vector(*size, *scalar), unit, at, each)?;
                }
                TypeInner::Matrix { columns, rows, scalar } => {
                    for column in 0..*columns as u32 {
                        let offset = at + column * rows_stride(*rows, unit);
                        self.each(Shape::Vector(*rows, *scalar), unit, offset, each)?;
                    }
                }
                TypeInner::Array { base, size: ArraySize::Constant(count), stride } => {
                    let stride = self.stride(*base, *stride, unit)?;
                    for index in 0..count.get() {
                        self.each(Shape::Type(*base), unit, at + index * stride, each)?;
                    }
                }
                TypeInner::Struct { members, .. } => {
                    let mut next = at;
                    for member in members {
                        let offset = if unit == Unit::Bytes { at + member.offset } else { next };
                        self.each(Shape::Type(member.ty), unit, offset, each)?;
                        next += self.count(Shape::Type(member.ty))?;
                    }
                }
                other => return Err(CompileError::unsupported(format!("a value of type {other:?}"))),
            },
        }
        Ok(())
    }

    fn stride(&self, base: Handle<Type>, bytes: u32, unit: Unit) -> Result<u32, CompileError> {
        if unit == Unit::Bytes { Ok(bytes) } else { self.count(Shape::Type(base)) }
    }

    /// Into a member (whose index must be known) or an element.
    pub(crate) fn step(&self, shape: Shape, unit: Unit, member: Option<u32>) -> Result<Step, CompileError> {
        let width = if unit == Unit::Bytes { 4 } else { 1 };
        let element = |stride, len, shape| Ok(Step::Element { stride, len: Some(len), shape });
        let no = || Err(CompileError::unsupported("an access into this type"));
        match shape {
            Shape::Scalar(_) => no(),
            Shape::Vector(size, scalar) => element(width, size as u32, Shape::Scalar(scalar)),
            Shape::Type(handle) => match &self.module.types[handle].inner {
                TypeInner::Vector { size, scalar } => element(width, *size as u32, Shape::Scalar(*scalar)),
                TypeInner::Matrix { columns, rows, scalar } => {
                    let stride = rows_stride(*rows, unit);
                    element(stride, *columns as u32, Shape::Vector(*rows, *scalar))
                }
                TypeInner::Array { base, size, stride } => {
                    let len = match size {
                        ArraySize::Constant(count) => Some(count.get()),
                        ArraySize::Dynamic => None,
                        ArraySize::Pending(_) => {
                            return Err(CompileError::unsupported("an array sized by an override"));
                        }
                    };
                    let stride = self.stride(*base, *stride, unit)?;
                    Ok(Step::Element { stride, len, shape: Shape::Type(*base) })
                }
                TypeInner::Struct { members, .. } => {
                    let Some(member) = member.map(|index| index as usize).filter(|i| *i < members.len())
                    else {
                        return no();
                    };
                    let mut offset = members[member].offset;
                    if unit == Unit::Leaves {
                        offset = 0;
                        for before in &members[..member] {
                            offset += self.count(Shape::Type(before.ty))?;
                        }
                    }
                    Ok(Step::Fixed(offset, Shape::Type(members[member].ty)))
                }
                _ => no(),
            },
        }
    }
}
