//! What work over whole documents gives.

use carrel_corpus as corpus;
use carrel_generate::tasks;
use serde::{Deserialize, Serialize};

use super::{Claim, Coverage};
use crate::library;

/// `carrel list --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listing {
    pub question: String,
    /// `list` or `count`.
    pub wanted: String,
    /// What each document was looked through for.
    pub criterion: String,
    /// Whether the documents that do not meet the criterion are the answer.
    pub lacking: bool,
    /// Documents visited, of all that there are in the scope.
    pub visited: usize,
    pub total: usize,
    /// One for each document visited.
    pub rows: Vec<Row>,
    pub coverage: Coverage,
}

/// What a visit to one document found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub path: String,
    /// Whether the document meets the criterion.
    pub meets: bool,
    pub probability: f32,
    /// The sentence that decided; for a document that does not meet the criterion the nearest one.
    pub evidence: Option<Evidence>,
}

/// The exact words of a document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evidence {
    pub path: String,
    pub locator: String,
    pub span: [usize; 2],
    pub quote: String,
}

impl From<&corpus::Citation> for Evidence {
    fn from(citation: &corpus::Citation) -> Evidence {
        Evidence {
            path: citation.path.clone(),
            locator: citation.locator.to_string(),
            span: [citation.span.start, citation.span.end],
            quote: citation.quote.clone(),
        }
    }
}

impl From<&tasks::Row> for Row {
    fn from(row: &tasks::Row) -> Row {
        Row {
            path: row.path.clone(),
            meets: row.verdict == tasks::Verdict::Meets,
            probability: row.probability,
            evidence: row.evidence.as_ref().map(Evidence::from),
        }
    }
}

impl From<&library::Visit> for Listing {
    fn from(visit: &library::Visit) -> Listing {
        let wanted = match visit.criterion.wanted {
            tasks::Wanted::List => "list",
            tasks::Wanted::Count => "count",
        };
        Listing {
            question: visit.question.clone(),
            wanted: wanted.to_owned(),
            criterion: visit.criterion.text.clone(),
            lacking: visit.criterion.lacking,
            visited: visit.found.rows.len(),
            total: visit.total,
            rows: visit.found.rows.iter().map(Row::from).collect(),
            coverage: Coverage::from(&visit.coverage),
        }
    }
}

/// `carrel summarise --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub summary: String,
    /// The points of the summary, each with its citations.
    pub claims: Vec<Claim>,
    pub notes: Vec<String>,
    pub coverage: Coverage,
}

impl From<&corpus::Answer> for Summary {
    fn from(answer: &corpus::Answer) -> Summary {
        Summary {
            summary: answer.text.clone(),
            claims: answer.claims.iter().map(Claim::from).collect(),
            notes: answer.notes.clone(),
            coverage: Coverage::from(&answer.coverage),
        }
    }
}

/// `carrel compare --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    pub first: String,
    pub second: String,
    /// Sentences that both have.
    pub same: usize,
    pub differences: Vec<Difference>,
}

/// One difference between two documents, with the words of each that speaks of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// `changed`, `only-first` or `only-second`.
    pub kind: String,
    pub first: Option<Evidence>,
    pub second: Option<Evidence>,
}

impl Comparison {
    /// Of the documents at the paths `first` and `second`.
    pub fn new(first: String, second: String, comparison: &tasks::Comparison) -> Comparison {
        Comparison {
            first,
            second,
            same: comparison.same,
            differences: comparison.differences.iter().map(Difference::from).collect(),
        }
    }
}

impl From<&tasks::Difference> for Difference {
    fn from(difference: &tasks::Difference) -> Difference {
        let (kind, first, second) = match difference {
            tasks::Difference::Changed { first, second } => ("changed", Some(first), Some(second)),
            tasks::Difference::OnlyFirst(first) => ("only-first", Some(first), None),
            tasks::Difference::OnlySecond(second) => ("only-second", None, Some(second)),
        };
        Difference {
            kind: kind.to_owned(),
            first: first.map(Evidence::from),
            second: second.map(Evidence::from),
        }
    }
}
