//! What work over whole documents gives.

use std::path::Path;

use carrel_corpus as corpus;
use carrel_generate::tasks;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Claim, Coverage};
use crate::library;

/// The documents that work is done over; all when both are empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scope {
    #[serde(default)]
    pub folders: Vec<i64>,
    /// Path prefixes.
    #[serde(default)]
    pub paths: Vec<String>,
}

impl Scope {
    /// All that lies beneath `folder`; everything where there is none.
    pub fn beneath(folder: Option<&Path>) -> Scope {
        Scope {
            folders: Vec::new(),
            paths: folder.map(carrel_ingest::stored_from_path).into_iter().collect(),
        }
    }
}

impl From<Scope> for library::Scope {
    fn from(scope: Scope) -> library::Scope {
        let folders = scope.folders.into_iter().map(corpus::FolderId).collect();
        library::Scope { folders, paths: scope.paths }
    }
}

/// `POST /library/list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListBody {
    pub question: String,
    #[serde(flatten)]
    pub scope: Scope,
}

/// `POST /library/summarise`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SummariseBody {
    /// Of a document or a folder.
    pub path: String,
}

/// `POST /library/compare`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompareBody {
    /// Paths of two documents.
    pub first: String,
    pub second: String,
}

/// `POST /library/table`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableBody {
    /// The JSON schema of an object; each of its properties is a column.
    pub schema: Value,
    #[serde(flatten)]
    pub scope: Scope,
}

/// The `visited` event: how far work has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Visited {
    pub done: usize,
    pub total: usize,
    pub path: String,
}

impl From<tasks::Visited<'_>> for Visited {
    fn from(visited: tasks::Visited<'_>) -> Visited {
        Visited { done: visited.done, total: visited.total, path: visited.path.to_owned() }
    }
}

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
    pub document: i64,
    pub path: String,
    pub title: String,
    pub locator: String,
    pub page: Option<u32>,
    pub span: [usize; 2],
    pub quote: String,
}

impl From<&corpus::Citation> for Evidence {
    fn from(citation: &corpus::Citation) -> Evidence {
        Evidence {
            document: citation.document.0,
            path: citation.path.clone(),
            title: citation.title.clone(),
            locator: citation.locator.to_string(),
            page: citation.locator.first_page(),
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

impl Listing {
    /// The rows that answer the question, in the order of the visit.
    pub fn answer(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.meets != self.lacking)
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

/// A table out of documents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<TableRow>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableRow {
    pub path: String,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// A value with where it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// As the schema types it; null where the document does not say.
    pub value: Value,
    /// Whether the document says it.
    pub supported: bool,
    pub citations: Vec<Evidence>,
}

impl From<&tasks::Table> for Table {
    fn from(table: &tasks::Table) -> Table {
        let cell = |cell: &tasks::Cell| Cell {
            value: cell.value.clone(),
            supported: cell.support == corpus::Support::Supported,
            citations: cell.citations.iter().map(Evidence::from).collect(),
        };
        let row = |row: &tasks::TableRow| TableRow {
            path: row.source.path.clone(),
            cells: row.cells.iter().map(cell).collect(),
        };
        Table { columns: table.columns.clone(), rows: table.rows.iter().map(row).collect() }
    }
}

impl Table {
    /// `carrel table --json`: an array of objects, `path` and each column.
    pub fn records(&self) -> Value {
        let row = |row: &TableRow| {
            let mut object = Map::new();
            object.insert("path".to_owned(), json!(row.path));
            object.extend(self.columns.iter().cloned().zip(row.cells.iter().map(|cell| json!(cell))));
            Value::Object(object)
        };
        self.rows.iter().map(row).collect()
    }
}
