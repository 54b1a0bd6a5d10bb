//! How much of the time the device works: rests between submissions, for operators who want their machine for themselves too.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a rest is interrupted to say that the process lives.
const SLICE: Duration = Duration::from_millis(250);
/// The longest rest that a file can ask for: a clock that is set back must not stop a device for days.
const LONGEST: Duration = Duration::from_hours(1);

/// A duty cycle, shared by the sessions of a device, and by those of all processes that have the same file.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Share of the time in percent, 1 to 100.
    percent: u8,
    rests: Rests,
}

/// Where it stands until when the device rests.
#[derive(Clone, Debug)]
enum Rests {
    Here(Arc<Mutex<Option<Instant>>>),
    There(Arc<PathBuf>),
}

impl Default for Pace {
    fn default() -> Self {
        Pace::new(100)
    }
}

impl Pace {
    pub(crate) fn new(percent: u8) -> Self {
        Pace { percent: percent.clamp(1, 100), rests: Rests::Here(Arc::default()) }
    }

    /// A duty cycle of all processes that are given this file, also of those that come later.
    pub(crate) fn joint(percent: u8, file: &Path) -> Self {
        Pace { rests: Rests::There(Arc::new(file.to_owned())), ..Pace::new(percent) }
    }

    /// Whether work is to be waited for and followed by a rest.
    pub(crate) fn rests(&self) -> bool {
        self.percent < 100
    }

    /// Waits until the device may work again. `beat` is called now and then.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(crate) fn rest(&self, beat: impl Fn()) -> io::Result<()> {
        // Others may have worked meanwhile.
        while self.rests() {
            let left = self.left()?;
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(SLICE));
            beat();
        }
        Ok(())
    }

    /// What is left of the rest.
    fn left(&self) -> io::Result<Duration> {
        match &self.rests {
            Rests::Here(until) => {
                let until = until.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())))
            }
            Rests::There(path) => {
                let mut file = open(path)?;
                file.lock()?;
                let (until, now) = (read(&mut file)?, now());
                // The file is set right, or the rest would be as long at every look.
                if until > now + LONGEST {
                    write(&mut file, now + LONGEST)?;
                }
                Ok(until.saturating_sub(now).min(LONGEST))
            }
        }
    }

    /// After work that took so long, it rests.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(crate) fn worked(&self, busy: Duration) -> io::Result<()> {
        if !self.rests() {
            return Ok(());
        }
        let owed = owed(self.percent, busy);
        // What another session owes is owed too.
        match &self.rests {
            Rests::Here(until) => {
                let mut until = until.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                *until = Some(until.map_or(now, |until| until.max(now)) + owed);
                Ok(())
            }
            Rests::There(path) => {
                let mut file = open(path)?;
                file.lock()?;
                let now = now();
                let left = read(&mut file)?.saturating_sub(now).min(LONGEST);
                write(&mut file, now + left + owed)
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// The time that a file holds, since 1970; a file of another length holds none.
fn read(file: &mut File) -> io::Result<Duration> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(9).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().map_or(Duration::ZERO, |bytes| Duration::from_nanos(u64::from_le_bytes(bytes))))
}

fn write(file: &mut File, until: Duration) -> io::Result<()> {
    file.rewind()?;
    file.write_all(&u64::try_from(until.as_nanos()).unwrap_or(u64::MAX).to_le_bytes())?;
    file.set_len(8)
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The rest that makes work of this length the given share of the time.
fn owed(percent: u8, busy: Duration) -> Duration {
    busy * u32::from(100 - percent) / u32::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_make_work_the_share_that_was_asked_for() {
        let second = Duration::from_secs(1);
        assert_eq!(owed(100, second), Duration::ZERO);
        assert_eq!(owed(50, second), second);
        assert_eq!(owed(25, second), 3 * second);
        assert_eq!(owed(1, second * 10), 990 * second);
    }

    #[test]
    fn rests_that_two_sessions_owe_add_up() {
        let pace = Pace::new(50);
        let begun = Instant::now();
        pace.worked(Duration::from_millis(40)).unwrap();
        pace.clone().worked(Duration::from_millis(40)).unwrap();
        pace.rest(|| {}).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(80));
    }

    #[test]
    fn the_next_work_waits_for_the_rest_of_the_last() {
        let pace = Pace::new(50);
        pace.rest(|| panic!("nothing has worked yet")).unwrap();
        let begun = Instant::now();
        pace.worked(Duration::from_millis(40)).unwrap();
        let beats = std::cell::Cell::new(0);
        pace.clone().rest(|| beats.set(beats.get() + 1)).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(40));
        assert!(beats.get() > 0);
    }

    /// A file of this test's own.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            Scratch(std::env::temp_dir().join(format!("fizz-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn rests_are_joint_and_outlive_who_owes_them() {
        let file = Scratch::new("joint");
        let begun = Instant::now();
        let first = Pace::joint(50, &file.0);
        first.rest(|| panic!("nothing has worked yet")).unwrap();
        first.worked(Duration::from_millis(60)).unwrap();
        drop(first);
        Pace::joint(50, &file.0).worked(Duration::from_millis(60)).unwrap();
        // One that came later.
        Pace::joint(50, &file.0).rest(|| {}).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(120));
    }

    #[test]
    fn files_of_rubbish_and_clocks_set_back_do_not_stop_the_device() {
        let file = Scratch::new("rubbish");
        let pace = Pace::joint(50, &file.0);
        for rubbish in [&b""[..], b"seven b", b"more than eight"] {
            std::fs::write(&file.0, rubbish).unwrap();
            assert_eq!(pace.left().unwrap(), Duration::ZERO);
            // Work sets it right.
            pace.worked(LONGEST / 2).unwrap();
            assert!(pace.left().unwrap() > LONGEST / 3);
        }
        std::fs::write(&file.0, u64::MAX.to_le_bytes()).unwrap();
        assert_eq!(pace.left().unwrap(), LONGEST);
        // The rest has begun: it is not as long again at the next look.
        std::thread::sleep(Duration::from_millis(2));
        assert!(pace.left().unwrap() < LONGEST);
        std::fs::write(&file.0, u64::MAX.to_le_bytes()).unwrap();
        pace.worked(Duration::from_secs(1)).unwrap();
        assert_eq!(pace.left().unwrap(), LONGEST);
        assert!(Pace::joint(50, Path::new("/nonexistent/file")).left().is_err());
    }
}
