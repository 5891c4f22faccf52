//! How much one file may cost: what keeps a hostile or broken file from taking the machine with it.

use std::time::Duration;

/// Bounds on the reading of one file, members included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is opened.
    pub file_bytes: u64,
    /// Most text that is kept; what is beyond is named in the outcome.
    pub text_bytes: usize,
    /// Memory of the worker, over what its program itself needs.
    pub memory_bytes: u64,
    /// Processor time of the worker for one file.
    pub cpu_seconds: u64,
    /// Time by the clock for one file.
    pub wall: Duration,
    /// Most members (attachments, files of an archive) read from one file, at all depths together.
    pub members: usize,
    /// How deep containers may stand in containers.
    pub depth: usize,
}

impl Limits {
    /// What a folder of ordinary documents needs, with room.
    pub const STANDARD: Limits = Limits {
        file_bytes: 512 << 20,
        text_bytes: 64 << 20,
        memory_bytes: 1 << 30,
        cpu_seconds: 20,
        wall: Duration::from_secs(20),
        members: 2_000,
        depth: 4,
    };
}

/// A number of bytes as a person reads it: `512 MB`, `1 GB`.
pub(crate) fn readable_bytes(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{} GB", b >> 30),
        b if b >= 1 << 20 => format!("{} MB", b >> 20),
        b if b >= 1 << 10 => format!("{} KB", b >> 10),
        b => format!("{b} bytes"),
    }
}
