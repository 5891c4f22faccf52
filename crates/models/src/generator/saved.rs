//! States on disk, so that a restart does not cost what was read before.
//!
//! A file holds the tokens and the cache of one conversation, which are a copy of document text: the directory lies
//! within the data directory, is readable by its owner only, and is emptied when documents are erased. A file that
//! cannot be read is as good as none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::decoder::{Decoder, State};
use crate::{Digest, Error};

/// Files kept, and their bytes together.
const MOST_FILES: usize = 8;
const MOST_BYTES: u64 = 1 << 30;

/// Reading a file pays when it saves at least so many tokens.
const WORTH: usize = 64;

const MAGIC: &[u8; 8] = b"carrelk1";

/// The states of one model on disk, the last used first; after a restart the last written.
pub(super) struct Saved {
    directory: PathBuf,
    entries: Vec<Entry>,
}

struct Entry {
    path: PathBuf,
    tokens: Vec<u32>,
    bytes: u64,
}

impl Saved {
    /// Looks at what an earlier run has left. States of other models are deleted: they cannot be told from text.
    pub(super) fn open(directory: PathBuf, model: &Digest) -> Saved {
        let own = directory.join(&model.to_string()[..16]);
        let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(&own);
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.path() != own {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let mut found: Vec<_> = fs::read_dir(&own)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                let read = read_head(&mut File::open(entry.path()).ok()?, metadata.len());
                if read.is_err() {
                    let _ = fs::remove_file(entry.path());
                }
                let entry = Entry { path: entry.path(), tokens: read.ok()?, bytes: metadata.len() };
                Some((metadata.modified().ok()?, entry))
            })
            .collect();
        found.sort_by_key(|found| std::cmp::Reverse(found.0));
        Saved { directory: own, entries: found.into_iter().map(|found| found.1).collect() }
    }

    /// The state on disk that has read most of the beginning of `tokens`, cut to that, where it is more by something
    /// than what is known without it.
    pub(super) fn load(&mut self, decoder: &Decoder, tokens: &[u32], known: usize) -> Option<State> {
        let common = |entry: &Entry| common_prefix(&entry.tokens, tokens);
        let index = (0..self.entries.len()).max_by_key(|&index| common(&self.entries[index]))?;
        let length = common(&self.entries[index]);
        if length < known + WORTH {
            return None;
        }
        let entry = self.entries.remove(index);
        let Some(mut state) = read(decoder, &entry) else {
            let _ = fs::remove_file(entry.path);
            return None;
        };
        // What every question begins with outlives what single ones went on with.
        self.entries.insert(0, entry);
        state.truncate(length);
        Some(state)
    }

    /// Whether so much of a beginning is in no file that it pays to write it.
    pub(super) fn lacks(&self, beginning: &[u32]) -> bool {
        let held = self.entries.iter().map(|entry| common_prefix(&entry.tokens, beginning)).max();
        beginning.len() >= held.unwrap_or(0) + WORTH
    }

    /// Writes a state, in place of those that are the beginning of it. What cannot be written, or is more than all files
    /// may be together, is not kept.
    pub(super) fn store(&mut self, decoder: &Decoder, state: &State) {
        if state.cache_bytes() as u64 > MOST_BYTES {
            return;
        }
        let tokens = state.tokens();
        let (known, unknown): (Vec<_>, Vec<_>) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| tokens.starts_with(&entry.tokens));
        self.entries = unknown;
        for entry in known {
            if entry.tokens.len() == tokens.len() {
                self.entries.insert(0, entry);
                return;
            }
            let _ = fs::remove_file(entry.path);
        }
        if let Ok(entry) = write(&self.directory, decoder, state) {
            self.entries.insert(0, entry);
        }
        self.trim();
    }

    fn trim(&mut self) {
        let mut total = 0;
        let kept = self.entries.iter().take(MOST_FILES).take_while(|entry| {
            total += entry.bytes;
            total <= MOST_BYTES
        });
        let kept = kept.count();
        for entry in self.entries.drain(kept..) {
            let _ = fs::remove_file(entry.path);
        }
    }

    /// Deletes all states.
    pub(super) fn erase(&mut self) -> Result<(), Error> {
        self.entries.clear();
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
        Ok(())
    }
}

fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A name that says nothing of the content.
fn name(tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    Digest::of(&bytes).to_string()[..32].to_owned()
}

fn write(directory: &Path, decoder: &Decoder, state: &State) -> io::Result<Entry> {
    let tokens = state.tokens().to_vec();
    let path = directory.join(name(&tokens));
    let temporary = path.with_extension("new");
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&temporary)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(MAGIC)?;
    out.write_all(&(tokens.len() as u64).to_le_bytes())?;
    for token in &tokens {
        out.write_all(&token.to_le_bytes())?;
    }
    state.snapshot(decoder, &mut out)?;
    let bytes = out.into_inner()?.metadata()?.len();
    fs::rename(&temporary, &path)?;
    Ok(Entry { path, tokens, bytes })
}

fn read(decoder: &Decoder, entry: &Entry) -> Option<State> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(&entry.path).ok()?);
    let tokens = read_head(&mut input, entry.bytes).ok()?;
    decoder.restore(&mut input).filter(|state| tokens == entry.tokens && state.tokens() == tokens)
}

/// The tokens at the beginning of a file of so many bytes.
fn read_head(input: &mut impl Read, file_bytes: u64) -> io::Result<Vec<u32>> {
    let mut head = [0; 16];
    input.read_exact(&mut head)?;
    let (magic, count) = head.split_at(8);
    let count = u64::from_le_bytes(count.try_into().map_err(|_| io::ErrorKind::InvalidData)?);
    if magic != MAGIC || count.checked_mul(4).is_none_or(|bytes| bytes > file_bytes) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; count as usize * 4];
    input.read_exact(&mut bytes)?;
    Ok(bytes
        .chunks_exact(4)
        .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decoder::{CacheType, DecoderOptions};
    use crate::gguf::Gguf;
    use crate::testing::data;

    #[test]
    fn what_is_used_outlives_what_is_only_written() {
        let gguf = Arc::new(Gguf::from_bytes(data("models/llama.gguf")).unwrap());
        let options =
            DecoderOptions { threads: 1, context_tokens: 512, cache: CacheType::F16, repack_dir: None };
        let decoder = Decoder::load(&gguf, options).unwrap();
        let read = |tokens: &[u32]| {
            let mut state = decoder.new_state();
            decoder.prefill(&mut state, tokens).unwrap();
            state
        };
        let directory = tempfile::tempdir().unwrap();
        let mut saved = Saved::open(directory.path().to_owned(), &Digest::of(b""));
        let (rules, unused) = ([1; WORTH], [2; WORTH]);
        saved.store(&decoder, &read(&rules));
        saved.store(&decoder, &read(&unused));
        for reply in 3..3 + MOST_FILES as u32 {
            let known = saved.load(&decoder, &rules, 0).expect("it was used before each reply");
            assert_eq!(known.tokens(), rules);
            saved.store(&decoder, &read(&[reply; WORTH]));
        }
        assert!(saved.load(&decoder, &unused, 0).is_none());
    }
}
