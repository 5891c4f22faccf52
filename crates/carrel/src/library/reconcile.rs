//! Keeps the catalog in step with the folders: one loop that looks again whenever the watcher, the clock or a
//! person says so. Looking decides what to do; what woke it does not matter.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use carrel_corpus::{Document, FolderId, Outcome};
use carrel_index::{FileRecord, Reading};
use carrel_ingest::{Change, Known, Rules, Scan, Stamp, Watcher};

use super::batch::Job;
use super::mounts::Mounts;
use super::{Error, Library, file_stamp, lock};

/// Events that follow each other this closely are one.
const SETTLE: Duration = Duration::from_millis(150);
/// When work could not go on (a full disk), it is tried again after this long.
const RETRY: Duration = Duration::from_secs(15);

/// Why the loop should look again.
pub(super) enum Wake {
    /// Something may have changed in the folders.
    Look,
    /// The list of folders has changed.
    Folders,
    Stop,
}

/// Runs until it is told to stop.
pub(super) fn run(library: &Arc<Library>, wakes: &mpsc::Receiver<Wake>) {
    let mut watcher = None;
    let mounts = Mounts::beside(&library.config.data_dir);
    let mut rules = library.config.rules.clone();
    rules.mounts = mounts.load();
    let mut folders_changed = true;
    while !library.is_stopping() {
        if std::mem::take(&mut folders_changed) {
            watcher = library.watch();
        }
        let began = Instant::now();
        let pause = match library.reconcile(&mut rules) {
            Ok(again_in) => again_in.map_or(library.config.rescan, |again| again.min(library.config.rescan)),
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "could not read the folders");
                RETRY
            }
        };
        mounts.store(&rules.mounts);
        match next(wakes, pause) {
            Wake::Stop => break,
            Wake::Folders => folders_changed = true,
            Wake::Look => {}
        }
        // A scan of a large folder takes a while: with a steady stream of events, look at most half of the time.
        library.sleep(SETTLE.max(began.elapsed().min(Duration::from_secs(5))));
        folders_changed |= drain(wakes);
    }
    drop(watcher);
}

/// Waits for the next reason to look; silence for `pause` is one too.
fn next(wakes: &mpsc::Receiver<Wake>, pause: Duration) -> Wake {
    match wakes.recv_timeout(pause) {
        Ok(wake) => wake,
        Err(mpsc::RecvTimeoutError::Timeout) => Wake::Look,
        Err(mpsc::RecvTimeoutError::Disconnected) => Wake::Stop,
    }
}

/// Takes what has queued up meanwhile. Gives whether the folders changed; a stop is seen by its flag.
fn drain(wakes: &mpsc::Receiver<Wake>) -> bool {
    wakes.try_iter().fold(false, |changed, wake| changed | matches!(wake, Wake::Folders))
}

impl Library {
    /// Adds a folder; its files are read in the background. Adding one twice changes nothing.
    pub fn add_folder(&self, path: &Path) -> Result<FolderId, Error> {
        let found = path.canonicalize().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NotAFolder(path.to_owned()),
            _ => Error::Folder { path: path.to_owned(), source },
        })?;
        if !found.is_dir() {
            return Err(Error::NotAFolder(path.to_owned()));
        }
        if found.starts_with(&self.config.data_dir) {
            return Err(Error::OwnData(path.to_owned()));
        }
        let id = self.index.add_folder(&found)?;
        self.look_again(Wake::Folders);
        Ok(id)
    }

    /// Reads one file that is in no folder of the library, now.
    ///
    /// # Errors
    /// When it cannot be opened or the catalog cannot be written; what stands in the way of its text is in the ledger.
    pub fn read_file(&self, path: &Path) -> Result<(), Error> {
        let unreadable = |source| Error::File { path: path.to_owned(), source };
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(path).map_err(unreadable)?).map_err(unreadable)?;
        let modified_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        let stamp = Stamp { size: meta.len(), modified_ns, inode: meta.ino() };
        let path = carrel_ingest::stored_from_path(path);
        self.read_files(&[Job { path, stamp, hash: *hasher.finalize().as_bytes() }])
    }

    /// Takes a folder out, and erases from every file all that was kept of its documents.
    pub fn remove_folder(&self, id: FolderId) -> Result<(), Error> {
        if self.index.folders()?.iter().all(|folder| folder.id != id) {
            return Err(Error::NoSuchFolder);
        }
        self.index.remove_folder(id)?;
        self.publish()?;
        self.erase()?;
        self.look_again(Wake::Folders);
        Ok(())
    }

    /// Erases from every file what was kept of documents that are gone.
    fn erase(&self) -> Result<(), Error> {
        self.generator.erase()?;
        self.erase_jobs()?;
        Ok(self.index.erase()?)
    }

    /// Looks at the folders now instead of at the next event.
    pub fn rescan(&self) {
        self.look_again(Wake::Look);
    }

    /// Compares the folders with the catalog and reads what is new or has changed. Gives the time after which to
    /// look again although nothing was heard of a change, where files were still being written.
    fn reconcile(&self, rules: &mut Rules) -> Result<Option<Duration>, Error> {
        let wanted = self.activity.begin_scan();
        let result = self.scan_and_read(rules);
        let (outcome, unavailable) = match &result {
            Ok(scan) => (Ok(wanted), scan.unavailable.iter().map(|path| crate::wire::path(path)).collect()),
            Err(error) => (Err(error.into()), Vec::new()),
        };
        self.activity.end_reading(outcome, unavailable);
        result.map(|scan| scan.again_in)
    }

    fn scan_and_read(&self, rules: &mut Rules) -> Result<Scan, Error> {
        let folders: Vec<PathBuf> = self
            .index
            .folders()?
            .iter()
            .map(|folder| carrel_ingest::path_from_stored(&folder.path))
            .collect();
        let records = self.index.files()?;
        let mut scan = carrel_ingest::scan(&folders, &known(&records), rules, &mut |_| self.keep_going());
        if scan.cancelled {
            return Ok(scan);
        }
        rules.mounts = std::mem::take(&mut scan.mounts);
        let changes = std::mem::take(&mut scan.changes);
        let erasing = changes.iter().any(|change| matches!(change, Change::Removed { .. }));
        let jobs = self.apply(changes, &records)?;
        self.activity.begin_reading(jobs.len());
        self.read_files(&jobs)?;
        if erasing {
            self.erase()?;
        }
        Ok(scan)
    }

    /// Commits every change that needs no reading; gives the files that do.
    fn apply(&self, changes: Vec<Change>, records: &[FileRecord]) -> Result<Vec<Job>, Error> {
        let recorded: HashMap<&str, &FileRecord> =
            records.iter().map(|record| (record.path.as_str(), record)).collect();
        let mut jobs = Vec::new();
        let mut removed = Vec::new();
        for change in changes {
            let record = recorded.get(change.path()).copied();
            let kept = change.record();
            match change {
                Change::Added { path, stamp, hash } | Change::Changed { path, stamp, hash } => {
                    jobs.push(Job { path, stamp, hash });
                }
                Change::Moved { from, path, stamp, hash } => {
                    // What is read of a file may depend on its name: its title, or what kind of text it is. It is read
                    // again, also after a crash, since no file has this hash; chunks that come out the same keep
                    // their vectors.
                    let renamed = Path::new(&from).file_name() != Path::new(&path).file_name();
                    let noted = if renamed { (Stamp { inode: 0, ..stamp }, [0; 32]) } else { (stamp, hash) };
                    self.index.rename(&from, &path, &file_stamp(&path, &noted.0, noted.1))?;
                    if renamed {
                        jobs.push(Job { path, stamp, hash });
                    }
                }
                Change::Touched { path, stamp } => {
                    let hash = record.map_or([0; 32], |record| record.hash);
                    self.index.touch(&file_stamp(&path, &stamp, hash))?;
                }
                Change::Removed { path } => removed.push(path),
                Change::Ignored { path, rule, .. } => {
                    self.record_unread(&path, Outcome::Ignored { rule }, kept)?;
                }
                // What was read of it before stays, and goes on answering.
                Change::Unreadable { .. } if record.is_some_and(|record| record.outcome.is_searchable()) => {}
                Change::Unreadable { path, reason } => {
                    self.record_unread(&path, Outcome::Failed { reason }, kept)?;
                }
            }
        }
        if !removed.is_empty() {
            self.index.remove(&removed)?;
        }
        // A file that was moved and changed is read once, as it is now.
        let mut paths = HashSet::new();
        jobs.reverse();
        jobs.retain(|job| paths.insert(job.path.clone()));
        jobs.reverse();
        Ok(jobs)
    }

    /// Enters a file that is not read into the ledger.
    fn record_unread(
        &self,
        path: &str,
        outcome: Outcome,
        kept: Option<(Stamp, [u8; 32])>,
    ) -> Result<(), Error> {
        let (stamp, hash) = kept.unwrap_or_default();
        let document = Document::unread("application/octet-stream", outcome);
        let reading = Reading { path: path.to_owned(), document: &document, chunks: &[], texts: &[] };
        self.index.put(&file_stamp(path, &stamp, hash), &[reading])?;
        Ok(())
    }

    /// Waits while paused; breaks when the library is stopping.
    pub(super) fn keep_going(&self) -> ControlFlow<()> {
        while self.activity.is_paused() && !self.is_stopping() {
            std::thread::sleep(SETTLE);
        }
        if self.is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn look_again(&self, wake: Wake) {
        self.activity.unsettle();
        if let Some(wakes) = &*lock(&self.wakes) {
            // The loop has ended when nobody receives; then nothing is to be looked at.
            let _ = wakes.send(wake);
        }
    }

    fn watch(self: &Arc<Self>) -> Option<Watcher> {
        let sender = lock(&self.wakes).clone()?;
        let folders: Vec<PathBuf> = match self.index.folders() {
            Ok(folders) => folders.into_iter().map(|folder| folder.path.into()).collect(),
            Err(_) => return None,
        };
        let data_dir = self.config.data_dir.clone();
        let notify = move |signal| {
            if !only_inside(&signal, &data_dir) {
                // The loop has ended when nobody receives.
                let _ = sender.send(Wake::Look);
            }
        };
        match carrel_ingest::watch(&folders, notify) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "could not watch the folders; they are looked at regularly");
                None
            }
        }
    }

    /// Sleeps, but not past the stop.
    fn sleep(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while !self.is_stopping() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether all paths of a signal lie in the data directory: our own writing is not news.
fn only_inside(signal: &carrel_ingest::Signal, data_dir: &Path) -> bool {
    match signal {
        carrel_ingest::Signal::Changed(paths) => {
            !paths.is_empty() && paths.iter().all(|path| path.starts_with(data_dir))
        }
        carrel_ingest::Signal::Rescan => false,
    }
}

/// What the catalog says of the files themselves; members of containers are not on disk.
fn known(records: &[FileRecord]) -> Vec<Known> {
    records
        .iter()
        .filter(|record| record.container.is_none())
        .map(|record| Known {
            path: record.path.clone(),
            stamp: Stamp { size: record.size, modified_ns: record.modified_ns, inode: record.inode },
            hash: record.hash,
        })
        .collect()
}
