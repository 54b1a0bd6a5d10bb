//! The way between the two processes: a socket, or where there is none two pipes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// One end.
pub(crate) enum Link {
    #[cfg(unix)]
    Socket(UnixStream),
    Pipes {
        to: Box<dyn Write + Send>,
        from: Pump,
    },
}

impl Link {
    /// Sends a frame and what follows it; over a socket until the deadline, if there is one.
    pub(crate) fn send(&mut self, frame: &[u8], rest: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Link::Socket(socket) => match deadline {
                Some(deadline) => send(&mut Until { socket, deadline }, frame, rest),
                None => send(socket, frame, rest),
            },
            Link::Pipes { to, .. } => send(to, frame, rest),
        }
    }

    /// Fills a buffer until the deadline, however the bytes trickle.
    pub(crate) fn receive(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Link::Socket(socket) => {
                #[cfg(target_os = "linux")]
                crate::descriptors::linger(socket);
                Until { socket, deadline }.read_exact(into)
            }
            Link::Pipes { from, .. } => from.fill(into, Some(deadline)),
        }
    }
}

/// What is left until a deadline.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    left.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

/// A socket, for as long as there is time.
#[cfg(unix)]
struct Until<'a> {
    socket: &'a mut UnixStream,
    deadline: Instant,
}

#[cfg(unix)]
impl Read for Until<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.deadline)?))?;
        self.socket.read(into)
    }
}

#[cfg(unix)]
impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.deadline)?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One call of the system where that is possible.
fn send(to: &mut (impl Write + ?Sized), frame: &[u8], rest: &[u8]) -> io::Result<()> {
    const SHORT: usize = 4096;
    if rest.is_empty() {
        to.write_all(frame)?;
    } else if rest.len() <= SHORT {
        to.write_all(&[frame, rest].concat())?;
    } else {
        to.write_all(frame)?;
        to.write_all(rest)?;
    }
    to.flush()
}

/// Bytes of a piece that is read ahead, and pieces that may wait.
const PIECE: usize = 64 << 10;
const PIECES: usize = 16;

/// Reads a pipe on a thread of its own, so that waiting for it can have an end.
pub(crate) struct Pump {
    pieces: Receiver<Vec<u8>>,
    read: VecDeque<u8>,
}

impl Pump {
    /// `ended` is called on the thread once the pipe has ended.
    pub(crate) fn new(mut pipe: impl Read + Send + 'static, ended: impl FnOnce() + Send + 'static) -> Pump {
        let (sender, pieces) = mpsc::sync_channel(PIECES);
        std::thread::spawn(move || {
            let mut piece = vec![0; PIECE];
            while let Ok(count @ 1..) = pipe.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
            ended();
        });
        Pump { pieces, read: VecDeque::new() }
    }

    pub(crate) fn fill(&mut self, into: &mut [u8], deadline: Option<Instant>) -> io::Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            if self.read.is_empty() {
                let piece = match deadline {
                    None => self.pieces.recv().map_err(|_| io::ErrorKind::UnexpectedEof),
                    Some(deadline) => {
                        self.pieces.recv_timeout(left(deadline)?).map_err(|error| match error {
                            RecvTimeoutError::Timeout => io::ErrorKind::TimedOut,
                            RecvTimeoutError::Disconnected => io::ErrorKind::UnexpectedEof,
                        })
                    }
                };
                self.read = piece?.into();
            }
            filled += self.read.read(&mut into[filled..])?;
        }
        Ok(())
    }
}
