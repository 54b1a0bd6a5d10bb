//! Sends bytes with a file descriptor over a Unix socket, and receives them.
#![expect(unsafe_code, reason = "the standard library cannot pass descriptors yet")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Room for the control message of one descriptor, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Bytes of a control message with one descriptor.
fn space() -> usize {
    // SAFETY: CMSG_SPACE only computes.
    unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) as usize }
}

/// Sends a short message, and a descriptor with its first byte.
pub(crate) fn send(socket: &UnixStream, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zeros are a valid header: no name, no parts.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = space() as _;
    // SAFETY: the control buffer is larger than `space`, so the first header lies in it, with room for a descriptor behind it.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    match usize::try_from(sent) {
        Ok(sent) if sent == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Receives what there is, at least one byte, or none at the end; and a descriptor, if one comes with it.
pub(crate) fn receive(socket: &UnixStream, into: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: as above.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    // For one descriptor exactly, without the padding behind it, which would be room for a second: the kernel closes more than fit.
    // SAFETY: CMSG_LEN only computes.
    message.msg_controllen = unsafe { libc::CMSG_LEN(size_of::<RawFd>() as u32) } as _;
    // SAFETY: the kernel writes at most the lengths given into the two buffers, which live until the end of this function.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has set `msg_controllen` to what it wrote; headers are looked at only within it, and a descriptor
    // that it has made is nobody else's yet.
    let descriptor = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let whole = libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
        let rights = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS
            && (*header).cmsg_len as usize == whole;
        rights.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
    };
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more descriptors than one"));
    }
    Ok((received, descriptor))
}

/// How long to look for bytes before sleeping for them: about what it takes to sleep and to be woken.
const SPIN: Duration = Duration::from_micros(25);

/// Returns once there is something to receive, or after [`SPIN`]. Whoever else wants the processor meanwhile gets it.
pub(crate) fn linger(socket: &UnixStream) {
    let begun = Instant::now();
    let mut byte = 0_u8;
    while begun.elapsed() < SPIN {
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: the kernel writes at most one byte into the one given.
        let found = unsafe { libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, flags) };
        if found >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock {
            return;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    #[test]
    fn two_descriptors_are_refused_and_neither_is_kept() {
        let (here, there) = UnixStream::pair().unwrap();
        let name = "fizz-two-descriptors";
        let memory = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let open = || {
            let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let targets = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
            targets.filter(|to| to.to_string_lossy().contains(name)).count()
        };
        let mut control = Control([0; 64]);
        let mut part = libc::iovec { iov_base: (&raw const control).cast_mut().cast(), iov_len: 1 };
        let bytes = (2 * size_of::<RawFd>()) as u32;
        // SAFETY: as in `send`, with two descriptors, for which the control buffer has room.
        let sent = unsafe {
            let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = (&raw mut control).cast();
            message.msg_controllen = libc::CMSG_SPACE(bytes) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as _;
            libc::CMSG_DATA(header).cast::<[RawFd; 2]>().write_unaligned([memory.as_raw_fd(); 2]);
            libc::sendmsg(here.as_raw_fd(), &raw const message, 0)
        };
        assert_eq!(sent, 1);
        assert!(receive(&there, &mut [0; 8]).is_err());
        assert_eq!(open(), 1);
    }

    #[test]
    fn a_descriptor_arrives_with_its_bytes_and_is_the_same_file() {
        let (here, there) = UnixStream::pair().unwrap();
        let memory = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = std::fs::File::from(memory);
        send(&here, b"hello", file.as_fd()).unwrap();
        (&here).write_all(b" there").unwrap();
        let mut bytes = [0; 5];
        let (count, descriptor) = receive(&there, &mut bytes).unwrap();
        assert_eq!(&bytes[..count], b"hello");
        let mut other = std::fs::File::from(descriptor.unwrap());
        file.write_all(b"shared").unwrap();
        other.rewind().unwrap();
        let mut text = String::new();
        other.read_to_string(&mut text).unwrap();
        assert_eq!(text, "shared");
        let mut bytes = [0; 16];
        assert!(matches!(receive(&there, &mut bytes), Ok((6, None))));
        drop(here);
        assert!(matches!(receive(&there, &mut bytes), Ok((0, None))));
    }
}
