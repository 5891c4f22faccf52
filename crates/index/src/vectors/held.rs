//! What the table surely holds, written down beside it, and the syncing that must come first.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, Result};

const NAME: &str = "held";

/// The content of the file beside the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) sequence: i64,
    pub(super) dimensions: usize,
    /// Rows in the approximate index; 0 while there is none.
    pub(super) indexed: usize,
    pub(super) embedder: String,
}

impl Held {
    pub(super) fn none(embedder: &str, dimensions: usize) -> Held {
        Held { sequence: 0, dimensions, indexed: 0, embedder: embedder.to_owned() }
    }

    /// `None` when there is no file. One that cannot be made sense of is an error.
    pub(super) fn read(directory: &Path) -> Result<Option<Held>> {
        let path = directory.join(NAME);
        match fs::read_to_string(&path) {
            Ok(text) => match Held::parse(&text) {
                Some(held) => Ok(Some(held)),
                None => Err(Error::vectors("what it holds is not legible")),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", path)(error)),
        }
    }

    fn parse(text: &str) -> Option<Held> {
        let mut lines = text.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        Some(Held {
            sequence: value("sequence")?.parse().ok()?,
            dimensions: value("dimensions")?.parse().ok()?,
            indexed: value("indexed")?.parse().ok()?,
            embedder: value("embedder")?.to_owned(),
        })
    }

    /// Replaces the file. A crash leaves the former one.
    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let Held { sequence, dimensions, indexed, embedder } = self;
        let text =
            format!("sequence {sequence}\ndimensions {dimensions}\nindexed {indexed}\nembedder {embedder}\n");
        let (path, next) = (directory.join(NAME), directory.join("held.next"));
        let write = || {
            let mut file = File::create(&next)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, &path)?;
            sync_directory(directory)
        };
        write().map_err(Error::file("write", &path))
    }
}

/// The files that are on the disk already. Lance never changes a file once it is written.
#[derive(Default)]
pub(super) struct Synced {
    files: HashSet<(PathBuf, u64, Option<SystemTime>)>,
}

impl Synced {
    /// Syncs every file under `directory` that was not synced before, and every directory.
    pub(super) fn sync(&mut self, directory: &Path) -> Result<()> {
        let mut present = HashSet::new();
        self.walk(directory, &mut present).map_err(Error::file("sync", directory))?;
        self.files = present;
        Ok(())
    }

    fn walk(
        &self,
        directory: &Path,
        present: &mut HashSet<(PathBuf, u64, Option<SystemTime>)>,
    ) -> std::io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let path = entry.path();
            if metadata.is_dir() {
                self.walk(&path, present)?;
                continue;
            }
            let file = (path, metadata.len(), metadata.modified().ok());
            if !self.files.contains(&file) {
                File::open(&file.0)?.sync_all()?;
            }
            present.insert(file);
        }
        sync_directory(directory)
    }
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Directories cannot be opened as files here; renames are durable without.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_round_trips() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Held::read(directory.path()).unwrap(), None);
        let held = Held { sequence: 7, indexed: 3, ..Held::none("minilm @ 1", 384) };
        held.write(directory.path()).unwrap();
        assert_eq!(Held::read(directory.path()).unwrap(), Some(held));
        fs::write(directory.path().join(NAME), "sequence 7\ndim").unwrap();
        assert!(Held::read(directory.path()).is_err(), "a torn file is no statement");
    }
}
