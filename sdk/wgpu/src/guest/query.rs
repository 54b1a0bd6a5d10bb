//! Query sets: timestamps, which are gas.

use super::object::{Object, invalid};
use super::session::Session;
use fizz_gpu_abi::{ErrorClass, NOT_GIVEN, ObjectKind, QueryKind};
use std::sync::Arc;
use wgpu::custom::QuerySetInterface;

/// What a timestamp counts, so that differences times it are about nanoseconds of a slow device: a unit of gas.
pub(super) const PERIOD: f32 = 1.0;
/// Why statistics of pipelines are refused.
pub(super) const STATISTICS: &str = "this device has no statistics: its queries are timestamps";

#[derive(Debug)]
pub(super) struct QuerySet(pub(super) Arc<Object>);

impl QuerySet {
    pub(super) fn new(
        session: &Arc<Session>,
        enabled: wgpu::Features,
        desc: &wgpu::QuerySetDescriptor<'_>,
    ) -> Self {
        const KIND: ObjectKind = ObjectKind::QuerySet;
        let kind = match desc.ty {
            wgpu::QueryType::Timestamp => {
                check_enabled(enabled, wgpu::Features::TIMESTAMP_QUERY).map(|()| QueryKind::Timestamp)
            }
            wgpu::QueryType::Occlusion => Err("this device draws nothing that could be hidden".into()),
            wgpu::QueryType::PipelineStatistics(_) => Err(STATISTICS.into()),
        };
        QuerySet(match kind {
            Ok(kind) => Object::create(session, KIND, |stream, id| {
                stream.create_query_set(id, kind, desc.count, desc.label.unwrap_or_default());
            }),
            Err(reason) => {
                let message = invalid("Device::create_query_set", desc.label, &reason);
                Object::refuse(session, KIND, ErrorClass::Validation, &message)
            }
        })
    }
}

impl QuerySetInterface for QuerySet {
    fn destroy(&self) {
        let (session, id) = (self.0.session(), self.0.own_id());
        if session.knows(ObjectKind::QuerySet) {
            session.push(|stream| stream.destroy_query_set(id));
        }
    }
}

/// Whether a feature is among those that the device was asked for.
pub(super) fn check_enabled(enabled: wgpu::Features, needed: wgpu::Features) -> Result<(), String> {
    if enabled.contains(needed) { Ok(()) } else { Err(format!("the device was made without {needed}")) }
}

/// An index that the stream can tell from one that is not given.
pub(super) fn given(index: Option<u32>) -> Result<Option<u32>, String> {
    match index {
        Some(NOT_GIVEN) => Err(format!("query {NOT_GIVEN} is in no set")),
        index => Ok(index),
    }
}
