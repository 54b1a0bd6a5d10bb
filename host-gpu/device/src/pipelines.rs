//! Shaders, pipelines and their layouts.

use crate::caps;
use crate::exact;
use crate::metered;
use crate::objects::{BindGroupLayout, Entry, Layouts, Object, Pipeline, PipelineLayout, Shader};
use crate::schedule;
use crate::session::Open;
use fizz_gpu_abi::host::{HostFault, Limit, Stop};
use fizz_gpu_abi::{LayoutEntry, List, Record, RecordKind, Severity};
use fizz_reference::Watched;
use fizz_shader::meter::{self, Counts, MeterOptions, Metered};
use fizz_shader::{Reason, ShaderError, ShaderLimits};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// All sources of a task together may have this many times the bytes of the largest one.
const ALL_SOURCES: u64 = 16;

impl Open {
    pub(crate) fn create_shader(&mut self, id: u32, label: &str, wgsl: &str) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let quotas = self.meter.quotas;
        if self.meter.shaders >= quotas.shaders {
            return Err(Stop::LimitExceeded(Limit::Shaders));
        }
        self.meter.shaders += 1;
        self.meter.source_bytes += wgsl.len() as u64;
        let most = u64::from(quotas.shader_bytes);
        if wgsl.len() as u64 > most || self.meter.source_bytes > most.saturating_mul(ALL_SOURCES) {
            return Err(Stop::LimitExceeded(Limit::ShaderBytes));
        }
        self.meter.charge(wgsl.len() as u64, schedule::SHADER_BYTE)?;
        let limits = ShaderLimits { source_bytes: quotas.shader_bytes as usize, ..ShaderLimits::default() };
        let valid = match fizz_shader::check(wgsl, label, &limits) {
            Err(error) => {
                self.refuse_shader(id, error)?;
                None
            }
            Ok(checked) => Some(Shader { checked }),
        };
        self.table.insert(id, Entry::Shader(Object::new(label, valid, counted)));
        Ok(())
    }

    fn refuse_shader(&mut self, id: u32, error: ShaderError) -> Result<(), Stop> {
        if error.reason == Reason::Host {
            return Err(Stop::HostFault(HostFault::OutOfMemory, error.message));
        }
        let text = error.to_string();
        let at = error.location;
        self.errors.push_optional(Record {
            kind: RecordKind::Shader,
            subject: id,
            code: Severity::Error.code(),
            line: at.map_or(0, |at| at.line),
            column: at.map_or(0, |at| at.column),
            offset: at.map_or(0, |at| at.offset),
            length: at.map_or(0, |at| at.length),
            text: text.clone(),
        });
        self.invalid(text);
        Ok(())
    }

    pub(crate) fn create_pipeline_layout(
        &mut self,
        id: u32,
        label: &str,
        groups: List<'_, u32>,
        immediate_size: u32,
    ) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let mut layouts = Vec::with_capacity(groups.len().min(16));
        let mut refused = None;
        if groups.len() > caps::MAX_BIND_GROUPS as usize {
            let most = caps::MAX_BIND_GROUPS;
            refused = Some(format!("{} bind group layouts are more than {most}", groups.len()));
        } else if immediate_size != 0 {
            refused = Some("immediates are not offered".to_owned());
        } else {
            for group in groups.iter() {
                layouts.push(if group == 0 { None } else { Some(self.table.bind_group_layout(group)?) });
            }
        }
        if let Some(bad) = layouts.iter().flatten().find(|layout| layout.valid.is_none()) {
            refused = Some(format!("bind group layout '{}' is invalid", bad.label));
        }
        let exclusive = |layout: &BindGroupLayout| layout.exclusive.is_some();
        if let Some(bad) =
            layouts.iter().flatten().find(|layout| layout.valid.as_ref().is_some_and(exclusive))
        {
            refused = Some(format!("bind group layout '{}' belongs to the pipeline that made it", bad.label));
        }
        let valid = if let Some(reason) = refused {
            self.invalid(format!("create pipeline layout '{label}': {reason}"));
            None
        } else {
            let valid: Vec<_> = layouts
                .iter()
                .map(|layout| layout.as_ref().and_then(|layout| layout.valid.as_ref()))
                .collect();
            let entries = |layout: &Option<&BindGroupLayout>| match layout {
                Some(layout) => layout.entries.clone(),
                None => Arc::new([]) as Arc<[LayoutEntry]>,
            };
            let groups = valid.iter().map(entries).collect();
            let bound: Vec<_> = valid.iter().map(|layout| layout.map(|layout| &layout.layout)).collect();
            self.layouts(label, &bound)?.map(|layouts| PipelineLayout { layouts, groups })
        };
        self.table.insert(id, Entry::PipelineLayout(Object::new(label, valid, counted)));
        Ok(())
    }

    /// The two pipeline layouts of these groups; none after a validation error.
    pub(crate) fn layouts(
        &mut self,
        label: &str,
        groups: &[Option<&wgpu::BindGroupLayout>],
    ) -> Result<Option<Layouts>, Stop> {
        let counter = self.counter().layout.clone();
        let device = self.device.device.clone();
        let layout = |groups: &[Option<&wgpu::BindGroupLayout>]| {
            device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(label),
                bind_group_layouts: groups,
                immediate_size: meter::SLICE_BYTES,
            })
        };
        let plain = layout(groups);
        if self.settle()? {
            return Ok(None);
        }
        let mut groups = groups.to_vec();
        groups.resize(caps::MAX_BIND_GROUPS as usize, None);
        groups.push(Some(&counter));
        let counting = layout(&groups);
        Ok(if self.settle()? { None } else { Some(Layouts { plain, counting }) })
    }

    pub(crate) fn create_compute_pipeline(
        &mut self,
        id: u32,
        label: &str,
        layout: u32,
        shader: u32,
        entry_point: Option<&str>,
        constants: &[(&str, f64)],
    ) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let layout = if layout == 0 { None } else { Some(self.table.pipeline_layout(layout)?) };
        let shader = self.table.shader(shader)?;
        let valid = match self.pipeline(label, layout.as_deref(), &shader, entry_point, constants) {
            Ok(pipeline) => pipeline,
            Err(Refused::Invalid(reason)) => {
                self.invalid(format!("create compute pipeline '{label}': {reason}"));
                None
            }
            Err(Refused::Stop(stop)) => return Err(stop),
        };
        self.table.insert(id, Entry::ComputePipeline(Object::new(label, valid, counted)));
        Ok(())
    }

    fn pipeline(
        &mut self,
        label: &str,
        layout: Option<&Object<PipelineLayout>>,
        shader: &Object<Shader>,
        entry_point: Option<&str>,
        constants: &[(&str, f64)],
    ) -> Result<Option<Pipeline>, Refused> {
        let layout = match layout {
            None => None,
            Some(layout) => {
                let invalid = || Refused::Invalid(format!("layout '{}' is invalid", layout.label));
                Some(layout.valid.as_ref().ok_or_else(invalid)?)
            }
        };
        let invalid = || Refused::Invalid(format!("shader '{}' is invalid", shader.label));
        let known = shader.valid.as_ref().ok_or_else(invalid)?;
        let facts = known.checked.entry_point(entry_point).ok_or_else(|| match entry_point {
            Some(name) => {
                Refused::Invalid(format!("shader '{}' has no compute entry point '{name}'", shader.label))
            }
            None => {
                Refused::Invalid(format!("shader '{}' has not exactly one compute entry point", shader.label))
            }
        })?;
        self.meter.charge(1, schedule::PIPELINE)?;
        self.meter.charge(known.checked.work, schedule::PIPELINE_STEP)?;
        self.meter.charge(facts.cost, schedule::PIPELINE_NODE)?;
        let exact = self.device.exact;
        if exact.is_some() {
            exact::check(&known.checked, &facts.name, &shader.label).map_err(|reason| {
                let hint = "a job of the class fast may use it (--gpu-class fast)";
                let refused = Refused::Invalid(format!("{reason}; {hint}"));
                self.unwatched(reason);
                refused
            })?;
        }
        let options = MeterOptions { find_cuts: self.device.find_cuts };
        let meter = |options| {
            known.checked.meter(&facts.name, label, constants, options).map_err(|error| {
                if error.reason == Reason::Host {
                    Refused::Stop(Stop::HostFault(HostFault::OutOfMemory, error.message))
                } else {
                    Refused::Invalid(error.message)
                }
            })
        };
        let (specialized, metered) = meter(options)?;
        let storage = storage_buffers(&metered.module);
        if storage > caps::MAX_STORAGE_BUFFERS {
            let most = caps::MAX_STORAGE_BUFFERS;
            return Err(Refused::Invalid(format!("{storage} storage buffers are more than {most}")));
        }
        let (fixed, most, counts, sliced) = (metered.fixed, metered.most, metered.counts, metered.sliced);
        let (pipeline, exact) = match exact {
            Some(target) => {
                // What drivers need of the meter is not part of the question.
                let plain = if options.find_cuts {
                    meter(MeterOptions::default())?.1.module
                } else {
                    metered.module.clone()
                };
                let watched = self.device.races.as_ref().map(|check| Watched {
                    check,
                    label: &shader.label,
                    source: known.checked.source(),
                    unwatched_group: meter::METER_GROUP,
                });
                let portable = exact::check_portable(plain, watched).inspect_err(|refused| {
                    if let Refused::Invalid(reason) = refused {
                        self.unwatched(format!("shader '{}': {reason}", shader.label));
                    }
                })?;
                let parts = (metered.module, portable, &specialized);
                match self.exact_pipeline(target, (label, &facts.name), layout, parts, counts)? {
                    Some((pipeline, facts)) => (pipeline, Some(facts)),
                    None => return Ok(None),
                }
            }
            None => {
                let pipeline = self.fast_pipeline((label, &facts.name), layout, metered);
                (pipeline, None)
            }
        };
        if self.settle()? {
            return Ok(None);
        }
        let words = match counts {
            Counts::Nothing => None,
            Counts::Workgroups => Some(1),
            Counts::Invocations => Some(specialized.workgroup_size.iter().product()),
        };
        let counter = words.map(|words| (self.count_in(&pipeline), words));
        if self.settle()? {
            return Ok(None);
        }
        Ok(Some(Pipeline {
            pipeline,
            invocations: specialized.invocations(),
            fixed,
            most_counted: most - fixed,
            counter,
            sliced,
            seen: AtomicU64::new(0),
            exact,
        }))
    }

    /// Notes, where races are looked for, that a shader is refused which other devices may take.
    fn unwatched(&self, shader: String) {
        if let Some(races) = &self.device.races {
            races.unwatched(shader);
        }
    }

    /// A pipeline of a shader that naga writes for the driver.
    fn fast_pipeline(
        &self,
        (label, entry): (&str, &str),
        layout: Option<&PipelineLayout>,
        metered: Metered,
    ) -> wgpu::ComputePipeline {
        let counts = metered.counts;
        let module = metered::shader_module(&self.device.device, label, metered);
        let layouts = layout.map(|known| &known.layouts);
        self.device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: layouts
                .map(|known| if counts == Counts::Nothing { &known.plain } else { &known.counting }),
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: true,
            },
            cache: None,
        })
    }

    /// The bind group through which a pipeline reaches the session's counters.
    fn count_in(&mut self, pipeline: &wgpu::ComputePipeline) -> wgpu::BindGroup {
        let buffer = self.counter().buffer.clone();
        self.device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(meter::METER_GROUP),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
        })
    }
}

/// The guest's storage buffers in a module.
fn storage_buffers(module: &wgpu::naga::Module) -> usize {
    let variables = module.global_variables.iter();
    let storage = variables.filter(|(_, variable)| {
        matches!(variable.space, wgpu::naga::AddressSpace::Storage { .. })
            && variable.binding.is_some_and(|binding| binding.group < meter::METER_GROUP)
    });
    storage.count()
}

/// Why there is no pipeline.
pub(crate) enum Refused {
    Invalid(String),
    Stop(Stop),
}

impl From<Stop> for Refused {
    fn from(stop: Stop) -> Self {
        Refused::Stop(stop)
    }
}
