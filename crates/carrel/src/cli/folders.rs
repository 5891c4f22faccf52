//! `carrel add` and `carrel remove`: which folders the library reads.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::desk::{Desk, Here};
use super::progress::Meter;
use super::remote::Remote;
use super::{Exit, Failure, Global, print_json};
use crate::{interrupt, library, wire};

/// Read a folder, and keep in step with it from now on
///
/// Its files can be found by keyword as soon as they are read, by meaning once their vectors are made. Ctrl-C loses
/// nothing: the next command or a running server goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  carrel add ~/Documents/contracts")]
pub struct AddArgs {
    folder: PathBuf,
}

impl AddArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let folder = existing(&self.folder)?;
        match Desk::open(global)? {
            Desk::Here(here) => add_here(&here, &folder, global.json),
            Desk::Served(remote) => {
                let added = add_served(&remote, &folder)?;
                say(global.json, &added, &format!("reading `{}` in the running carrel", added.path))
            }
        }
    }
}

fn add_here(here: &Here, folder: &Path, json: bool) -> Result<Exit, Failure> {
    let id = here.0.add_folder(folder)?;
    if !here.catch_up(Some(f64::INFINITY))? {
        eprintln!(
            "stopped; what was read is kept, and `carrel serve` or another `carrel add` goes on from here"
        );
        return Ok(Exit::Interrupted);
    }
    let status = here.0.status()?;
    let added = status.folders.iter().find(|folder| folder.id == id).ok_or(library::Error::NoSuchFolder)?;
    let added = wire::Folder::from(added);
    let line = format!("`{}`: {} of {} files can be searched", added.path, added.searched, added.files);
    say(json, &added, &line)
}

/// Take a folder out, and erase all that was kept of it
///
/// The files themselves are not touched. Their text, terms and vectors are erased from every file of the library, with
/// the conversations that quote them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  carrel remove ~/Documents/contracts")]
pub struct RemoveArgs {
    folder: PathBuf,
}

impl RemoveArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let desk = Desk::open(global)?;
        let folders: Vec<wire::Folder> = match &desk {
            Desk::Here(here) => here.0.folders()?.iter().map(wire::Folder::from).collect(),
            Desk::Served(remote) => remote.get::<wire::Status>("/library/status")?.folders,
        };
        let wanted = named(&self.folder);
        let Some(folder) = folders.into_iter().find(|folder| folder.path == wanted) else {
            return Err(Failure::with_hint(
                format!("`{wanted}` is not a folder of the library"),
                "`carrel status` lists its folders",
            ));
        };
        match &desk {
            Desk::Here(here) => here.0.remove_folder(carrel_corpus::FolderId(folder.id))?,
            Desk::Served(remote) => remote.delete(&format!("/library/folders/{}", folder.id))?,
        }
        say(global.json, &folder, &format!("`{}` is no longer in the library", folder.path))
    }
}

/// The folder as the file system knows it.
pub fn existing(folder: &Path) -> Result<PathBuf, Failure> {
    match folder.canonicalize() {
        Ok(found) if found.is_dir() => Ok(found),
        _ => Err(library::Error::NotAFolder(folder.to_owned()).into()),
    }
}

/// A file or folder as the file system knows it.
pub fn found(path: &Path) -> Result<PathBuf, Failure> {
    let missing = |_| Failure::new(format!("no such file or folder `{}`", path.display()));
    path.canonicalize().map_err(missing)
}

/// The folder as the library names it, whether or not it still exists.
fn named(folder: &Path) -> String {
    let path = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    carrel_ingest::stored_from_path(path.as_deref().unwrap_or(folder))
}

/// Has the running server read `folder`.
pub fn add_served(remote: &Remote, folder: &Path) -> Result<wire::Folder, Failure> {
    remote.post("/library/folders", &wire::FolderBody { path: wire::path(folder) })
}

/// Waits until the running server has read what it has to read, with `vectors` until it has made these. Gives false
/// when Ctrl-C was pressed.
pub fn wait_served(remote: &Remote, vectors: bool) -> Result<bool, Failure> {
    interrupt::install();
    let mut meter = Meter::new();
    while !interrupt::interrupted() {
        let status: wire::Status = remote.get("/library/status")?;
        let progress = &status.progress;
        let (what, done, total) = match progress.phase.as_str() {
            "scanning" | "reading" => ("reading files", progress.files_done, progress.files_total),
            "embedding" if vectors => ("making vectors", progress.chunks_done, progress.chunks_total),
            _ => return Ok(true),
        };
        meter.show(what, done as u64, total as u64, progress.seconds_left);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    Ok(false)
}

fn say(json: bool, folder: &wire::Folder, line: &str) -> Result<Exit, Failure> {
    match json {
        true => print_json(folder)?,
        false => writeln!(std::io::stdout(), "{line}")?,
    }
    Ok(Exit::Done)
}
