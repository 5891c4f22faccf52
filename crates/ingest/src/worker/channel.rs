//! Frames over a Unix socket, one of which may carry an open file (`SCM_RIGHTS`, see `unix(7)`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Longest frame with a file; its content is a file's name.
pub(super) const NAME: usize = 4096;

/// Writes a frame: its length in four bytes, then its bytes.
pub(super) fn send(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(bytes)
}

/// Reads a frame of at most `limit` bytes, before `deadline` where there is one.
pub(super) fn receive(stream: &mut UnixStream, limit: usize, deadline: Option<Instant>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    read_exactly(stream, &mut length, deadline)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > limit {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    read_exactly(stream, &mut bytes, deadline)?;
    Ok(bytes)
}

fn read_exactly(stream: &mut UnixStream, mut into: &mut [u8], deadline: Option<Instant>) -> io::Result<()> {
    while !into.is_empty() {
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        }
        match stream.read(into) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => into = &mut into[read..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Space for a control message with one descriptor, aligned as the kernel wants it.
#[repr(align(8))]
struct Control([u8; 64]);

/// Sends an open file with its name, which is cut at [`NAME`] bytes.
pub(super) fn send_file(stream: &UnixStream, name: &str, file: BorrowedFd) -> io::Result<()> {
    let end = (0..=name.len().min(NAME)).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    let mut frame = (end as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&name.as_bytes()[..end]);
    let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
    let mut control = Control([0; 64]);
    // SAFETY: `msghdr` is a plain C structure for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    let size = std::mem::size_of::<libc::c_int>() as libc::c_uint;
    // SAFETY: `control` is larger than `CMSG_SPACE` of one descriptor and aligned; `CMSG_FIRSTHDR` therefore points
    // into it, and the descriptor is written within its bounds.
    let sent = unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(header).cast::<libc::c_int>().write_unaligned(file.as_raw_fd());
        libc::sendmsg(stream.as_raw_fd(), &message, libc::MSG_NOSIGNAL)
    };
    match sent {
        sent if sent == frame.len() as isize => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Receives an open file with its name; `None` when the other end has gone.
pub(super) fn receive_file(stream: &mut UnixStream) -> io::Result<Option<(String, File)>> {
    let mut length = [0u8; 4];
    let (read, file) = receive_some(stream, &mut length)?;
    if read == 0 {
        return Ok(None);
    }
    read_exactly(stream, &mut length[read..], None)?;
    let mut name = vec![0; (u32::from_le_bytes(length) as usize).min(NAME)];
    read_exactly(stream, &mut name, None)?;
    let file = file.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some((String::from_utf8_lossy(&name).into_owned(), File::from(file))))
}

/// Reads at least one byte, and the descriptor that came with it.
fn receive_some(stream: &UnixStream, into: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let mut control = Control([0; 64]);
    // SAFETY: `msghdr` is a plain C structure for which all zeroes is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    loop {
        // SAFETY: all pointers in `message` are to live buffers of the stated lengths.
        let read = unsafe { libc::recvmsg(stream.as_raw_fd(), &mut message, 0) };
        if read < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        // SAFETY: the kernel has filled `control`; the header is checked before its data is read, and the descriptor
        // in it is new in this process and owned by nobody else.
        let file = unsafe {
            let header = libc::CMSG_FIRSTHDR(&message);
            let rights = !header.is_null()
                && (*header).cmsg_level == libc::SOL_SOCKET
                && (*header).cmsg_type == libc::SCM_RIGHTS;
            rights.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<libc::c_int>().read_unaligned()))
        };
        return Ok((read as usize, file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_file_and_frames_cross_the_socket() {
        let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(b"content").expect("writes");
        io::Seek::rewind(&mut file).expect("rewinds");
        send_file(&here, "name.txt", file.as_fd()).expect("sends");
        let (name, mut received) = receive_file(&mut there).expect("receives").expect("a file");
        let mut text = String::new();
        received.read_to_string(&mut text).expect("reads");
        assert_eq!((name.as_str(), text.as_str()), ("name.txt", "content"));
        send(&mut there, b"answer").expect("sends");
        let deadline = Some(Instant::now() + Duration::from_secs(5));
        assert_eq!(receive(&mut here, 10, deadline).expect("receives"), b"answer");
        send(&mut there, b"a long answer").expect("sends");
        assert_eq!(receive(&mut here, 10, deadline).map_err(|e| e.kind()), Err(io::ErrorKind::InvalidData));
    }
}
