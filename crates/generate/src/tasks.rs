//! Work over whole documents and folders, where the best few passages are not enough.
//!
//! Each task visits its documents one by one, says so as it goes, can be broken off, and keeps what it has done in a
//! plain value that can be stored and handed in again.

mod compare;
mod draft;
mod exhaustive;
mod kind;
mod scope;
mod summarise;
mod table;

use std::ops::ControlFlow;

use carrel_corpus::{Citation, Claim, DocumentId, Passage, SeamError};

pub use compare::{Comparison, Difference, compare};
pub use draft::{Draft, draft};
pub use exhaustive::{Exhausted, ExhaustiveConfig, Row, Signs, Verdict, exhaustive};
pub(crate) use kind::Kind;
pub use scope::{Criterion, Wanted, asks_for_all};
pub(crate) use scope::{Test, Told, compared, pattern, surely_of_all, told};
pub use summarise::{SectionPoints, Summarised, SummaryConfig, summarise};
pub use table::{Cell, Table, TableConfig, TableRow, extract_table};

/// A document that a task visits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub document: DocumentId,
    pub path: String,
}

/// Gives passages of one document: with a query the ones nearest to it, best first; without one all, in order.
pub type Reader<'a> = dyn FnMut(DocumentId, Option<&str>) -> Result<Vec<Passage>, SeamError> + 'a;

/// How far a task has come. Breaking from the callback ends the task with what it has.
pub type Watcher<'a> = dyn FnMut(Visited) -> ControlFlow<()> + 'a;

/// `done` of `total` parts of the work (documents, or sections of one), the last one being of `path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visited<'a> {
    pub done: usize,
    pub total: usize,
    pub path: &'a str,
}

/// The passages that claims cite, numbered from 1 in the order of first citation; citations are renumbered.
pub(crate) fn renumber(claims: &mut [Claim], passages: &[Passage]) -> Vec<Passage> {
    let mut kept: Vec<Passage> = Vec::new();
    for citation in claims.iter_mut().flat_map(|claim| &mut claim.citations) {
        citation.number = number_of(citation, passages, &mut kept);
    }
    kept
}

fn number_of(citation: &Citation, passages: &[Passage], kept: &mut Vec<Passage>) -> usize {
    if let Some(at) = kept.iter().position(|passage| passage.chunk == citation.chunk) {
        return at + 1;
    }
    kept.extend(passages.iter().find(|passage| passage.chunk == citation.chunk).cloned());
    kept.len()
}

#[cfg(test)]
mod tests;
