//! The audit log: who asked what, which passages were shown to which model, and what it answered.
//!
//! The index keeps the entries, each chained to the one before it by BLAKE3, and erases what an entry quotes
//! together with the document that it quotes. What an entry holds is decided here.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use carrel_index::{AuditEntry, AuditReport, Index};
use serde_json::json;

use crate::library::Answered;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Index(#[from] carrel_index::Error),
}

/// Notes an answer that was given.
pub fn record(index: &Index, answered: &Answered) -> Result<(), Error> {
    index.append_audit(&entry(answered, now()))?;
    Ok(())
}

fn entry(answered: &Answered, time: i64) -> AuditEntry {
    let answer = &answered.answer;
    let passages: Vec<_> = answer
        .passages
        .iter()
        .map(|passage| {
            json!({
                "document": passage.document.0,
                "path": passage.path,
                "span": [passage.span.start, passage.span.end],
            })
        })
        .collect();
    let body = json!({
        "question": answered.question,
        "passages": passages,
        "model": answered.model,
        "answer": answer.text,
        "refused": answer.refused,
        "conversation": answered.conversation,
    });
    let documents: BTreeSet<_> = answer.passages.iter().map(|passage| passage.document).collect();
    AuditEntry {
        time,
        kind: "answer".to_owned(),
        body: body.to_string(),
        documents: documents.into_iter().collect(),
    }
}

/// What walking the chain showed, in words, and whether it is whole.
pub fn describe(report: &AuditReport) -> (bool, String) {
    let head = blake3::Hash::from_bytes(report.head).to_hex();
    let counted = format!("{} entries, {} of them erased with a document", report.entries, report.erased);
    match report.broken {
        None if report.entries == 0 => (true, "empty".to_owned()),
        None => (true, format!("{counted}; head {}", &head[..16])),
        Some(number) => (false, format!("{counted}; entry {number} does not follow from the one before it")),
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
