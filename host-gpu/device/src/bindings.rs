//! Bind groups and their layouts.

use crate::caps;
use crate::objects::{BindGroup, BindGroupLayout, Bound, Entry, Object, Range, Resource};
use crate::session::Open;
use crate::textures;
use fizz_gpu_abi::host::Stop;
use fizz_gpu_abi::{BindGroupEntry, BindingKind, LayoutEntry, List, TextureBinding, WHOLE, texture_usage};
use std::num::NonZeroU64;
use std::sync::Arc;

impl Open {
    pub(crate) fn create_bind_group_layout(
        &mut self,
        id: u32,
        label: &str,
        entries: List<'_, LayoutEntry>,
    ) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let valid = self.bind_group_layout(label, entries.iter().collect())?;
        self.table.insert(id, Entry::BindGroupLayout(Object::new(label, valid, counted)));
        Ok(())
    }

    /// A bind group layout; none after a validation error.
    pub(crate) fn bind_group_layout(
        &mut self,
        label: &str,
        mut entries: Vec<LayoutEntry>,
    ) -> Result<Option<BindGroupLayout>, Stop> {
        let storage = entries.iter().filter(|entry| {
            entry.visible && matches!(entry.kind, BindingKind::Storage | BindingKind::ReadOnlyStorage)
        });
        let storage = storage.count();
        let known: Vec<_> = entries
            .iter()
            .map(|entry| wgpu::BindGroupLayoutEntry {
                binding: entry.binding,
                visibility: if entry.visible {
                    wgpu::ShaderStages::COMPUTE
                } else {
                    wgpu::ShaderStages::NONE
                },
                ty: self.binding_type(entry),
                count: None,
            })
            .collect();
        if storage > caps::MAX_STORAGE_BUFFERS {
            let most = caps::MAX_STORAGE_BUFFERS;
            self.invalid(format!(
                "create bind group layout '{label}': {storage} storage buffers are more than {most}"
            ));
            return Ok(None);
        }
        if let Some((binding, format)) = entries.iter().find_map(textures::one_way) {
            self.invalid(format!(
                "create bind group layout '{label}': binding {binding} has texels {format:?}, which no shader both reads and writes"
            ));
            return Ok(None);
        }
        let wanted = wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &known };
        let layout = self.device.device.create_bind_group_layout(&wanted);
        if self.settle()? {
            return Ok(None);
        }
        entries.sort_by_key(|entry| entry.binding);
        Ok(Some(BindGroupLayout { layout, entries: entries.into(), exclusive: None }))
    }

    pub(crate) fn get_bind_group_layout(&mut self, id: u32, pipeline: u32, index: u32) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let pipeline = self.table.pipeline(pipeline)?;
        let valid = match &pipeline.valid {
            Some(known) if index < caps::MAX_BIND_GROUPS => {
                let of_wgpu = || known.pipeline.get_bind_group_layout(index);
                let automatic =
                    known.exact.as_ref().and_then(|facts| facts.bind_group_layout(index, of_wgpu));
                let layout = automatic.unwrap_or_else(|| BindGroupLayout {
                    layout: of_wgpu(),
                    entries: known
                        .exact
                        .as_ref()
                        .map_or_else(|| Arc::new([]) as _, |facts| facts.entries(index)),
                    exclusive: None,
                });
                if self.settle()? { None } else { Some(layout) }
            }
            Some(_) => {
                self.invalid(format!("get bind group layout: index {index} is above 3"));
                None
            }
            None => {
                self.invalid(format!(
                    "get bind group layout: compute pipeline '{}' is invalid",
                    pipeline.label
                ));
                None
            }
        };
        self.table.insert(id, Entry::BindGroupLayout(Object::new(&pipeline.label, valid, counted)));
        Ok(())
    }

    pub(crate) fn create_bind_group(
        &mut self,
        id: u32,
        label: &str,
        layout: u32,
        entries: List<'_, BindGroupEntry>,
    ) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let layout = self.table.bind_group_layout(layout)?;
        let mut refused = None;
        let mut known = Vec::with_capacity(entries.len().min(64));
        for entry in entries.iter() {
            let bound = self.table.bound(entry.resource)?;
            if let Some(reason) = refuse_binding(&entry, &bound) {
                refused.get_or_insert(reason);
            }
            known.push((entry, bound));
        }
        match &layout.valid {
            None => refused = Some(format!("layout '{}' is invalid", layout.label)),
            Some(layout) => {
                refused = refused
                    .or_else(|| known.iter().find_map(|(entry, bound)| other_kind(layout, entry, bound)));
            }
        }
        let valid = match (&refused, &layout.valid) {
            (None, Some(valid)) => {
                let entries: Vec<_> = known
                    .iter()
                    .filter_map(|(entry, bound)| {
                        let resource = match bound {
                            Bound::Buffer(buffer) => {
                                let size =
                                    if entry.size == WHOLE { None } else { NonZeroU64::new(entry.size) };
                                let buffer = &buffer.valid.as_ref()?.buffer;
                                let offset = entry.offset;
                                wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size })
                            }
                            Bound::View(view) => {
                                wgpu::BindingResource::TextureView(&view.valid.as_ref()?.view)
                            }
                        };
                        Some(wgpu::BindGroupEntry { binding: entry.binding, resource })
                    })
                    .collect();
                let group = self.device.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(label),
                    layout: &valid.layout,
                    entries: &entries,
                });
                if self.settle()? {
                    None
                } else {
                    let (mut resources, mut views) = (Vec::with_capacity(known.len()), Vec::new());
                    let mut ranges = Vec::new();
                    for (entry, bound) in known {
                        match bound {
                            Bound::Buffer(buffer) => {
                                let all = buffer.valid.as_ref().map_or(0, |buffer| buffer.size);
                                let rest = all.saturating_sub(entry.offset);
                                ranges.push(Range {
                                    binding: entry.binding,
                                    buffer: Arc::as_ptr(&buffer) as usize,
                                    offset: entry.offset,
                                    size: if entry.size == WHOLE { rest } else { entry.size },
                                });
                                resources.push(Resource::Buffer(buffer));
                            }
                            Bound::View(view) => {
                                if let Some(known) = &view.valid {
                                    let (offset, size) = known.layers();
                                    ranges.push(Range {
                                        binding: entry.binding,
                                        buffer: Arc::as_ptr(&known.texture) as usize,
                                        offset,
                                        size,
                                    });
                                }
                                let texture = view.valid.as_ref().map(|view| view.texture.clone());
                                resources.extend(texture.map(Resource::Texture));
                                views.push(view);
                            }
                        }
                    }
                    let (entries, exclusive) = (valid.entries.clone(), valid.exclusive);
                    Some(BindGroup { group, entries, exclusive, ranges, resources, _views: views })
                }
            }
            _ => {
                self.invalid(format!("create bind group '{label}': {}", refused.unwrap_or_default()));
                None
            }
        };
        self.table.insert(id, Entry::BindGroup(Object::new(label, valid, counted)));
        Ok(())
    }

    /// wgpu's form of an entry's type.
    fn binding_type(&self, entry: &LayoutEntry) -> wgpu::BindingType {
        let ty = match (entry.kind, entry.texture) {
            (kind, Some(texture)) => {
                let format = self.device_format(texture.format);
                return textures::binding_type(kind, TextureBinding { format, ..texture });
            }
            (BindingKind::Uniform, None) => wgpu::BufferBindingType::Uniform,
            (kind, None) => {
                wgpu::BufferBindingType::Storage { read_only: kind == BindingKind::ReadOnlyStorage }
            }
        };
        wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: entry.dynamic_offset,
            min_binding_size: NonZeroU64::new(entry.min_size),
        }
    }
}

/// What is bound is not what the layout names: a texture for a buffer, a buffer for a texture, or other texels. `wgpu` may know textures by other
/// formats and usages, and must neither compare nor name them.
fn other_kind(layout: &BindGroupLayout, entry: &BindGroupEntry, bound: &Bound) -> Option<String> {
    let binding = entry.binding;
    let wanted = layout.entries.iter().find(|wanted| wanted.binding == binding)?.texture;
    match (bound, wanted) {
        (Bound::Buffer(_), None) => None,
        (Bound::Buffer(_), Some(wanted)) => {
            let texels = wanted.format;
            Some(format!(
                "binding {binding} is a buffer, and the layout wants a texture of texels {texels:?}"
            ))
        }
        (Bound::View(_), None) => {
            Some(format!("binding {binding} is a texture view, and the layout wants a buffer"))
        }
        (Bound::View(view), Some(wanted)) => {
            let texture = &view.valid.as_ref()?.texture;
            let shape = texture.valid.as_ref()?.shape;
            let (found, wanted) = (shape.format, wanted.format);
            if found != wanted {
                return Some(format!(
                    "binding {binding} is a texture of texels {found:?}, and the layout wants {wanted:?}"
                ));
            }
            (shape.usage & texture_usage::STORAGE_BINDING == 0)
                .then(|| format!("usage of texture '{}' lacks STORAGE_BINDING", texture.label))
        }
    }
}

/// Why an entry cannot be bound, whatever the layout.
fn refuse_binding(entry: &BindGroupEntry, bound: &Bound) -> Option<String> {
    match bound {
        Bound::Buffer(buffer) if buffer.valid.is_none() => {
            Some(format!("buffer '{}' is invalid", buffer.label))
        }
        Bound::Buffer(_) => (entry.size == 0).then(|| format!("binding {} has no bytes", entry.binding)),
        Bound::View(view) if view.valid.is_none() => {
            Some(format!("texture view '{}' is invalid", view.label))
        }
        Bound::View(_) => (entry.offset != 0 || entry.size != 0)
            .then(|| format!("binding {} is a texture view with an offset or size", entry.binding)),
    }
}
