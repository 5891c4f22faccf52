//! What the library is doing, for whoever watches: the page, the terminal, a test.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use carrel_corpus::{Coverage, FolderId};
use carrel_index::Filter;
use tokio::sync::watch;

use super::{Error, Library, ModelStatus, is_within};

/// Everything that the page shows about the library at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    pub folders: Vec<FolderStatus>,
    pub coverage: Coverage,
    pub progress: Progress,
    pub model: ModelStatus,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderStatus {
    pub id: FolderId,
    pub path: String,
    /// Files in it, without the ignored ones.
    pub files: usize,
    /// Files of which text can be searched.
    pub searched: usize,
    /// False while the folder cannot be reached.
    pub available: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Idle,
    /// Comparing the folders with the catalog.
    Scanning,
    Reading,
    Embedding,
    Paused,
}

impl Phase {
    /// The stable name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Scanning => "scanning",
            Phase::Reading => "reading",
            Phase::Embedding => "embedding",
            Phase::Paused => "paused",
        }
    }
}

/// How far the background work has come. `files_*` count the current round of reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub phase: Phase,
    pub files_done: usize,
    pub files_total: usize,
    pub chunks_done: usize,
    pub chunks_total: usize,
    pub seconds_left: Option<f64>,
    /// Why the background work stands still, when it does.
    pub error: Option<String>,
}

/// The state of the two background threads, and the number that tells watchers to look again.
pub(super) struct Activity {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

/// Why background work stands still, and what a person can do about it.
#[derive(Clone)]
pub(super) struct Trouble {
    message: String,
    hint: Option<String>,
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Trouble {
        Trouble { message: crate::chain(error), hint: error.hint() }
    }
}

#[derive(Default)]
struct State {
    /// Whether the background threads run.
    started: bool,
    scanning: bool,
    reading: Option<Round>,
    embedding: Option<Round>,
    paused: bool,
    /// Grows with every reason to look at the folders again.
    wanted: u64,
    /// The value of `wanted` when the last look that was finished began; none before the first.
    settled: Option<u64>,
    error: Option<Trouble>,
    unavailable: Vec<String>,
}

impl State {
    /// Whether there is a reason to look at the folders that no look has answered yet.
    fn is_behind(&self) -> bool {
        self.started && self.settled.is_none_or(|settled| settled < self.wanted)
    }
}

/// A stretch of work with a known amount.
#[derive(Clone, Copy)]
struct Round {
    done: usize,
    total: usize,
    since: Instant,
}

impl Round {
    fn of(total: usize) -> Round {
        Round { done: 0, total, since: Instant::now() }
    }

    /// At the speed so far; none before there is a speed.
    fn seconds_left(&self) -> Option<f64> {
        let left = self.total.saturating_sub(self.done);
        (self.done > 0).then(|| self.since.elapsed().as_secs_f64() / self.done as f64 * left as f64)
    }
}

impl Default for Activity {
    fn default() -> Activity {
        Activity { state: Mutex::default(), version: watch::Sender::new(0) }
    }
}

impl Activity {
    /// Tells watchers to look again.
    pub(super) fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Says that the background threads run from now on.
    pub(super) fn started(&self) {
        self.update(|state| state.started = true);
    }

    /// Begins a look at the folders. What it gives is handed to [`Activity::end_reading`].
    pub(super) fn begin_scan(&self) -> u64 {
        let mut wanted = 0;
        self.update(|state| {
            state.scanning = true;
            wanted = state.wanted;
        });
        wanted
    }

    pub(super) fn begin_reading(&self, files: usize) {
        self.update(|state| {
            state.scanning = false;
            state.reading = Some(Round::of(files));
        });
    }

    pub(super) fn files_done(&self, files: usize) {
        self.update(|state| {
            if let Some(round) = &mut state.reading {
                round.done += files;
            }
        });
    }

    /// Ends a look at the folders and the reading that followed, or says why they could not be finished.
    pub(super) fn end_reading(&self, outcome: Result<u64, Trouble>, unavailable: Vec<String>) {
        self.update(|state| {
            state.scanning = false;
            state.reading = None;
            state.unavailable = unavailable;
            match outcome {
                Ok(wanted) => {
                    state.settled = Some(wanted);
                    state.error = None;
                }
                Err(error) => state.error = Some(error),
            }
        });
    }

    pub(super) fn begin_embedding(&self, chunks: usize) {
        self.update(|state| state.embedding = Some(Round::of(chunks)));
    }

    pub(super) fn chunks_embedded(&self, chunks: usize) {
        self.update(|state| {
            if let Some(round) = &mut state.embedding {
                round.done += chunks;
            }
        });
    }

    pub(super) fn end_embedding(&self, error: Option<Trouble>) {
        self.update(|state| {
            state.embedding = None;
            if error.is_some() {
                state.error = error;
            }
        });
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.update(|state| state.paused = paused);
    }

    /// Says that the folders must be looked at again before the library counts as read.
    pub(super) fn unsettle(&self) {
        self.update(|state| state.wanted += 1);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// Whether files are being looked for or read.
    pub(super) fn is_reading(&self) -> bool {
        let state = self.lock();
        state.scanning || state.reading.is_some()
    }

    fn is_embedding(&self) -> bool {
        self.lock().embedding.is_some()
    }

    /// Whether every file that is in the folders has been read; the error that stands in the way, if one does.
    pub(super) fn settled(&self) -> Result<bool, Error> {
        let state = self.lock();
        match &state.error {
            Some(Trouble { message, hint }) => {
                Err(Error::Background { message: message.clone(), hint: hint.clone() })
            }
            None => Ok(state.started && !state.is_behind()),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn progress(&self, coverage: &Coverage) -> Progress {
        let state = self.lock();
        let phase = match () {
            () if state.paused => Phase::Paused,
            () if state.reading.is_some() => Phase::Reading,
            () if state.scanning || state.is_behind() => Phase::Scanning,
            () if state.embedding.is_some() => Phase::Embedding,
            () => Phase::Idle,
        };
        let working = state.reading.or(state.embedding);
        Progress {
            phase,
            files_done: state.reading.map_or(0, |round| round.done),
            files_total: state.reading.map_or(0, |round| round.total),
            chunks_done: coverage.embedded,
            chunks_total: coverage.chunks,
            seconds_left: working.and_then(|round| round.seconds_left()),
            error: state.error.as_ref().map(|trouble| trouble.message.clone()),
        }
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Library {
    /// What the library holds and what it is doing.
    pub fn status(&self) -> Result<Status, Error> {
        let coverage = self.index.coverage(&Filter::default())?;
        Ok(Status {
            folders: self.folders()?,
            progress: self.activity.progress(&coverage),
            coverage,
            model: self.generator.status(),
        })
    }

    /// The folders in the order in which they were added.
    pub fn folders(&self) -> Result<Vec<FolderStatus>, Error> {
        let unavailable = self.activity.lock().unavailable.clone();
        let folders = self.index.folders()?;
        let files = self.index.files()?;
        let status = folders.into_iter().map(|folder| {
            let inside = || {
                files.iter().filter(|file| file.container.is_none() && is_within(&file.path, &folder.path))
            };
            let ignored =
                |outcome: &carrel_corpus::Outcome| matches!(outcome, carrel_corpus::Outcome::Ignored { .. });
            FolderStatus {
                files: inside().filter(|file| !ignored(&file.outcome)).count(),
                searched: inside().filter(|file| file.outcome.is_searchable()).count(),
                available: !unavailable.contains(&folder.path),
                id: folder.id,
                path: folder.path,
            }
        });
        Ok(status.collect())
    }

    /// A number that grows whenever [`Library::status`] would say something new.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.activity.watch()
    }

    /// Stops reading and making vectors until [`Library::resume`]; questions are answered as before.
    pub fn pause(&self) {
        self.activity.set_paused(true);
    }

    pub fn resume(&self) {
        self.activity.set_paused(false);
    }

    /// Waits until every file in the folders has been read, calling `progress` about ten times a second; breaking
    /// from it ends the waiting. Gives whether everything was read.
    ///
    /// # Errors
    /// When the background work could not go on, for example because the disk is full.
    pub fn wait_until_read(
        &self,
        progress: &mut dyn FnMut(&Progress) -> std::ops::ControlFlow<()>,
    ) -> Result<bool, Error> {
        self.wait_until(progress, |library, _| library.activity.settled())
    }

    /// Waits until, besides, every chunk has its vector.
    pub fn wait_until_embedded(
        &self,
        progress: &mut dyn FnMut(&Progress) -> std::ops::ControlFlow<()>,
    ) -> Result<bool, Error> {
        self.wait_until(progress, |library, progress| {
            // The last vectors are committed a moment before they are published.
            let published = !library.activity.is_embedding();
            Ok(library.activity.settled()? && progress.chunks_done >= progress.chunks_total && published)
        })
    }

    fn wait_until(
        &self,
        progress: &mut dyn FnMut(&Progress) -> std::ops::ControlFlow<()>,
        done: impl Fn(&Library, &Progress) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        loop {
            let now = self.activity.progress(&self.index.coverage(&Filter::default())?);
            if progress(&now).is_break() {
                return Ok(false);
            }
            if done(self, &now)? {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
