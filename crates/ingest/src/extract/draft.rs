//! A document while it is being read: blocks are added in reading order and every invariant of
//! [`Document`] (spans inside the text, in order, on character boundaries) is kept here once for all formats.

use carrel_corpus::{Block, BlockKind, Document, Locator, Outcome, Span};

use super::dated;
use crate::limits::readable_bytes;

/// Most addresses that are kept of one file.
const LINKS: usize = 1_000;

/// A document under construction.
pub(crate) struct Draft {
    pub title: Option<String>,
    pub pages: Option<u32>,
    /// Seconds since the Unix epoch.
    pub date: Option<i64>,
    /// The outcome, where it does not follow from what was read.
    pub verdict: Option<Outcome>,
    text: String,
    blocks: Vec<Block>,
    members: Vec<(String, Document)>,
    missing: Vec<String>,
    /// Addresses that the file leads to.
    links: Vec<String>,
    budget: usize,
    members_text: usize,
    full: bool,
}

impl Draft {
    /// An empty draft that keeps at most `budget` bytes of text, members included.
    pub fn new(budget: usize) -> Draft {
        Draft {
            title: None,
            pages: None,
            date: None,
            verdict: None,
            text: String::new(),
            blocks: Vec::new(),
            members: Vec::new(),
            missing: Vec::new(),
            links: Vec::new(),
            budget,
            members_text: 0,
            full: false,
        }
    }

    /// A draft of a file whose text is kept as it is; blocks are marked in it with [`Draft::mark`].
    pub fn verbatim(mut text: String, budget: usize) -> Draft {
        let full = text.len() > budget;
        if full {
            let end = (0..=budget).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text.truncate(end);
        }
        Draft { text, full, ..Draft::new(budget) }
    }

    /// Bytes of text that may still be added.
    pub fn room(&self) -> usize {
        self.budget.saturating_sub(self.text.len() + self.members_text)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether there is neither text nor a member.
    pub fn is_bare(&self) -> bool {
        self.blocks.is_empty() && self.members.is_empty()
    }

    /// Adds a block of its own text. White space around it is dropped; an empty block is none.
    pub fn push(&mut self, kind: BlockKind, locator: Locator, text: &str) {
        let text = text.trim();
        if text.is_empty() || self.full {
            return;
        }
        let separator = match (self.blocks.last().map(|block| block.kind), kind) {
            (None, _) => "",
            (Some(BlockKind::ListItem), BlockKind::ListItem) => "\n",
            _ => "\n\n",
        };
        let room = self.room();
        if text.len() + separator.len() > room {
            self.full = true;
            return;
        }
        self.text.push_str(separator);
        let start = self.text.len();
        self.text.push_str(text);
        self.blocks.push(Block { kind, span: Span::new(start, self.text.len()), locator });
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, locator: Locator, text: &str) {
        self.push(BlockKind::Paragraph, locator, text);
    }

    /// Adds rows as a table, the first being its header; a table of a single cell is a paragraph.
    pub fn table(&mut self, locator: Locator, rows: &[Vec<String>]) {
        let text = table_text(rows);
        let kind = match rows.len() <= 1 && !text.contains(" | ") {
            true => BlockKind::Paragraph,
            false => BlockKind::Table,
        };
        self.push(kind, locator, &text);
    }

    /// Marks a block in a verbatim text. Blocks must come in order; what overlaps the one before is cut.
    pub fn mark(&mut self, kind: BlockKind, start: usize, end: usize, locator: Locator) {
        let start = start.max(self.blocks.last().map_or(0, |block| block.span.end));
        let end = end.min(self.text.len());
        if start >= end {
            return;
        }
        let Some(text) = self.text.get(start..end) else { return };
        let trimmed = text.trim_end();
        if trimmed.trim_start().is_empty() {
            return;
        }
        let end = start + trimmed.len();
        self.blocks.push(Block { kind, span: Span::new(start, end), locator });
    }

    /// Names something that could not be read.
    pub fn lack(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.missing.contains(&what) {
            self.missing.push(what);
        }
    }

    /// Notes an address that the file leads to: it is said at the end, unless the text already says it.
    pub fn link(&mut self, address: &str) {
        let address = address.trim();
        let address = address.strip_prefix("mailto:").unwrap_or(address);
        let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        let inner = matches!(scheme.as_str(), "file" | "javascript" | "data" | "cid" | "about");
        let known = self.links.iter().any(|link| link == address);
        if !inner && !known && address.len() > 3 && !address.starts_with('#') && self.links.len() < LINKS {
            self.links.push(address.to_owned());
        }
    }

    /// Adds a member that has been read.
    pub fn take_member(&mut self, name: String, document: Document) {
        self.members_text += text_bytes(&document);
        self.members.push((name, document));
    }

    /// Takes over the blocks and members of another draft after its own.
    pub fn append(&mut self, other: Draft) {
        for block in &other.blocks {
            self.push(block.kind, block.locator.clone(), block.span.of(&other.text));
        }
        for (name, member) in other.members {
            self.take_member(name, member);
        }
        self.missing.extend(other.missing);
        other.links.iter().for_each(|link| self.link(link));
        self.full |= other.full;
    }

    /// Takes the day that the text gives itself, where it does, for the date of the document.
    pub fn date_from_text(&mut self) {
        self.date = dated::stated(&self.text).or(self.date);
    }

    /// The finished document; its outcome follows from what is in it and what is missing.
    pub fn finish(mut self, media_type: String) -> Document {
        let unsaid: Vec<String> =
            self.links.drain(..).filter(|address| !self.text.contains(address.as_str())).collect();
        self.paragraph(Locator::Part { name: "links".into() }, &unsaid.join("\n"));
        if self.full {
            self.missing.push(format!("text after the first {}", readable_bytes(self.budget as u64)));
        }
        let outcome = match (self.blocks.is_empty(), self.missing.is_empty()) {
            (false, true) => Outcome::Indexed,
            (true, true) if !self.members.is_empty() => Outcome::Indexed,
            (true, true) => Outcome::Empty,
            (true, false) if self.members.is_empty() => Outcome::Failed { reason: self.missing.join("; ") },
            (_, false) => Outcome::PartlyRead { missing: self.missing.join("; ") },
        };
        let outcome = self.verdict.unwrap_or(outcome);
        Document {
            title: self.title.map(|title| one_line(&title)).unwrap_or_default(),
            media_type,
            text: self.text,
            blocks: self.blocks,
            pages: self.pages,
            date: self.date,
            outcome,
            members: self.members,
        }
    }
}

fn text_bytes(document: &Document) -> usize {
    document.text.len() + document.members.iter().map(|(_, member)| text_bytes(member)).sum::<usize>()
}

/// Rows as text: one a line, cells separated by ` | `, without the empty cells at the right.
pub(crate) fn table_text(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
        if cells == 0 {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        for (column, cell) in row[..cells].iter().enumerate() {
            if column > 0 {
                text.push_str(" | ");
            }
            push_one_line(&mut text, cell);
        }
    }
    text
}

/// The text with every run of white space as one space, and none around it.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_one_line(&mut line, text);
    line
}

fn push_one_line(into: &mut String, text: &str) {
    for (position, word) in text.split_whitespace().enumerate() {
        if position > 0 {
            into.push(' ');
        }
        into.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_lines() {
        let rows = vec![
            vec!["Item".into(), " Price\nEUR ".into(), "".into()],
            vec![],
            vec!["Tea".into(), "3".into()],
        ];
        assert_eq!(table_text(&rows), "Item | Price EUR\nTea | 3");
    }

    #[test]
    fn text_over_the_budget_is_named() {
        let mut draft = Draft::new(2048);
        draft.paragraph(Locator::Whole, "short");
        draft.paragraph(Locator::Whole, &"x".repeat(4096));
        let document = draft.finish("text/plain".into());
        assert_eq!(document.text, "short");
        assert_eq!(document.outcome.to_string(), "partly read (text after the first 2 KB)");
    }

    #[test]
    fn addresses_are_said_once_at_the_end() {
        let mut draft = Draft::new(2048);
        draft.paragraph(Locator::Whole, "See http://a.example/x");
        for address in [
            "http://a.example/x",
            "mailto:ada@b.example",
            "#top",
            "file:///C:/x.dotm",
            "mailto:ada@b.example",
        ] {
            draft.link(address);
        }
        let document = draft.finish(String::new());
        assert_eq!(document.text, "See http://a.example/x\n\nada@b.example");
        assert_eq!(document.blocks[1].locator.to_string(), "links");
    }

    #[test]
    fn nothing_read_is_empty_or_failed() {
        assert_eq!(Draft::new(9).finish(String::new()).outcome, Outcome::Empty);
        let mut draft = Draft::new(9);
        draft.lack("page 1: damaged");
        let failed = Outcome::Failed { reason: "page 1: damaged".into() };
        assert_eq!(draft.finish(String::new()).outcome, failed);
    }
}
