//! What a command says when it fails: `error`, `cause`, `hint`, and an exit code.

use std::error::Error;

use crate::exit::Exit;

/// A command's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What failed, in lower case.
    pub(crate) message: String,
    /// Why, the nearest cause first.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// A failure of the command line or of a file that the user gave.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// A failure that nobody foresaw.
    pub(crate) fn unexpected(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Unexpected, message)
    }

    /// Adds an error and what caused it.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Failure {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Errors that only repeat their source would be printed twice.
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Prints to standard error, for people or, with `json`, as one flat object.
    pub(crate) fn print(&self, json: bool) {
        if json {
            let object = serde_json::json!({
                "code": self.exit.as_str(),
                "message": self.message,
                "causes": self.causes,
                "hint": self.hint,
            });
            eprintln!("{object}");
            return;
        }
        eprintln!("error: {}", self.message);
        for cause in &self.causes {
            eprintln!("cause: {}", cause.trim_end().replace('\n', "\n       "));
        }
        if let Some(hint) = &self.hint {
            eprintln!("\nhint: {hint}");
        }
    }
}
