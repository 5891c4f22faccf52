//! The audit log: who asked what, which passages, which model, what was answered. Entries are chained by BLAKE3,
//! so that one that was changed, inserted or dropped shows; the head, kept elsewhere, shows a truncation too.
//!
//! The chain goes over a keyed digest of an entry's body, not over the body. Erasing a document can therefore erase
//! the bodies that quote it and leave the proof that the entries were there.

use carrel_corpus::DocumentId;
use rusqlite::{OptionalExtension, Transaction, params};

use super::integer;
use crate::Result;

/// What is to be noted. `body` is the caller's own format.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Seconds since the Unix epoch.
    pub time: i64,
    pub kind: String,
    pub body: String,
    /// Documents that the body quotes: it is erased together with any of them.
    pub documents: Vec<DocumentId>,
}

/// Never prints the body.
impl std::fmt::Debug for AuditEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditEntry")
            .field("time", &self.time)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A line of the log. `body` is `None` where it was erased with a document that it quoted.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub number: i64,
    pub time: i64,
    pub kind: String,
    pub body: Option<String>,
    pub link: [u8; 32],
}

/// Never prints the body.
impl std::fmt::Debug for AuditRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditRecord")
            .field("number", &self.number)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What walking the whole chain showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    pub entries: usize,
    /// Entries whose body was erased.
    pub erased: usize,
    /// Link of the last entry; zeros when there is none.
    pub head: [u8; 32],
    /// Number of the first entry that does not follow from the one before it.
    pub broken: Option<i64>,
}

/// Appends an entry and gives the new head of the chain.
pub(crate) fn append(tx: &Transaction, entry: &AuditEntry) -> Result<[u8; 32]> {
    let AuditEntry { time, kind, body, documents } = entry;
    let last: Option<(i64, [u8; 32])> = tx
        .query_row("SELECT number, link FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (number, before) = last.map_or((1, [0; 32]), |(number, link)| (number + 1, link));
    let digest = body_digest(&salt(tx)?, body);
    let link = chain(&before, number, *time, kind, &digest);
    tx.execute(
        "INSERT INTO audit (number, time, kind, body, digest, link) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![number, time, kind, body, digest, link],
    )?;
    for document in documents {
        tx.execute(
            "INSERT OR IGNORE INTO audit_documents (number, document) VALUES (?1, ?2)",
            params![number, document.0],
        )?;
    }
    Ok(link)
}

/// At most `limit` entries from `from` on, oldest first. The first entry is number 1.
pub(crate) fn entries(tx: &Transaction, from: i64, limit: usize) -> Result<Vec<AuditRecord>> {
    let mut statement = tx.prepare(
        "SELECT number, time, kind, body, link FROM audit WHERE number >= ?1 ORDER BY number LIMIT ?2",
    )?;
    let records = statement.query_map(params![from, integer(limit)], |row| {
        Ok(AuditRecord {
            number: row.get(0)?,
            time: row.get(1)?,
            kind: row.get(2)?,
            body: row.get(3)?,
            link: row.get(4)?,
        })
    })?;
    Ok(records.collect::<rusqlite::Result<_>>()?)
}

/// Walks the chain from its first entry.
pub(crate) fn verify(tx: &Transaction) -> Result<AuditReport> {
    let salt = salt(tx)?;
    let mut report = AuditReport { entries: 0, erased: 0, head: [0; 32], broken: None };
    let mut statement =
        tx.prepare("SELECT number, time, kind, body, digest, link FROM audit ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (number, kind): (i64, String) = (row.get(0)?, row.get(2)?);
        let body: Option<String> = row.get(3)?;
        let (digest, link): ([u8; 32], [u8; 32]) = (row.get(4)?, row.get(5)?);
        let sound = number == report.entries as i64 + 1
            && body.as_deref().is_none_or(|body| body_digest(&salt, body) == digest)
            && chain(&report.head, number, row.get(1)?, &kind, &digest) == link;
        if !sound && report.broken.is_none() {
            report.broken = Some(number);
        }
        report.entries += 1;
        report.erased += usize::from(body.is_none());
        report.head = link;
    }
    Ok(report)
}

/// Erases the bodies that quote `document`.
pub(crate) fn redact(tx: &Transaction, document: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE audit SET body = NULL
         WHERE number IN (SELECT number FROM audit_documents WHERE document = ?1)",
    )?
    .execute([document])?;
    Ok(())
}

fn salt(tx: &Transaction) -> Result<[u8; 32]> {
    Ok(tx.query_row("SELECT salt FROM state", [], |row| row.get(0))?)
}

fn body_digest(salt: &[u8; 32], body: &str) -> [u8; 32] {
    *blake3::keyed_hash(salt, body.as_bytes()).as_bytes()
}

fn chain(before: &[u8; 32], number: i64, time: i64, kind: &str, digest: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(&number.to_le_bytes()).update(&time.to_le_bytes());
    hasher.update(&(kind.len() as u64).to_le_bytes()).update(kind.as_bytes()).update(digest);
    *hasher.finalize().as_bytes()
}
