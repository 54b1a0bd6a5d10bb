//! Calls on files as six bytes say them, and how a guest makes them.

/// Paths that calls name: few, so that they meet; the first ones most of the time.
pub(crate) const PATHS: [&str; 24] = [
    "a", "b", "d", "in", "d/x", "d/a", "d/b", "a/b", "b/a", "c", "a/b/c", ".", "..", "d/..", "a/", "d/",
    "b/", "d/../a", "./d//b/.", "", "/a", "../a", "a\0", "c/../in",
];
const COMMON: usize = 9;

fn pick_path(byte: u8) -> usize {
    let byte = usize::from(byte);
    if byte < 180 { byte % COMMON } else { byte % PATHS.len() }
}

/// What links point to.
pub(crate) const TARGETS: [&str; 10] = ["a", "b", "c", "d", "../a", "d/b", ".", "b/", "x", "/a"];

/// Offsets and sizes.
const OFFSETS: [u64; 10] = [0, 1, 2, 5, 9, 10, 17, 40, 1 << 41, u64::MAX];

/// Descriptors that are open when a call is made, of which most calls take one that suits them.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) folders: Vec<u32>,
    pub(crate) files: Vec<u32>,
    pub(crate) streams: Vec<u32>,
}

impl Open {
    /// One of the suiting, or, for one byte in eight, any one, or one that is never open.
    fn pick(&self, suiting: &[u32], byte: u8) -> u32 {
        let (exotic, byte) = (byte % 8 == 7, byte / 8);
        let all = [&self.folders[..], &self.files, &self.streams, &[99]].concat();
        if exotic || suiting.is_empty() { pick(&all, byte) } else { pick(suiting, byte) }
    }
}

/// A call with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open { fd: u32, follow: bool, path: usize, flags: u64, rights: u64, append: bool },
    Close { fd: u32 },
    Renumber { from: u32, to: u32 },
    Read { fd: u32, len: u32 },
    Pread { fd: u32, len: u32, offset: u64 },
    Write { fd: u32, from: u32, len: u32 },
    Pwrite { fd: u32, from: u32, len: u32, offset: u64 },
    Seek { fd: u32, delta: i64, whence: u64 },
    Tell { fd: u32 },
    SetSize { fd: u32, size: u64 },
    Allocate { fd: u32, offset: u64, len: u64 },
    Stat { fd: u32 },
    DescriptorStat { fd: u32 },
    SetFlags { fd: u32, flags: u64 },
    SetRights { fd: u32, base: u64, inheriting: u64 },
    List { fd: u32, len: u32, cookie: u64 },
    Sync { fd: u32 },
    CreateDir { fd: u32, path: usize },
    PathStat { fd: u32, follow: bool, path: usize },
    Link { from: (u32, usize), to: (u32, usize) },
    ReadLink { fd: u32, path: usize, len: u32 },
    RemoveDir { fd: u32, path: usize },
    Rename { from: (u32, usize), to: (u32, usize) },
    Symlink { target: usize, fd: u32, path: usize },
    Unlink { fd: u32, path: usize },
}

impl Call {
    /// What six bytes mean. `rights` gives the rights that a descriptor has.
    pub(crate) fn from_bytes(
        [kind, a, b, c, d, e]: [u8; 6],
        open: &Open,
        rights: impl Fn(u32) -> (u64, u64),
    ) -> Call {
        let on_paths = matches!(kind % 32, 0..=4 | 20 | 21 | 23..);
        let fd = open.pick(if on_paths { &open.folders } else { &open.files }, a);
        let path = pick_path(b);
        let at = (fd, path);
        let other = (open.pick(&open.folders, c), pick_path(d));
        let len = u32::from(b) % 48;
        match kind % 32 {
            // Opening is the commonest, or there would be nothing to work on.
            0..=4 => Call::Open {
                fd,
                follow: c & 1 == 1,
                path,
                // Any flags, or just what makes or finds a file.
                flags: if d < 128 { u64::from(d & 15) } else { u64::from(d & 1) },
                rights: u64::from(e & 1) << 1 | u64::from(e & 2) << 5,
                append: e & 12 == 12,
            },
            5 => Call::Close { fd },
            6 => Call::Renumber { from: fd, to: open.pick(&open.files, b) },
            7 => Call::Read { fd, len },
            8 => Call::Pread { fd, len, offset: pick(&OFFSETS, c) },
            9 | 10 => Call::Write { fd, from: u32::from(c) % 16, len },
            11 => Call::Pwrite { fd, from: u32::from(c) % 16, len, offset: pick(&OFFSETS, d) },
            12 => Call::Seek { fd, delta: i64::from(b.cast_signed()) >> 2, whence: u64::from(c % 4) },
            13 => Call::Tell { fd },
            14 => Call::SetSize { fd, size: pick(&OFFSETS, b) },
            15 => Call::Allocate { fd, offset: pick(&OFFSETS, b), len: pick(&OFFSETS, c) },
            16 => Call::Stat { fd },
            17 => Call::DescriptorStat { fd },
            18 => Call::SetFlags { fd, flags: u64::from(b & 5) },
            19 => {
                let (base, inheriting) = rights(fd);
                let extra = if e % 8 == 7 { 1 << (d % 28) } else { 0 };
                Call::SetRights {
                    fd,
                    base: base & !(1 << (b % 28)) | extra,
                    inheriting: inheriting & !(1 << (c % 28)),
                }
            }
            20 | 21 => Call::List { fd, len, cookie: u64::from(c % 16) },
            22 => Call::Sync { fd },
            23 => Call::CreateDir { fd, path },
            24 => Call::PathStat { fd, follow: c & 1 == 1, path },
            25 => Call::Link { from: at, to: other },
            26 => Call::ReadLink { fd, path, len: u32::from(c) % 12 },
            27 => Call::RemoveDir { fd, path },
            28 | 29 => Call::Rename { from: at, to: other },
            30 => Call::Symlink { target: usize::from(c) % TARGETS.len(), fd, path },
            _ => Call::Unlink { fd, path },
        }
    }

    /// The function's name and arguments, for the guest. `vector` is where its one buffer is described.
    pub(crate) fn arguments(&self, vector: u64) -> (&'static str, Vec<u64>) {
        use super::guest::{INTO, OUT, path_at, target_at};
        let at = |(fd, path): (u32, usize)| {
            let (address, len) = path_at(path);
            [u64::from(fd), address, len]
        };
        let one = |fd: u32| vec![u64::from(fd)];
        match *self {
            Call::Open { fd, follow, path, flags, rights, append } => {
                let [fd, address, len] = at((fd, path));
                let all = u64::MAX;
                ("path_open", vec![fd, follow.into(), address, len, flags, rights, all, append.into(), OUT])
            }
            Call::Close { fd } => ("fd_close", one(fd)),
            Call::Renumber { from, to } => ("fd_renumber", vec![from.into(), to.into()]),
            Call::Read { fd, .. } => ("fd_read", vec![fd.into(), vector, 1, OUT]),
            Call::Pread { fd, offset, .. } => ("fd_pread", vec![fd.into(), vector, 1, offset, OUT]),
            Call::Write { fd, .. } => ("fd_write", vec![fd.into(), vector, 1, OUT]),
            Call::Pwrite { fd, offset, .. } => ("fd_pwrite", vec![fd.into(), vector, 1, offset, OUT]),
            Call::Seek { fd, delta, whence } => {
                ("fd_seek", vec![fd.into(), delta.cast_unsigned(), whence, OUT])
            }
            Call::Tell { fd } => ("fd_tell", vec![fd.into(), OUT]),
            Call::SetSize { fd, size } => ("fd_filestat_set_size", vec![fd.into(), size]),
            Call::Allocate { fd, offset, len } => ("fd_allocate", vec![fd.into(), offset, len]),
            Call::Stat { fd } => ("fd_filestat_get", vec![fd.into(), OUT]),
            Call::DescriptorStat { fd } => ("fd_fdstat_get", vec![fd.into(), OUT]),
            Call::SetFlags { fd, flags } => ("fd_fdstat_set_flags", vec![fd.into(), flags]),
            Call::SetRights { fd, base, inheriting } => {
                ("fd_fdstat_set_rights", vec![fd.into(), base, inheriting])
            }
            Call::List { fd, len, cookie } => ("fd_readdir", vec![fd.into(), INTO, len.into(), cookie, OUT]),
            Call::Sync { fd } => ("fd_sync", one(fd)),
            Call::CreateDir { fd, path } => ("path_create_directory", at((fd, path)).to_vec()),
            Call::PathStat { fd, follow, path } => {
                let [fd, address, len] = at((fd, path));
                ("path_filestat_get", vec![fd, follow.into(), address, len, OUT])
            }
            Call::Link { from, to } => {
                let ([old, address, len], to) = (at(from), at(to));
                ("path_link", [[old, 0, address, len].as_slice(), &to].concat())
            }
            Call::ReadLink { fd, path, len } => {
                ("path_readlink", [at((fd, path)).as_slice(), &[INTO, len.into(), OUT]].concat())
            }
            Call::RemoveDir { fd, path } => ("path_remove_directory", at((fd, path)).to_vec()),
            Call::Rename { from, to } => ("path_rename", [at(from), at(to)].concat()),
            Call::Symlink { target, fd, path } => {
                let (address, len) = target_at(target);
                ("path_symlink", [[address, len].as_slice(), &at((fd, path))].concat())
            }
            Call::Unlink { fd, path } => ("path_unlink_file", at((fd, path)).to_vec()),
        }
    }
}

fn pick<T: Copy>(all: &[T], byte: u8) -> T {
    all[usize::from(byte) % all.len()]
}

/// The bytes that calls write: letters, from any of the first sixteen on.
pub(crate) fn letters(from: u32, len: u32) -> Vec<u8> {
    (from..from + len).map(|index| b'A' + (index % 58) as u8).collect()
}
