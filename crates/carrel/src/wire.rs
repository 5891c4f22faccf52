//! The JSON that leaves this program: one set of types for `--json` on the command line and for HTTP.
//!
//! The nouns themselves carry no serialisation. These mirrors are the edge, so a field renamed inside
//! never changes what a script reads.

mod tasks;

use std::path::Path;

use carrel_corpus as corpus;
use carrel_index as index;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::library::{self, Answered, AskEvent};

pub use tasks::{
    Cell, CompareBody, Comparison, Difference, Evidence, ListBody, Listing, Row, Scope, SummariseBody,
    Summary, Table, TableBody, TableRow, Visited,
};

/// `POST /library/ask`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AskBody {
    pub question: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Folders asked about; all when empty.
    #[serde(default)]
    pub folders: Vec<i64>,
    /// Path prefixes asked about; all when empty.
    #[serde(default)]
    pub paths: Vec<String>,
    #[serde(default)]
    pub pinned: Vec<i64>,
    #[serde(default)]
    pub excluded: Vec<i64>,
}

impl From<AskBody> for library::AskRequest {
    fn from(body: AskBody) -> library::AskRequest {
        let documents = |ids: Vec<i64>| ids.into_iter().map(corpus::DocumentId).collect();
        library::AskRequest {
            question: body.question,
            conversation: body.conversation,
            folders: body.folders.into_iter().map(corpus::FolderId).collect(),
            paths: body.paths,
            pinned: documents(body.pinned),
            excluded: documents(body.excluded),
            remember: true,
        }
    }
}

/// `POST /library/search`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SearchBody {
    pub query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<i64>,
    #[serde(default)]
    pub paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl From<SearchBody> for library::SearchRequest {
    fn from(body: SearchBody) -> library::SearchRequest {
        library::SearchRequest {
            query: body.query,
            folders: body.folder.into_iter().map(corpus::FolderId).collect(),
            paths: body.paths,
            limit: body.limit.unwrap_or(library::DEFAULT_RESULTS).clamp(1, 1000),
            ranking: index::Ranking::Hybrid,
        }
    }
}

/// `POST /library/folders`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FolderBody {
    pub path: String,
}

/// `POST /library/documents/ID/unlock`. Not to be printed.
#[derive(Serialize, Deserialize)]
pub struct UnlockBody {
    pub password: String,
}

/// What every failed request answers with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorDetail {
    pub message: String,
    pub hint: Option<String>,
}

impl From<&library::Error> for ErrorBody {
    fn from(error: &library::Error) -> ErrorBody {
        ErrorBody { error: ErrorDetail { message: crate::chain(error), hint: error.hint() } }
    }
}

/// What an answer or a listing rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Coverage {
    pub files: usize,
    pub searched: usize,
    pub unread: Vec<Unread>,
    pub chunks: usize,
    pub embedded: usize,
    /// The sentence that is shown with every answer.
    pub text: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unread {
    pub path: String,
    pub outcome: String,
}

impl From<&corpus::Coverage> for Coverage {
    fn from(coverage: &corpus::Coverage) -> Coverage {
        let unread = coverage
            .unread
            .iter()
            .map(|(path, outcome)| Unread { path: path.clone(), outcome: outcome.clone() });
        Coverage {
            files: coverage.files,
            searched: coverage.searched,
            unread: unread.collect(),
            chunks: coverage.chunks,
            embedded: coverage.embedded,
            text: coverage.to_string(),
        }
    }
}

/// A passage as it is shown: numbered, with its place in its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Passage {
    pub number: usize,
    pub chunk: i64,
    pub document: i64,
    pub path: String,
    pub title: String,
    pub headings: Vec<String>,
    pub locator: String,
    pub page: Option<u32>,
    pub span: [usize; 2],
    pub text: String,
    pub hidden: bool,
    pub date: Option<i64>,
    pub score: f32,
    pub similarity: Option<f32>,
    pub bm25: Option<f32>,
}

impl Passage {
    /// `number` is 1-based, as the person sees it.
    pub fn new(number: usize, passage: &corpus::Passage) -> Passage {
        Passage {
            number,
            chunk: passage.chunk.0,
            document: passage.document.0,
            path: passage.path.clone(),
            title: passage.title.clone(),
            headings: passage.headings.clone(),
            locator: passage.locator.to_string(),
            page: passage.locator.first_page(),
            span: [passage.span.start, passage.span.end],
            text: passage.text.clone(),
            hidden: passage.hidden,
            date: passage.date,
            score: passage.score,
            similarity: passage.similarity,
            bm25: passage.bm25,
        }
    }
}

/// Numbers passages from 1, in their order.
pub fn passages(passages: &[corpus::Passage]) -> Vec<Passage> {
    passages.iter().enumerate().map(|(at, passage)| Passage::new(at + 1, passage)).collect()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    pub text: String,
    pub span: [usize; 2],
    /// `supported`, `unsupported` or `not-a-claim`.
    pub support: String,
    pub citations: Vec<Citation>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Citation {
    pub number: usize,
    pub chunk: i64,
    pub document: i64,
    pub path: String,
    pub title: String,
    pub locator: String,
    pub page: Option<u32>,
    pub span: [usize; 2],
    pub quote: String,
}

impl From<&corpus::Claim> for Claim {
    fn from(claim: &corpus::Claim) -> Claim {
        let support = match claim.support {
            corpus::Support::Supported => "supported",
            corpus::Support::Unsupported => "unsupported",
            corpus::Support::NotAClaim => "not-a-claim",
        };
        Claim {
            text: claim.text.clone(),
            span: [claim.span.start, claim.span.end],
            support: support.to_owned(),
            citations: claim.citations.iter().map(Citation::from).collect(),
        }
    }
}

impl From<&corpus::Citation> for Citation {
    fn from(citation: &corpus::Citation) -> Citation {
        Citation {
            number: citation.number,
            chunk: citation.chunk.0,
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

/// `carrel ask --json` and the `done` event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub question: String,
    /// A follow-up as it reads alone, which is what was searched for.
    #[serde(default)]
    pub standalone: Option<String>,
    pub answer: String,
    pub claims: Vec<Claim>,
    pub passages: Vec<Passage>,
    pub refused: bool,
    /// Of a refusal the sentence that came nearest to an answer.
    #[serde(default)]
    pub nearest: Option<Citation>,
    /// Whether only a visit to every document can answer such a question, and there was none.
    #[serde(default)]
    pub asks_for_all: bool,
    pub notes: Vec<String>,
    pub coverage: Coverage,
    pub conversation: Option<String>,
    pub model: String,
    pub seconds_to_first_token: Option<f64>,
    pub tokens_per_second: Option<f64>,
}

impl From<&Answered> for Answer {
    fn from(answered: &Answered) -> Answer {
        let answer = &answered.answer;
        Answer {
            question: answered.question.clone(),
            standalone: answered.standalone.clone(),
            answer: answer.text.clone(),
            claims: answer.claims.iter().map(Claim::from).collect(),
            passages: passages(&answer.passages),
            refused: answer.refused,
            nearest: answer.nearest.as_ref().map(Citation::from),
            asks_for_all: !answered.is_of_whole_documents
                && carrel_generate::tasks::asks_for_all(&answered.question).is_some(),
            notes: answer.notes.clone(),
            coverage: Coverage::from(&answer.coverage),
            conversation: answered.conversation.clone(),
            model: answered.model.clone(),
            seconds_to_first_token: answered.seconds_to_first_token,
            tokens_per_second: answered.tokens_per_second,
        }
    }
}

/// Name and data of the server-sent event for `event`.
pub fn event(event: &AskEvent<'_>) -> (&'static str, Value) {
    match event {
        AskEvent::Rewritten(question) => ("rewritten", json!({ "question": question })),
        AskEvent::Passages { passages: found, coverage } => {
            ("passages", json!({ "passages": passages(found), "coverage": Coverage::from(*coverage) }))
        }
        AskEvent::Delta(text) => ("delta", json!({ "text": text })),
        AskEvent::Claim(claim) => ("claim", json!(Claim::from(*claim))),
        AskEvent::Note(text) => ("note", json!({ "text": text })),
        AskEvent::Visited(visited) => ("visited", json!(Visited::from(*visited))),
    }
}

/// `GET /library/status` and the `status` event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub folders: Vec<Folder>,
    pub coverage: Coverage,
    pub progress: Progress,
    pub model: Model,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Folder {
    pub id: i64,
    pub path: String,
    pub files: usize,
    pub searched: usize,
    pub unread: usize,
    /// False while the folder cannot be reached (an unmounted disk); nothing of it is forgotten then.
    pub available: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// `idle`, `scanning`, `reading`, `embedding` or `paused`.
    pub phase: String,
    pub files_done: usize,
    pub files_total: usize,
    pub chunks_done: usize,
    pub chunks_total: usize,
    pub seconds_left: Option<f64>,
    /// What went wrong in the background, in words for a person (a full disk).
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    pub generator: String,
    pub embedder: String,
    pub loaded: bool,
    pub error: Option<String>,
}

impl From<&library::FolderStatus> for Folder {
    fn from(folder: &library::FolderStatus) -> Folder {
        Folder {
            id: folder.id.0,
            path: folder.path.clone(),
            files: folder.files,
            searched: folder.searched,
            unread: folder.files - folder.searched,
            available: folder.available,
        }
    }
}

impl From<&library::Status> for Status {
    fn from(status: &library::Status) -> Status {
        let progress = &status.progress;
        Status {
            folders: status.folders.iter().map(Folder::from).collect(),
            coverage: Coverage::from(&status.coverage),
            progress: Progress {
                phase: progress.phase.name().to_owned(),
                files_done: progress.files_done,
                files_total: progress.files_total,
                chunks_done: progress.chunks_done,
                chunks_total: progress.chunks_total,
                seconds_left: progress.seconds_left,
                error: progress.error.clone(),
            },
            model: Model {
                generator: status.model.generator.clone(),
                embedder: status.model.embedder.clone(),
                loaded: status.model.loaded,
                error: status.model.error.clone(),
            },
        }
    }
}

/// `GET /library/files` and the ledger of `carrel status --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct File {
    pub document: i64,
    pub path: String,
    pub outcome: String,
    pub detail: String,
    pub chunks: usize,
    pub embedded: usize,
    pub size: u64,
    /// Seconds since the Unix epoch.
    pub modified: i64,
    pub media_type: String,
    pub pages: Option<u32>,
}

impl From<&index::FileRecord> for File {
    fn from(record: &index::FileRecord) -> File {
        let (outcome, detail) = record.outcome.encode();
        File {
            document: record.document.0,
            path: record.path.clone(),
            outcome: outcome.to_owned(),
            detail: detail.to_owned(),
            chunks: record.chunks,
            embedded: record.embedded,
            size: record.size,
            modified: record.modified_ns.div_euclid(1_000_000_000),
            media_type: record.media_type.clone(),
            pages: record.pages,
        }
    }
}

/// The ledger: every file and its outcome, and what that makes of the whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    pub files: Vec<File>,
    pub coverage: Coverage,
}

impl Files {
    pub fn new(records: &[index::FileRecord], coverage: &corpus::Coverage) -> Files {
        Files { files: records.iter().map(File::from).collect(), coverage: Coverage::from(coverage) }
    }
}

/// `GET /library/documents/ID`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocumentInfo {
    pub document: i64,
    pub path: String,
    pub title: String,
    pub media_type: String,
    pub pages: Option<u32>,
    pub outcome: String,
    pub detail: String,
}

impl From<&index::FileRecord> for DocumentInfo {
    fn from(record: &index::FileRecord) -> DocumentInfo {
        let (outcome, detail) = record.outcome.encode();
        DocumentInfo {
            document: record.document.0,
            path: record.path.clone(),
            title: record.title.clone(),
            media_type: record.media_type.clone(),
            pages: record.pages,
            outcome: outcome.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

/// A conversation in `GET /library/conversations`. Times in seconds since the Unix epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConversationSummary {
    pub id: String,
    pub title: String,
    pub created: i64,
    pub updated: i64,
}

impl From<&library::ConversationSummary> for ConversationSummary {
    fn from(summary: &library::ConversationSummary) -> ConversationSummary {
        let library::ConversationSummary { id, title, created, updated } = summary.clone();
        ConversationSummary { id, title, created, updated }
    }
}

/// `GET /library/conversations/ID`: the answers as they were given, each with its question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    pub id: String,
    pub title: String,
    pub turns: Vec<Answer>,
}

impl From<&library::Conversation> for Conversation {
    fn from(conversation: &library::Conversation) -> Conversation {
        Conversation {
            id: conversation.summary.id.clone(),
            title: conversation.summary.title.clone(),
            turns: conversation.answers.clone(),
        }
    }
}

/// `GET /library/documents/ID/text`: a stretch of a document with what stands around it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocumentText {
    pub before: String,
    pub quote: String,
    pub after: String,
    pub locator: String,
    pub page: Option<u32>,
    pub headings: Vec<String>,
}

impl From<&library::DocumentText> for DocumentText {
    fn from(text: &library::DocumentText) -> DocumentText {
        DocumentText {
            before: text.before.clone(),
            quote: text.quote.clone(),
            after: text.after.clone(),
            locator: text.locator.to_string(),
            page: text.locator.first_page(),
            headings: text.headings.clone(),
        }
    }
}

/// `carrel extract FILE --json`: what was read from one file, and from each of its members.
pub fn extracted(document: &corpus::Document) -> Value {
    let (outcome, detail) = document.outcome.encode();
    let blocks: Vec<Value> = document
        .blocks
        .iter()
        .map(|block| {
            json!({
                "text": block.span.of(&document.text),
                "locator": block.locator.to_string(),
                "page": block.locator.first_page(),
                "kind": kind(block.kind),
                "span": [block.span.start, block.span.end],
            })
        })
        .collect();
    let members: Vec<Value> = document
        .members
        .iter()
        .map(|(name, member)| {
            let mut value = extracted(member);
            value["name"] = json!(name);
            value
        })
        .collect();
    json!({
        "outcome": outcome,
        "detail": detail,
        "title": document.title,
        "media_type": document.media_type,
        "pages": document.pages,
        "date": document.date,
        "blocks": blocks,
        "members": members,
    })
}

/// The name of a block's kind in JSON.
pub fn kind(kind: corpus::BlockKind) -> &'static str {
    match kind {
        corpus::BlockKind::Heading(_) => "heading",
        corpus::BlockKind::Paragraph => "paragraph",
        corpus::BlockKind::ListItem => "list-item",
        corpus::BlockKind::Table => "table",
        corpus::BlockKind::Code => "code",
        corpus::BlockKind::Hidden => "hidden",
    }
}

/// A path as JSON and the terminal show it.
pub fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
