//! What is given back to the person who asked: passages, claims with their citations, and what it all rests on.

use std::fmt;
use std::ops::Range;

use crate::{ChunkId, DocumentId, Locator, Span};

/// A chunk found for a question, with what is needed to show it, prompt with it and check claims against it.
#[derive(Clone, PartialEq)]
pub struct Passage {
    pub chunk: ChunkId,
    pub document: DocumentId,
    /// Absolute path of the file; a member's is `container.zip!/member.txt`.
    pub path: String,
    pub title: String,
    pub headings: Vec<String>,
    pub locator: Locator,
    /// Where `text` stands in the document's text.
    pub span: Span,
    pub text: String,
    /// See [`Chunk::context`](crate::Chunk::context).
    pub context: String,
    pub hidden: bool,
    /// Date of the document: its own where it states one, else the file's; seconds since the Unix epoch.
    pub date: Option<i64>,
    /// Fused relevance, higher is better; comparable only inside one result list.
    pub score: f32,
    /// Cosine similarity with the question, where a vector was there.
    pub similarity: Option<f32>,
    /// BM25 score, where a term matched.
    pub bm25: Option<f32>,
}

impl Passage {
    /// The citation of `range` of the text, where this is passage `number`.
    ///
    /// # Panics
    /// If the range is not within the text or cuts a character.
    pub fn citation(&self, number: usize, range: Range<usize>) -> Citation {
        let start = self.span.start;
        Citation {
            number,
            chunk: self.chunk,
            document: self.document,
            path: self.path.clone(),
            title: self.title.clone(),
            locator: self.locator.clone(),
            span: Span::new(start + range.start, start + range.end),
            quote: self.text[range].to_owned(),
        }
    }
}

/// Never prints the text.
impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage")
            .field("chunk", &self.chunk)
            .field("document", &self.document)
            .field("span", &self.span)
            .field("score", &self.score)
            .finish()
    }
}

/// The exact words of a document that support a claim.
#[derive(Clone, PartialEq)]
pub struct Citation {
    /// Number of the passage in the answer's list, 1-based, as the person sees it.
    pub number: usize,
    pub chunk: ChunkId,
    pub document: DocumentId,
    pub path: String,
    pub title: String,
    pub locator: Locator,
    /// Where `quote` stands in the document's text; always inside the passage's span.
    pub span: Span,
    pub quote: String,
}

/// Never prints the quote.
impl fmt::Debug for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Citation").field("number", &self.number).field("span", &self.span).finish()
    }
}

/// How well the passages carry a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Its citations say it.
    Supported,
    /// Nothing that was retrieved says it. It is shown marked.
    Unsupported,
    /// It states nothing that could be checked (a greeting, "Here is the list:").
    NotAClaim,
}

/// A sentence of the answer with its evidence. `citations` is empty exactly when it is not [`Support::Supported`].
#[derive(Clone, PartialEq)]
pub struct Claim {
    /// Where the sentence stands in [`Answer::text`].
    pub span: Span,
    pub text: String,
    pub support: Support,
    pub citations: Vec<Citation>,
}

/// Never prints the text.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("span", &self.span)
            .field("support", &self.support)
            .field("citations", &self.citations)
            .finish()
    }
}

/// What an answer rests on: how much of the scope could be searched when it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Files in the scope, whatever their outcome, without the ignored ones.
    pub files: usize,
    /// Files whose text was searched.
    pub searched: usize,
    /// Files not searched, or read only in part: path and outcome as the ledger shows it.
    pub unread: Vec<(String, String)>,
    pub chunks: usize,
    /// Chunks that also had a vector; fewer than `chunks` while vectors are still being made.
    pub embedded: usize,
}

/// As every answer says it: `412 of 415 files searched; 3 unread`.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} files searched", self.searched, self.files)?;
        if self.files > self.searched {
            write!(f, "; {} unread", self.files - self.searched)?;
        }
        if self.embedded < self.chunks {
            write!(
                f,
                "; {} of {} passages searched by keyword only",
                self.chunks - self.embedded,
                self.chunks
            )?;
        }
        Ok(())
    }
}

/// An answer as it stands when it is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub text: String,
    pub claims: Vec<Claim>,
    /// The passages that the answer was made from, in the order of their numbers.
    pub passages: Vec<Passage>,
    /// Whether this says that the documents hold no answer. `passages` are then the nearest ones.
    pub refused: bool,
    /// Of a refusal the sentence that came nearest to an answer, for the person to judge. It supports nothing.
    pub nearest: Option<Citation>,
    /// Remarks for the person: disagreeing sources, a lone source, an instruction found in a document.
    pub notes: Vec<String>,
    pub coverage: Coverage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_says_what_is_missing() {
        let whole = Coverage { files: 3, searched: 3, chunks: 9, embedded: 9, ..Coverage::default() };
        assert_eq!(whole.to_string(), "3 of 3 files searched");
        let partial = Coverage { files: 4, embedded: 5, ..whole };
        assert_eq!(
            partial.to_string(),
            "3 of 4 files searched; 1 unread; 4 of 9 passages searched by keyword only"
        );
    }
}
