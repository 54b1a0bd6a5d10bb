//! Global variables and inputs of the entry point.

use super::super::CompileError;
use super::super::ir::{Bin, Input, Node, Space, Stmt, Val};
use super::super::layout::Shape;
use super::{Buffer, Inline, Place, Value};
use naga::valid::FunctionInfo;
use naga::{
    AddressSpace, ArraySize, Binding, BuiltIn, GlobalVariable, Handle, StorageAccess, Type, TypeInner,
};
use std::rc::Rc;

impl<'m> Inline<'m> {
    /// Gives global variables their places.
    pub(super) fn declare(&mut self, entry: &FunctionInfo) -> Result<(Vec<Buffer>, u32, u32), CompileError> {
        let mut buffers = Vec::new();
        let (mut group, mut immediate) = (0_u32, 0);
        for (handle, variable) in self.module.global_variables.iter() {
            if entry[handle].is_empty() {
                self.globals.push(None);
                continue;
            }
            let shape = Shape::Type(variable.ty);
            let place = match variable.space {
                AddressSpace::Storage { .. } | AddressSpace::Uniform => {
                    buffers.push(self.buffer(variable)?);
                    if let Some(touches) = &mut self.touches {
                        touches.buffer(variable);
                    }
                    Some((Space::Buffer(buffers.len() as u32 - 1), 0))
                }
                AddressSpace::WorkGroup => {
                    let offset = group;
                    if let Some(touches) = &mut self.touches {
                        touches.group_variable(offset, variable);
                    }
                    let bytes = self.layouts.count(shape)?.saturating_mul(4);
                    group = group.saturating_add(bytes.next_multiple_of(16));
                    if group > 1 << 20 {
                        return Err(CompileError::TooLarge("workgroup variables of more than 1 MiB"));
                    }
                    Some((Space::Group, offset))
                }
                AddressSpace::Immediate => {
                    immediate = self.module.types[variable.ty].inner.size(self.module.to_ctx());
                    if immediate > 32 {
                        return Err(CompileError::TooLarge("immediates of more than 32 bytes"));
                    }
                    Some((Space::Immediate, 0))
                }
                AddressSpace::Private => {
                    let var = self.new_variable(shape)?;
                    match variable.init {
                        Some(init) => {
                            let values = self.constant(init)?;
                            self.fill(var, &values)?;
                        }
                        None => self.list.push(Stmt::Zero(var)),
                    }
                    let mut filled = std::mem::take(&mut self.list);
                    self.starts.append(&mut filled);
                    Some((Space::Var(var), 0))
                }
                AddressSpace::Handle => {
                    let [view, texels] = self.texture(variable)?;
                    if let Some(touches) = &mut self.touches {
                        touches.texture(variable, !texels.read_only);
                    }
                    buffers.extend([view, texels]);
                    Some((Space::Buffer(buffers.len() as u32 - 2), 0))
                }
                _ => None,
            };
            let place = place.map(|(space, offset)| Place { space, shape, offset, terms: Vec::new() });
            self.globals.push(place.map(Rc::new));
        }
        Ok((buffers, group, immediate.next_multiple_of(4)))
    }

    pub(super) fn buffer(&self, variable: &GlobalVariable) -> Result<Buffer, CompileError> {
        let binding =
            Some(variable.binding.ok_or_else(|| CompileError::unsupported("a buffer without a binding"))?);
        let stores = |access: StorageAccess| access.contains(StorageAccess::STORE);
        let read_only = !matches!(variable.space, AddressSpace::Storage { access } if stores(access));
        let inner = &self.module.types[variable.ty].inner;
        let size = |ty: Handle<Type>| self.module.types[ty].inner.size(self.module.to_ctx());
        let runtime = |ty: Handle<Type>| match self.module.types[ty].inner {
            TypeInner::Array { size: ArraySize::Dynamic, stride, .. } => Some(stride),
            _ => None,
        };
        if let Some(stride) = runtime(variable.ty) {
            return Ok(Buffer { binding, read_only, fixed: 0, runtime: Some((0, stride)) });
        }
        if let TypeInner::Struct { members, .. } = inner
            && let Some(last) = members.last()
            && let Some(stride) = runtime(last.ty)
        {
            let runtime = Some((last.offset, stride));
            return Ok(Buffer { binding, read_only, fixed: last.offset, runtime });
        }
        Ok(Buffer { binding, read_only, fixed: size(variable.ty), runtime: None })
    }

    pub(super) fn input(
        &mut self,
        ty: Handle<Type>,
        binding: Option<&Binding>,
    ) -> Result<Value, CompileError> {
        let mut flat = Vec::new();
        match (binding, &self.module.types[ty].inner) {
            (Some(Binding::BuiltIn(builtin)), _) => self.builtin(*builtin, &mut flat)?,
            (None, TypeInner::Struct { members, .. }) => {
                for member in members {
                    let Some(Binding::BuiltIn(builtin)) = member.binding else {
                        return Err(CompileError::unsupported("an input that is no built-in value"));
                    };
                    self.builtin(builtin, &mut flat)?;
                }
            }
            _ => return Err(CompileError::unsupported("an input that is no built-in value")),
        }
        Ok(Value::Flat(flat.into()))
    }

    pub(super) fn builtin(&mut self, builtin: BuiltIn, flat: &mut Vec<Val>) -> Result<(), CompileError> {
        let size = self.size;
        for axis in 0..3_u8 {
            let value = match builtin {
                BuiltIn::LocalInvocationIndex => {
                    flat.push(self.emit(Node::Input(Input::LocalIndex)));
                    return Ok(());
                }
                BuiltIn::LocalInvocationId => self.local_id(axis),
                BuiltIn::WorkGroupId => self.emit(Node::Input(Input::GroupId(axis))),
                BuiltIn::NumWorkGroups => self.emit(Node::Input(Input::Groups(axis))),
                BuiltIn::WorkGroupSize => self.word(size[axis as usize]),
                BuiltIn::GlobalInvocationId => {
                    let (group, size) =
                        (self.emit(Node::Input(Input::GroupId(axis))), self.word(size[axis as usize]));
                    let first = self.bin(Bin::IMul, group, size);
                    let local = self.local_id(axis);
                    self.bin(Bin::IAdd, first, local)
                }
                other => return Err(CompileError::unsupported(format!("the built-in value {other:?}"))),
            };
            flat.push(value);
        }
        Ok(())
    }

    pub(super) fn local_id(&mut self, axis: u8) -> Val {
        let size = self.size[axis as usize];
        if size == 1 {
            self.word(0)
        } else if self.size.iter().product::<u32>() == size {
            self.emit(Node::Input(Input::LocalIndex))
        } else {
            self.emit(Node::Input(Input::LocalId(axis)))
        }
    }
}
