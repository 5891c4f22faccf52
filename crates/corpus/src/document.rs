//! A file once it has been read: its text, the blocks that the text is made of, and the chunks cut from it.

use std::fmt;
use std::ops::Range;

use crate::Locator;

/// Identifies a folder in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderId(pub i64);

/// Identifies a document in the catalog. Never reused, and kept when its file is renamed or edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub i64);

/// Identifies a chunk in the catalog and in both indexes. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkId(pub i64);

/// A byte range of a document's text; `start <= end`, both on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        debug_assert!(start <= end);
        Span { start, end }
    }

    pub fn len(self) -> usize {
        self.end - self.start
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether the two share at least one byte.
    pub fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The text of this span, or `""` where it lies outside `text` or inside a character.
    pub fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or("")
    }
}

/// What a block of text is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// A heading of the given level, 1 being the outermost.
    Heading(u8),
    Paragraph,
    ListItem,
    /// A table: one row a line, cells separated by ` | `, the header row first.
    Table,
    Code,
    /// Text that a person does not see in the file (white on white, tiny, off the page, `display: none`).
    /// It is indexed, and always shown as hidden.
    Hidden,
}

/// A piece of a document's text with one place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub kind: BlockKind,
    pub span: Span,
    pub locator: Locator,
}

/// How reading a file ended. Every file that a person has in a folder has exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Read whole.
    Indexed,
    /// Read, but for what `missing` names (`pages 3, 7: no text`).
    PartlyRead {
        missing: String,
    },
    Encrypted,
    /// There is no text in it.
    Empty,
    /// No reader for this type.
    Unsupported {
        kind: String,
    },
    /// Over a limit, which is named.
    TooLarge {
        limit: String,
    },
    Failed {
        reason: String,
    },
    /// Left out by a rule that the person can change, which is named.
    Ignored {
        rule: String,
    },
}

impl Outcome {
    /// Whether there is text to search.
    pub fn is_searchable(&self) -> bool {
        matches!(self, Outcome::Indexed | Outcome::PartlyRead { .. })
    }

    /// The stable name used in storage and JSON, and the detail that goes with it (empty where there is none).
    pub fn encode(&self) -> (&'static str, &str) {
        match self {
            Outcome::Indexed => ("indexed", ""),
            Outcome::PartlyRead { missing } => ("partly read", missing),
            Outcome::Encrypted => ("encrypted", ""),
            Outcome::Empty => ("empty", ""),
            Outcome::Unsupported { kind } => ("unsupported", kind),
            Outcome::TooLarge { limit } => ("too large", limit),
            Outcome::Failed { reason } => ("failed", reason),
            Outcome::Ignored { rule } => ("ignored", rule),
        }
    }

    /// Reads what [`Outcome::encode`] gave; `None` for an unknown name.
    pub fn decode(name: &str, detail: &str) -> Option<Outcome> {
        let detail = detail.to_owned();
        Some(match name {
            "indexed" => Outcome::Indexed,
            "partly read" => Outcome::PartlyRead { missing: detail },
            "encrypted" => Outcome::Encrypted,
            "empty" => Outcome::Empty,
            "unsupported" => Outcome::Unsupported { kind: detail },
            "too large" => Outcome::TooLarge { limit: detail },
            "failed" => Outcome::Failed { reason: detail },
            "ignored" => Outcome::Ignored { rule: detail },
            _ => return None,
        })
    }
}

/// As the ledger shows it: `indexed`, `partly read (pages 3, 7: no text)`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.encode() {
            (name, "") => f.write_str(name),
            (name, detail) => write!(f, "{name} ({detail})"),
        }
    }
}

/// What was read from one file, or from one member of a container (an attachment, a file in an archive).
///
/// For plain text, Markdown and source code `text` is the decoded file itself, unchanged, so that offsets
/// into it are offsets into the file. Blocks are in reading order, do not overlap, and lie inside `text`.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// The title that the document states; empty when it states none and goes by its file's name.
    pub title: String,
    /// The type found from the content, as a media type.
    pub media_type: String,
    pub text: String,
    pub blocks: Vec<Block>,
    /// Number of pages or slides, where the file has any.
    pub pages: Option<u32>,
    /// Date the document itself states (mail header, the beginning of its text, its name, PDF or office metadata), in seconds since
    /// the Unix epoch.
    pub date: Option<i64>,
    pub outcome: Outcome,
    /// Members with the name that each has inside its container (`report.pdf`, `photos/a.txt`).
    pub members: Vec<(String, Document)>,
}

impl Document {
    /// A document of which nothing was read.
    pub fn unread(media_type: impl Into<String>, outcome: Outcome) -> Document {
        Document {
            title: String::new(),
            media_type: media_type.into(),
            text: String::new(),
            blocks: Vec::new(),
            pages: None,
            date: None,
            outcome,
            members: Vec::new(),
        }
    }
}

/// Never prints the text: what a person keeps private must not reach a log.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("media_type", &self.media_type)
            .field("text_bytes", &self.text.len())
            .field("blocks", &self.blocks.len())
            .field("pages", &self.pages)
            .field("outcome", &self.outcome)
            .field("members", &self.members.len())
            .finish()
    }
}

/// A stretch of a document's text that is indexed and retrieved as one.
///
/// Its text is `span.of(&document.text)`. Chunks of a document are in order; they may overlap.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk {
    pub span: Span,
    pub locator: Locator,
    /// Headings above the chunk, outermost first.
    pub headings: Vec<String>,
    /// What stands in front of the text when it is embedded or shown to a model without its neighbours:
    /// the header row of a table that the chunk continues; otherwise empty.
    pub context: String,
    /// Whether all of it is text that a person does not see in the file.
    pub hidden: bool,
}

/// Never prints the text or its headings.
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("span", &self.span).field("locator", &self.locator).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_round_trip_and_read_well() {
        let partly = Outcome::PartlyRead { missing: "pages 3, 7: no text".into() };
        let (name, detail) = partly.encode();
        assert_eq!(Outcome::decode(name, detail), Some(partly.clone()));
        assert_eq!(partly.to_string(), "partly read (pages 3, 7: no text)");
        assert_eq!(Outcome::Indexed.to_string(), "indexed");
    }

    #[test]
    fn a_span_outside_its_text_is_empty() {
        assert_eq!(Span::new(1, 3).of("aé"), "é");
        assert_eq!(Span::new(2, 3).of("aé"), "");
        assert_eq!(Span::new(0, 9).of("aé"), "");
    }
}
