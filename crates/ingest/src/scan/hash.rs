//! Hashes files in parallel, and tells those that are being written.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::walk::{Found, TICK, reason, stamp_of, threads};
use super::{SETTLING, Stamp, path_from_stored};

/// Files from this size on are not hashed whole: no reader takes them, and hashing them would take minutes.
const LARGE: u64 = 1 << 30;
/// How much is hashed of the beginning and of the end of a large file.
const SAMPLE: u64 = 1 << 20;
const BUFFER: usize = 1 << 18;

/// A file modified so recently may still be in the hands of its writer.
const FRESH: Duration = Duration::from_secs(1);
/// The time between the two looks at a fresh file.
const SECOND_LOOK: Duration = Duration::from_millis(100);
/// A file that has existed for longer is read although it is being written: it may be a log, which always is.
const YOUNG: Duration = Duration::from_secs(60);

/// A file with its hash, or the reason why it has none.
pub(super) struct Hashed {
    pub found: Found,
    pub hash: Result<[u8; 32], String>,
    /// Whether its size or time changed while it was looked at.
    pub being_written: bool,
}

/// Hashes `jobs`; `None` when `progress`, which is told `seen`, broke it off. Files that vanish are left out.
pub(super) fn hash_all(
    jobs: Vec<Found>,
    seen: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<Vec<Hashed>> {
    let (next, cancelled) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let mut hashed = Vec::with_capacity(jobs.len());
    thread::scope(|scope| {
        for _ in 0..threads().min(jobs.len()) {
            let (sender, jobs, next, cancelled) = (sender.clone(), &jobs, &next, &cancelled);
            scope.spawn(move || {
                let mut buffer = vec![0; BUFFER];
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if cancelled.load(Ordering::Relaxed) {
                        return;
                    }
                    let _ = sender.send(hash_one(job, &mut buffer, cancelled));
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(one) => hashed.extend(one),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) if progress(seen).is_break() => {
                    cancelled.store(true, Ordering::Relaxed);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    });
    (!cancelled.load(Ordering::Relaxed)).then_some(hashed)
}

fn hash_one(job: &Found, buffer: &mut [u8], cancelled: &AtomicBool) -> Option<Hashed> {
    let path = path_from_stored(&job.path);
    match hash_file(&path, buffer, cancelled) {
        Ok((hash, before, after)) => {
            let being_written = before != after || before.size != job.stamp.size;
            let found = Found { path: job.path.clone(), stamp: before };
            Some(Hashed { found, hash: Ok(hash), being_written })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Hashed { found: job.clone(), hash: Err(reason(&error)), being_written: false }),
    }
}

/// The hash of a file, with its stamps before and after it was read.
fn hash_file(path: &Path, buffer: &mut [u8], cancelled: &AtomicBool) -> io::Result<([u8; 32], Stamp, Stamp)> {
    // Without O_NONBLOCK, opening what has meanwhile become a named pipe would wait for its writer.
    let mut file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let before = stamp_of(&meta);
    let hash = match before.size < LARGE {
        true => {
            let mut hasher = blake3::Hasher::new();
            update(&mut hasher, &mut file, u64::MAX, buffer, cancelled)?;
            hasher.finalize().into()
        }
        false => hash_large(&mut file, before, buffer, cancelled)?,
    };
    Ok((hash, before, stamp_of(&file.metadata()?)))
}

/// Size, time, beginning and end of a large file: it counts as changed whenever one of them does.
fn hash_large(
    file: &mut File,
    stamp: Stamp,
    buffer: &mut [u8],
    cancelled: &AtomicBool,
) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key("carrel 2026 large file");
    hasher.update(&stamp.size.to_le_bytes()).update(&stamp.modified_ns.to_le_bytes());
    update(&mut hasher, file, SAMPLE, buffer, cancelled)?;
    file.seek(SeekFrom::End(-(SAMPLE as i64)))?;
    update(&mut hasher, file, SAMPLE, buffer, cancelled)?;
    Ok(hasher.finalize().into())
}

fn update(
    hasher: &mut blake3::Hasher,
    file: &mut File,
    mut at_most: u64,
    buffer: &mut [u8],
    cancelled: &AtomicBool,
) -> io::Result<()> {
    while at_most > 0 && !cancelled.load(Ordering::Relaxed) {
        let wanted = buffer.len().min(usize::try_from(at_most).unwrap_or(usize::MAX));
        let read = match file.read(&mut buffer[..wanted]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        at_most -= read as u64;
    }
    Ok(())
}

/// Files that are ready, and the paths of those that are being written.
pub(super) struct Settled {
    pub ready: Vec<Hashed>,
    pub deferred: Vec<String>,
    /// Whether a stamp is not to be trusted yet.
    pub unsettled: bool,
}

/// Takes a second look at files that were modified a moment ago, and marks the stamps that are not to be trusted.
pub(super) fn settle(hashed: Vec<Hashed>) -> Settled {
    let now = SystemTime::now();
    if hashed.iter().any(|file| age(file.found.stamp, now) < FRESH) {
        thread::sleep(SECOND_LOOK);
    }
    let mut settled =
        Settled { ready: Vec::with_capacity(hashed.len()), deferred: Vec::new(), unsettled: false };
    for mut file in hashed {
        let age = age(file.found.stamp, now);
        if file.being_written || age < FRESH {
            let meta = fs::metadata(path_from_stored(&file.found.path)).ok();
            let changed = meta.as_ref().is_none_or(|meta| stamp_of(meta) != file.found.stamp);
            if (file.being_written || changed) && meta.as_ref().is_none_or(|meta| is_young(meta, now)) {
                settled.deferred.push(file.found.path);
                continue;
            }
            file.being_written |= changed;
        }
        if file.being_written || age < SETTLING {
            file.found.stamp.inode = 0;
            settled.unsettled = true;
        }
        settled.ready.push(file);
    }
    settled
}

/// Distance between the file's time and `now`, in either direction.
fn age(stamp: Stamp, now: SystemTime) -> Duration {
    let now_ns = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
    Duration::from_nanos(
        (now_ns - i128::from(stamp.modified_ns)).unsigned_abs().try_into().unwrap_or(u64::MAX),
    )
}

fn is_young(meta: &Metadata, now: SystemTime) -> bool {
    let born = meta.created().ok();
    born.is_none_or(|born| now.duration_since(born).unwrap_or_default() < YOUNG)
}
