//! Text in a light markup: Markdown, reStructuredText, Org and TeX. The text is the decoded file itself; the markup
//! only says where headings, lists, tables and code are.

mod markdown;

use carrel_corpus::BlockKind;

use super::draft::one_line;
use super::text::Lines;
use super::{Draft, Reading, Source};

pub(super) use markdown::read as read_markdown;

/// Collects lines into blocks of one kind and marks a block when the kind changes.
pub(super) struct Marker<'a> {
    pub lines: &'a Lines,
    open: Option<(BlockKind, usize, usize)>,
}

impl<'a> Marker<'a> {
    pub fn new(lines: &'a Lines) -> Marker<'a> {
        Marker { lines, open: None }
    }

    /// Marks the block that is open, if any.
    pub fn close(&mut self, draft: &mut Draft) {
        if let Some((kind, first, last)) = self.open.take() {
            self.lines.mark(draft, kind, first, last);
        }
    }

    /// Adds a line to the open block, or opens one where the kind is another.
    pub fn line(&mut self, draft: &mut Draft, kind: BlockKind, line: usize) {
        match &mut self.open {
            Some((open, _, last)) if *open == kind => *last = line,
            _ => self.begin(draft, kind, line),
        }
    }

    /// Opens a block with this line whatever is open.
    pub fn begin(&mut self, draft: &mut Draft, kind: BlockKind, line: usize) {
        self.close(draft);
        self.open = Some((kind, line, line));
    }

    pub fn kind(&self) -> Option<BlockKind> {
        self.open.map(|(kind, _, _)| kind)
    }

    /// A block of its own for the lines from `first` to `last`.
    pub fn single(&mut self, draft: &mut Draft, kind: BlockKind, first: usize, last: usize) {
        self.close(draft);
        self.lines.mark(draft, kind, first, last);
    }
}

/// Reads reStructuredText: titles are lines with a line of punctuation below (and maybe above) them; the order in
/// which the punctuation appears gives the level.
pub(super) fn read_restructured(source: &Source) -> Reading {
    let mut draft = source.verbatim();
    let lines = Lines::of(draft.text());
    let text = draft.text().to_owned();
    let mut marker = Marker::new(&lines);
    let mut adornments: Vec<char> = Vec::new();
    let mut line = 0;
    while line < lines.count() {
        let current = lines.text(&text, line);
        let below = if line + 1 < lines.count() { adornment(lines.text(&text, line + 1)) } else { None };
        if let Some(character) = below.filter(|_| adornment(current).is_none() && !current.trim().is_empty())
        {
            let known = adornments.iter().position(|&other| other == character);
            let level = known.unwrap_or_else(|| {
                adornments.push(character);
                adornments.len() - 1
            });
            draft.title.get_or_insert_with(|| one_line(current));
            marker.single(&mut draft, BlockKind::Heading(heading_level(level + 1)), line, line);
            line += 2;
            continue;
        }
        plain_line(&mut marker, &mut draft, current, line, current.starts_with("    "));
        line += 1;
    }
    marker.close(&mut draft);
    Ok(draft)
}

/// The punctuation character that alone makes up the line.
fn adornment(line: &str) -> Option<char> {
    let line = line.trim_end();
    let first = line.chars().next().filter(|c| c.is_ascii_punctuation())?;
    (line.len() >= 3 && line.chars().all(|c| c == first)).then_some(first)
}

/// Reads an Org file: `*` headings, `|` tables, `#+begin_…` blocks.
pub(super) fn read_org(source: &Source) -> Reading {
    let mut draft = source.verbatim();
    let lines = Lines::of(draft.text());
    let text = draft.text().to_owned();
    let mut marker = Marker::new(&lines);
    let mut code = false;
    for line in 0..lines.count() {
        let current = lines.text(&text, line);
        let lower = current.trim_start().to_ascii_lowercase();
        let stars = current.bytes().take_while(|&byte| byte == b'*').count();
        if lower.starts_with("#+begin_") || lower.starts_with("#+end_") {
            code = lower.starts_with("#+begin_");
            marker.line(&mut draft, BlockKind::Code, line);
        } else if code {
            marker.line(&mut draft, BlockKind::Code, line);
        } else if let Some(title) = lower.strip_prefix("#+title:") {
            let start = current.len() - title.len();
            draft.title = Some(one_line(&current[start..]));
        } else if stars > 0 && current[stars..].starts_with(' ') {
            marker.single(&mut draft, BlockKind::Heading(heading_level(stars)), line, line);
        } else if current.trim_start().starts_with('|') {
            marker.line(&mut draft, BlockKind::Table, line);
        } else {
            plain_line(&mut marker, &mut draft, current, line, false);
        }
    }
    marker.close(&mut draft);
    Ok(draft)
}

/// Reads TeX source: sectioning commands are headings, the rest stays as it is written.
pub(super) fn read_tex(source: &Source) -> Reading {
    const COMMANDS: [(&str, u8); 7] = [
        ("\\title", 1),
        ("\\part", 1),
        ("\\chapter", 1),
        ("\\section", 2),
        ("\\subsection", 3),
        ("\\subsubsection", 4),
        ("\\paragraph", 5),
    ];
    let mut draft = source.verbatim();
    let lines = Lines::of(draft.text());
    let text = draft.text().to_owned();
    let mut marker = Marker::new(&lines);
    for line in 0..lines.count() {
        let current = lines.text(&text, line);
        let command = COMMANDS.iter().find_map(|(command, level)| {
            let rest = current.trim_start().strip_prefix(command)?;
            let rest = rest.strip_prefix('*').unwrap_or(rest);
            rest.strip_prefix('{').map(|title| (*command, *level, title))
        });
        match command {
            Some((command, level, title)) => {
                if command == "\\title" {
                    draft.title = Some(one_line(title.trim_end_matches('}')));
                }
                marker.single(&mut draft, BlockKind::Heading(level), line, line);
            }
            None => plain_line(&mut marker, &mut draft, current, line, false),
        }
    }
    marker.close(&mut draft);
    Ok(draft)
}

/// A line of running text: blank lines end blocks, bullets begin list items, indented lines may be code.
fn plain_line(marker: &mut Marker, draft: &mut Draft, current: &str, line: usize, code: bool) {
    if current.trim().is_empty() {
        marker.close(draft);
    } else if code && marker.kind().is_none_or(|kind| kind == BlockKind::Code) {
        marker.line(draft, BlockKind::Code, line);
    } else if is_item(current) {
        marker.begin(draft, BlockKind::ListItem, line);
    } else if marker.kind() == Some(BlockKind::ListItem) {
        marker.line(draft, BlockKind::ListItem, line);
    } else {
        marker.line(draft, BlockKind::Paragraph, line);
    }
}

/// Whether the line begins a list item: a bullet, or a number with a point or parenthesis.
pub(super) fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    if line.strip_prefix(['-', '*', '+', '•']).is_some_and(|rest| rest.starts_with([' ', '\t'])) {
        return true;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (1..=3).contains(&digits)
        && line[digits..].strip_prefix(['.', ')']).is_some_and(|rest| rest.starts_with([' ', '\t']))
}

pub(super) fn heading_level(level: usize) -> u8 {
    u8::try_from(level.clamp(1, 6)).unwrap_or(6)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    #[test]
    fn restructured_titles_have_levels() {
        let file = "Guide\n=====\n\nText.\n\nPart\n----\n\n* one\n* two\n";
        let document = read("a.rst", file.as_bytes());
        assert_eq!(document.title, "Guide");
        assert_eq!(
            outline(&document),
            "indexed\nHeading(1) @ line 1: Guide\nParagraph @ line 4: Text.\nHeading(2) @ line 6: Part\n\
             ListItem @ line 9: * one\nListItem @ line 10: * two"
        );
    }

    #[test]
    fn org_and_tex_have_headings() {
        let org = read("a.org", b"#+TITLE: Plan\n* One\ntext\n** Two\n| a | b |\n");
        assert_eq!(org.title, "Plan");
        assert_eq!(
            outline(&org),
            "indexed\nHeading(1) @ line 2: * One\nParagraph @ line 3: text\nHeading(2) @ line 4: ** Two\n\
             Table @ line 5: | a | b |"
        );
        let tex = read("a.tex", b"\\documentclass{article}\n\\title{On Rent}\n\\section{Due}\nMonthly.\n");
        assert_eq!(tex.title, "On Rent");
        assert_eq!(tex.blocks.len(), 4);
    }
}
