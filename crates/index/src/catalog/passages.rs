//! Chunks as passages: what a search result, a citation or a prompt needs of them.

use std::collections::HashMap;

use carrel_corpus::{ChunkId, DocumentId, Locator, Passage};
use rusqlite::{OptionalExtension, Row, Transaction};

use super::delta::span;
use super::documents::title_or_name;
use super::text;
use super::vectors::from_bytes;
use crate::Result;

const PASSAGE: &str =
    "SELECT chunks.id, document, path, title, headings, locator, start, \"end\", chunks.text,
        context, hidden, coalesce(date, modified_ns / 1000000000)
    FROM chunks JOIN documents ON documents.id = document";

fn passage(tx: &Transaction, row: &Row) -> Result<Passage> {
    let headings: String = row.get(4)?;
    let path: String = row.get(2)?;
    let span = span(row, 6)?;
    Ok(Passage {
        chunk: ChunkId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        title: title_or_name(row.get(3)?, &path),
        path,
        headings: headings.split('\u{1f}').filter(|heading| !heading.is_empty()).map(str::to_owned).collect(),
        locator: Locator::decode(&row.get::<_, String>(5)?).unwrap_or(Locator::Whole),
        span,
        text: text::slice(tx, row.get(8)?, span)?,
        context: row.get(9)?,
        hidden: row.get(10)?,
        date: row.get(11)?,
        score: 0.0,
        similarity: None,
        bm25: None,
    })
}

/// The chunk as a passage without scores, or `None` when it has gone.
pub(crate) fn one(tx: &Transaction, chunk: i64) -> Result<Option<Passage>> {
    let mut statement = tx.prepare_cached(&format!("{PASSAGE} WHERE chunks.id = ?1"))?;
    let mut rows = statement.query([chunk])?;
    rows.next()?.map(|row| passage(tx, row)).transpose()
}

/// All chunks of a document, in order.
pub(crate) fn of_document(tx: &Transaction, document: i64) -> Result<Vec<Passage>> {
    let mut statement =
        tx.prepare_cached(&format!("{PASSAGE} WHERE document = ?1 AND retired IS NULL ORDER BY position"))?;
    let mut rows = statement.query([document])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(passage(tx, row)?);
    }
    Ok(found)
}

/// The chunk that a document begins with.
pub(crate) fn opening(tx: &Transaction, document: i64) -> Result<Option<Passage>> {
    let mut statement = tx.prepare_cached(&format!(
        "{PASSAGE} WHERE document = ?1 AND retired IS NULL ORDER BY position LIMIT 1"
    ))?;
    let mut rows = statement.query([document])?;
    rows.next()?.map(|row| passage(tx, row)).transpose()
}

/// The chunk with up to `n` of its document's chunks on either side, in order; empty when it has gone.
pub(crate) fn neighbours(tx: &Transaction, chunk: i64, n: usize) -> Result<Vec<Passage>> {
    let place: Option<(i64, i64, i64)> = tx
        .prepare_cached("SELECT document, text, position FROM chunks WHERE id = ?1")?
        .query_row([chunk], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((document, text, position)) = place else { return Ok(Vec::new()) };
    let n = i64::try_from(n).unwrap_or(i64::MAX / 2);
    let mut statement = tx.prepare_cached(&format!(
        "{PASSAGE} WHERE document = ?1 AND chunks.text = ?2 AND position BETWEEN ?3 AND ?4 ORDER BY position"
    ))?;
    let mut rows =
        statement.query([document, text, position.saturating_sub(n), position.saturating_add(n)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(passage(tx, row)?);
    }
    Ok(found)
}

/// The cosine similarity with `query` of the chunks that have a vector.
pub(crate) fn similarities(
    tx: &Transaction,
    chunks: impl Iterator<Item = i64>,
    query: &[f32],
) -> Result<HashMap<i64, f32>> {
    let mut statement = tx.prepare_cached(
        "SELECT vectors.vector FROM chunks JOIN vectors ON vectors.id = chunks.vector WHERE chunks.id = ?1",
    )?;
    let mut found = HashMap::new();
    for chunk in chunks {
        let vector: Option<Vec<u8>> = statement.query_row([chunk], |row| row.get(0)).optional()?;
        if let Some(bytes) = vector.filter(|bytes| bytes.len() == 2 * query.len()) {
            let row: Vec<half::f16> = from_bytes(&bytes).collect();
            found.insert(chunk, crate::kernel::dot(query, &row));
        }
    }
    Ok(found)
}
