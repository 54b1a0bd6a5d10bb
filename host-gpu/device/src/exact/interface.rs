//! What a shader wants bound, held against a layout or made one.

use crate::textures;
use fizz_gpu_abi::{BindingKind, LayoutEntry, TextureBinding, ViewDimension};
use fizz_shader::meter::METER_GROUP;
use std::fmt;
use wgpu::naga;
use wgpu::naga::{AddressSpace, ImageClass, ImageDimension, StorageAccess, TypeInner};

/// A variable that a shader wants bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// Its bind group.
    pub(super) group: u32,
    /// Its number there, and what must stand in the layout. `min_size` is what the shader needs, and is never 0 for a buffer.
    pub(super) entry: LayoutEntry,
}

/// The guest's bindings of a module with one entry point and nothing that it does not use, by group and number.
pub(super) fn needs(module: &naga::Module) -> Vec<Need> {
    let needs = module.global_variables.iter().filter_map(|(_, variable)| {
        let binding = variable.binding.filter(|binding| binding.group < METER_GROUP)?;
        let ty = &module.types[variable.ty].inner;
        let (kind, texture) = match (variable.space, ty) {
            (AddressSpace::Uniform, _) => (BindingKind::Uniform, None),
            (AddressSpace::Storage { access }, _) if access.contains(StorageAccess::STORE) => {
                (BindingKind::Storage, None)
            }
            (AddressSpace::Storage { .. }, _) => (BindingKind::ReadOnlyStorage, None),
            (_, TypeInner::Image { dim, arrayed, class: ImageClass::Storage { format, access } }) => {
                let kind = match (access.contains(StorageAccess::LOAD), access.contains(StorageAccess::STORE))
                {
                    (true, true) => BindingKind::ReadWriteTexture,
                    (true, false) => BindingKind::ReadOnlyTexture,
                    _ => BindingKind::WriteOnlyTexture,
                };
                let dimension = match (dim, arrayed) {
                    (ImageDimension::D1, _) => ViewDimension::D1,
                    (ImageDimension::D3, _) => ViewDimension::D3,
                    (_, true) => ViewDimension::D2Array,
                    (_, false) => ViewDimension::D2,
                };
                (kind, Some(TextureBinding { format: textures::stored_format(*format)?, dimension }))
            }
            _ => return None,
        };
        // An array whose size is known at run time counts as one element.
        let min_size = if texture.is_some() { 0 } else { u64::from(ty.size(module.to_ctx())) };
        let entry = LayoutEntry {
            binding: binding.binding,
            kind,
            dynamic_offset: false,
            visible: true,
            min_size,
            texture,
        };
        Some(Need { group: binding.group, entry })
    });
    let mut needs: Vec<Need> = needs.collect();
    needs.sort_by_key(|need| (need.group, need.entry.binding));
    needs
}

/// Two variables at one place: WGSL refuses that for one entry point, but naga's metered module is what counts.
pub(super) fn twice(needs: &[Need]) -> Option<String> {
    let same =
        |pair: &&[Need]| pair[0].group == pair[1].group && pair[0].entry.binding == pair[1].entry.binding;
    let pair = needs.windows(2).find(same)?;
    Some(format!("two variables are bound at group {} binding {}", pair[0].group, pair[0].entry.binding))
}

/// Why a shader does not fit a pipeline layout. `groups` are the entries of its bind group layouts.
pub(super) fn misfit(needs: &[Need], groups: &[impl AsRef<[LayoutEntry]>]) -> Option<String> {
    needs.iter().find_map(|need| {
        let (group, binding) = (need.group, need.entry.binding);
        let entries = groups.get(group as usize).map_or(&[][..], AsRef::as_ref);
        let entry = entries.iter().find(|entry| entry.binding == binding);
        let reason = match entry {
            None => "is not in the pipeline's layout".to_owned(),
            Some(entry) => differs(&need.entry, entry)?,
        };
        Some(format!("group {group} binding {binding} {reason}"))
    })
}

/// In what a layout's entry differs from what the shader wants.
fn differs(wanted: &LayoutEntry, entry: &LayoutEntry) -> Option<String> {
    if !entry.visible {
        return Some("is hidden from compute shaders by the layout".to_owned());
    }
    if wanted.kind != entry.kind {
        return Some(format!(
            "is {} in the shader and {} in the layout",
            Kind(wanted.kind),
            Kind(entry.kind)
        ));
    }
    if let (Some(one), Some(other)) = (wanted.texture, entry.texture) {
        if one.format != other.format {
            return Some(format!(
                "has texels {:?} in the shader and {:?} in the layout",
                one.format, other.format
            ));
        }
        if one.dimension != other.dimension {
            let (one, other) = (one.dimension, other.dimension);
            return Some(format!("is a view {one:?} in the shader and {other:?} in the layout"));
        }
    }
    let (needed, promised) = (wanted.min_size, entry.min_size);
    (promised != 0 && promised < needed)
        .then(|| format!("needs {needed} bytes, and the layout promises {promised}"))
}

/// A kind of binding in words.
struct Kind(BindingKind);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            BindingKind::Uniform => "a uniform buffer",
            BindingKind::Storage => "a storage buffer",
            BindingKind::ReadOnlyStorage => "a read-only storage buffer",
            BindingKind::WriteOnlyTexture => "a write-only storage texture",
            BindingKind::ReadOnlyTexture => "a read-only storage texture",
            BindingKind::ReadWriteTexture => "a read-write storage texture",
        })
    }
}

/// The entries of bind group layouts made of what a shader wants: as many as its highest group asks for.
pub(super) fn derived(needs: &[Need]) -> Vec<Vec<LayoutEntry>> {
    let count = needs.iter().map(|need| need.group as usize + 1).max().unwrap_or(0);
    let mut groups = vec![Vec::new(); count];
    needs.iter().for_each(|need| groups[need.group as usize].push(need.entry));
    groups
}

/// The buffers whose size is known only when dispatching: group, binding, bytes that the shader needs.
pub(super) fn late(needs: &[Need], groups: &[impl AsRef<[LayoutEntry]>]) -> Vec<(u32, u32, u64)> {
    let late = needs.iter().filter(|need| {
        let entries = groups.get(need.group as usize).map_or(&[][..], AsRef::as_ref);
        let entry = entries.iter().find(|entry| entry.binding == need.entry.binding);
        need.entry.texture.is_none() && entry.is_some_and(|entry| entry.min_size == 0)
    });
    late.map(|need| (need.group, need.entry.binding, need.entry.min_size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fizz_gpu_abi::TextureFormat;

    fn needs_of(wgsl: &str) -> Vec<Need> {
        let checked = fizz_shader::check(wgsl, "test", &fizz_shader::ShaderLimits::default()).unwrap();
        let options = fizz_shader::meter::MeterOptions::default();
        let (_, metered) = checked.meter("main", "test", &[], options).unwrap();
        needs(&metered.module)
    }

    const SHADER: &str = "
        struct Tail { head: vec4<u32>, tail: array<vec2<u32>> }
        @group(2) @binding(7) var<uniform> uniforms: vec3<f32>;
        @group(0) @binding(1) var<storage, read_write> data: Tail;
        @group(0) @binding(0) var<storage> input: array<u32>;
        @group(0) @binding(2) var picture: texture_storage_2d_array<rgba8unorm, write>;
        @group(1) @binding(0) var<storage> unused: array<u32>;
        @compute @workgroup_size(1) fn main() {
            data.tail[0].x = input[0] + u32(uniforms.x);
            textureStore(picture, vec2(0u), 0u, vec4(0.0));
        }";

    fn entry(binding: u32, kind: BindingKind, min_size: u64) -> LayoutEntry {
        LayoutEntry { binding, kind, dynamic_offset: false, visible: true, min_size, texture: None }
    }

    #[test]
    fn layouts_come_from_shaders() {
        let texture = TextureBinding { format: TextureFormat::Rgba8Unorm, dimension: ViewDimension::D2Array };
        let picture = LayoutEntry { texture: Some(texture), ..entry(2, BindingKind::WriteOnlyTexture, 0) };
        let first =
            vec![entry(0, BindingKind::ReadOnlyStorage, 4), entry(1, BindingKind::Storage, 32), picture];
        let needs = needs_of(SHADER);
        let groups = derived(&needs);
        assert_eq!(groups, [first, Vec::new(), vec![entry(7, BindingKind::Uniform, 12)]]);
        assert_eq!(misfit(&needs, &groups), None);
        assert_eq!(twice(&needs), None);
        assert_eq!(late(&needs, &groups), []);
    }

    #[test]
    fn layouts_that_do_not_fit_are_told_from_those_that_do() {
        let needs = needs_of(SHADER);
        let with = |group: usize, at: usize, change: &dyn Fn(&mut LayoutEntry)| {
            let mut groups = derived(&needs);
            change(&mut groups[group][at]);
            misfit(&needs, &groups)
        };
        let text = |found: Option<String>| found.unwrap_or_default();
        assert_eq!(
            text(misfit(&needs, &derived(&needs)[..1])),
            "group 2 binding 7 is not in the pipeline's layout"
        );
        let found = with(0, 0, &|entry| entry.visible = false);
        assert_eq!(text(found), "group 0 binding 0 is hidden from compute shaders by the layout");
        let found = with(0, 1, &|entry| entry.kind = BindingKind::ReadOnlyStorage);
        assert_eq!(
            text(found),
            "group 0 binding 1 is a storage buffer in the shader and a read-only storage buffer in the layout"
        );
        let found = with(0, 1, &|entry| entry.min_size = 28);
        assert_eq!(text(found), "group 0 binding 1 needs 32 bytes, and the layout promises 28");
        let format = TextureBinding { format: TextureFormat::R32Uint, dimension: ViewDimension::D2Array };
        let found = with(0, 2, &|entry| entry.texture = Some(format));
        assert_eq!(
            text(found),
            "group 0 binding 2 has texels Rgba8Unorm in the shader and R32Uint in the layout"
        );
        let form = TextureBinding { format: TextureFormat::Rgba8Unorm, dimension: ViewDimension::D3 };
        let found = with(0, 2, &|entry| entry.texture = Some(form));
        assert_eq!(text(found), "group 0 binding 2 is a view D2Array in the shader and D3 in the layout");
        // What fits: more than is needed, an offset that moves, a size that is looked at later.
        assert_eq!(with(0, 1, &|entry| entry.min_size = 64), None);
        assert_eq!(with(0, 1, &|entry| entry.dynamic_offset = true), None);
        assert_eq!(with(0, 1, &|entry| entry.min_size = 0), None);
        let mut groups = derived(&needs);
        groups[0][1].min_size = 0;
        assert_eq!(late(&needs, &groups), [(0, 1, 32)]);
    }
}
