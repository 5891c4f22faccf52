//! Notices that something in a folder may have changed, and says no more than "look again": the scan decides what did.
//!
//! So nothing is lost when events are: an overflowing queue becomes [`Signal::Rescan`], and a folder whose file system
//! sends no events, or for which the system grants no more watches, is looked at on a timer. Events still do not tell
//! everything (a mount appearing, a computer waking up): scan now and then without any signal too.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, DebouncedEvent, Debouncer, NoCache, new_debouncer_opt};

/// Events are held back for this long, so that a burst of them is one signal.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// How often folders without events are looked at.
const POLL: Duration = Duration::from_secs(30);
/// Of more changed paths than this, none is named.
const MANY: usize = 1_000;

/// File systems that do not tell what other machines or processes do to them, by `statfs` type.
const EVENTLESS: [(u32, &str); 12] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x5346_414f, "afs"),
    (0x7375_7245, "coda"),
    (0x00c3_6400, "ceph"),
    (0x0bd0_0bd3, "lustre"),
    (0x786f_4256, "vboxsf"),
    (0x0116_1970, "gfs2"),
];

/// Why a folder should be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Something happened to these paths, which may not exist any more. In order, each once.
    Changed(Vec<PathBuf>),
    /// Anything may have changed.
    Rescan,
}

#[derive(Debug, thiserror::Error)]
#[error("could not watch for changes")]
pub struct Error(#[source] std::io::Error);

/// Watches for as long as it lives.
pub struct Watcher {
    debouncer: Option<Debouncer<RecommendedWatcher, NoCache>>,
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
    notes: Arc<Mutex<Vec<String>>>,
}

enum Event {
    Debounced(DebounceEventResult),
    Stop,
}

/// Watches `folders` and calls `notify`, from a thread of its own, when one should be looked at again. A folder that
/// cannot be watched is polled, and [`Watcher::notes`] says so.
///
/// # Errors
/// When the system gives no thread. Everything else has a fallback.
pub fn watch(folders: &[PathBuf], notify: impl Fn(Signal) + Send + 'static) -> Result<Watcher, Error> {
    let (events, received) = mpsc::channel();
    let (mut notes, mut polling) = (Vec::new(), false);
    let sender = events.clone();
    let handler = move |result| drop(sender.send(Event::Debounced(result)));
    let config = notify::Config::default().with_follow_symlinks(false);
    let mut debouncer =
        new_debouncer_opt::<_, RecommendedWatcher, _>(DEBOUNCE, None, handler, NoCache, config)
            .inspect_err(|error| notes.push(polled("the folders", &describe(error))))
            .ok();
    polling |= debouncer.is_none();
    for folder in folders {
        let refusal = match (eventless(folder), debouncer.as_mut()) {
            (Some(kind), _) => Some(format!("it is on a {kind} file system, which sends no events")),
            (None, Some(debouncer)) => {
                debouncer.watch(folder, RecursiveMode::Recursive).err().map(|error| describe(&error))
            }
            (None, None) => None,
        };
        if let Some(refusal) = refusal {
            notes.push(polled(&format!("`{}`", folder.display()), &refusal));
            polling = true;
        }
    }
    let notes = Arc::new(Mutex::new(notes));
    let mut state = State { folders: folders.to_vec(), polling, notes: Arc::clone(&notes) };
    let thread = thread::Builder::new().name("watch".to_owned()).spawn(move || {
        loop {
            let wait = if state.polling { POLL } else { Duration::MAX };
            let event = match wait {
                Duration::MAX => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
                wait => received.recv_timeout(wait),
            };
            match event {
                Ok(Event::Debounced(result)) => {
                    if let Some(signal) = state.signal(result) {
                        notify(signal);
                    }
                }
                Err(RecvTimeoutError::Timeout) => notify(Signal::Rescan),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    Ok(Watcher { debouncer, events, thread: Some(thread.map_err(Error)?), notes })
}

impl Watcher {
    /// What a person should know: folders that are polled, and why.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.debouncer.take());
        let _ = self.events.send(Event::Stop);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

struct State {
    folders: Vec<PathBuf>,
    polling: bool,
    notes: Arc<Mutex<Vec<String>>>,
}

impl State {
    fn signal(&mut self, result: DebounceEventResult) -> Option<Signal> {
        match result {
            Ok(events) => self.signal_of_events(&events),
            Err(errors) => {
                for error in &errors {
                    self.fall_back(&describe(error));
                }
                Some(Signal::Rescan)
            }
        }
    }

    fn signal_of_events(&mut self, events: &[DebouncedEvent]) -> Option<Signal> {
        let mut paths = BTreeSet::new();
        for event in events {
            if event.need_rescan() {
                return Some(Signal::Rescan);
            }
            if matches!(event.kind, EventKind::Access(_)) {
                continue; // reading is no change, and we read ourselves
            }
            let lost = |folder: &PathBuf| event.paths.contains(folder) && !folder.exists();
            if self.folders.iter().any(lost) {
                self.fall_back("a folder went away, and with it its watch");
                return Some(Signal::Rescan);
            }
            paths.extend(event.paths.iter().cloned());
        }
        match paths.len() {
            0 => None,
            1..=MANY => Some(Signal::Changed(paths.into_iter().collect())),
            _ => Some(Signal::Rescan),
        }
    }

    fn fall_back(&mut self, why: &str) {
        if !self.polling {
            self.polling = true;
            let note = polled("the folders", why);
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        }
    }
}

fn polled(what: &str, why: &str) -> String {
    format!("looking at {what} every {} s: {why}", POLL.as_secs())
}

fn describe(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            "the system grants no more watches (raise `fs.inotify.max_user_watches`)".to_owned()
        }
        ErrorKind::Io(error) => error.kind().to_string(),
        ErrorKind::PathNotFound => "it is not there".to_owned(),
        ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
            "the system refused to watch".to_owned()
        }
    }
}

fn eventless(folder: &Path) -> Option<&'static str> {
    let kind = file_system_type(folder)?;
    EVENTLESS.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

/// The type of the file system that `path` is on, as `statfs(2)` numbers them; `None` where it cannot be told.
#[cfg(target_os = "linux")]
pub(crate) fn file_system_type(path: &Path) -> Option<u32> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut buffer = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `path` ends in NUL, `buffer` is writable and of the type that the call fills in, and all-zero bytes are a
    // valid `statfs`, so that it is initialised whatever the call does.
    let (status, filled) =
        unsafe { (libc::statfs(path.as_ptr(), buffer.as_mut_ptr()), buffer.assume_init()) };
    #[expect(clippy::cast_possible_truncation, reason = "the numbers have 32 bits in a wider field")]
    (status == 0).then_some(filled.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn file_system_type(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::Receiver;
    use std::time::Instant;

    use super::*;

    fn watched(dir: &Path) -> (Watcher, Receiver<Signal>) {
        let (sender, signals) = mpsc::channel();
        let watcher = watch(&[dir.to_owned()], move |signal| drop(sender.send(signal))).unwrap();
        (watcher, signals)
    }

    /// Waits for a signal that names `path`.
    fn expect(signals: &Receiver<Signal>, path: &Path) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match signals.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Signal::Changed(paths)) if paths.iter().any(|changed| changed == path) => return,
                Ok(_) => {}
                Err(_) => panic!("no signal"),
            }
        }
    }

    #[test]
    fn changes_are_signalled_also_in_new_folders() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (watcher, signals) = watched(&root);
        if !watcher.notes().is_empty() {
            return; // this machine's temporary directory sends no events: covered by polling
        }
        fs::write(root.join("a.txt"), "one").unwrap();
        expect(&signals, &root.join("a.txt"));
        fs::create_dir(root.join("inner")).unwrap();
        expect(&signals, &root.join("inner"));
        fs::write(root.join("inner/b.txt"), "two").unwrap();
        expect(&signals, &root.join("inner/b.txt"));
        fs::remove_file(root.join("a.txt")).unwrap();
        expect(&signals, &root.join("a.txt"));
    }

    #[test]
    fn reading_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::write(root.join("a.txt"), "one").unwrap();
        let (_watcher, signals) = watched(&root);
        fs::read(root.join("a.txt")).unwrap();
        fs::read_dir(&root).unwrap().for_each(drop);
        assert!(signals.recv_timeout(DEBOUNCE * 3).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_polled() {
        let (watcher, _) = watched(Path::new("/nowhere/at/all"));
        assert_eq!(watcher.notes(), ["looking at `/nowhere/at/all` every 30 s: it is not there"]);
    }

    #[test]
    fn a_lost_queue_asks_for_a_rescan_and_a_refused_watch_for_polling() {
        let mut state = State { folders: Vec::new(), polling: false, notes: Arc::default() };
        let overflow = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        let overflow = DebouncedEvent { event: overflow, time: Instant::now() };
        assert_eq!(state.signal(Ok(vec![overflow])), Some(Signal::Rescan));
        assert!(!state.polling);
        let refused = notify::Error::new(ErrorKind::MaxFilesWatch);
        assert_eq!(state.signal(Err(vec![refused])), Some(Signal::Rescan));
        assert!(state.polling);
        assert!(state.notes.lock().unwrap()[0].contains("fs.inotify.max_user_watches"));
    }
}
