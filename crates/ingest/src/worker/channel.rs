//! Frames over a Unix socket, and files in frames.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::Password;

/// Longest frame with a file's name.
pub(super) const NAME: usize = 4096;
/// Longest frame with passwords.
const PASSWORDS: usize = 64 << 10;
/// Longest frame with a piece of a file.
const PIECE: usize = 256 << 10;

/// Which side of sending a file failed.
pub(super) enum SendError {
    /// The file could not be read.
    File(io::Error),
    Socket(io::Error),
}

/// Writes a frame: its length in four bytes, then its bytes.
pub(super) fn send(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(bytes)
}

/// Reads a frame of at most `limit` bytes, before `deadline` where there is one.
pub(super) fn receive(
    stream: &mut UnixStream,
    limit: usize,
    deadline: Option<Instant>,
) -> io::Result<Vec<u8>> {
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

/// Sends a name, which is cut at [`NAME`] bytes, passwords to be tried, one a line, and all that `file` holds from where it stands: frames, the last empty.
///
/// The content goes over the socket, not the open file itself (`SCM_RIGHTS`): what can be handed a file can be handed
/// a connection, so that the lock of a server forbids it to all that the server starts.
pub(super) fn send_file(
    stream: &mut UnixStream,
    name: &str,
    passwords: &[Password],
    mut file: impl Read,
) -> Result<(), SendError> {
    let end = (0..=name.len().min(NAME)).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    send(stream, &name.as_bytes()[..end]).map_err(SendError::Socket)?;
    let lines: Vec<&str> = passwords.iter().map(Password::text).collect();
    send(stream, lines.join("\n").as_bytes()).map_err(SendError::Socket)?;
    let mut buffer = vec![0; PIECE];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(SendError::File(error)),
        };
        send(stream, &buffer[..read]).map_err(SendError::Socket)?;
        if read == 0 {
            return Ok(());
        }
    }
}

/// A file as a worker gets it.
pub(super) struct Received {
    pub(super) name: String,
    pub(super) passwords: Vec<Password>,
    pub(super) content: Vec<u8>,
}

/// Receives a file; `None` when the other end has gone.
pub(super) fn receive_file(stream: &mut UnixStream) -> io::Result<Option<Received>> {
    let name = match receive(stream, NAME, None) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        name => name?,
    };
    let passwords = receive(stream, PASSWORDS, None)?;
    let mut content = Vec::new();
    loop {
        let piece = receive(stream, PIECE, None)?;
        if piece.is_empty() {
            let name = String::from_utf8_lossy(&name).into_owned();
            let passwords = String::from_utf8_lossy(&passwords).lines().map(Password::new).collect();
            return Ok(Some(Received { name, passwords, content }));
        }
        content.extend_from_slice(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_frames_cross_the_socket() {
        let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
        let content: Vec<u8> = (0..600_000u32).map(|n| n as u8).collect();
        let passwords = [Password::new("one"), Password::new("two words")];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                send_file(&mut here, "name.txt", &passwords, content.as_slice())
                    .is_ok()
                    .then_some(())
                    .expect("sends")
            });
            let received = receive_file(&mut there).expect("receives").expect("a file");
            assert_eq!((received.name.as_str(), received.content == content), ("name.txt", true));
            assert!(received.passwords == passwords);
        });
        send(&mut there, b"answer").expect("sends");
        let deadline = Some(Instant::now() + Duration::from_secs(5));
        assert_eq!(receive(&mut here, 10, deadline).expect("receives"), b"answer");
        send(&mut there, b"a long answer").expect("sends");
        assert_eq!(receive(&mut here, 10, deadline).map_err(|e| e.kind()), Err(io::ErrorKind::InvalidData));
    }
}
