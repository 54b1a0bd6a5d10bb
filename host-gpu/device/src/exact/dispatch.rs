//! What `wgpu` cannot check of a dispatch, because it does not know the shader.

use crate::objects::{BindGroup, PassState, Pipeline};

impl PassState {
    /// Why an exact pipeline cannot run with the bind groups that are set. What is not set is left to `wgpu`.
    pub(crate) fn misfit(&self) -> Option<String> {
        let object = self.pipeline.as_ref()?;
        let pipeline = object.valid.as_ref()?;
        (0..).zip(&self.groups).find_map(|(index, slot)| {
            let (group, _) = slot.as_ref()?;
            let reason = refuse(pipeline, index, group.valid.as_ref()?)?;
            Some(format!(
                "bind group {index} '{}' with compute pipeline '{}': {reason}",
                group.label, object.label
            ))
        })
    }
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
    facts.late.iter().filter(|(at, ..)| *at == index).find_map(|(_, binding, needed)| {
        let (_, bound) = group.sizes.iter().find(|(number, _)| number == binding)?;
        (bound < needed)
            .then(|| format!("binding {binding} has {bound} bytes, and the shader needs {needed}"))
    })
}
