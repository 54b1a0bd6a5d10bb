//! The golden file: what each entry gave when it was last looked at, and under which profile.
//!
//! Text, sorted by name, so that a change can be read in review. The first line is the digest of the profile. Each
//! further line is an entry: name, digest of module and task, gas, digest of what it leaves, outcome; tabs between.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::opinion::Seen;

/// What is known of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Digest of the module and the task.
    pub(crate) job: String,
    /// What came of it.
    pub(crate) seen: Seen,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Golden {
    /// Digest of the profile under which everything in it was seen.
    pub(crate) profile: String,
    /// By the entry's name.
    pub(crate) lines: BTreeMap<String, Line>,
}

/// A line is not as [`Golden`] says.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the golden file's line {0} cannot be read")]
pub(crate) struct BadLine(usize);

/// What is wrong with an entry's result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    /// The entry is new.
    #[error("not in the golden file")]
    Missing,
    /// The module or the task is not the one in the file.
    #[error("its module or its task has changed")]
    OtherJob,
    /// The promise that equal profiles give equal results is broken.
    #[error(
        "it gave {golden:?} and gives {now:?} under the same profile: undo that, or give the profile a new version"
    )]
    SameProfile {
        /// In the file.
        golden: Box<Seen>,
        /// Here.
        now: Box<Seen>,
    },
    /// The result is new, and so is the profile.
    #[error("it gave {golden:?} under another profile and gives {now:?}")]
    OtherProfile {
        /// In the file.
        golden: Box<Seen>,
        /// Here.
        now: Box<Seen>,
    },
}

impl Mismatch {
    /// Whether writing the file anew is an honest way out.
    pub(crate) fn can_be_blessed(&self) -> bool {
        !matches!(self, Mismatch::SameProfile { .. })
    }
}

impl Golden {
    pub(crate) fn parse(text: &str) -> Result<Golden, BadLine> {
        let mut golden = Golden::default();
        for (number, line) in text.lines().enumerate() {
            let bad = || BadLine(number + 1);
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["profile", digest] if number == 0 => golden.profile = digest.to_owned(),
                [name, job, gas, digest, outcome] if number > 0 => {
                    let gas = gas.parse().map_err(|_| bad())?;
                    let seen = Seen { gas, digest: digest.to_owned(), outcome: outcome.to_owned() };
                    golden.lines.insert(name.to_owned(), Line { job: job.to_owned(), seen });
                }
                _ => return Err(bad()),
            }
        }
        Ok(golden)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("profile\t{}\n", self.profile);
        for (name, Line { job, seen: Seen { gas, digest, outcome } }) in &self.lines {
            let _ = writeln!(text, "{name}\t{job}\t{gas}\t{digest}\t{outcome}");
        }
        text
    }

    /// Compares what was seen under `profile` with the file.
    pub(crate) fn check(&self, profile: &str, name: &str, now: &Line) -> Result<(), Mismatch> {
        let Some(golden) = self.lines.get(name) else { return Err(Mismatch::Missing) };
        if golden.job != now.job {
            return Err(Mismatch::OtherJob);
        }
        if golden.seen == now.seen {
            return Ok(());
        }
        let (golden, now) = (Box::new(golden.seen.clone()), Box::new(now.seen.clone()));
        Err(if self.profile == profile {
            Mismatch::SameProfile { golden, now }
        } else {
            Mismatch::OtherProfile { golden, now }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(job: &str, gas: u64) -> Line {
        Line {
            job: job.to_owned(),
            seen: Seen { gas, digest: "d".to_owned(), outcome: "completed with exit code 0".to_owned() },
        }
    }

    fn golden() -> Golden {
        Golden { profile: "p".to_owned(), lines: BTreeMap::from([("a".to_owned(), line("j", 7))]) }
    }

    #[test]
    fn what_is_written_can_be_read() {
        assert_eq!(Golden::parse(&golden().text()), Ok(golden()));
        assert_eq!(Golden::parse("profile\tp\nname\tjob\tmuch\td\to\n"), Err(BadLine(2)));
        assert_eq!(Golden::parse("a\tj\t7\td\to\n"), Err(BadLine(1)));
    }

    #[test]
    fn a_result_changes_only_with_the_profile() {
        assert_eq!(golden().check("p", "a", &line("j", 7)), Ok(()));
        let same = golden().check("p", "a", &line("j", 8)).unwrap_err();
        assert!(matches!(same, Mismatch::SameProfile { .. }) && !same.can_be_blessed());
        let other = golden().check("q", "a", &line("j", 8)).unwrap_err();
        assert!(matches!(other, Mismatch::OtherProfile { .. }) && other.can_be_blessed());
        assert_eq!(golden().check("p", "a", &line("k", 8)), Err(Mismatch::OtherJob));
        assert_eq!(golden().check("p", "b", &line("j", 7)), Err(Mismatch::Missing));
    }
}
