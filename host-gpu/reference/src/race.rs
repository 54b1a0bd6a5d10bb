//! Finds data races between invocations while a dispatch runs.
//!
//! Watched programs tell of each word that they touch, of a texel its first one, with a number of the place in the source ([`RaceCheck`] knows these). For each word a shadow
//! remembers who wrote it last and who read it ([`Watch`]). Two touches of one word race if one of them writes, not both are atomic, and
//! nothing orders them: invocations of one workgroup are ordered by the barriers of that memory, those of different workgroups
//! by nothing within a dispatch. What is found depends on the touches alone, not on who came first: of each racing word at least one pair is found.

mod shadow;

pub use shadow::Watch;

use naga::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Most pairs of places that are reported.
pub const MOST_RACES: usize = 16;
/// Most places of all programs together.
pub(crate) const MAX_SITES: usize = 1 << 22;

/// How a place touches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An atomic load.
    AtomicRead,
    /// Any other atomic operation.
    Atomic,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::AtomicRead => "atomic read",
            Access::Atomic => "atomic write",
        })
    }
}

/// Memory that invocations share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Memory {
    /// A storage buffer.
    Storage,
    /// Variables of the workgroup.
    Workgroup,
    /// A storage texture.
    Texture,
}

impl Memory {
    /// All of them, each at its index.
    pub(crate) const ALL: [Memory; 3] = [Memory::Storage, Memory::Workgroup, Memory::Texture];

    /// The bit that stands for it where a barrier says what it orders.
    pub(crate) fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Memory::Storage => "storage",
            Memory::Workgroup => "workgroup",
            Memory::Texture => "texture",
        })
    }
}

/// One side of a race.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The guest's name for the shader; may be empty.
    pub shader: String,
    /// Line in the WGSL, from 1; 0 where it is not known.
    pub line: u32,
    /// Byte in the line, from 1; 0 where it is not known.
    pub column: u32,
    /// The buffer, texture or workgroup variable, by its name in the WGSL.
    pub variable: String,
    /// What was done.
    pub access: Access,
    /// `workgroup_id`.
    pub workgroup: [u32; 3],
    /// `local_invocation_id`.
    pub invocation: [u32; 3],
}

impl fmt::Display for Touch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([x, y, z], [a, b, c]) = (self.workgroup, self.invocation);
        write!(f, "{} of `{}` at ", self.access, self.variable)?;
        match &*self.shader {
            "" => f.write_str("shader")?,
            label => write!(f, "shader '{label}'")?,
        }
        write!(
            f,
            ", line {}, column {}, by invocation ({a}, {b}, {c}) of workgroup ({x}, {y}, {z})",
            self.line, self.column
        )
    }
}

/// Two touches of one word that nothing orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Race {
    /// Which memory the word is in.
    pub memory: Memory,
    /// Who touched it: the one that came first here, and the other.
    pub touches: [Touch; 2],
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = &self.touches;
        write!(f, "race in {} memory: {one}; {other}", self.memory)
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Races {
    /// At most [`MOST_RACES`] pairs of places, in the order of the places: programs as they were made, places as they stand in the code. Of each pair,
    /// the first touches that raced.
    pub found: Vec<Race>,
    /// Whether some touches were not looked at, because there were too many words or places.
    pub incomplete: bool,
    /// Shaders that were asked for and not watched, each with the reason, in order; at most [`MOST_RACES`].
    pub unwatched: Vec<String>,
}

/// Looks for races in all dispatches of the devices that it is given to. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RaceCheck(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    programs: Vec<Watching>,
    sites: Vec<(u32, Site)>,
    races: BTreeMap<(u32, u32), (Memory, [Who; 2])>,
    incomplete: bool,
    unwatched: BTreeSet<String>,
}

/// A watched program.
#[derive(Debug)]
struct Watching {
    label: String,
    size: [u32; 3],
}

/// A place that touches memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site {
    pub(crate) variable: String,
    pub(crate) memory: Memory,
    pub(crate) access: Access,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Who touched a word: place, workgroup and the invocation's number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) site: u32,
    pub(crate) workgroup: [u32; 3],
    pub(crate) invocation: u32,
}

impl RaceCheck {
    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found so far.
    pub fn races(&self) -> Races {
        let known = self.lock();
        let found = known
            .races
            .values()
            .map(|(memory, touches)| Race { memory: *memory, touches: touches.map(|who| known.touch(who)) });
        let unwatched = known.unwatched.iter().cloned().collect();
        Races { found: found.collect(), incomplete: known.incomplete, unwatched }
    }

    /// Notes a shader that the device does not take, in words: what it would have done is not looked at.
    pub fn unwatched(&self, shader: String) {
        let mut known = self.lock();
        known.unwatched.insert(shader);
        if known.unwatched.len() > MOST_RACES {
            known.unwatched.pop_last();
        }
    }

    /// Notes a program's places, and gives the number of the first; none if there are too many.
    pub(crate) fn register(&self, label: &str, size: [u32; 3], sites: Vec<Site>) -> Option<u32> {
        let mut known = self.lock();
        let first = known.sites.len();
        if first + sites.len() > MAX_SITES {
            known.incomplete = true;
            return None;
        }
        let program = u32::try_from(known.programs.len()).ok()?;
        known.programs.push(Watching { label: label.to_owned(), size });
        known.sites.extend(sites.into_iter().map(|site| (program, site)));
        u32::try_from(first).ok()
    }

    pub(crate) fn incomplete(&self) {
        self.lock().incomplete = true;
    }

    /// Memory and access of a place.
    pub(crate) fn kind(&self, site: u32) -> Option<(Memory, Access)> {
        self.lock().sites.get(site as usize).map(|(_, site)| (site.memory, site.access))
    }

    pub(crate) fn report(&self, memory: Memory, one: Who, other: Who) {
        let mut known = self.lock();
        let pair = (one.site.min(other.site), one.site.max(other.site));
        known.races.entry(pair).or_insert((memory, [one, other]));
        if known.races.len() > MOST_RACES {
            known.races.pop_last();
        }
    }
}

impl Known {
    fn touch(&self, who: Who) -> Touch {
        let (program, site) = &self.sites[who.site as usize];
        let Watching { label, size: [x, y, _] } = &self.programs[*program as usize];
        let index = who.invocation;
        Touch {
            shader: label.clone(),
            line: site.line,
            column: site.column,
            variable: site.variable.clone(),
            access: site.access,
            workgroup: who.workgroup,
            invocation: [index % x, index / x % y, index / x / y],
        }
    }
}

/// A shader whose program is to be watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// What is told of its touches.
    pub check: &'a RaceCheck,
    /// The guest's name for the shader.
    pub label: &'a str,
    /// The WGSL that the module's spans are of.
    pub source: &'a str,
    /// Buffers of this bind group are not watched.
    pub unwatched_group: u32,
}

impl Watched<'_> {
    /// Line and column of a span; zeros where it has none.
    pub(crate) fn place(&self, span: Span) -> (u32, u32) {
        let Some(range) = span.to_range() else { return (0, 0) };
        let Some(before) = self.source.get(..range.start) else { return (0, 0) };
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        (number(before.matches('\n').count() + 1), number(before.len() - start + 1))
    }
}
