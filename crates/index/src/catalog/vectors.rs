//! Vectors in the catalog, kept by the digest of the text that they were made of: a text that was moved, copied or
//! left standing in an edited document is never embedded again.

use carrel_corpus::ChunkId;
use half::f16;
use rusqlite::{OptionalExtension, Transaction, params};

use super::delta::{embedded_text, span};
use super::documents::TextHash;
use super::{integer, next_sequence, size};
use crate::Result;

/// At most `limit` chunks without a vector, oldest first, with the text to embed. Equal texts come once.
pub(crate) fn pending(tx: &Transaction, limit: usize) -> Result<Vec<(ChunkId, String)>> {
    let mut statement = tx.prepare_cached(
        "SELECT id, text, start, \"end\", prefix, whole, hash FROM chunks
         WHERE vector IS NULL AND retired IS NULL ORDER BY id LIMIT ?1",
    )?;
    let mut rows = statement.query([integer(limit)])?;
    let (mut found, mut seen) = (Vec::new(), std::collections::HashSet::<TextHash>::new());
    while let Some(row) = rows.next()? {
        if seen.insert(row.get(6)?) {
            let text = embedded_text(tx, row.get(1)?, span(row, 2)?, row.get(4)?, row.get(5)?)?;
            found.push((ChunkId(row.get(0)?), text));
        }
    }
    Ok(found)
}

/// Stores vectors for the chunks and for every other chunk of the same text. A chunk that has gone meanwhile is
/// passed over.
pub(crate) fn put(tx: &Transaction, embedder: i64, vectors: &[(ChunkId, Vec<f32>)]) -> Result<()> {
    let sequence = next_sequence(tx)?;
    for (chunk, vector) in vectors {
        let hash: Option<TextHash> = tx
            .prepare_cached("SELECT hash FROM chunks WHERE id = ?1")?
            .query_row([chunk.0], |row| row.get(0))
            .optional()?;
        let Some(hash) = hash else { continue };
        let id: i64 = tx
            .prepare_cached(
                "INSERT INTO vectors (embedder, hash, vector, sequence) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (hash, embedder) DO UPDATE SET vector = excluded.vector,
                     sequence = excluded.sequence
                 RETURNING id",
            )?
            .query_row(params![embedder, hash, to_bytes(vector), sequence], |row| row.get(0))?;
        attach(tx, hash, id)?;
    }
    Ok(())
}

fn attach(tx: &Transaction, hash: TextHash, vector: i64) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "UPDATE chunks SET vector = ?2 WHERE hash = ?1 AND vector IS NULL RETURNING document, retired IS NULL",
    )?;
    let mut rows = statement.query(params![hash, vector])?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get(1)? {
            documents.push(row.get::<_, i64>(0)?);
        }
    }
    for document in documents {
        tx.prepare_cached("UPDATE documents SET embedded = embedded + 1 WHERE id = ?1")?
            .execute([document])?;
    }
    Ok(())
}

/// How many vectors were stored by changes after `since`.
pub(crate) fn made_since(tx: &Transaction, since: i64) -> Result<usize> {
    let mut statement = tx.prepare_cached("SELECT count(*) FROM vectors WHERE sequence > ?1")?;
    Ok(statement.query_row([since], |row| size(row, 0))?)
}

/// Deletes the vectors, by any embedder, of texts that no chunk has.
pub(crate) fn drop_unused(tx: &Transaction) -> Result<usize> {
    Ok(tx.execute(
        "DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.hash = vectors.hash)",
        [],
    )?)
}

/// A vector as it is stored: half precision, little-endian.
pub(crate) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
}

/// The values of a stored vector.
pub(crate) fn from_bytes(bytes: &[u8]) -> impl Iterator<Item = f16> {
    bytes.chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]]))
}
