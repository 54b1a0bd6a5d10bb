//! What `wgpu` cannot check of a dispatch, because it does not know the shader.

use crate::objects::{BindGroup, PassState, Pipeline, Range};
use fizz_gpu_abi::{BindingKind, LayoutEntry};

impl PassState {
    /// Why an exact pipeline cannot run with the bind groups that are set. What is not set is left to `wgpu`.
    pub(crate) fn misfit(&self) -> Option<String> {
        let object = self.pipeline.as_ref()?;
        let pipeline = object.valid.as_ref()?;
        let misfit = (0..).zip(&self.groups).find_map(|(index, slot)| {
            let (group, _) = slot.as_ref()?;
            let reason = refuse(pipeline, index, group.valid.as_ref()?)?;
            Some(format!(
                "bind group {index} '{}' with compute pipeline '{}': {reason}",
                group.label, object.label
            ))
        });
        misfit.or_else(|| self.shared(pipeline))
    }

    /// Two bindings of which one can be written to, and that have bytes or texels in common: a driver may take them for different bytes, as WebGPU lets it.
    fn shared(&self, pipeline: &Pipeline) -> Option<String> {
        let facts = pipeline.exact.as_ref()?;
        let mut all: Vec<(u32, Range, bool)> = Vec::new();
        // Buffers by where they come first, which is the same on every machine.
        let mut buffers: Vec<usize> = Vec::new();
        for (index, slot) in (0..).zip(&self.groups) {
            let Some((group, offsets)) = slot else { continue };
            let Some(group) = group.valid.as_ref().filter(|_| facts.has_entries(index)) else { continue };
            let entries = facts.entries(index);
            let mut moved: Vec<u32> =
                entries.iter().filter(|entry| entry.dynamic_offset).map(|entry| entry.binding).collect();
            moved.sort_unstable();
            // What the layout hides no shader can use, and there may be many of that.
            for entry in entries.iter().filter(|entry| entry.visible) {
                let Some(range) = group.ranges.iter().find(|range| range.binding == entry.binding) else {
                    continue;
                };
                let place = moved.iter().position(|binding| *binding == entry.binding);
                let more = place.and_then(|place| offsets.get(place)).copied().unwrap_or(0);
                let buffer = buffers.iter().position(|buffer| *buffer == range.buffer).unwrap_or_else(|| {
                    buffers.push(range.buffer);
                    buffers.len() - 1
                });
                let range = Range { buffer, offset: range.offset.saturating_add(more.into()), ..*range };
                all.push((index, range, is_written(entry.kind)));
            }
        }
        all.sort_by_key(|(_, range, _)| (range.buffer, range.offset));
        // The one that reaches farthest so far, and the same of those that can be written to.
        let mut before: [Option<(u32, Range)>; 2] = [None, None];
        for (group, range, written) in all {
            for (kept, of_written) in before.iter_mut().zip([false, true]) {
                let found = kept.filter(|(_, other)| {
                    let end = other.offset.saturating_add(other.size);
                    (written || of_written)
                        && other.buffer == range.buffer
                        && range.offset < end
                        && range.size > 0
                });
                if let Some((other_group, other)) = found {
                    let (binding, other) = (range.binding, other.binding);
                    let mut both = [(other_group, other), (group, binding)];
                    both.sort_unstable();
                    let [(a, b), (c, d)] = both;
                    return Some(format!(
                        "binding {b} of group {a} and binding {d} of group {c} have bytes or texels in common, and one can be written to"
                    ));
                }
                let reaches = |range: &Range| (range.buffer, range.offset.saturating_add(range.size));
                let farther = kept.is_none_or(|(_, other)| reaches(&other) < reaches(&range));
                if farther && (written || !of_written) && range.size > 0 {
                    *kept = Some((group, range));
                }
            }
        }
        None
    }
}

fn is_written(kind: BindingKind) -> bool {
    matches!(kind, BindingKind::Storage | BindingKind::WriteOnlyTexture | BindingKind::ReadWriteTexture)
}

fn refuse(pipeline: &Pipeline, index: u32, group: &BindGroup) -> Option<String> {
    let facts = pipeline.exact.as_ref()?;
    if !facts.has_entries(index) {
        return None;
    }
    if facts.automatic() != group.exclusive {
        return Some(match (facts.automatic(), group.exclusive) {
            (Some(_), _) => "its layout is not the one that this pipeline made".to_owned(),
            (None, _) => "its layout belongs to a pipeline that made it".to_owned(),
        });
    }
    // `wgpu` knows several formats as one.
    let wanted = facts.entries(index);
    if let Some(binding) = differing(&wanted, &group.entries) {
        return Some(format!("its layout and that of the pipeline differ in binding {binding}"));
    }
    facts.late.iter().filter(|(at, ..)| *at == index).find_map(|(_, binding, needed)| {
        let bound = group.ranges.iter().find(|range| range.binding == *binding)?.size;
        (bound < *needed)
            .then(|| format!("binding {binding} has {bound} bytes, and the shader needs {needed}"))
    })
}

/// The first binding of which two layouts, by rising binding number, say other things.
fn differing(one: &[LayoutEntry], other: &[LayoutEntry]) -> Option<u32> {
    let (mut one, mut other) = (one.iter(), other.iter());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (Some(one), Some(other)) if one == other => {}
            (one, other) => return one.into_iter().chain(other).map(|entry| entry.binding).min(),
        }
    }
}
