//! Documents in the catalog: putting, moving, removing, and the ledger.

use std::collections::{HashMap, VecDeque};

use carrel_corpus::{DocumentId, Outcome};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{integer, next_sequence, size, text};
use crate::words::language;
use crate::{Error, FileRecord, FileStamp, Reading, Result, StoredDocument};

/// First 16 bytes of the BLAKE3 of an embedded text: what makes two chunks share a vector.
pub(crate) type TextHash = [u8; 16];

pub(crate) fn text_hash(text: &str) -> TextHash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    hash
}

/// Puts a file with its members; the first reading is the file itself. What an earlier reading had and this one
/// has not is gone, except that replaced chunks stay, retired, until their successors are published.
pub(crate) fn put(
    tx: &Transaction,
    embedder: i64,
    stamp: &FileStamp,
    readings: &[Reading],
) -> Result<DocumentId> {
    let sequence = next_sequence(tx)?;
    let Some((file, members)) = readings.split_first() else {
        return Err(Error::Missing { what: "reading of the file" });
    };
    let root = put_one(tx, embedder, sequence, stamp, file, None)?;
    let mut kept = vec![root];
    for member in members {
        kept.push(put_one(tx, embedder, sequence, stamp, member, Some(root))?);
    }
    for member in members_of(tx, root)? {
        if !kept.contains(&member) {
            remove_one(tx, sequence, member)?;
        }
    }
    Ok(DocumentId(root))
}

fn put_one(
    tx: &Transaction,
    embedder: i64,
    sequence: i64,
    stamp: &FileStamp,
    reading: &Reading,
    container: Option<i64>,
) -> Result<i64> {
    let Reading { path, document, chunks, texts } = reading;
    if chunks.len() != texts.len() {
        return Err(Error::Reading { path: path.clone(), chunks: chunks.len(), texts: texts.len() });
    }
    let (outcome, detail) = document.outcome.encode();
    let former = title_at(tx, path)?;
    let id: i64 = tx
        .prepare_cached(
            "INSERT INTO documents (path, container, size, modified_ns, inode, hash, outcome, detail, title,
                                    media_type, pages, date, language, changed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (path) DO UPDATE SET container = excluded.container, size = excluded.size,
                 modified_ns = excluded.modified_ns, inode = excluded.inode, hash = excluded.hash,
                 outcome = excluded.outcome, detail = excluded.detail, title = excluded.title,
                 media_type = excluded.media_type, pages = excluded.pages, date = excluded.date,
                 language = excluded.language, changed = excluded.changed
             RETURNING id",
        )?
        .query_row(
            params![
                path,
                container,
                stamp.size as i64,
                stamp.modified_ns,
                stamp.inode as i64,
                stamp.hash,
                outcome,
                detail,
                document.title,
                document.media_type,
                document.pages,
                document.date,
                language(&document.text),
                sequence,
            ],
            |row| row.get(0),
        )?;
    let text = text::insert(tx, id, &document.text, &document.blocks)?;
    tx.prepare_cached("UPDATE documents SET text = ?2 WHERE id = ?1")?.execute([id, text])?;
    put_chunks(tx, embedder, sequence, id, text, reading)?;
    if former.is_some_and(|former| former.is_empty() != document.title.is_empty()) {
        index_anew(tx, sequence, id)?;
    }
    drop_unused_texts(tx, id)?;
    count_chunks(tx, id)?;
    Ok(id)
}

/// Chunks whose embedding text did not change keep their id, and so their place in both indexes.
fn put_chunks(
    tx: &Transaction,
    embedder: i64,
    sequence: i64,
    document: i64,
    text: i64,
    reading: &Reading,
) -> Result<()> {
    let mut former = live_chunks(tx, document)?;
    let mut update = tx.prepare_cached(
        "UPDATE chunks SET text = ?2, position = ?3, start = ?4, \"end\" = ?5, locator = ?6, headings = ?7,
             context = ?8, hidden = ?9, prefix = ?10, whole = ?11 WHERE id = ?1",
    )?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO chunks (document, text, position, start, \"end\", locator, headings, context, hidden, prefix,
                             whole, hash, added, vector)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                 (SELECT id FROM vectors WHERE hash = ?12 AND embedder = ?14))",
    )?;
    for (position, (chunk, embedded)) in reading.chunks.iter().zip(reading.texts).enumerate() {
        let hash = text_hash(embedded);
        let prefix = embedded.strip_suffix(chunk.span.of(&reading.document.text));
        let whole = prefix.is_none();
        let prefix = prefix.unwrap_or(embedded);
        let (start, end) = (integer(chunk.span.start), integer(chunk.span.end));
        let position = integer(position);
        let (locator, headings) = (chunk.locator.encode(), chunk.headings.join("\u{1f}"));
        let (context, hidden) = (&chunk.context, chunk.hidden);
        match former.get_mut(&hash).and_then(VecDeque::pop_front) {
            Some(id) => update.execute(params![
                id, text, position, start, end, locator, headings, context, hidden, prefix, whole
            ])?,
            None => insert.execute(params![
                document, text, position, start, end, locator, headings, context, hidden, prefix, whole,
                hash, sequence, embedder
            ])?,
        };
    }
    for id in former.into_values().flatten() {
        retire(tx, id, sequence)?;
    }
    Ok(())
}

/// Puts copies in the place of the document's chunks, for the keyword index to take in: the name of the document stands in
/// them there, and is another now. No vector knows it, so that a rename costs none.
fn index_anew(tx: &Transaction, sequence: i64, document: i64) -> Result<()> {
    let mut of_before =
        tx.prepare_cached("SELECT id FROM chunks WHERE document = ?1 AND retired IS NULL AND added < ?2")?;
    let ids = of_before.query_map([document, sequence], |row| row.get(0))?;
    for id in ids.collect::<rusqlite::Result<Vec<i64>>>()? {
        tx.prepare_cached(
            "INSERT INTO chunks (document, text, position, start, \"end\", locator, headings, context, hidden,
                                 prefix, whole, hash, added, vector)
             SELECT document, text, position, start, \"end\", locator, headings, context, hidden,
                    prefix, whole, hash, ?2, vector FROM chunks WHERE id = ?1",
        )?
        .execute([id, sequence])?;
        retire(tx, id, sequence)?;
    }
    Ok(())
}

fn retire(tx: &Transaction, chunk: i64, sequence: i64) -> Result<()> {
    tx.prepare_cached("UPDATE chunks SET retired = ?2 WHERE id = ?1")?.execute([chunk, sequence])?;
    log_removal(tx, chunk, sequence)
}

/// What a document goes by.
pub(super) fn title_or_name(title: String, path: &str) -> String {
    if title.is_empty() { name_of(path).to_owned() } else { title }
}

/// The name of a file without what stands for its type: the title of a document that states none.
pub(crate) fn name_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

fn live_chunks(tx: &Transaction, document: i64) -> Result<HashMap<TextHash, VecDeque<i64>>> {
    let mut found: HashMap<TextHash, VecDeque<i64>> = HashMap::new();
    let mut statement = tx.prepare_cached(
        "SELECT id, hash FROM chunks WHERE document = ?1 AND retired IS NULL ORDER BY position",
    )?;
    let mut rows = statement.query([document])?;
    while let Some(row) = rows.next()? {
        found.entry(row.get(1)?).or_default().push_back(row.get(0)?);
    }
    Ok(found)
}

fn log_removal(tx: &Transaction, chunk: i64, sequence: i64) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO removed (chunk, sequence) VALUES (?1, ?2)")?
        .execute([chunk, sequence])?;
    Ok(())
}

/// Deletes the document's former texts that no chunk, retired or not, is cut from.
pub(super) fn drop_unused_texts(tx: &Transaction, document: i64) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM texts WHERE document = ?1 AND id IS NOT (SELECT text FROM documents WHERE id = ?1)
         AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.text = texts.id)",
    )?
    .execute([document])?;
    Ok(())
}

pub(super) fn count_chunks(tx: &Transaction, document: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE documents SET (chunks, embedded) = (SELECT count(*), count(vector) FROM chunks
         WHERE document = ?1 AND retired IS NULL) WHERE id = ?1",
    )?
    .execute([document])?;
    Ok(())
}

fn members_of(tx: &Transaction, container: i64) -> Result<Vec<i64>> {
    let mut statement = tx.prepare_cached("SELECT id FROM documents WHERE container = ?1")?;
    Ok(statement.query_map([container], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Removes the documents at `paths`, with their members and the conversations that quote them.
/// Gives the number that were there.
pub(crate) fn remove(tx: &Transaction, paths: &[String]) -> Result<usize> {
    let mut removed = 0;
    for path in paths {
        if let Some(id) = id_at(tx, path)? {
            let sequence = next_sequence(tx)?;
            for member in members_of(tx, id)? {
                remove_one(tx, sequence, member)?;
            }
            remove_one(tx, sequence, id)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn remove_one(tx: &Transaction, sequence: i64, id: i64) -> Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO removed (chunk, sequence) SELECT id, ?2 FROM chunks WHERE document = ?1",
    )?
    .execute([id, sequence])?;
    tx.prepare_cached(
        "DELETE FROM conversations WHERE id IN
         (SELECT conversation FROM conversation_documents WHERE document = ?1)",
    )?
    .execute([id])?;
    super::audit::redact(tx, id)?;
    tx.prepare_cached("DELETE FROM chunks WHERE document = ?1")?.execute([id])?;
    tx.prepare_cached("DELETE FROM documents WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn title_at(tx: &Transaction, path: &str) -> Result<Option<String>> {
    Ok(tx
        .prepare_cached("SELECT title FROM documents WHERE path = ?1")?
        .query_row([path], |row| row.get(0))
        .optional()?)
}

pub(crate) fn id_at(tx: &Transaction, path: &str) -> Result<Option<i64>> {
    Ok(tx
        .prepare_cached("SELECT id FROM documents WHERE path = ?1")?
        .query_row([path], |row| row.get(0))
        .optional()?)
}

/// Moves the document at `from`, with its members, to where `stamp` says. A document that was there is replaced.
pub(crate) fn rename(tx: &Transaction, from: &str, stamp: &FileStamp) -> Result<()> {
    let Some(id) = id_at(tx, from)? else { return Err(Error::Missing { what: "document" }) };
    if from != stamp.path {
        remove(tx, std::slice::from_ref(&stamp.path))?;
        tx.prepare_cached("UPDATE documents SET path = ?2 WHERE id = ?1")?
            .execute(params![id, stamp.path])?;
        tx.prepare_cached(
            "UPDATE documents SET path = ?2 || substr(path, length(?3) + 1) WHERE container = ?1",
        )?
        .execute(params![id, stamp.path, from])?;
        let (former, now) = (name_of(from), name_of(&stamp.path));
        if former != now {
            let sequence = next_sequence(tx)?;
            index_anew(tx, sequence, id)?;
            rename_unpacked(tx, sequence, id, &stamp.path, [former, now])?;
        }
    }
    stamp_one(tx, id, stamp)
}

/// What is in a compressed file is called as the file is, without its last extension.
fn rename_unpacked(
    tx: &Transaction,
    sequence: i64,
    container: i64,
    path: &str,
    [former, now]: [&str; 2],
) -> Result<()> {
    let [before, after] = [former, now].map(|name| format!("{path}!/{name}"));
    // Where it is a member of another kind after all, the next reading puts it right.
    tx.prepare_cached(
        "UPDATE OR IGNORE documents SET path = ?3 || substr(path, length(?2) + 1)
         WHERE container = ?1 AND (path = ?2 OR substr(path, 1, length(?2) + 2) = ?2 || '!/')",
    )?
    .execute(params![container, before, after])?;
    match id_at(tx, &after)? {
        Some(member) => index_anew(tx, sequence, member),
        None => Ok(()),
    }
}

/// Notes that the file at the stamp's path has a new stamp and the same bytes.
pub(crate) fn touch(tx: &Transaction, stamp: &FileStamp) -> Result<()> {
    match id_at(tx, &stamp.path)? {
        Some(id) => stamp_one(tx, id, stamp),
        None => Err(Error::Missing { what: "document" }),
    }
}

fn stamp_one(tx: &Transaction, id: i64, stamp: &FileStamp) -> Result<()> {
    tx.prepare_cached(
        "UPDATE documents SET size = ?2, modified_ns = ?3, inode = ?4, hash = ?5, changed = ?6
         WHERE id = ?1 OR container = ?1",
    )?
    .execute(params![
        id,
        stamp.size as i64,
        stamp.modified_ns,
        stamp.inode as i64,
        stamp.hash,
        next_sequence(tx)?
    ])?;
    Ok(())
}

const RECORD: &str =
    "id, path, container, size, modified_ns, inode, hash, outcome, detail, title, media_type,
    pages, date, chunks, embedded";

fn record(row: &Row) -> rusqlite::Result<FileRecord> {
    let path: String = row.get(1)?;
    let (outcome, detail): (String, String) = (row.get(7)?, row.get(8)?);
    Ok(FileRecord {
        document: DocumentId(row.get(0)?),
        container: row.get::<_, Option<i64>>(2)?.map(DocumentId),
        size: row.get::<_, i64>(3)? as u64,
        modified_ns: row.get(4)?,
        inode: row.get::<_, i64>(5)? as u64,
        hash: row.get(6)?,
        outcome: Outcome::decode(&outcome, &detail)
            .unwrap_or(Outcome::Failed { reason: format!("unknown outcome `{outcome}`") }),
        title: title_or_name(row.get(9)?, &path),
        path,
        media_type: row.get(10)?,
        pages: row.get(11)?,
        date: row.get(12)?,
        chunks: size(row, 13)?,
        embedded: size(row, 14)?,
    })
}

/// The whole ledger, by path.
pub(crate) fn records(tx: &Transaction) -> Result<Vec<FileRecord>> {
    let mut statement = tx.prepare_cached(&format!("SELECT {RECORD} FROM documents ORDER BY path"))?;
    Ok(statement.query_map([], record)?.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn stored(tx: &Transaction, id: DocumentId) -> Result<StoredDocument> {
    let found = tx
        .prepare_cached(&format!("SELECT {RECORD}, text FROM documents WHERE id = ?1"))?
        .query_row([id.0], |row| Ok((record(row)?, row.get::<_, Option<i64>>(15)?)))
        .optional()?;
    let Some((record, text)) = found else { return Err(Error::Missing { what: "document" }) };
    let (text, blocks) = match text {
        Some(text) => (text::whole(tx, text)?, text::blocks(tx, text)?),
        None => Default::default(),
    };
    Ok(StoredDocument { record, text, blocks })
}
