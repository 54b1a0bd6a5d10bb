//! Shader modules and compute pipelines.

use super::layout::{BindGroupLayout, PipelineLayout};
use super::object::{FOREIGN, Object, invalid};
use super::session::Session;
use fizz_gpu_abi::{ErrorClass, ObjectKind};
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use wgpu::custom::{
    ComputePipelineInterface, DispatchBindGroupLayout, ShaderCompilationInfoFuture, ShaderModuleInterface,
};

#[derive(Debug)]
pub(super) struct ShaderModule(Arc<Object>);

impl ShaderModule {
    pub(super) fn new(session: &Arc<Session>, desc: &wgpu::ShaderModuleDescriptor<'_>) -> Self {
        let wgpu::ShaderSource::Wgsl(source) = &desc.source else {
            return Self::refused(
                session,
                "Device::create_shader_module",
                desc.label,
                "this device takes only WGSL",
            );
        };
        ShaderModule(Object::create(session, ObjectKind::Shader, |stream, id| {
            stream.create_shader(id, desc.label.unwrap_or_default(), source);
        }))
    }

    pub(super) fn refused(session: &Arc<Session>, function: &str, label: Option<&str>, reason: &str) -> Self {
        let message = invalid(function, label, reason);
        ShaderModule(Object::refuse(session, ObjectKind::Shader, ErrorClass::Validation, &message))
    }
}

impl ShaderModuleInterface for ShaderModule {
    fn get_compilation_info(&self) -> Pin<Box<dyn ShaderCompilationInfoFuture>> {
        let messages = self.0.session().shader_messages(self.0.own_id());
        Box::pin(ready(wgpu::CompilationInfo { messages }))
    }
}

#[derive(Debug)]
pub(super) struct ComputePipeline(pub(super) Arc<Object>);

impl ComputePipeline {
    pub(super) fn new(session: &Arc<Session>, desc: &wgpu::ComputePipelineDescriptor<'_>) -> Self {
        const KIND: ObjectKind = ObjectKind::ComputePipeline;
        ComputePipeline(match parts(session, desc) {
            Ok((layout, shader)) => Object::create(session, KIND, |stream, id| {
                stream.create_compute_pipeline(
                    id,
                    desc.label.unwrap_or_default(),
                    layout,
                    shader,
                    desc.entry_point,
                    desc.compilation_options.zero_initialize_workgroup_memory,
                    desc.compilation_options.constants.iter().copied(),
                );
            }),
            Err(reason) => {
                let message = invalid("Device::create_compute_pipeline", desc.label, &reason);
                Object::refuse(session, KIND, ErrorClass::Validation, &message)
            }
        })
    }
}

/// Ids of the layout (0: automatic) and the shader.
fn parts(session: &Arc<Session>, desc: &wgpu::ComputePipelineDescriptor<'_>) -> Result<(u32, u32), String> {
    let layout = match desc.layout {
        None => 0,
        Some(layout) => layout.as_custom::<PipelineLayout>().ok_or(FOREIGN)?.0.id(session)?,
    };
    if desc.entry_point.is_some_and(str::is_empty) {
        return Err("the shader has no entry point without a name".into());
    }
    Ok((layout, desc.module.as_custom::<ShaderModule>().ok_or(FOREIGN)?.0.id(session)?))
}

impl ComputePipelineInterface for ComputePipeline {
    fn get_bind_group_layout(&self, index: u32) -> DispatchBindGroupLayout {
        let pipeline = self.0.own_id();
        let layout = Object::create(self.0.session(), ObjectKind::BindGroupLayout, |stream, id| {
            stream.get_bind_group_layout(id, pipeline, index);
        });
        DispatchBindGroupLayout::custom(BindGroupLayout(layout))
    }
}
