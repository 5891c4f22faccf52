//! Asks the server that is running on a data directory, over the socket there.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, SOCKET};

/// A fresh one-time link to the page.
pub fn open(data_dir: &Path) -> Result<String, Error> {
    let answer: Value = request(data_dir, "POST", "/library/links")?;
    match &answer["link"] {
        Value::String(link) => Ok(link.clone()),
        _ => Err(Error::Answer(io::Error::other("there is no link in the answer"))),
    }
}

/// The process that serves `data_dir`, when one does.
pub fn serving_process(data_dir: &Path) -> Option<u32> {
    use std::os::fd::AsRawFd;
    let stream = UnixStream::connect(data_dir.join(SOCKET)).ok()?;
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `peer`, which is that long and outlives the call.
    let asked = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    (asked == 0).then_some(peer.pid).and_then(|pid| u32::try_from(pid).ok())
}

/// HTTP/1.0, in which the answer ends where the connection does.
pub(crate) fn request<T: DeserializeOwned>(data_dir: &Path, method: &str, path: &str) -> Result<T, Error> {
    let mut stream =
        UnixStream::connect(data_dir.join(SOCKET)).map_err(|_| Error::NotRunning(data_dir.to_path_buf()))?;
    let mut answer = String::new();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(Error::Answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).map_err(|error| Error::Answer(error.into()))
}
