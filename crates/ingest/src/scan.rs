//! What is different between folders on disk and what the catalog knows of them.
//!
//! A scan only looks: it changes nothing, keeps nothing between calls, and its result depends on nothing but the
//! disk, the clock and its arguments. Whoever applies the changes and scans again is told that there are none.
//!
//! A file counts as unchanged when path, size, modification time and inode are what the catalog has; any
//! difference, also a time that went back, makes it be hashed. Because file systems keep time in coarse steps, a file
//! modified within two seconds of the scan is given a stamp that no file has (inode 0), so that the next scan hashes it
//! again: an edit in the same instant and of the same size is not lost.
//!
//! Absence is believed only where a folder could be read: nothing beneath an unreadable folder or a vanished mount is
//! ever reported as removed.

mod diff;
mod hash;
mod stored;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use crate::rules::Rules;

pub use stored::{path_from_stored, stored_from_path};

/// How long after its modification a file's stamp is not trusted: FAT keeps times in steps of two seconds.
const SETTLING: Duration = Duration::from_secs(2);

/// What is compared of a file before its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// 0 in a stamp that must not be trusted.
    pub inode: u64,
}

/// What the catalog says of a file. Members of archives and mails are not files: leave them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As [`stored_from_path`] gives it.
    pub path: String,
    pub stamp: Stamp,
    pub hash: [u8; 32],
}

/// One thing that the catalog does not know yet. [`Change::record`] is what it should keep of it.
///
/// All paths are as [`stored_from_path`] gives them. [`Change::Ignored`] and [`Change::Unreadable`] may also name a
/// folder, which then stands for all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added {
        path: String,
        stamp: Stamp,
        hash: [u8; 32],
    },
    /// Other bytes under a known path.
    Changed {
        path: String,
        stamp: Stamp,
        hash: [u8; 32],
    },
    /// The known file `from` is now at `path`. `from` no longer exists, and `path` was not known.
    Moved {
        from: String,
        path: String,
        stamp: Stamp,
        hash: [u8; 32],
    },
    /// The same bytes with a new stamp.
    Touched {
        path: String,
        stamp: Stamp,
    },
    Removed {
        path: String,
    },
    Ignored {
        path: String,
        stamp: Stamp,
        rule: String,
    },
    /// It is there and cannot be looked at. What the catalog has of it, or beneath it, stays.
    Unreadable {
        path: String,
        reason: String,
    },
}

impl Change {
    /// The path that the change is about; of a move, the new one.
    pub fn path(&self) -> &str {
        match self {
            Change::Added { path, .. }
            | Change::Changed { path, .. }
            | Change::Moved { path, .. }
            | Change::Touched { path, .. }
            | Change::Removed { path }
            | Change::Ignored { path, .. }
            | Change::Unreadable { path, .. } => path,
        }
    }

    /// Stamp and hash to keep for the path, so that the next scan does not report the same again. `None` for
    /// [`Change::Touched`], which leaves the hash as it was, and for [`Change::Removed`].
    pub fn record(&self) -> Option<(Stamp, [u8; 32])> {
        match self {
            Change::Added { stamp, hash, .. }
            | Change::Changed { stamp, hash, .. }
            | Change::Moved { stamp, hash, .. } => Some((*stamp, *hash)),
            Change::Ignored { stamp, rule, .. } => Some((*stamp, reason_hash(rule))),
            Change::Unreadable { reason, .. } => Some((Stamp::default(), reason_hash(reason))),
            Change::Touched { .. } | Change::Removed { .. } => None,
        }
    }
}

/// Stands for the hash of a file that was not read because of `reason`; no file's content has it.
fn reason_hash(reason: &str) -> [u8; 32] {
    blake3::derive_key("carrel 2026 file not read", reason.as_bytes())
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// At most one for each path; moved and touched files first, then removals, then what has to be read. Their order
    /// does not matter to the result of applying them.
    pub changes: Vec<Change>,
    /// Folders, or mount points in them, that are not there now. Nothing beneath them is reported.
    pub unavailable: Vec<PathBuf>,
    /// Files that are in the folders and are not ignored.
    pub files: usize,
    /// Files that were being written. They are not among the changes: look again soon.
    pub deferred: Vec<String>,
    /// When to scan again even if nothing is heard of a change, because files are still settling.
    pub again_in: Option<Duration>,
    /// To be handed to the next scan in [`Rules::mounts`].
    pub mounts: Vec<(String, u64)>,
    /// Whether `progress` broke it off. There are then no changes, and nothing else here means anything.
    pub cancelled: bool,
}

/// Compares `folders` with what is `known`; what is known outside of them is left alone.
///
/// Folders may overlap: each file is reported once, under the folder that is nearest to it, whose own ignore rules
/// apply. Links to folders are not followed. A link to a file is that file, once; where the file itself stands in one of
/// the folders, the link is ignored. `progress` is called with the number of files seen, a few times a second.
pub fn scan(
    folders: &[PathBuf],
    known: &[Known],
    rules: &Rules,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Scan {
    let cancelled = Scan { cancelled: true, ..Scan::default() };
    let Some(walked) = walk::walk(folders, rules, progress) else { return cancelled };
    let mut compared = diff::compare(&walked, known, rules);
    let seen = walked.files.len();
    let jobs = std::mem::take(&mut compared.unsure);
    let Some(hashed) = hash::hash_all(jobs, seen, progress) else { return cancelled };
    diff::report(walked, compared, hash::settle(hashed))
}
