//! A second opinion (pdf-extract) on what the first reader stumbled over: a damaged page, a file whose pages
//! were not found.
//!
//! It gives plain text without positions, so that it is asked only where there would be nothing otherwise. It panics
//! on much that is damaged; that costs the page.

use std::panic::AssertUnwindSafe;

use carrel_corpus::BlockKind;
use pdf_extract::{Document, PlainTextOutput, output_doc_page};

use super::layout::PageBlock;

/// The size that text is taken to be set in, of which this reader says nothing.
const BODY_SIZE: f32 = 10.0;

/// A file that the second reader could open.
pub(super) struct SecondReader(Document);

impl SecondReader {
    /// `None` for a file that it cannot open, or that is encrypted.
    pub fn open(bytes: &[u8]) -> Option<SecondReader> {
        let document = std::panic::catch_unwind(|| Document::load_mem(bytes)).ok()?.ok()?;
        (!document.is_encrypted()).then_some(SecondReader(document))
    }

    /// Numbers of the pages, counted from 1.
    pub fn pages(&self) -> Vec<u32> {
        std::panic::catch_unwind(AssertUnwindSafe(|| self.0.get_pages().into_keys().collect()))
            .unwrap_or_default()
    }

    /// The paragraphs of a page; none where this reader, too, finds no words on it.
    pub fn page(&self, number: u32) -> Vec<PageBlock> {
        let read = || {
            let mut text = String::new();
            let mut output = PlainTextOutput::new(&mut text);
            output_doc_page(&self.0, &mut output, number).is_ok().then_some(text)
        };
        let text = std::panic::catch_unwind(AssertUnwindSafe(read)).ok().flatten().unwrap_or_default();
        match is_readable(&text) {
            true => paragraphs(&text),
            false => Vec::new(),
        }
    }
}

/// Whether most of a text is letters, figures and spaces: what an unknown encoding gives is not.
fn is_readable(text: &str) -> bool {
    let all = text.chars().filter(|c| !c.is_whitespace()).count();
    let words = text.chars().filter(|c| c.is_alphanumeric()).count();
    let lost = text.chars().filter(|c| *c == '\u{fffd}' || (c.is_control() && !c.is_whitespace())).count();
    words >= 3 && words * 2 > all && lost * 20 < all
}

/// Empty lines part paragraphs.
fn paragraphs(text: &str) -> Vec<PageBlock> {
    let mut blocks = Vec::new();
    for paragraph in text.split("\n\n") {
        let lines: Vec<&str> = paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if !lines.is_empty() {
            blocks.push(PageBlock {
                kind: BlockKind::Paragraph,
                text: lines.join(" "),
                top: 0.5,
                bottom: 0.5,
                size: BODY_SIZE,
                bold: false,
                lines: lines.len(),
            });
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_words_is_not_read() {
        assert!(is_readable("Rent is due on the 3rd."));
        assert!(!is_readable("\u{1}\u{2}\u{3}abc\u{4}"));
        assert!(!is_readable("§§ %% && 1"));
    }

    #[test]
    fn paragraphs_are_parted_by_empty_lines() {
        let texts: Vec<String> = paragraphs("a\nb\n\n\n c \n").into_iter().map(|block| block.text).collect();
        assert_eq!(texts, ["a b", "c"]);
    }
}
