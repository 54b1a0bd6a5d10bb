//! What compiling has failed for, so that the same module cannot cost its bounds again and again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fizz_sandbox::CodeKey;

/// How long the failure of a module is believed.
pub(super) const BELIEVED_FOR: Duration = Duration::from_secs(600);
/// How long one is believed that looks like the machine's: no memory for a moment, too much to do.
pub(super) const DOUBTED_AFTER: Duration = Duration::from_secs(30);
/// Failures that are remembered at most; the oldest goes first.
const MOST: usize = 256;
/// Bytes of a reason that are kept.
const REASON_BYTES: usize = 4 << 10;

/// Failures of the last minutes, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Failures {
    kept: VecDeque<Failure>,
}

#[derive(Debug)]
struct Failure {
    key: CodeKey,
    reason: String,
    until: Instant,
}

impl Failures {
    /// Why this could not be compiled, where it was tried not long before `now`.
    pub(super) fn of(&mut self, key: &CodeKey, now: Instant) -> Option<String> {
        self.kept.retain(|failure| now < failure.until);
        let failure = self.kept.iter().find(|failure| failure.key == *key)?;
        let left = failure.until.saturating_duration_since(now).as_secs();
        Some(format!("{} (tried before, and not again for {left} s)", failure.reason))
    }

    pub(super) fn remember(&mut self, key: CodeKey, reason: &str, until: Instant) {
        self.kept.retain(|failure| failure.key != key);
        if self.kept.len() == MOST {
            self.kept.pop_front();
        }
        let reason = reason[..reason.floor_char_boundary(REASON_BYTES)].to_owned();
        self.kept.push_back(Failure { key, reason, until });
    }
}

#[cfg(test)]
mod tests {
    use fizz_attest::Digest;
    use fizz_sandbox::{Engine, Form};

    use super::*;

    #[test]
    fn failures_are_believed_for_a_while_and_only_so_many_are_kept() {
        let engine = Engine::new().unwrap();
        let key = |number: u16| {
            let mut module = [0; 32];
            module[..2].copy_from_slice(&number.to_le_bytes());
            CodeKey::of(&engine, &Digest(module), Form::Fast)
        };
        let (mut failures, begun) = (Failures::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        failures.remember(key(0), &"é".repeat(REASON_BYTES), after(600));
        assert!(failures.of(&key(0), after(0)).unwrap().len() < REASON_BYTES + 100);
        failures.remember(key(0), "too large", after(600));
        let reason = failures.of(&key(0), after(590)).unwrap();
        assert_eq!(reason, "too large (tried before, and not again for 10 s)");
        assert_eq!(failures.of(&key(1), after(0)), None);
        assert_eq!(failures.of(&key(0), after(600)), None);
        for number in 0..=MOST as u16 {
            failures.remember(key(number), "late", after(1200));
        }
        assert_eq!(failures.of(&key(0), after(601)), None);
        assert!(failures.of(&key(1), after(601)).is_some());
        assert!(failures.of(&key(MOST as u16), after(601)).is_some());
        assert_eq!(failures.kept.len(), MOST);
    }
}
