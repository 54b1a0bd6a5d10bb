//! The bounds of every field.

use fizz_attest::Blob;

use super::{
    MAX_BLOB_BYTES, MAX_JOB_BYTES, MAX_LEASE_BYTES, MAX_MANIFEST_BYTES, MAX_MISSING, MAX_PROFILE_BYTES,
    MAX_PROTOCOLS, MAX_RECEIPT_BYTES, MAX_TEXT_BYTES, MAX_VERSION_BYTES, Reply, Request,
};
use crate::frame::{FieldError, Message};
use crate::text;

impl Message for Request {
    const KIND: &'static str = "request";
    const MAX_BYTES: usize = MAX_LEASE_BYTES + MAX_JOB_BYTES + 64;

    fn check(&self) -> Result<(), FieldError> {
        match self {
            Request::Hello { protocols, fizz } => {
                let field = Bounds("hello");
                field.count("protocols", protocols.len(), MAX_PROTOCOLS)?;
                field.text("fizz", fizz, MAX_VERSION_BYTES)
            }
            Request::Offer { lease, job } => {
                Bounds("offer").bytes("lease", lease, MAX_LEASE_BYTES)?;
                Bounds("offer").bytes("job", job, MAX_JOB_BYTES)
            }
            Request::PutBlob { blob, .. } => Bounds("put blob").blob("blob", blob),
            Request::GetBlob { blob, from, .. } => {
                Bounds("get blob").blob("blob", blob)?;
                Bounds("get blob").start("from", *from, blob.size)
            }
            Request::Run { .. } | Request::Status | Request::Cancel { .. } => Ok(()),
        }
    }
}

impl Message for Reply {
    const KIND: &'static str = "reply";
    const MAX_BYTES: usize = MAX_RECEIPT_BYTES + MAX_MANIFEST_BYTES + 64;

    fn check(&self) -> Result<(), FieldError> {
        match self {
            Reply::Refused(refusal) => Bounds("refused").text("message", &refusal.message, MAX_TEXT_BYTES),
            Reply::Welcome { fizz, node, .. } => {
                let field = Bounds("welcome");
                field.text("fizz", fizz, MAX_VERSION_BYTES)?;
                field.bytes("profile", &node.profile, MAX_PROFILE_BYTES)?;
                let gpu_profile = node.gpu_profile.as_deref().unwrap_or_default();
                field.bytes("gpu_profile", gpu_profile, MAX_PROFILE_BYTES)
            }
            Reply::Accepted { missing } => {
                let field = Bounds("accepted");
                field.count("missing", missing.len(), MAX_MISSING)?;
                missing.iter().try_for_each(|blob| field.blob("missing", blob))
            }
            Reply::Continue { from } => Bounds("continue").start("from", *from, MAX_BLOB_BYTES),
            Reply::Blob { from } => Bounds("blob").start("from", *from, MAX_BLOB_BYTES),
            Reply::Done { receipt, manifest } => {
                Bounds("done").bytes("receipt", receipt, MAX_RECEIPT_BYTES)?;
                Bounds("done").bytes("manifest", manifest, MAX_MANIFEST_BYTES)
            }
            Reply::Fault { message, .. } => Bounds("fault").text("message", message, MAX_TEXT_BYTES),
            Reply::Status(report) => Bounds("status").text("fizz", &report.fizz, MAX_VERSION_BYTES),
            Reply::Stored
            | Reply::Queued { .. }
            | Reply::Started
            | Reply::Progress { .. }
            | Reply::Cancelled { .. } => Ok(()),
        }
    }
}

/// Checks fields of the message it names.
struct Bounds(&'static str);

impl Bounds {
    fn refuse(&self, field: &'static str, problem: String) -> Result<(), FieldError> {
        Err(FieldError { message: self.0, field, problem })
    }

    fn count(&self, field: &'static str, count: usize, limit: usize) -> Result<(), FieldError> {
        if count <= limit {
            return Ok(());
        }
        self.refuse(field, format!("{count} entries are over the limit of {limit}"))
    }

    fn bytes(&self, field: &'static str, bytes: &[u8], limit: usize) -> Result<(), FieldError> {
        if bytes.len() <= limit {
            return Ok(());
        }
        self.refuse(field, format!("{} bytes are over the limit of {limit}", bytes.len()))
    }

    fn text(&self, field: &'static str, text: &str, limit: usize) -> Result<(), FieldError> {
        self.bytes(field, text.as_bytes(), limit)?;
        if text::is_clean(text) {
            return Ok(());
        }
        self.refuse(field, "it holds control characters".to_owned())
    }

    fn blob(&self, field: &'static str, blob: &Blob) -> Result<(), FieldError> {
        if blob.size <= MAX_BLOB_BYTES {
            return Ok(());
        }
        self.refuse(field, format!("a blob of {} bytes is over the limit of {MAX_BLOB_BYTES}", blob.size))
    }

    /// A start offset: at a group's start, and before the end unless both are 0.
    fn start(&self, field: &'static str, from: u64, size: u64) -> Result<(), FieldError> {
        if !from.is_multiple_of(crate::blob::GROUP_BYTES) {
            return self.refuse(field, format!("offset {from} is not at the start of a 16 KiB group"));
        }
        if from != 0 && from >= size {
            return self.refuse(field, format!("offset {from} is not before the end of {size} bytes"));
        }
        Ok(())
    }
}
