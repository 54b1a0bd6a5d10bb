//! Places: how they are reached, loaded and stored.

use super::super::CompileError;
use super::super::ir::{At, AtId, Atomic, AtomicOp, Bin, Len, Node, Space, Stmt, Term, Ty, Val};
use super::super::layout::{Shape, Step, Unit};
use super::{Frame, Inline, MAX_NODES, MAX_TERMS, Place};
use naga::{Expression, GlobalVariable, Handle, TypeInner};
use std::rc::Rc;

impl<'m> Inline<'m> {
    pub(super) fn global(&self, handle: Handle<GlobalVariable>) -> Result<Rc<Place>, CompileError> {
        let place = self.globals.get(handle.index()).cloned().flatten();
        place.ok_or_else(|| {
            let space = self.module.global_variables[handle].space;
            CompileError::unsupported(format!("a variable in the address space {space:?}"))
        })
    }

    /// Offset and number of scalars of a component of a value.
    pub(super) fn member_of_value(
        &self,
        frame: &Frame<'m>,
        base: Handle<Expression>,
        index: u32,
    ) -> Result<(usize, usize), CompileError> {
        let shape = self.shape(frame, base)?;
        let (offset, shape) = match self.layouts.step(shape, Unit::Leaves, Some(index))? {
            Step::Fixed(offset, shape) => (offset, shape),
            Step::Element { stride, shape, .. } => (stride.saturating_mul(index), shape),
        };
        Ok((offset as usize, self.layouts.count(shape)? as usize))
    }

    /// The type of a value.
    pub(in crate::compile) fn shape(
        &self,
        frame: &Frame<'m>,
        of: Handle<Expression>,
    ) -> Result<Shape, CompileError> {
        Ok(match &frame.info[of].ty {
            naga::proc::TypeResolution::Handle(handle) => Shape::Type(*handle),
            naga::proc::TypeResolution::Value(TypeInner::Scalar(scalar)) => Shape::Scalar(*scalar),
            naga::proc::TypeResolution::Value(TypeInner::Vector { size, scalar }) => {
                Shape::Vector(*size, *scalar)
            }
            naga::proc::TypeResolution::Value(other) => {
                return Err(CompileError::unsupported(format!("a value of type {other:?}")));
            }
        })
    }

    /// A computed index into a value: through a variable, or by selection where it is short.
    pub(super) fn pick(
        &mut self,
        frame: &Frame<'m>,
        base: Handle<Expression>,
        values: &Rc<[Val]>,
        index: Val,
    ) -> Result<Rc<[Val]>, CompileError> {
        let shape = match &frame.info[base].ty {
            naga::proc::TypeResolution::Value(TypeInner::Matrix { .. }) => {
                return Err(CompileError::unsupported("a computed index into a matrix that is no variable"));
            }
            _ => self.shape(frame, base)?,
        };
        let Step::Element { stride, len: Some(len), .. } = self.layouts.step(shape, Unit::Leaves, None)?
        else {
            return Err(CompileError::unsupported("a computed index into this value"));
        };
        if len <= 4 && stride == 1 {
            let mut picked = values[0];
            for (number, value) in (0..).zip(values.iter()).skip(1) {
                let number = self.word(number);
                // An index past the end picks the last, as variables clamp.
                let is_it = self.bin(Bin::LeU, number, index);
                picked = self.emit(Node::Sel(is_it, *value, picked));
            }
            return Ok([picked].into());
        }
        let types: Vec<Ty> = values.iter().map(|value| self.ir.types[*value as usize]).collect();
        let var = self.ir.variable(types);
        self.fill(var, values)?;
        let whole = Place { space: Space::Var(var), shape, offset: 0, terms: Vec::new() };
        let element = self.element(&whole, index)?;
        self.load(&element)
    }

    pub(super) fn member(&mut self, place: &Place, index: u32) -> Result<Place, CompileError> {
        match self.layouts.step(place.shape, unit(place.space), Some(index))? {
            Step::Fixed(offset, shape) => {
                Ok(Place { shape, offset: place.offset + offset * scale(place.space), ..place.clone() })
            }
            Step::Element { len: Some(len), stride, shape } if index < len => {
                let offset = place.offset + index * stride * scale(place.space);
                Ok(Place { shape, offset, ..place.clone() })
            }
            Step::Element { .. } => {
                let index = self.word(index);
                self.element(place, index)
            }
        }
    }

    pub(super) fn element(&mut self, place: &Place, index: Val) -> Result<Place, CompileError> {
        let Step::Element { stride, len, shape } = self.layouts.step(place.shape, unit(place.space), None)?
        else {
            return Err(CompileError::unsupported("a computed index into a struct"));
        };
        let mut to = Place { shape, ..place.clone() };
        let stride = stride * scale(place.space);
        let len = match (len, place.space) {
            (Some(len), _) => Len::Const(len),
            (None, Space::Buffer(buffer)) => Len::Runtime(buffer),
            (None, _) => return Err(CompileError::unsupported("a runtime array outside of storage")),
        };
        to.terms.push(Term { index, stride, len });
        Ok(to)
    }

    pub(in crate::compile) fn scalars(&self, place: &Place) -> Result<Vec<(u32, Ty)>, CompileError> {
        let mut found = Vec::new();
        let scale = scale(place.space);
        self.layouts.each(place.shape, unit(place.space), 0, &mut |at, ty| {
            found.push((place.offset + at * scale, ty));
        })?;
        if self.ir.nodes.len() + found.len() > MAX_NODES {
            return Err(CompileError::TooLarge("nodes of all calls inlined"));
        }
        if self.ir.terms + found.len() * place.terms.len() > MAX_TERMS {
            return Err(CompileError::TooLarge("indices of all places"));
        }
        Ok(found)
    }

    pub(in crate::compile) fn load(&mut self, place: &Place) -> Result<Rc<[Val]>, CompileError> {
        let mut values = Vec::new();
        for (offset, ty) in self.scalars(place)? {
            values.push(match self.cell(place, offset) {
                Some(cell) => self.emit(Node::Get(cell)),
                None => {
                    let at = self.at(place, offset, ty);
                    self.emit(Node::Load(at))
                }
            });
        }
        Ok(values.into())
    }

    pub(super) fn cell(&self, place: &Place, offset: u32) -> Option<u32> {
        match place.space {
            Space::Var(var) if place.terms.is_empty() => Some(self.ir.vars[var as usize].first + offset),
            _ => None,
        }
    }

    pub(in crate::compile) fn at(&mut self, place: &Place, offset: u32, ty: Ty) -> AtId {
        self.ir.at(At { space: place.space, offset, ty, terms: place.terms.clone() })
    }

    pub(in crate::compile) fn store(&mut self, place: &Place, values: &[Val]) -> Result<(), CompileError> {
        self.more_stores(values.len())?;
        for ((offset, ty), value) in self.scalars(place)?.into_iter().zip(values) {
            let stmt = match self.cell(place, offset) {
                Some(cell) => Stmt::Set(cell, *value),
                None => Stmt::Store(self.at(place, offset, ty), *value),
            };
            self.list.push(stmt);
        }
        Ok(())
    }

    pub(in crate::compile) fn is_atomic(&self, shape: Shape) -> bool {
        matches!(shape, Shape::Type(ty) if matches!(self.module.types[ty].inner, TypeInner::Atomic(_)))
    }

    pub(in crate::compile) fn atomic(&mut self, op: AtomicOp, at: AtId, value: Val, compare: Val) -> Val {
        let result = self.ir.node(Node::Result(Ty::I32));
        self.list.push(Stmt::Atomic(Box::new(Atomic { at, op, value, compare, result })));
        result
    }
}

pub(super) fn unit(space: Space) -> Unit {
    if matches!(space, Space::Buffer(_) | Space::Immediate) { Unit::Bytes } else { Unit::Leaves }
}

/// What offsets in units are multiplied with.
pub(super) fn scale(space: Space) -> u32 {
    if space == Space::Group { 4 } else { 1 }
}
