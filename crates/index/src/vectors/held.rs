//! What the table surely holds, written down beside it, and the syncing that must come first.

use std::collections::{BTreeMap, HashMap};
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
    /// Partitions of the approximate index; 0 while there is none.
    pub(super) partitions: usize,
    /// Partitions of it that a search looks into; 0 where all rows are compared instead.
    pub(super) probes: usize,
    pub(super) embedder: String,
    /// The table's files, relative to its directory, with their lengths.
    pub(super) files: BTreeMap<String, u64>,
}

impl Held {
    pub(super) fn none(embedder: &str, dimensions: usize) -> Held {
        let embedder = embedder.to_owned();
        Held {
            sequence: 0,
            dimensions,
            indexed: 0,
            partitions: 0,
            probes: 0,
            embedder,
            files: BTreeMap::new(),
        }
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
        let mut lines = text.strip_suffix("end\n")?.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let (sequence, dimensions) = (value("sequence")?.parse().ok()?, value("dimensions")?.parse().ok()?);
        // An index of which it was not written down how far it has to be searched is made again.
        let mut index = value("indexed")?.split(' ').map(str::parse);
        let [indexed, partitions, probes] = match (index.next(), index.next(), index.next()) {
            (Some(rows), Some(partitions), Some(probes)) => [rows.ok()?, partitions.ok()?, probes.ok()?],
            _ => [0; 3],
        };
        let mut held = Held {
            sequence,
            dimensions,
            indexed,
            partitions,
            probes,
            embedder: value("embedder")?.to_owned(),
            files: BTreeMap::new(),
        };
        for line in lines {
            let (length, name) = line.strip_prefix("file ")?.split_once(' ')?;
            held.files.insert(name.to_owned(), length.parse().ok()?);
        }
        Some(held)
    }

    /// Replaces the file. A crash leaves the former one.
    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let (path, next) = (directory.join(NAME), directory.join("held.next"));
        let write = || {
            let mut file = File::create(&next)?;
            file.write_all(self.text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, &path)?;
            sync_directory(directory)
        };
        write().map_err(Error::file("write", &path))
    }

    fn text(&self) -> String {
        let Held { sequence, dimensions, indexed, partitions, probes, embedder, files } = self;
        let files: String = files.iter().map(|(name, length)| format!("file {length} {name}\n")).collect();
        format!(
            "sequence {sequence}\ndimensions {dimensions}\nindexed {indexed} {partitions} {probes}\nembedder {embedder}\n{files}end\n"
        )
    }

    /// Deletes every file that was not written down: of a version that was not finished when the power failed, any part
    /// may be missing, and LanceDB opens the newest that it sees.
    pub(super) fn discard_others(&self, directory: &Path) -> Result<()> {
        self.discard_in(directory, directory).map_err(Error::file("clear", directory))
    }

    fn discard_in(&self, directory: &Path, folder: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(directory).ok().and_then(Path::to_str);
            if path.is_dir() {
                self.discard_in(directory, &path)?;
            } else if name.is_none_or(|name| name != NAME && !self.files.contains_key(name)) {
                fs::remove_file(path)?;
            }
        }
        sync_directory(folder)
    }

    /// Whether every file that was written down is there in its whole length.
    pub(super) fn is_on_disk(&self, directory: &Path) -> bool {
        let whole = |(name, length): (&String, &u64)| {
            fs::metadata(directory.join(name)).is_ok_and(|metadata| metadata.len() == *length)
        };
        self.files.iter().all(whole)
    }
}

/// The files that are on the disk already. Lance never changes a file once it is written.
#[derive(Default)]
pub(super) struct Synced {
    files: HashMap<PathBuf, (u64, Option<SystemTime>)>,
}

impl Synced {
    /// Syncs every file under `directory` that was not synced before, and every directory. Gives the files, relative
    /// to `directory`, with their lengths.
    pub(super) fn sync(&mut self, directory: &Path) -> Result<BTreeMap<String, u64>> {
        let mut present = HashMap::new();
        self.walk(directory, &mut present).map_err(Error::file("sync", directory))?;
        self.files = present;
        let files = self.files.iter().filter_map(|(path, (length, _))| {
            let name = path.strip_prefix(directory).ok()?.to_str()?;
            // This file's own predecessor is none of the table's.
            (!name.starts_with(NAME)).then(|| (name.to_owned(), *length))
        });
        Ok(files.collect())
    }

    fn walk(
        &self,
        directory: &Path,
        present: &mut HashMap<PathBuf, (u64, Option<SystemTime>)>,
    ) -> std::io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let path = entry.path();
            if metadata.is_dir() {
                self.walk(&path, present)?;
                continue;
            }
            let stamp = (metadata.len(), metadata.modified().ok());
            if self.files.get(&path) != Some(&stamp) {
                File::open(&path)?.sync_all()?;
            }
            present.insert(path, stamp);
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
        let mut held =
            Held { sequence: 7, indexed: 3, partitions: 4, probes: 2, ..Held::none("minilm @ 1", 384) };
        fs::create_dir(directory.path().join("data")).unwrap();
        fs::write(directory.path().join("data/a b"), b"rows").unwrap();
        held.files = Synced::default().sync(directory.path()).unwrap();
        assert_eq!(held.files, BTreeMap::from([("data/a b".to_owned(), 4)]));
        held.write(directory.path()).unwrap();
        assert_eq!(Held::read(directory.path()).unwrap().as_ref(), Some(&held));
        assert!(held.is_on_disk(directory.path()));
        fs::write(directory.path().join("data/later"), b"unfinished").unwrap();
        held.discard_others(directory.path()).unwrap();
        assert!(!directory.path().join("data/later").exists(), "what was not written down goes");
        assert!(held.is_on_disk(directory.path()), "what was written down stays");
        fs::write(directory.path().join("data/a b"), b"ro").unwrap();
        assert!(!held.is_on_disk(directory.path()), "a torn file shows");
        fs::write(directory.path().join(NAME), "sequence 7\ndim").unwrap();
        assert!(Held::read(directory.path()).is_err(), "a torn file is no statement");
        let former = Held::parse("sequence 7\ndimensions 384\nindexed 3\nembedder e\nend\n").unwrap();
        assert_eq!(former.indexed, 0, "an index that was never tried out is made again");
    }
}
