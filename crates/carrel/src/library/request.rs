//! What is asked of the library and what it gives back.

use carrel_corpus::{Answer, Claim, Coverage, DocumentId, FolderId, Locator, Passage, Span};
use carrel_generate::Grounds;
use carrel_generate::tasks::Visited;
use carrel_index::{Ranking, StoredDocument};

/// Results of a search when no number is named.
pub const DEFAULT_RESULTS: usize = 20;

/// A search in the documents. With no folder and no path, in all of them.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    pub query: String,
    pub folders: Vec<FolderId>,
    /// Path prefixes.
    pub paths: Vec<String>,
    pub limit: usize,
    pub ranking: Ranking,
}

/// The documents that a task visits. With no folder and no path, all of them.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub folders: Vec<FolderId>,
    /// Path prefixes.
    pub paths: Vec<String>,
}

/// A question to the documents. With no folder and no path, to all of them.
#[derive(Clone, Debug)]
pub struct AskRequest {
    pub question: String,
    /// The conversation that the question continues; a new one is begun without it.
    pub conversation: Option<String>,
    pub folders: Vec<FolderId>,
    /// Path prefixes.
    pub paths: Vec<String>,
    /// Documents whose passages come ahead of all others.
    pub pinned: Vec<DocumentId>,
    /// Documents that must not be used.
    pub excluded: Vec<DocumentId>,
    /// Whether question and answer are kept as a conversation and in the audit log.
    pub remember: bool,
}

/// A step on the way to an answer.
#[derive(Debug)]
pub enum AskEvent<'a> {
    /// The follow-up question as it reads without what went before.
    Rewritten(&'a str),
    /// What was found, before anything is written.
    Passages { passages: &'a [Passage], coverage: &'a Coverage },
    /// The next piece of the answer.
    Delta(&'a str),
    /// A finished sentence of the answer, checked.
    Claim(&'a Claim),
    /// A remark for the person who waits.
    Note(&'a str),
    /// How far the reading of whole documents has come.
    Visited(Visited<'a>),
}

/// A finished answer with what it cost.
#[derive(Clone, Debug)]
pub struct Answered {
    /// As it was typed.
    pub question: String,
    /// A follow-up as it reads alone.
    pub standalone: Option<String>,
    pub answer: Answer,
    pub conversation: Option<String>,
    /// Name and digest of the generator.
    pub model: String,
    /// From asking to the first written token; none when nothing was written.
    pub seconds_to_first_token: Option<f64>,
    pub tokens_per_second: Option<f64>,
    /// What spoke for the answer, for calibrating when to refuse.
    pub grounds: Grounds,
    /// Whether whole documents were read for it, one by one.
    pub is_of_whole_documents: bool,
}

/// A stretch of a document with what stands around it.
#[derive(Clone, Debug)]
pub struct DocumentText {
    pub before: String,
    pub quote: String,
    pub after: String,
    pub locator: Locator,
    /// Headings above the quote, outermost first.
    pub headings: Vec<String>,
}

impl DocumentText {
    /// `start` and `end` are byte offsets; they are moved outwards to character boundaries and into the text.
    pub(super) fn around(stored: &StoredDocument, start: usize, end: usize, margin: usize) -> DocumentText {
        let text = stored.text.as_str();
        let start = floor(text, start);
        let end = ceil(text, end).max(start);
        let from = floor(text, start.saturating_sub(margin));
        let to = ceil(text, end.saturating_add(margin));
        let quoted = Span::new(start, end);
        DocumentText {
            before: text[from..start].to_owned(),
            quote: text[start..end].to_owned(),
            after: text[end..to].to_owned(),
            locator: locator(stored, quoted),
            headings: headings(stored, start),
        }
    }
}

/// Where in the file the span stands: the locators of all blocks that it touches, joined.
fn locator(stored: &StoredDocument, span: Span) -> Locator {
    let touched =
        stored.blocks.iter().filter(|block| block.span.overlaps(span) || block.span.start == span.start);
    touched
        .map(|block| block.locator.clone())
        .reduce(|joined, next| joined.cover(&next))
        .unwrap_or(Locator::Whole)
}

/// The headings in force at byte `at`.
fn headings(stored: &StoredDocument, at: usize) -> Vec<String> {
    let mut path: Vec<(u8, String)> = Vec::new();
    for block in stored.blocks.iter().take_while(|block| block.span.start <= at) {
        if let carrel_corpus::BlockKind::Heading(level) = block.kind {
            path.retain(|(above, _)| *above < level);
            path.push((level, block.span.of(&stored.text).trim().to_owned()));
        }
    }
    path.into_iter().map(|(_, heading)| heading).collect()
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

fn ceil(text: &str, at: usize) -> usize {
    text.ceil_char_boundary(at)
}
