//! Exit codes. They are an interface: documented in the README, never reused, each with a test.

use std::process::ExitCode;

/// How the command ends. `fizz run` passes the guest's own code instead, over 255 as 255, and 134 for a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something that should not happen.
    Unexpected = 1,
    /// The command line, a file or a module is not as it must be.
    Usage = 2,
    /// The job ran, and failed in the guest.
    GuestFailed = 3,
    /// No node takes or finishes the work.
    NoCapacity = 4,
    /// A result is not what a second run gives.
    Mismatch = 5,
    /// A key is missing, unreadable or the wrong one, or a signature does not verify.
    Key = 6,
    /// Whether a result is right could not be found out.
    Inconclusive = 7,
    /// No peer could be reached.
    Network = 8,
    /// Something took too long.
    #[expect(dead_code, reason = "part of the documented table; used as soon as a command has a deadline")]
    Timeout = 9,
    /// Ctrl-C.
    Interrupted = 130,
}

/// What `fizz run` ends with when the guest trapped.
pub(crate) const TRAPPED: u8 = 134;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The stable text of `--json` errors.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Exit::Unexpected => "unexpected",
            Exit::Usage => "usage",
            Exit::GuestFailed => "guest_failed",
            Exit::NoCapacity => "no_capacity",
            Exit::Mismatch => "mismatch",
            Exit::Key => "key",
            Exit::Inconclusive => "inconclusive",
            Exit::Network => "network",
            Exit::Timeout => "timeout",
            Exit::Interrupted => "interrupted",
        }
    }
}
