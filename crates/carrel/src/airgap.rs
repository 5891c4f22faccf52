//! The air gap: what keeps every byte of a document on this machine while Carrel is serving.
//!
//! A promise in a manual is not a lock. So once its one listener is open, the process asks the kernel to take
//! away what a leak would need, for good, from every thread that exists or will exist and from every program
//! it starts:
//!
//! - [`seccomp`]: no socket outside `AF_UNIX` can be made or handed in, nothing can be connected, bound or
//!   sent to an address, `io_uring` (which would walk around the filter) is off, and so are the 32-bit and
//!   x32 system calls;
//! - [`landlock`]: no TCP bind or connect as a second wall, and no writing outside the data directory and the
//!   directory for temporary files.
//!
//! Accepting connections on the listener that is already open is all that is left of the network. [`probe`]
//! tries to break each lock from inside; `carrel doctor` shows what came of it.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;

pub mod landlock;
pub mod probe;
pub mod seccomp;

/// What to lock to.
pub struct Locks {
    /// Directories in which files may still be created and changed. Everything may still be read: documents
    /// lie wherever their owner keeps them.
    pub writable: Vec<PathBuf>,
}

/// What the kernel accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked {
    pub landlock: landlock::Holds,
    /// Whether the process still had a single thread: Landlock covers only that one and its descendants.
    pub from_the_first_thread: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the kernel refused the socket filter")]
    Seccomp(#[from] seccomp::Error),
    #[error("the kernel refused the file rules")]
    Landlock(#[from] ::landlock::RulesetError),
    #[error("could not read what the kernel says of this process")]
    Status(#[source] io::Error),
}

/// Applies every lock that this kernel offers. There is no way back, for this process or for what it starts.
///
/// Seccomp is required and reaches all threads. Landlock is applied where it is offered and reaches the
/// calling thread and the threads that it starts later, so call this before starting any.
pub fn lock(locks: &Locks) -> Result<Locked, Error> {
    let from_the_first_thread = threads().map_err(Error::Status)? == 1;
    let landlock = landlock::restrict(&locks.writable)?;
    seccomp::restrict()?;
    Ok(Locked { landlock, from_the_first_thread })
}

/// The directories that a serving process goes on writing to.
pub fn writable(data_dir: &std::path::Path) -> Vec<PathBuf> {
    vec![data_dir.to_path_buf(), std::env::temp_dir(), PathBuf::from("/dev")]
}

/// Whether `listener` can be reached from this machine only.
pub fn is_loopback(listener: &TcpListener) -> io::Result<bool> {
    Ok(listener.local_addr()?.ip().is_loopback())
}

fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}
