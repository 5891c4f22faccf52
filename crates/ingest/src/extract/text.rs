//! Plain text: the decoded file itself, in paragraphs.

use carrel_corpus::{BlockKind, Locator};

use super::{Draft, Reading, Source};
use crate::detect::decode;

/// Longest block of plain text in lines: what a person can take in at a locator's glance.
const BLOCK_LINES: usize = 40;

/// Reads plain text: a block ends at a blank line, or after [`BLOCK_LINES`] lines.
pub(super) fn read(source: &Source) -> Reading {
    let mut draft = source.verbatim();
    draft.title = title(draft.text()).map(str::to_owned);
    let lines = Lines::of(draft.text());
    let mut open: Option<(usize, usize)> = None;
    for line in 0..lines.count() {
        let blank = lines.text(draft.text(), line).trim().is_empty();
        if let Some((first, last)) = open
            && (blank || last - first + 1 >= BLOCK_LINES)
        {
            lines.mark(&mut draft, BlockKind::Paragraph, first, last);
            open = None;
        }
        if !blank {
            open = Some((open.map_or(line, |(first, _)| first), line));
        }
    }
    if let Some((first, last)) = open {
        lines.mark(&mut draft, BlockKind::Paragraph, first, last);
    }
    Ok(draft)
}

/// Characters of a line that is a title.
const TITLE: usize = 120;

/// The first line, where it stands by itself and is no sentence, greeting or label.
fn title(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let (first, below) = (lines.next()?, lines.next()?);
    let is_alone = below.is_empty() && lines.any(|line| !line.is_empty());
    let is_title = first.chars().count() <= TITLE
        && first.chars().any(char::is_alphabetic)
        && !first.ends_with(['.', ',', ':', ';', '!', '?', '。', '，', '：', '！', '？']);
    (is_alone && is_title).then_some(first)
}

impl Source<'_> {
    /// A draft whose text is the decoded file.
    pub(super) fn verbatim(&self) -> Draft {
        Draft::verbatim(decode(self.bytes), self.budget.text.get())
    }
}

/// Where the lines of a text begin. Lines are counted from 0 here, and from 1 in locators.
pub(super) struct Lines {
    starts: Vec<usize>,
    end: usize,
}

impl Lines {
    pub fn of(text: &str) -> Lines {
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
        if starts.last() == Some(&text.len()) {
            starts.pop();
        }
        Lines { starts, end: text.len() }
    }

    pub fn count(&self) -> usize {
        self.starts.len()
    }

    pub fn start(&self, line: usize) -> usize {
        self.starts.get(line).copied().unwrap_or(self.end)
    }

    /// End of the line, with its line break.
    pub fn end(&self, line: usize) -> usize {
        self.starts.get(line + 1).copied().unwrap_or(self.end)
    }

    /// The line without its line break.
    pub fn text<'a>(&self, text: &'a str, line: usize) -> &'a str {
        text.get(self.start(line)..self.end(line)).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// Marks the lines from `first` to `last` as a block.
    pub fn mark(&self, draft: &mut Draft, kind: BlockKind, first: usize, last: usize) {
        draft.mark(kind, self.start(first), self.end(last), locator(first, last));
    }
}

/// The locator of lines counted from 0.
pub(super) fn locator(first: usize, last: usize) -> Locator {
    let number = |line: usize| u32::try_from(line + 1).unwrap_or(u32::MAX);
    Locator::Lines { first: number(first), last: number(last) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    #[test]
    fn paragraphs_keep_their_lines_and_the_text_is_the_file() {
        let file = "One\ntwo.\r\n\r\n  Three\n";
        let document = read("a.txt", file.as_bytes());
        assert_eq!(document.text, file);
        assert_eq!(
            outline(&document),
            "indexed\nParagraph @ lines 1-2: One\\ntwo.\nParagraph @ line 4:   Three"
        );
    }

    #[test]
    fn a_long_paragraph_is_cut_at_lines() {
        let file = "word\n".repeat(95);
        assert_eq!(read("a.log", file.as_bytes()).blocks.len(), 3);
    }

    #[test]
    fn a_first_line_that_stands_alone_is_the_title() {
        let title = |text: &str| read("a.txt", text.as_bytes()).title;
        assert_eq!(title("Mietvertrag über die Halle 4\n\n§ 1 Die Miete"), "Mietvertrag über die Halle 4");
        for other in [
            "Dear Ada,\n\nThe rent",
            "It rained.\n\nWe left",
            "One\ntwo\n\nthree",
            "Alone\n\n",
            "2024\n\nThe year",
        ] {
            assert_eq!(title(other), "", "{other}");
        }
    }

    #[test]
    fn white_space_alone_is_empty() {
        assert_eq!(read("a.txt", b" \n\n").outcome.to_string(), "empty");
    }
}
