//! What changed since a number: what the derived stores replay to catch up. Every step is idempotent, so a store
//! that is behind by any amount, or that holds a part of a change already, ends in the same state.

use carrel_corpus::Span;
use rusqlite::{Row, Transaction, params};

use super::documents::name_of;
use super::{size, text};
use crate::Result;

/// A chunk as the keyword index takes it in.
pub(crate) struct IndexedChunk {
    pub(crate) id: i64,
    /// See [`crate::words::language`].
    pub(crate) language: String,
    pub(crate) text: String,
}

/// A document as far as filters ask about it.
pub(crate) struct FilteredDocument {
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) media_type: String,
    pub(crate) language: String,
    /// Its own date, else its file's, in seconds since the Unix epoch.
    pub(crate) date: i64,
}

/// A chunk's vector as it is stored: half precision, little endian.
pub(crate) struct StoredVector {
    pub(crate) chunk: i64,
    pub(crate) document: i64,
    pub(crate) bytes: Vec<u8>,
}

/// Chunks removed by changes after `since`.
pub(crate) fn removed(tx: &Transaction, since: i64) -> Result<Vec<i64>> {
    let mut statement = tx.prepare_cached("SELECT chunk FROM removed WHERE sequence > ?1 ORDER BY chunk")?;
    Ok(statement.query_map([since], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Calls `sink` with every live chunk added after `since`, in the order of their ids.
pub(crate) fn added(
    tx: &Transaction,
    since: i64,
    mut sink: impl FnMut(IndexedChunk) -> Result<()>,
) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "SELECT chunks.id, language, chunks.text, start, \"end\", prefix, whole, path, title
         FROM chunks JOIN documents ON documents.id = document
         WHERE added > ?1 AND retired IS NULL ORDER BY chunks.id",
    )?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        let embedded = embedded_text(tx, row.get(2)?, span(row, 3)?, row.get(5)?, row.get(6)?)?;
        let (path, title): (String, String) = (row.get(7)?, row.get(8)?);
        let text = if title.is_empty() { named(name_of(&path), embedded) } else { embedded };
        sink(IndexedChunk { id: row.get(0)?, language: row.get(1)?, text })?;
    }
    Ok(())
}

/// The chunk and document ids of what [`added`] gives, without the texts.
pub(crate) fn added_ids(tx: &Transaction, since: i64) -> Result<Vec<(i64, i64)>> {
    let mut statement = tx
        .prepare_cached("SELECT id, document FROM chunks WHERE added > ?1 AND retired IS NULL ORDER BY id")?;
    Ok(statement
        .query_map([since], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?)
}

/// Documents changed after `since`.
pub(crate) fn documents(tx: &Transaction, since: i64) -> Result<Vec<FilteredDocument>> {
    let mut statement = tx.prepare_cached(
        "SELECT id, path, media_type, language, coalesce(date, modified_ns / 1000000000)
         FROM documents WHERE changed > ?1 ORDER BY id",
    )?;
    let documents = statement.query_map([since], |row| {
        Ok(FilteredDocument {
            id: row.get(0)?,
            path: row.get(1)?,
            media_type: row.get(2)?,
            language: row.get(3)?,
            date: row.get(4)?,
        })
    })?;
    Ok(documents.collect::<rusqlite::Result<_>>()?)
}

/// Calls `sink` with the vector of every live chunk that was added, or got its vector, after `since`.
pub(crate) fn vectors(
    tx: &Transaction,
    since: i64,
    mut sink: impl FnMut(StoredVector) -> Result<()>,
) -> Result<()> {
    let mut statement = tx.prepare_cached(match since {
        0 => {
            "SELECT chunks.id, document, vectors.vector FROM chunks JOIN vectors ON vectors.id = chunks.vector
             WHERE retired IS NULL AND ?1 = 0 ORDER BY chunks.id"
        }
        _ => {
            "SELECT chunks.id, document, vectors.vector FROM chunks JOIN vectors ON vectors.id = chunks.vector
             WHERE retired IS NULL AND chunks.id IN (
                 SELECT id FROM chunks WHERE added > ?1
                 UNION
                 SELECT c.id FROM vectors v JOIN chunks c ON c.vector = v.id WHERE v.sequence > ?1)
             ORDER BY chunks.id"
        }
    })?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        sink(StoredVector { chunk: row.get(0)?, document: row.get(1)?, bytes: row.get(2)? })?;
    }
    Ok(())
}

/// The number of live chunks, and of those with a vector.
pub(crate) fn counts(tx: &Transaction) -> Result<(usize, usize)> {
    Ok(tx.query_row(
        "SELECT coalesce(sum(chunks), 0), coalesce(sum(embedded), 0) FROM documents",
        [],
        |row| Ok((size(row, 0)?, size(row, 1)?)),
    )?)
}

/// Deletes the chunks that changes up to `published` retired, the texts that only they were cut from, and the
/// removals that both derived stores, holding `held`, have made.
pub(crate) fn purge(tx: &Transaction, published: i64, held: i64) -> Result<()> {
    let documents: Vec<i64> = tx
        .prepare_cached("SELECT DISTINCT document FROM chunks WHERE retired <= ?1")?
        .query_map([published], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    tx.prepare_cached("DELETE FROM chunks WHERE retired <= ?1")?.execute([published])?;
    for document in documents {
        super::documents::drop_unused_texts(tx, document)?;
    }
    tx.prepare_cached("DELETE FROM removed WHERE sequence <= ?1")?.execute([held])?;
    Ok(())
}

/// Whether [`purge`] would delete anything.
pub(crate) fn has_garbage(tx: &Transaction, published: i64, held: i64) -> Result<bool> {
    let mut statement = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM chunks WHERE retired <= ?1)
             OR EXISTS (SELECT 1 FROM removed WHERE sequence <= ?2)",
    )?;
    Ok(statement.query_row(params![published, held], |row| row.get(0))?)
}

/// A text with the name of its file before it, unless it begins with that.
fn named(name: &str, text: String) -> String {
    // No tokenizer parts words at an underscore.
    let name = name.replace('_', " ");
    let opening = text.match_indices('\n').nth(2).map_or(text.as_str(), |(end, _)| &text[..end]);
    if opening.contains(&name) { text } else { name + "\n" + &text }
}

/// The text that is embedded for a chunk; the keyword index has a [`named`] one of a document that states no title.
pub(crate) fn embedded_text(
    tx: &Transaction,
    text: i64,
    span: Span,
    prefix: String,
    whole: bool,
) -> Result<String> {
    match whole {
        true => Ok(prefix),
        false => Ok(prefix + &text::slice(tx, text, span)?),
    }
}

/// A span in this column and the next.
pub(crate) fn span(row: &Row, column: usize) -> Result<Span> {
    Ok(Span { start: size(row, column)?, end: size(row, column + 1)? })
}
