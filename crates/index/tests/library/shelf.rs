//! A library in a temporary directory, with a toy embedder that is good enough to tell texts apart.

use std::path::{Path, PathBuf};

use carrel_corpus::{Chunk, Document, DocumentId, Locator, Outcome, Passage, Span};
use carrel_index::{FileStamp, Filter, Index, IndexConfig, Query, Ranking, Reading, Tuning};
use tempfile::TempDir;

pub const DIMENSIONS: usize = 64;

pub struct Shelf {
    // Before the directory, so that it is closed first.
    index: Option<Index>,
    directory: TempDir,
    tuning: Tuning,
}

impl Shelf {
    pub fn new() -> Shelf {
        Shelf::tuned(Tuning::default())
    }

    pub fn tuned(tuning: Tuning) -> Shelf {
        let mut shelf = Shelf { index: None, directory: tempfile::tempdir().unwrap(), tuning };
        shelf.reopen();
        shelf
    }

    /// A library made of a copy of this one's files as they are now, open or not: what a crash leaves.
    pub fn crashed(&self) -> Shelf {
        let copy = Shelf { index: None, directory: tempfile::tempdir().unwrap(), tuning: self.tuning };
        copy_all(&self.path(), &copy.path());
        copy
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("library")
    }

    pub fn config(&self) -> IndexConfig {
        IndexConfig { directory: self.path(), embedder: "toy".into(), dimensions: DIMENSIONS }
    }

    pub fn close(&mut self) {
        self.index = None;
    }

    pub fn reopen(&mut self) {
        self.close();
        self.index = Some(Index::open_with(self.config(), self.tuning).unwrap());
    }

    pub fn index(&self) -> &Index {
        self.index.as_ref().unwrap()
    }

    /// Puts a plain file, one chunk a paragraph.
    pub fn put(&self, path: &str, text: &str) -> DocumentId {
        put(self.index(), path, text)
    }

    /// [`Shelf::put`], published and embedded.
    pub fn add(&self, path: &str, text: &str) -> DocumentId {
        let document = self.put(path, text);
        self.settle();
        document
    }

    pub fn settle(&self) {
        embed_all(self.index());
        self.index().publish().unwrap();
    }

    /// Paths and texts found, best first.
    pub fn find(&self, query: &Query) -> Vec<(String, String)> {
        let found = self.index().search(query).unwrap();
        found.into_iter().map(|passage| (passage.path, passage.text)).collect()
    }

    /// Paths found by all of hybrid search, best first.
    pub fn paths(&self, text: &str) -> Vec<String> {
        self.find(&hybrid(text)).into_iter().map(|(path, _)| path).collect()
    }
}

pub fn stamp(path: &str, text: &str) -> FileStamp {
    let hash = text.bytes().fold([7u8; 32], |mut hash, byte| {
        hash.rotate_left(1);
        hash[0] = hash[0].wrapping_mul(31).wrapping_add(byte);
        hash
    });
    FileStamp {
        path: path.into(),
        size: text.len() as u64,
        modified_ns: 1_700_000_000_000_000_000,
        inode: 1,
        hash,
    }
}

pub fn document(text: &str) -> Document {
    let outcome = if text.is_empty() { Outcome::Empty } else { Outcome::Indexed };
    Document { text: text.into(), ..Document::unread("text/plain", outcome) }
}

/// One chunk a paragraph.
pub fn chunks(text: &str) -> Vec<Chunk> {
    let mut start = 0;
    let mut chunks = Vec::new();
    for paragraph in text.split_inclusive("\n\n") {
        let span = Span::new(start, start + paragraph.trim_end().len());
        start += paragraph.len();
        if !span.is_empty() {
            let (headings, context) = (Vec::new(), String::new());
            chunks.push(Chunk { span, locator: Locator::Whole, headings, context, hidden: false });
        }
    }
    chunks
}

pub fn texts(text: &str, chunks: &[Chunk]) -> Vec<String> {
    chunks.iter().map(|chunk| chunk.span.of(text).to_owned()).collect()
}

pub fn put(index: &Index, path: &str, text: &str) -> DocumentId {
    let (document, chunks) = (document(text), chunks(text));
    let texts = texts(text, &chunks);
    let reading = Reading { path: path.into(), document: &document, chunks: &chunks, texts: &texts };
    index.put(&stamp(path, text), &[reading]).unwrap()
}

pub fn embed_all(index: &Index) {
    loop {
        let pending = index.pending_vectors(64).unwrap();
        if pending.is_empty() {
            return;
        }
        let vectors: Vec<_> = pending.into_iter().map(|(chunk, text)| (chunk, embed(&text))).collect();
        index.put_vectors(&vectors).unwrap();
    }
}

/// A unit vector of hashed words.
pub fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.01f32; DIMENSIONS];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = word.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
        vector[hash as usize % DIMENSIONS] += if hash & 0x4000 == 0 { 1.0 } else { -1.0 };
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter().map(|value| value / length).collect()
}

pub fn hybrid(text: &str) -> Query {
    Query {
        text: text.into(),
        vector: Some(embed(text)),
        filter: Filter::default(),
        limit: 10,
        ranking: Ranking::Hybrid,
        per_document: None,
        collapse_duplicates: false,
        strict_phrases: false,
    }
}

pub fn keywords(text: &str) -> Query {
    Query { ranking: Ranking::Keywords, vector: None, ..hybrid(text) }
}

pub fn by_vectors(text: &str) -> Query {
    Query { ranking: Ranking::Vectors, ..hybrid(text) }
}

/// What tells two result lists apart, ids left out.
pub fn shown(passages: &[Passage]) -> Vec<(String, Span, String)> {
    passages
        .iter()
        .map(|p| (p.path.clone(), p.span, format!("{:.4} {:.4?} {:.4?}", p.score, p.bm25, p.similarity)))
        .collect()
}

pub fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        // A file may vanish between being listed and being copied.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy_all(&entry.path(), &target),
            _ => drop(std::fs::copy(entry.path(), target)),
        }
    }
}
