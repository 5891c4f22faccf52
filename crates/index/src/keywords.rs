//! The keyword index: a tantivy index derived from the catalog. It stores no text, only terms, and each of its commits
//! carries the number of the last change that it holds.

pub(crate) mod rank;
pub(crate) mod terms;

use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;
use rusqlite::Transaction;
use tantivy::indexer::{LogMergePolicy, NoMergePolicy};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token as TantivyToken};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term};

use crate::catalog::delta::{self, IndexedChunk};
use crate::catalog::lock;
use crate::words::{self, Token};
use crate::{Error, Result};

/// Bytes of terms that are collected before a segment is written.
const WRITER_BYTES: usize = 64 << 20;
/// Chunks whose words are found in parallel before they are handed to the writer.
const BATCH: usize = 512;

pub(crate) struct Keywords {
    index: Index,
    writer: Mutex<IndexWriter>,
    reader: IndexReader,
    pub(crate) fields: Fields,
}

#[derive(Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) chunk: Field,
    pub(crate) exact: Field,
    pub(crate) stems: Field,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = |option| {
        let indexing = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(option);
        TextOptions::default().set_indexing_options(indexing)
    };
    let fields = Fields {
        chunk: schema.add_u64_field("chunk", FAST | INDEXED),
        exact: schema.add_text_field("exact", text(IndexRecordOption::WithFreqsAndPositions)),
        stems: schema.add_text_field("stems", text(IndexRecordOption::WithFreqs)),
    };
    (schema.build(), fields)
}

impl Keywords {
    /// Opens the index in `directory`, or creates one in an empty directory. An index that was left behind damaged, or
    /// by a version with other fields, is an error; it can be deleted and made again from the catalog.
    pub(crate) fn open(directory: &Path) -> Result<Keywords> {
        let (schema, fields) = schema();
        let index = match directory.join("meta.json").exists() {
            true => Index::open_in_dir(directory).map_err(Error::keywords)?,
            false => {
                std::fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
                Index::create_in_dir(directory, schema.clone()).map_err(Error::keywords)?
            }
        };
        if index.schema() != schema {
            return Err(Error::keywords("its fields are those of another version"));
        }
        let writer = index.writer_with_num_threads(1, WRITER_BYTES).map_err(Error::keywords)?;
        let reader =
            index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(Error::keywords)?;
        Ok(Keywords { index, writer: Mutex::new(writer), reader, fields })
    }

    /// Number of the last change that is in the index.
    pub(crate) fn held(&self) -> Result<i64> {
        let metas = self.index.load_metas().map_err(Error::keywords)?;
        Ok(metas.payload.and_then(|payload| payload.parse().ok()).unwrap_or(0))
    }

    /// Replays what the catalog has that the index has not, up to `sequence`, the state of `tx`.
    pub(crate) fn catch_up(&self, tx: &Transaction, sequence: i64) -> Result<()> {
        let held = self.held()?;
        if held == sequence {
            return Ok(());
        }
        let mut writer = lock(&self.writer);
        let replayed = self.replay(&writer, tx, held).and_then(|()| {
            let mut commit = writer.prepare_commit().map_err(Error::keywords)?;
            commit.set_payload(&sequence.to_string());
            commit.commit().map_err(Error::keywords)
        });
        if let Err(error) = replayed {
            // What was half done must not ride along with the next commit.
            writer.rollback().map_err(Error::keywords)?;
            return Err(error);
        }
        Ok(())
    }

    fn replay(&self, writer: &IndexWriter, tx: &Transaction, held: i64) -> Result<()> {
        for chunk in delta::removed(tx, held)? {
            writer.delete_term(self.term(chunk));
        }
        let mut batch = Vec::with_capacity(BATCH);
        delta::added(tx, held, |chunk| {
            batch.push(chunk);
            match batch.len() {
                BATCH => self.add(writer, std::mem::take(&mut batch)),
                _ => Ok(()),
            }
        })?;
        self.add(writer, batch)
    }

    fn add(&self, writer: &IndexWriter, batch: Vec<IndexedChunk>) -> Result<()> {
        let documents: Vec<TantivyDocument> = batch.par_iter().map(|chunk| self.document(chunk)).collect();
        for (chunk, document) in batch.iter().zip(documents) {
            writer.delete_term(self.term(chunk.id));
            writer.add_document(document).map_err(Error::keywords)?;
        }
        Ok(())
    }

    fn term(&self, chunk: i64) -> Term {
        Term::from_field_u64(self.fields.chunk, chunk as u64)
    }

    fn document(&self, chunk: &IndexedChunk) -> TantivyDocument {
        let tokens = words::tokens(&chunk.text);
        let mut document = TantivyDocument::new();
        document.add_u64(self.fields.chunk, chunk.id as u64);
        let exact = tokens.iter().filter(|token| token.kind.is_exact());
        let exact = exact.map(|token| (token.folded.clone(), token));
        document.add_pre_tokenized_text(self.fields.exact, tokenized(exact));
        let stems = tokens.iter().filter(|token| token.kind.is_stemmed());
        let stems = stems.map(|token| (words::stem(token, &chunk.language), token));
        document.add_pre_tokenized_text(self.fields.stems, tokenized(stems));
        document
    }

    /// The state of the last commit.
    pub(crate) fn searcher(&self) -> Result<Searcher> {
        self.reader.reload().map_err(Error::keywords)?;
        Ok(self.reader.searcher())
    }

    /// Merges all segments into one without what was deleted, and deletes the files of the former ones. Gives the new
    /// state; searchers of an older one keep its files alive until they are dropped.
    pub(crate) fn compact(&self) -> Result<Searcher> {
        let mut writer = lock(&self.writer);
        // Nothing else may merge meanwhile, or a segment would be missed.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let segments = self.index.searchable_segment_ids().map_err(Error::keywords)?;
        if !segments.is_empty() {
            writer.merge(&segments).wait().map_err(Error::keywords)?;
        }
        writer.set_merge_policy(Box::new(LogMergePolicy::default()));
        drop(writer);
        self.searcher()
    }

    /// Deletes the files that no searcher and no commit needs.
    pub(crate) fn collect_garbage(&self) -> Result<()> {
        lock(&self.writer).garbage_collect_files().wait().map_err(Error::keywords)?;
        Ok(())
    }

    /// Names of files whose bytes are not those that were written.
    pub(crate) fn damaged_files(&self) -> Result<Vec<String>> {
        let damaged = self.index.validate_checksum().map_err(Error::keywords)?;
        Ok(damaged.into_iter().map(|path| path.display().to_string()).collect())
    }
}

fn tokenized<'t>(words: impl Iterator<Item = (String, &'t Token)>) -> PreTokenizedString {
    let tokens = words.map(|(text, token)| TantivyToken {
        offset_from: 0,
        offset_to: 0,
        position: token.position,
        text,
        position_length: 1,
    });
    PreTokenizedString { text: String::new(), tokens: tokens.collect() }
}
