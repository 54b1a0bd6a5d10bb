//! Why a shader cannot be compiled.

/// A shader that the reference device does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// There is no compute entry point of this name.
    #[error("no compute entry point '{0}'")]
    NoEntryPoint(String),
    /// naga finds the module invalid.
    #[error("the module is not valid: {0}")]
    Invalid(String),
    /// Something that the lowering does not leave, or that compute does not have.
    #[error("the reference device does not have {0}")]
    Unsupported(String),
    /// It would take more memory or code than it may.
    #[error("too large for the reference device: {0}")]
    TooLarge(&'static str),
    /// The host could not start a thread to compile on, or the compiler failed.
    #[error("the compiler of the reference device failed: {0}")]
    Host(String),
}

impl CompileError {
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        CompileError::Unsupported(what.into())
    }
}
