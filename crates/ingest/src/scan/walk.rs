//! Lists the files of folders, in parallel, with what stands in the way of reading each.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::rules::{self, Layer, Rules};

use super::{Stamp, path_from_stored, stored_from_path};

/// How often `progress` is called.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// File systems that hold no documents and must not be read, by `statfs` type: proc, sysfs, devpts, cgroup, cgroup2,
/// debugfs, tracefs, securityfs, bpf, pstore.
const KERNEL_FILE_SYSTEMS: [u32; 10] = [
    0x9fa0,
    0x6265_6572,
    0x1cd1,
    0x27_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x6165_676c,
];

/// A file that is to be known, with its stamp as it is now.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub path: String,
    pub stamp: Stamp,
}

/// All that a walk saw.
#[derive(Default)]
pub(super) struct Walked {
    /// In the order of their paths.
    pub files: Vec<Found>,
    /// Path, stamp (with inode 0: to be hashed when the rule goes) and rule.
    pub ignored: Vec<(String, Stamp, String)>,
    /// Path and reason, of files and of folders.
    pub unreadable: Vec<(String, String)>,
    pub unavailable: Vec<PathBuf>,
    /// The folders that were walked, as they are stored.
    pub roots: Vec<String>,
    /// Roots that are empty, with the time of their last change in nanoseconds.
    pub empty_roots: HashMap<String, i64>,
    /// The device of each root and of each folder on another device than its parent.
    pub mounts: Vec<(String, u64)>,
    links: Vec<PathBuf>,
}

pub(super) fn stamp_of(meta: &Metadata) -> Stamp {
    let modified_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    Stamp { size: meta.len(), modified_ns, inode: meta.ino() }
}

/// The words of an I/O error, without the path.
pub(super) fn reason(error: &io::Error) -> String {
    error.kind().to_string()
}

/// Walks all `folders`; `None` when `progress` broke it off.
pub(super) fn walk(
    folders: &[PathBuf],
    rules: &Rules,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<Walked> {
    let mut total = Walked::default();
    let start = roots(folders, rules, &mut total);
    let shared = Shared {
        rules,
        roots: start.iter().map(|folder| folder.identity).collect(),
        queue: Mutex::new(Queue { waiting: start, working: 0 }),
        wake: Condvar::new(),
        cancelled: AtomicBool::new(false),
        files: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads()).map(|_| scope.spawn(|| shared.work())).collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            if progress(shared.files.load(Ordering::Relaxed)).is_break() {
                shared.cancel();
            }
            shared.wait_for_end(TICK);
        }
        for worker in workers {
            total.absorb(worker.join().unwrap_or_default());
        }
    });
    if shared.cancelled.load(Ordering::Relaxed) || progress(total.files.len()).is_break() {
        return None;
    }
    total.resolve_links(folders);
    total.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    total.files.dedup_by(|a, b| a.path == b.path);
    Some(total)
}

pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(2, |count| count.get()).min(8)
}

/// A folder that is still to be listed.
struct Folder {
    path: PathBuf,
    identity: (u64, u64),
    is_root: bool,
    layer: Option<Arc<Layer>>,
}

/// The folders to begin with: those that are there, each once.
fn roots(folders: &[PathBuf], rules: &Rules, total: &mut Walked) -> Vec<Folder> {
    let mut seen = HashSet::new();
    let mut start = Vec::new();
    for path in folders {
        let meta = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => meta,
            _ => {
                total.unavailable.push(path.clone());
                continue;
            }
        };
        let identity = (meta.dev(), meta.ino());
        if !seen.insert(identity) {
            continue;
        }
        let stored = stored_from_path(path);
        total.mounts.push((stored.clone(), meta.dev()));
        total.roots.push(stored);
        start.push(Folder {
            path: path.clone(),
            identity,
            is_root: true,
            layer: Layer::of_rules(rules, path),
        });
    }
    start
}

struct Queue {
    waiting: Vec<Folder>,
    working: usize,
}

struct Shared<'a> {
    rules: &'a Rules,
    roots: HashSet<(u64, u64)>,
    queue: Mutex<Queue>,
    wake: Condvar,
    cancelled: AtomicBool,
    files: AtomicUsize,
}

impl Shared<'_> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.wake.notify_all();
    }

    /// Returns when there is nothing left to list, or after `at_most`.
    fn wait_for_end(&self, at_most: Duration) {
        let busy = |queue: &mut Queue| {
            !self.cancelled.load(Ordering::Relaxed) && (queue.working > 0 || !queue.waiting.is_empty())
        };
        drop(self.wake.wait_timeout_while(self.queue(), at_most, busy));
        thread::yield_now();
    }

    fn next(&self) -> Option<Folder> {
        let mut queue = self.queue();
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(folder) = queue.waiting.pop() {
                queue.working += 1;
                return Some(folder);
            }
            if queue.working == 0 {
                self.wake.notify_all();
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self) -> Walked {
        let mut walked = Walked::default();
        while let Some(folder) = self.next() {
            let inner = self.list(folder, &mut walked);
            let mut queue = self.queue();
            queue.waiting.extend(inner);
            queue.working -= 1;
            drop(queue);
            self.wake.notify_all();
        }
        walked
    }

    /// Lists one folder into `walked` and returns the folders in it.
    fn list(&self, folder: Folder, walked: &mut Walked) -> Vec<Folder> {
        let entries = match fs::read_dir(&folder.path) {
            Ok(entries) => entries,
            Err(error) => {
                self.unlisted(&folder, &error, walked);
                return Vec::new();
            }
        };
        let layer = Layer::of_folder(&folder.path, folder.layer.clone());
        let (mut inner, mut empty) = (Vec::new(), true);
        for entry in entries {
            empty = false;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.unlisted(&folder, &error, walked);
                    break;
                }
            };
            inner.extend(self.look(&folder, &layer, &entry, walked));
        }
        if empty && folder.is_root {
            let modified = fs::metadata(&folder.path).map_or(0, |meta| stamp_of(&meta).modified_ns);
            walked.empty_roots.insert(stored_from_path(&folder.path), modified);
        }
        inner
    }

    fn unlisted(&self, folder: &Folder, error: &io::Error, walked: &mut Walked) {
        let gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        match (folder.is_root, gone) {
            (true, _) => walked.unavailable.push(folder.path.clone()),
            (false, true) => {}
            (false, false) => walked.unreadable.push((stored_from_path(&folder.path), reason(error))),
        }
    }

    /// Sorts one entry into `walked`, or returns it where it is a folder to be listed.
    fn look(
        &self,
        folder: &Folder,
        layer: &Option<Arc<Layer>>,
        entry: &fs::DirEntry,
        walked: &mut Walked,
    ) -> Option<Folder> {
        let path = entry.path();
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                walked.unreadable.push((stored_from_path(&path), reason(&error)));
                return None;
            }
        };
        let is_dir = meta.is_dir();
        let identity = (meta.dev(), meta.ino());
        if is_dir && self.roots.contains(&identity) {
            return None; // it is walked by itself
        }
        let name = entry.file_name();
        let rule = rules::ignored_by(self.rules, layer.as_deref(), &path, &name.to_string_lossy(), is_dir)
            .or_else(|| match () {
                () if is_dir && identity.0 != folder.identity.0 => kernel_file_system(&path),
                () if is_dir || meta.is_file() || meta.is_symlink() => None,
                () => Some("not a regular file".to_owned()),
            });
        if let Some(rule) = rule {
            walked.ignore(&path, &meta, rule);
        } else if meta.is_symlink() {
            walked.links.push(path);
        } else if is_dir {
            if identity.0 != folder.identity.0 {
                walked.mounts.push((stored_from_path(&path), identity.0));
            }
            return Some(Folder { path, identity, is_root: false, layer: layer.clone() });
        } else {
            walked.files.push(Found { path: stored_from_path(&path), stamp: stamp_of(&meta) });
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        None
    }
}

impl Walked {
    fn ignore(&mut self, path: &Path, meta: &Metadata, rule: String) {
        let stamp = match meta.is_dir() {
            true => Stamp::default(),
            false => Stamp { inode: 0, ..stamp_of(meta) },
        };
        self.ignored.push((stored_from_path(path), stamp, rule));
    }

    fn absorb(&mut self, other: Walked) {
        self.files.extend(other.files);
        self.ignored.extend(other.ignored);
        self.unreadable.extend(other.unreadable);
        self.unavailable.extend(other.unavailable);
        self.empty_roots.extend(other.empty_roots);
        self.mounts.extend(other.mounts);
        self.links.extend(other.links);
    }

    /// Makes of each link a file, something ignored or something unreadable.
    fn resolve_links(&mut self, folders: &[PathBuf]) {
        self.links.sort_unstable();
        let roots: Vec<PathBuf> = folders.iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect();
        let mut targets = HashSet::new();
        for link in std::mem::take(&mut self.links) {
            let resolved = fs::canonicalize(&link).and_then(|to| Ok((fs::metadata(&to)?, to)));
            let (meta, to) = match resolved {
                Ok(resolved) => resolved,
                Err(_) => {
                    self.unreadable.push((stored_from_path(&link), "link to nothing".to_owned()));
                    continue;
                }
            };
            let rule = match () {
                () if meta.is_dir() => Some("link to a folder"),
                () if !meta.is_file() => Some("not a regular file"),
                () if roots.iter().any(|root| to.starts_with(root)) => Some("link to a file of this library"),
                () if !targets.insert((meta.dev(), meta.ino())) => Some("another link to the same file"),
                () => None,
            };
            match rule {
                Some(rule) => self.ignore(&link, &meta, rule.to_owned()),
                None => self.files.push(Found { path: stored_from_path(&link), stamp: stamp_of(&meta) }),
            }
        }
    }
}

/// Whether `path` is the root of a file system that the kernel invents.
fn kernel_file_system(path: &Path) -> Option<String> {
    let kind = crate::watch::file_system_type(path)?;
    KERNEL_FILE_SYSTEMS.contains(&kind).then(|| "kernel file system".to_owned())
}

/// Mount points of earlier scans that are not there now, or that have another device.
pub(super) fn changed_mounts(rules: &Rules) -> Vec<(&str, MountState)> {
    let state = |(path, device): &(String, u64)| match fs::metadata(path_from_stored(path)) {
        Ok(meta) if meta.is_dir() && meta.dev() == *device => MountState::Same,
        Ok(meta) if meta.is_dir() => MountState::OtherDevice,
        _ => MountState::Missing,
    };
    let changed = rules.mounts.iter().map(|mount| (mount.0.as_str(), state(mount)));
    changed.filter(|(_, state)| *state != MountState::Same).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MountState {
    Same,
    OtherDevice,
    Missing,
}
