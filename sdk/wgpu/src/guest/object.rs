//! What is common to everything that has an id.

use super::session::Session;
use fizz_gpu_abi::{Encoder, ErrorClass, ObjectKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An id at the host. Dropping it frees the id; what uses the object keeps it alive there.
#[derive(Debug)]
pub(super) struct Object {
    session: Arc<Session>,
    kind: ObjectKind,
    id: u32,
    /// The host freed the id by itself.
    forgotten: AtomicBool,
}

impl Object {
    /// Makes an object by a command that takes its id.
    pub(super) fn create(
        session: &Arc<Session>,
        kind: ObjectKind,
        encode: impl FnOnce(&mut Encoder, u32),
    ) -> Arc<Self> {
        let id = session.id();
        if kind == ObjectKind::Shader {
            session.watch_shader(id);
        }
        session.push(|stream| encode(stream, id));
        Arc::new(Object { session: Arc::clone(session), kind, id, forgotten: AtomicBool::new(false) })
    }

    /// Makes an error object, and the error. A host that does not know the kind gets an object of another one, which no
    /// command of the kind may name.
    pub(super) fn refuse(
        session: &Arc<Session>,
        kind: ObjectKind,
        class: ErrorClass,
        message: &str,
    ) -> Arc<Self> {
        let kind = if session.knows(kind) { kind } else { ObjectKind::Buffer };
        Self::create(session, kind, |stream, id| stream.create_error(kind, id, class, message))
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The id, for commands of the same device.
    ///
    /// # Errors
    /// Text for people: the object is another device's.
    pub(super) fn id(&self, session: &Arc<Session>) -> Result<u32, String> {
        if Arc::ptr_eq(&self.session, session) {
            Ok(self.id)
        } else {
            Err(format!("{} belongs to another device", name(self.kind)))
        }
    }

    /// Dropping the object frees no id any more.
    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
    }

    /// The id, for commands that the object itself makes.
    pub(super) fn own_id(&self) -> u32 {
        self.id
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.kind == ObjectKind::Shader {
            self.session.forget_shader(self.id);
        }
        if !*self.forgotten.get_mut() {
            let (kind, id) = (self.kind, self.id);
            self.session.push(|stream| stream.release(kind, id));
        }
    }
}

fn name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Buffer => "buffer",
        ObjectKind::Shader => "shader module",
        ObjectKind::BindGroupLayout => "bind group layout",
        ObjectKind::PipelineLayout => "pipeline layout",
        ObjectKind::ComputePipeline => "compute pipeline",
        ObjectKind::BindGroup => "bind group",
        ObjectKind::CommandBuffer => "command buffer",
        ObjectKind::Texture => "texture",
        ObjectKind::TextureView => "texture view",
        ObjectKind::QuerySet => "query set",
    }
}

/// The text of a validation error, in the form that wgpu gives its own.
pub(super) fn invalid(function: &str, label: Option<&str>, reason: &str) -> String {
    let label = label.map(|label| format!(", label = '{label}'")).unwrap_or_default();
    format!("Validation Error\n\nCaused by:\n  In {function}{label}\n    {reason}\n")
}

/// Why an object that is not one of ours cannot be used.
pub(super) const FOREIGN: &str = "the object comes from an instance that fizz_wgpu did not make";
