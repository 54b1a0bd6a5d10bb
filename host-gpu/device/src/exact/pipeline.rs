//! Pipelines of exact sessions.

use super::{NotPortable, Target, interface};
use crate::objects::{BindGroupLayout, PipelineLayout};
use crate::pipelines::Refused;
use crate::session::Open;
use fizz_gpu_abi::LayoutEntry;
use fizz_gpu_abi::host::{HostFault, Stop};
use fizz_reference::Watched;
use fizz_shader::exact::Layout;
use fizz_shader::meter::{Counts, METER_GROUP};
use fizz_shader::{CheckedShader, Inexact, Specialized};
use std::borrow::Cow;
use std::sync::Arc;
use wgpu::naga;

/// What is known of an exact pipeline.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The entries of the bind group layouts.
    groups: Vec<Arc<[LayoutEntry]>>,
    /// Buffers whose size is looked at when dispatching: group, binding, bytes that the shader needs.
    pub(super) late: Vec<(u32, u32, u64)>,
    /// Of an automatic layout: the number by which it is known, and its bind group layouts.
    automatic: Option<(u64, Vec<BindGroupLayout>)>,
}

impl Facts {
    /// Whether there is anything to bind in a group.
    pub(super) fn has_entries(&self, group: u32) -> bool {
        self.groups.get(group as usize).is_some_and(|entries| !entries.is_empty())
    }

    /// The number of an automatic layout.
    pub(super) fn automatic(&self) -> Option<u64> {
        self.automatic.as_ref().map(|(number, _)| *number)
    }

    /// The entries of a group of the pipeline's layout.
    pub(crate) fn entries(&self, group: u32) -> Arc<[LayoutEntry]> {
        self.groups.get(group as usize).cloned().unwrap_or_else(|| Arc::new([]))
    }

    /// One of its bind group layouts, if they are automatic; `empty` makes one where the shader wants nothing bound.
    pub(crate) fn bind_group_layout(
        &self,
        index: u32,
        empty: impl FnOnce() -> wgpu::BindGroupLayout,
    ) -> Option<BindGroupLayout> {
        let (number, layouts) = self.automatic.as_ref()?;
        Some(layouts.get(index as usize).cloned().unwrap_or_else(|| BindGroupLayout {
            layout: empty(),
            entries: Arc::new([]),
            exclusive: Some(*number),
        }))
    }
}

/// Refuses an entry point that is not exact.
pub(crate) fn check(checked: &CheckedShader, entry: &str, label: &str) -> Result<(), String> {
    let reasons = checked.classify(entry);
    if reasons.is_empty() {
        return Ok(());
    }
    let place = |reason: &Inexact| match &reason.location {
        Some(at) => format!("{} at line {}, column {}", reason.message, at.line, at.column),
        None => reason.message.clone(),
    };
    let reasons: Vec<String> = reasons.iter().map(place).collect();
    Err(format!("entry point '{entry}' of shader '{label}' is not exact: {}", reasons.join("; ")))
}

/// Refuses a shader that some device could not take; else says what the reference device takes, with its touches of memory told if it is `watched`.
pub(crate) fn check_portable(
    module: naga::Module,
    watched: Option<Watched<'_>>,
) -> Result<Vec<u32>, Refused> {
    super::portable(module, watched).map_err(|error| match error {
        NotPortable::Shader(reason) => Refused::Invalid(format!("it cannot be exact: {reason}")),
        NotPortable::Host(reason) => Refused::Stop(Stop::HostFault(HostFault::OutOfMemory, reason)),
    })
}

impl Open {
    /// A metered entry point as a pipeline; none after a validation error of `wgpu`.
    pub(crate) fn exact_pipeline(
        &mut self,
        target: Target,
        (label, entry): (&str, &str),
        layout: Option<&PipelineLayout>,
        (metered, portable, specialized): (naga::Module, Vec<u32>, &Specialized),
        counts: Counts,
    ) -> Result<Option<(wgpu::ComputePipeline, Facts)>, Refused> {
        let needs = interface::needs(&metered);
        if let Some(reason) = interface::twice(&needs) {
            return Err(Refused::Invalid(reason));
        }
        let made;
        let (layouts, groups, automatic) = match layout {
            Some(layout) => {
                if let Some(reason) = interface::misfit(&needs, &layout.groups) {
                    return Err(Refused::Invalid(reason));
                }
                (&layout.layouts, layout.groups.clone(), None)
            }
            None => {
                let number = self.next_layout();
                let Some(groups) = self.derived(label, &needs, number)? else { return Ok(None) };
                let bound: Vec<_> = groups.iter().map(|group| Some(&group.layout)).collect();
                made = match self.layouts(label, &bound)? {
                    Some(made) => made,
                    None => return Ok(None),
                };
                let entries = groups.iter().map(|group| group.entries.clone()).collect();
                (&made, entries, Some((number, groups)))
            }
        };
        let layout = if counts == Counts::Nothing { &layouts.plain } else { &layouts.counting };
        let words = target.words(metered, &numbers(&groups), portable).map_err(|error| {
            let text = format!("an exact shader could not be written for the device: {error}");
            Refused::Stop(Stop::HostFault(HostFault::DeviceLost, text))
        })?;
        let pipeline = self.passed_through((label, entry), layout, &words, specialized);
        if self.settle()? {
            return Ok(None);
        }
        let late = interface::late(&needs, &groups);
        Ok(Some((pipeline, Facts { groups, late, automatic })))
    }

    /// Bind group layouts made of what a shader wants.
    fn derived(
        &mut self,
        label: &str,
        needs: &[interface::Need],
        number: u64,
    ) -> Result<Option<Vec<BindGroupLayout>>, Stop> {
        let mut groups = Vec::new();
        for entries in interface::derived(needs) {
            match self.bind_group_layout(label, entries)? {
                Some(layout) => groups.push(BindGroupLayout { exclusive: Some(number), ..layout }),
                None => return Ok(None),
            }
        }
        Ok(Some(groups))
    }

    #[expect(unsafe_code, reason = "wgpu takes shaders as they are only so")]
    fn passed_through(
        &self,
        (label, entry): (&str, &str),
        layout: &wgpu::PipelineLayout,
        words: &[u32],
        specialized: &Specialized,
    ) -> wgpu::ComputePipeline {
        let [x, y, z] = specialized.workgroup_size;
        let entry_point =
            wgpu::PassthroughShaderEntryPoint { name: Cow::Borrowed(entry), workgroup_size: (x, y, z) };
        let wanted = wgpu::ShaderModuleDescriptorPassthrough {
            label: Some(label),
            entry_points: Cow::Borrowed(std::slice::from_ref(&entry_point)),
            spirv: Some(Cow::Borrowed(words)),
            ..Default::default()
        };
        // SAFETY: the words are made here, of a module that naga has validated, that keeps its accesses in bounds by itself and ends its loops.
        let module = unsafe { self.device.device.create_shader_module_passthrough(wanted) };
        self.device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(layout),
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: true,
            },
            cache: None,
        })
    }
}

/// The binding numbers of a pipeline layout's groups, the meter's behind the guest's.
fn numbers(groups: &[Arc<[LayoutEntry]>]) -> Layout {
    let numbers = |entries: &Arc<[LayoutEntry]>| entries.iter().map(|entry| entry.binding).collect();
    let mut groups: Vec<Vec<u32>> = groups.iter().map(numbers).collect();
    groups.resize(METER_GROUP as usize, Vec::new());
    groups.push(vec![0]);
    Layout { groups }
}
