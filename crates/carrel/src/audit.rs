//! The audit log: who asked what, which passages were shown to which model, and what it answered.
//!
//! The index keeps the entries, each chained to the one before it by BLAKE3, and erases what an entry quotes
//! together with the document that it quotes. What an entry holds is decided here.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use carrel_corpus::{Answer, Citation, DocumentId};
use carrel_generate::tasks::{Comparison, Difference, Table};
use carrel_index::{AuditEntry, AuditReport, Index};
use serde_json::{Value, json};

use crate::library::{Answered, Visit};

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

/// Notes a visit to every document of a scope, also one that was broken off.
pub fn record_visit(index: &Index, visit: &Visit, model: &str) -> Result<(), Error> {
    let rows = &visit.found.rows;
    let body = json!({
        "question": visit.question,
        "visited": rows.len(),
        "total": visit.total,
        "found": visit.found.answer(&visit.criterion).map(|row| &row.path).collect::<Vec<_>>(),
        "passages": passages(rows.iter().filter_map(|row| row.evidence.as_ref())),
        "model": model,
    });
    append(index, "list", &body, rows.iter().map(|row| row.document))
}

pub fn record_summary(index: &Index, path: &str, summary: &Answer, model: &str) -> Result<(), Error> {
    let citations = || summary.claims.iter().flat_map(|claim| &claim.citations);
    let body = json!({
        "path": path, "passages": passages(citations()), "model": model, "answer": summary.text,
        "refused": summary.refused,
    });
    append(index, "summary", &body, citations().map(|citation| citation.document))
}

pub fn record_comparison(index: &Index, paths: [&str; 2], comparison: &Comparison) -> Result<(), Error> {
    let citations = || {
        comparison.differences.iter().flat_map(|difference| match difference {
            Difference::Changed { first, second } => vec![first, second],
            Difference::OnlyFirst(only) | Difference::OnlySecond(only) => vec![only],
        })
    };
    let body = json!({ "paths": paths, "same": comparison.same, "passages": passages(citations()) });
    append(index, "comparison", &body, citations().map(|citation| citation.document))
}

pub fn record_table(index: &Index, schema: &str, table: &Table, model: &str) -> Result<(), Error> {
    let cells = table.rows.iter().flat_map(|row| &row.cells);
    let body = json!({
        "schema": schema,
        "rows": table.rows.iter().map(|row| (&row.source.path, row.cells.iter().map(|cell| &cell.value).collect::<Vec<_>>())).collect::<Vec<_>>(),
        "passages": passages(cells.flat_map(|cell| &cell.citations)),
        "model": model,
    });
    append(index, "table", &body, table.rows.iter().map(|row| row.source.document))
}

fn passages<'a>(cited: impl Iterator<Item = &'a Citation>) -> Vec<Value> {
    cited
        .map(|citation| {
            json!({
                "document": citation.document.0,
                "path": citation.path,
                "span": [citation.span.start, citation.span.end],
            })
        })
        .collect()
}

/// An entry is erased with any of the `documents`, since it tells of them.
fn append(
    index: &Index,
    kind: &str,
    body: &Value,
    documents: impl Iterator<Item = DocumentId>,
) -> Result<(), Error> {
    let documents: BTreeSet<DocumentId> = documents.collect();
    index.append_audit(&AuditEntry {
        time: now(),
        kind: kind.to_owned(),
        body: body.to_string(),
        documents: documents.into_iter().collect(),
    })?;
    Ok(())
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
