//! The parent's side: a pool of warm workers, and what is said of a file that one of them did not survive.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use carrel_corpus::{Document, Outcome};

use super::channel::SendError;
use super::{WorkersConfig, channel, recognise, serve, wire};
use crate::extract::open_failure;
use crate::limits::readable_bytes;
use crate::{Error, Password};

/// Files after which a worker is replaced, so that what its allocator has scattered does not add up.
const FILES: usize = 1_000;
/// Time for a worker to start and shut itself in.
const START: Duration = Duration::from_secs(30);

/// A pool of worker processes, shared by threads.
pub struct Workers {
    config: WorkersConfig,
    state: Mutex<State>,
    freed: Condvar,
    /// Given for files since the pool was made; tried on whatever is encrypted.
    passwords: RwLock<Vec<Password>>,
}

struct State {
    idle: Vec<Worker>,
    /// Workers that may still be started or taken.
    permits: usize,
}

struct Worker {
    child: Child,
    stream: UnixStream,
    served: usize,
}

/// Why a worker gave no answer.
enum Failure {
    TooSlow,
    Unreadable(io::Error),
    Ended(ExitStatus, String),
    Unstarted(Error),
}

impl Workers {
    /// A pool; workers are started when they are first needed.
    pub fn new(config: WorkersConfig) -> Workers {
        let state = State { idle: Vec::new(), permits: config.count.max(1) };
        Workers { config, state: Mutex::new(state), freed: Condvar::new(), passwords: RwLock::default() }
    }

    /// Reads a file in a worker. Scanned pages and images go through text recognition where it is installed.
    ///
    /// Whatever happens to the worker ends as the outcome of this file alone.
    pub fn extract(&self, path: &Path) -> Document {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = match open(path, self.config.limits.file_bytes) {
            Ok(file) => file,
            Err(outcome) => return unread(outcome),
        };
        let mut document = self.read(&name, &[], &file);
        if is_locked(&document) {
            let passwords = self.passwords.read().unwrap_or_else(PoisonError::into_inner).clone();
            if !passwords.is_empty() {
                document = self.read(&name, &passwords, &file);
            }
        }
        recognise::complete(document, &file, &self.config.limits)
    }

    /// Reads a file in which something is encrypted with a password, which from then on, as long as the pool lives, is
    /// tried on every such file. `None`, and nothing is kept, where it opens nothing.
    pub fn unlock(&self, path: &Path, password: &Password) -> Option<Document> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = open(path, self.config.limits.file_bytes).ok()?;
        let locked = self.read(&name, &[], &file);
        let unlocked = self.read(&name, std::slice::from_ref(password), &file);
        if unlocked == locked || matches!(unlocked.outcome, Outcome::Failed { .. }) {
            return None;
        }
        let mut passwords = self.passwords.write().unwrap_or_else(PoisonError::into_inner);
        if !passwords.contains(password) {
            passwords.push(password.clone());
        }
        drop(passwords);
        // With those given before, which may open other parts of it.
        Some(self.extract(path))
    }

    /// Starts a worker, lets `look` at its process while it is shut in, and ends it.
    ///
    /// # Errors
    /// When no worker can be started or shut in.
    pub fn with_worker<T>(&self, look: impl FnOnce(u32) -> T) -> Result<T, Error> {
        let mut worker = start(&self.config)?;
        let seen = look(worker.child.id());
        worker.end(false);
        Ok(seen)
    }

    fn read(&self, name: &str, passwords: &[Password], file: &File) -> Document {
        let mut worker = self.take();
        loop {
            let fresh = worker.is_none();
            let outcome = match self.attempt(worker.take(), name, passwords, file) {
                Ok((document, worker)) => {
                    self.give_back(Some(worker));
                    return document;
                }
                // A worker that has read other files may have been harmed by them: this one gets another chance.
                Err(Failure::Ended(..)) if !fresh => continue,
                Err(failure) => self.outcome(&failure),
            };
            self.give_back(None);
            return unread(outcome);
        }
    }

    /// One try, with a worker of the pool or a new one.
    fn attempt(
        &self,
        worker: Option<Worker>,
        name: &str,
        passwords: &[Password],
        file: &File,
    ) -> Result<(Document, Worker), Failure> {
        let mut worker = match worker {
            Some(worker) => worker,
            None => start(&self.config).map_err(Failure::Unstarted)?,
        };
        let deadline = Instant::now() + self.config.limits.wall;
        let limit = wire::response_limit(&self.config.limits);
        let sent = rewound(file).map_err(SendError::File).and_then(|()| {
            let content = file.take(self.config.limits.file_bytes.saturating_add(1));
            channel::send_file(&mut worker.stream, name, passwords, content)
        });
        let answer = match sent {
            Err(SendError::File(error)) => {
                worker.end(false);
                return Err(Failure::Unreadable(error));
            }
            Err(SendError::Socket(error)) => Err(error),
            Ok(()) => channel::receive(&mut worker.stream, limit, Some(deadline)),
        };
        match answer.map(|bytes| wire::decode(&bytes)) {
            Ok(Some(document)) => {
                worker.served += 1;
                Ok((document, worker))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                worker.end(false);
                Err(Failure::TooSlow)
            }
            Ok(None) | Err(_) => {
                let (status, last_words) = worker.end(true);
                Err(Failure::Ended(status, last_words))
            }
        }
    }

    fn outcome(&self, failure: &Failure) -> Outcome {
        let limits = &self.config.limits;
        let reason = match failure {
            Failure::TooSlow => format!("took longer than {} s", limits.wall.as_secs()),
            Failure::Unreadable(error) => open_failure(error),
            Failure::Unstarted(error) => error.to_string(),
            Failure::Ended(status, last_words) => {
                let memory =
                    last_words.contains("memory allocation of") || last_words.contains("out of memory");
                let stack = last_words.contains("overflowed its stack");
                match status.signal() {
                    Some(libc::SIGXCPU) => {
                        format!("took more than {} s of processor time", limits.cpu_seconds)
                    }
                    Some(libc::SIGABRT) if memory => {
                        format!("needed more than {} of memory", readable_bytes(limits.memory_bytes))
                    }
                    Some(libc::SIGABRT | libc::SIGSEGV) if stack => "nested too deeply".to_owned(),
                    _ => "the reader crashed".to_owned(),
                }
            }
        };
        Outcome::Failed { reason }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a worker may be used; `None` is leave to start one.
    fn take(&self) -> Option<Worker> {
        let mut state = self.lock();
        while state.permits == 0 {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.permits -= 1;
        state.idle.pop()
    }

    fn give_back(&self, worker: Option<Worker>) {
        let mut state = self.lock();
        state.permits += 1;
        match worker {
            Some(mut worker) if worker.served >= FILES => {
                worker.end(true);
            }
            worker => state.idle.extend(worker),
        }
        drop(state);
        self.freed.notify_one();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for mut worker in std::mem::take(&mut self.lock().idle) {
            worker.end(true);
        }
    }
}

impl Worker {
    /// Ends the process; its status, and what it said at the end.
    fn end(&mut self, patient: bool) -> (ExitStatus, String) {
        // One that is ending by itself should be heard out: its status says why. Without a parent the others end too.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let deadline = Instant::now() + Duration::from_millis(if patient { 500 } else { 0 });
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let status = self.child.wait().unwrap_or_default();
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(4096).read_to_end(&mut words);
        }
        (status, String::from_utf8_lossy(&words).into_owned())
    }
}

/// Starts a worker and waits until it is shut in.
fn start(config: &WorkersConfig) -> Result<Worker, Error> {
    let failed = |source: io::Error| Error::Spawn { program: config.program.clone(), source };
    let (mut here, there) = UnixStream::pair().map_err(failed)?;
    let child = Command::new(&config.program)
        .args(&config.args)
        .stdin(Stdio::from(OwnedFd::from(there)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env_clear()
        .spawn()
        .map_err(failed)?;
    here.set_write_timeout(Some(config.limits.wall)).map_err(failed)?;
    let mut worker = Worker { child, stream: here.try_clone().map_err(failed)?, served: 0 };
    let ready = channel::send(&mut here, &wire::encode_limits(&config.limits))
        .and_then(|()| channel::receive(&mut here, 64, Some(Instant::now() + START)));
    match ready {
        Ok(answer) if answer == serve::READY => Ok(worker),
        other => {
            let (_, last_words) = worker.end(true);
            let said = last_words.lines().next().unwrap_or("").to_owned();
            let source = match (said.is_empty(), other) {
                (false, _) => io::Error::other(said),
                (true, Err(error)) => error,
                (true, Ok(_)) => io::ErrorKind::InvalidData.into(),
            };
            Err(failed(source))
        }
    }
}

/// Opens a regular file of at most `limit` bytes; anything else (a pipe would never end) has its outcome.
fn open(path: &Path, limit: u64) -> Result<File, Outcome> {
    let failed = |error: io::Error| Outcome::Failed { reason: open_failure(&error) };
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Outcome::Unsupported { kind: "not a regular file".into() });
    }
    if metadata.len() > limit {
        return Err(Outcome::TooLarge { limit: format!("over {}", readable_bytes(limit)) });
    }
    Ok(file)
}

/// Whether something in it could not be read for want of a password.
fn is_locked(document: &Document) -> bool {
    match &document.outcome {
        Outcome::Encrypted => true,
        Outcome::PartlyRead { missing } if missing.contains("encrypted") => true,
        _ => document.members.iter().any(|(_, member)| is_locked(member)),
    }
}

/// A file is sent again to a second worker.
fn rewound(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)
}

fn unread(outcome: Outcome) -> Document {
    Document::unread("application/octet-stream", outcome)
}
