//! Work over whole documents that was broken off, kept so that the same work goes on from there.
//!
//! One file for each piece of work, deleted when the work is done or when anything is erased: it holds what was taken
//! out of documents. Where a row came from is kept as chunk and span; the words themselves are read from the catalog
//! again. A row of a document that has changed since is not used.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use carrel_corpus::{ChunkId, Citation, Claim, DocumentId, Passage, Span, Support};
use carrel_generate::tasks::{
    Cell, Exhausted, Row, SectionPoints, Signs, Source, Summarised, Table, TableRow, Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Library};

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    document: i64,
    /// Of the file's bytes when the row was made.
    hash: String,
    row: T,
}

/// Chunk, start and end of a citation.
type Place = (i64, usize, usize);

#[derive(Serialize, Deserialize)]
struct KeptVisit {
    /// Near, states, answers.
    signs: Option<(f32, f32, f32)>,
    evidence: Option<Place>,
}

#[derive(Serialize, Deserialize)]
struct KeptCell {
    value: Value,
    supported: Option<bool>,
    citations: Vec<Place>,
}

#[derive(Serialize, Deserialize)]
struct KeptSection {
    section: usize,
    /// Sentences with what they cite.
    points: Vec<(String, Vec<Place>)>,
}

/// One piece of work: what is done, by which models.
pub(super) struct JobFile(PathBuf);

impl Library {
    /// The file of the work that `parts` describe.
    pub(super) fn job(&self, parts: &[&str]) -> JobFile {
        let mut hasher = blake3::Hasher::new();
        for part in parts.iter().chain(&[self.embedder.id()]) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        JobFile(self.jobs().join(&hasher.finalize().to_hex()[..32]))
    }

    fn jobs(&self) -> PathBuf {
        self.config.data_dir.join("jobs")
    }

    /// Forgets all work that was broken off.
    pub(super) fn erase_jobs(&self) -> Result<(), Error> {
        match fs::remove_dir_all(self.jobs()) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Folder { path: self.jobs(), source })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn resume_visit(&self, job: &JobFile, documents: &[Source]) -> Result<Exhausted, Error> {
        let rows = self.kept_rows(job, documents, |source, kept: KeptVisit, passages| {
            Some(Row {
                document: source.document,
                path: source.path.clone(),
                verdict: Verdict::DoesNot,
                probability: 0.0,
                signs: kept.signs.map(|(near, states, answers)| Signs { near, states, answers }),
                evidence: match kept.evidence {
                    Some(place) => Some(citation(place, passages)?),
                    None => None,
                },
            })
        })?;
        Ok(Exhausted { rows, ..Exhausted::default() })
    }

    pub(super) fn resume_table(&self, job: &JobFile, documents: &[Source]) -> Result<Table, Error> {
        let rows = self.kept_rows(job, documents, |source, kept: Vec<KeptCell>, passages| {
            let cell = |kept: KeptCell| {
                let citations = kept.citations.into_iter().map(|place| citation(place, passages));
                let support = match kept.supported {
                    None => Support::NotAClaim,
                    Some(true) => Support::Supported,
                    Some(false) => Support::Unsupported,
                };
                Some(Cell { value: kept.value, support, citations: citations.collect::<Option<_>>()? })
            };
            let cells = kept.into_iter().map(cell).collect::<Option<Vec<Cell>>>()?;
            Some(TableRow { source: source.clone(), cells })
        })?;
        Ok(Table { rows, ..Table::default() })
    }

    pub(super) fn resume_summary(&self, job: &JobFile, documents: &[Source]) -> Result<Summarised, Error> {
        let sections = self.kept_rows(job, documents, |source, kept: KeptSection, passages| {
            let point = |(text, places): (String, Vec<Place>)| {
                let citations = places.into_iter().map(|place| citation(place, passages));
                Some(Claim {
                    span: Span::new(0, text.len()),
                    text,
                    support: Support::Supported,
                    citations: citations.collect::<Option<_>>()?,
                })
            };
            let points = kept.points.into_iter().map(point).collect::<Option<Vec<Claim>>>()?;
            Some(SectionPoints { document: source.document, section: kept.section, points })
        })?;
        Ok(Summarised { sections, ..Summarised::default() })
    }

    pub(super) fn keep_summary(&self, job: &JobFile, state: &Summarised) -> Result<(), Error> {
        let point = |point: &Claim| (point.text.clone(), point.citations.iter().map(place).collect());
        let kept = |done: &SectionPoints| KeptSection {
            section: done.section,
            points: done.points.iter().map(point).collect(),
        };
        self.keep(job, state.total, state.sections.iter().map(|done| (done.document, kept(done))))
    }

    /// Keeps a visit that is not complete, and forgets one that is.
    pub(super) fn keep_visit(&self, job: &JobFile, total: usize, found: &Exhausted) -> Result<(), Error> {
        let kept = |row: &Row| KeptVisit {
            signs: row.signs.map(|signs| (signs.near, signs.states, signs.answers)),
            evidence: row.evidence.as_ref().map(place),
        };
        self.keep(job, total, found.rows.iter().map(|row| (row.document, kept(row))))
    }

    pub(super) fn keep_table(&self, job: &JobFile, total: usize, table: &Table) -> Result<(), Error> {
        let cell = |cell: &Cell| KeptCell {
            value: cell.value.clone(),
            supported: match cell.support {
                Support::NotAClaim => None,
                support => Some(support == Support::Supported),
            },
            citations: cell.citations.iter().map(place).collect(),
        };
        let kept = |row: &TableRow| row.cells.iter().map(cell).collect::<Vec<KeptCell>>();
        self.keep(job, total, table.rows.iter().map(|row| (row.source.document, kept(row))))
    }

    fn keep<T: Serialize>(
        &self,
        job: &JobFile,
        total: usize,
        rows: impl ExactSizeIterator<Item = (DocumentId, T)>,
    ) -> Result<(), Error> {
        if rows.len() == 0 || rows.len() == total {
            // There may be none.
            let _ = fs::remove_file(&job.0);
            return Ok(());
        }
        let hashes = self.hashes()?;
        let kept: Vec<Kept<T>> = rows
            .filter_map(|(document, row)| {
                Some(Kept { document: document.0, hash: hashes.get(&document)?.clone(), row })
            })
            .collect();
        // Mirrors of plain data: there is nothing in them that JSON cannot say.
        let text = serde_json::to_string(&kept).unwrap_or_default();
        fs::create_dir_all(self.jobs())
            .and_then(|()| fs::write(&job.0, text))
            .map_err(|source| Error::Folder { path: self.jobs(), source })
    }

    /// The rows that were kept, of documents that are still as they were.
    fn kept_rows<T: for<'a> Deserialize<'a>, R>(
        &self,
        job: &JobFile,
        documents: &[Source],
        restored: impl Fn(&Source, T, &[Passage]) -> Option<R>,
    ) -> Result<Vec<R>, Error> {
        let text = fs::read_to_string(&job.0).unwrap_or_default();
        let kept: Vec<Kept<T>> = serde_json::from_str(&text).unwrap_or_default();
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = self.hashes()?;
        let mut rows = Vec::new();
        for kept in kept {
            let source = documents.iter().find(|source| source.document.0 == kept.document);
            let Some(source) = source.filter(|source| hashes.get(&source.document) == Some(&kept.hash))
            else {
                continue;
            };
            rows.extend(restored(source, kept.row, &self.index.passages(source.document)?));
        }
        Ok(rows)
    }

    fn hashes(&self) -> Result<HashMap<DocumentId, String>, Error> {
        let files = self.index.files()?;
        let hash = |hash: &[u8; 32]| blake3::Hash::from_bytes(*hash).to_hex().to_string();
        Ok(files.iter().map(|record| (record.document, hash(&record.hash))).collect())
    }
}

fn place(citation: &Citation) -> Place {
    (citation.chunk.0, citation.span.start, citation.span.end)
}

/// The citation at a place; none where the passage is no longer there.
fn citation((chunk, start, end): Place, passages: &[Passage]) -> Option<Citation> {
    let at = passages.iter().position(|passage| passage.chunk == ChunkId(chunk))?;
    let passage = &passages[at];
    let first = passage.span.start;
    let range = start.checked_sub(first)?..end.checked_sub(first)?;
    passage.text.get(range.clone())?;
    Some(passage.citation(at + 1, range))
}
