//! Bind group layouts, pipeline layouts, bind groups.

use super::buffer::Buffer;
use super::object::{FOREIGN, Object, invalid};
use super::session::Session;
use super::texture::{self, TextureView};
use fizz_gpu_abi::{BindGroupEntry, BindingKind, ErrorClass, LayoutEntry, ObjectKind, TextureBinding, WHOLE};
use std::sync::Arc;
use wgpu::custom::{BindGroupInterface, BindGroupLayoutInterface, PipelineLayoutInterface};

#[derive(Debug)]
pub(super) struct BindGroupLayout(pub(super) Arc<Object>);

#[derive(Debug)]
pub(super) struct PipelineLayout(pub(super) Arc<Object>);

#[derive(Debug)]
pub(super) struct BindGroup(pub(super) Arc<Object>);

impl BindGroupLayoutInterface for BindGroupLayout {}
impl PipelineLayoutInterface for PipelineLayout {}
impl BindGroupInterface for BindGroup {}

impl BindGroupLayout {
    pub(super) fn new(session: &Arc<Session>, desc: &wgpu::BindGroupLayoutDescriptor<'_>) -> Self {
        const KIND: ObjectKind = ObjectKind::BindGroupLayout;
        let label = desc.label.unwrap_or_default();
        BindGroupLayout(
            match desc.entries.iter().map(|entry| layout_entry(session, entry)).collect::<Result<Vec<_>, _>>()
            {
                Ok(entries) => Object::create(session, KIND, |stream, id| {
                    stream.create_bind_group_layout(id, label, &entries);
                }),
                Err(reason) => {
                    let message = invalid("Device::create_bind_group_layout", desc.label, &reason);
                    Object::refuse(session, KIND, ErrorClass::Validation, &message)
                }
            },
        )
    }
}

fn layout_entry(session: &Session, entry: &wgpu::BindGroupLayoutEntry) -> Result<LayoutEntry, String> {
    let binding = entry.binding;
    if entry.count.is_some() {
        return Err(format!("binding {binding} is an array: this device has no binding arrays"));
    }
    if matches!(entry.ty, wgpu::BindingType::StorageTexture { .. }) {
        texture::check_offered(session)?;
    }
    let visible = entry.visibility.contains(wgpu::ShaderStages::COMPUTE);
    match entry.ty {
        wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size } => Ok(LayoutEntry {
            binding,
            kind: match ty {
                wgpu::BufferBindingType::Uniform => BindingKind::Uniform,
                wgpu::BufferBindingType::Storage { read_only: false } => BindingKind::Storage,
                wgpu::BufferBindingType::Storage { read_only: true } => BindingKind::ReadOnlyStorage,
            },
            dynamic_offset: has_dynamic_offset,
            visible,
            min_size: min_binding_size.map_or(0, wgpu::BufferSize::get),
            texture: None,
        }),
        wgpu::BindingType::StorageTexture { access, format, view_dimension } => Ok(LayoutEntry {
            binding,
            kind: match access {
                wgpu::StorageTextureAccess::WriteOnly => BindingKind::WriteOnlyTexture,
                wgpu::StorageTextureAccess::ReadOnly => BindingKind::ReadOnlyTexture,
                wgpu::StorageTextureAccess::ReadWrite => BindingKind::ReadWriteTexture,
                wgpu::StorageTextureAccess::Atomic => {
                    return Err(format!("binding {binding}: this device has no atomic textures"));
                }
            },
            dynamic_offset: false,
            visible,
            min_size: 0,
            texture: Some(TextureBinding {
                format: texture::format(format).map_err(|reason| format!("binding {binding}: {reason}"))?,
                dimension: texture::view_dimension(view_dimension)
                    .map_err(|reason| format!("binding {binding}: {reason}"))?,
            }),
        }),
        other => Err(format!(
            "binding {binding} is {}: this device binds only buffers and storage textures",
            binding_name(&other)
        )),
    }
}

fn binding_name(ty: &wgpu::BindingType) -> &'static str {
    match ty {
        wgpu::BindingType::Buffer { .. } => "a buffer",
        wgpu::BindingType::Sampler(_) => "a sampler",
        wgpu::BindingType::Texture { .. } => "a texture",
        wgpu::BindingType::StorageTexture { .. } => "a storage texture",
        wgpu::BindingType::AccelerationStructure { .. } => "an acceleration structure",
        wgpu::BindingType::ExternalTexture => "an external texture",
    }
}

impl PipelineLayout {
    pub(super) fn new(session: &Arc<Session>, desc: &wgpu::PipelineLayoutDescriptor<'_>) -> Self {
        const KIND: ObjectKind = ObjectKind::PipelineLayout;
        let groups = desc.bind_group_layouts.iter().map(|layout| match layout {
            None => Ok(0),
            Some(layout) => layout.as_custom::<BindGroupLayout>().ok_or(FOREIGN)?.0.id(session),
        });
        PipelineLayout(match groups.collect::<Result<Vec<_>, _>>() {
            Ok(groups) => Object::create(session, KIND, |stream, id| {
                stream.create_pipeline_layout(
                    id,
                    desc.label.unwrap_or_default(),
                    &groups,
                    desc.immediate_size,
                );
            }),
            Err(reason) => {
                let message = invalid("Device::create_pipeline_layout", desc.label, &reason);
                Object::refuse(session, KIND, ErrorClass::Validation, &message)
            }
        })
    }
}

impl BindGroup {
    pub(super) fn new(session: &Arc<Session>, desc: &wgpu::BindGroupDescriptor<'_>) -> Self {
        const KIND: ObjectKind = ObjectKind::BindGroup;
        BindGroup(match parts(session, desc) {
            Ok((layout, entries)) => Object::create(session, KIND, |stream, id| {
                stream.create_bind_group(id, desc.label.unwrap_or_default(), layout, &entries);
            }),
            Err(reason) => {
                let message = invalid("Device::create_bind_group", desc.label, &reason);
                Object::refuse(session, KIND, ErrorClass::Validation, &message)
            }
        })
    }
}

/// The layout's id and the entries of a bind group.
fn parts(
    session: &Arc<Session>,
    desc: &wgpu::BindGroupDescriptor<'_>,
) -> Result<(u32, Vec<BindGroupEntry>), String> {
    let layout = desc.layout.as_custom::<BindGroupLayout>().ok_or(FOREIGN)?.0.id(session)?;
    let entries = desc.entries.iter().map(|entry| {
        let (resource, offset, size) = match &entry.resource {
            wgpu::BindingResource::Buffer(binding) => (
                binding.buffer.as_custom::<Buffer>().ok_or(FOREIGN)?.object().id(session)?,
                binding.offset,
                binding.size.map_or(WHOLE, wgpu::BufferSize::get),
            ),
            wgpu::BindingResource::TextureView(view) => {
                texture::check_offered(session)?;
                (view.as_custom::<TextureView>().ok_or(FOREIGN)?.0.id(session)?, 0, 0)
            }
            _ => {
                return Err(format!(
                    "binding {} is neither one buffer nor one texture view: this device binds nothing else",
                    entry.binding
                ));
            }
        };
        Ok(BindGroupEntry { binding: entry.binding, resource, offset, size })
    });
    Ok((layout, entries.collect::<Result<_, _>>()?))
}
