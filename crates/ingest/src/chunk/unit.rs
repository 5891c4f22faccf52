//! Takes a document apart into the units that chunks are made of.

use std::ops::Range;
use std::rc::Rc;

use carrel_corpus::{Block, BlockKind, Document, Locator, Span};

use super::ChunkConfig;
use super::sentence::{fit, sentences};

/// What stands between a unit and the one before it; the further down, the worse a chunk that joins the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Nothing: both are of one sentence or row.
    None,
    /// Both are of one paragraph, list item, table or function.
    Sentence,
    /// A heading and the text that it stands above.
    HeadingAbove,
    /// Items of one list.
    Item,
    Paragraph,
    /// A page or slide ends, in the middle of a paragraph or not.
    Page,
    /// A heading of the third level or below.
    Heading,
    /// A heading of the first or second level.
    Section,
    /// Never joined: visible and hidden text, prose and a part of a table.
    Wall,
}

/// A piece of text that is never cut.
pub(super) struct Unit {
    pub span: Span,
    pub tokens: usize,
    pub gap: Gap,
    pub locator: Locator,
    /// Headings above it and, where it is a heading, itself.
    pub headings: Rc<[String]>,
    /// Header row of the table that this unit is a row of, but for the first, with its tokens.
    pub context: Option<(Rc<str>, usize)>,
    pub is_heading: bool,
    pub hidden: bool,
    /// Whether it goes on with the prose of the unit before.
    pub flows_from_previous: bool,
}

/// The units of `document`, in order; none has more tokens than `config` allows a chunk.
pub(super) fn units(document: &Document, config: &ChunkConfig, count: &dyn Fn(&str) -> usize) -> Vec<Unit> {
    let mut builder = Builder {
        text: &document.text,
        config,
        count,
        path: Vec::new(),
        headings: Rc::from([]),
        units: Vec::new(),
        previous: None,
    };
    for block in &document.blocks {
        let text = block.span.of(builder.text);
        if !text.trim().is_empty() {
            builder.add(block, text);
            builder.previous = Some(block.clone());
        }
    }
    builder.units
}

struct Builder<'a> {
    text: &'a str,
    config: &'a ChunkConfig,
    count: &'a dyn Fn(&str) -> usize,
    path: Vec<(u8, String)>,
    headings: Rc<[String]>,
    units: Vec<Unit>,
    previous: Option<Block>,
}

impl Builder<'_> {
    fn add(&mut self, block: &Block, text: &str) {
        if let BlockKind::Heading(level) = block.kind {
            let title = text.trim().trim_start_matches('#').trim();
            self.path.retain(|(above, _)| *above < level);
            self.path.push((level, shorten(title)));
            self.headings = self.path.iter().map(|(_, title)| title.clone()).collect();
        }
        let gap = self.gap_before(block);
        let before = self.units.len();
        match block.kind {
            BlockKind::Table => self.add_table(block, text),
            BlockKind::Code => self.add_lines(block, text),
            _ => self.add_prose(block, text),
        }
        if let Some(first) = self.units.get_mut(before) {
            first.gap = gap.max(first.gap);
            first.flows_from_previous = matches!(gap, Gap::Paragraph | Gap::Item | Gap::Sentence)
                && !matches!(block.kind, BlockKind::Table | BlockKind::Code);
        }
    }

    fn gap_before(&self, block: &Block) -> Gap {
        let Some(previous) = &self.previous else { return Gap::None };
        let hidden = |block: &Block| block.kind == BlockKind::Hidden;
        let heading = |block: &Block| matches!(block.kind, BlockKind::Heading(_));
        if hidden(previous) != hidden(block) {
            return Gap::Wall;
        }
        let structure = match block.kind {
            BlockKind::Heading(_) if heading(previous) => Gap::HeadingAbove,
            BlockKind::Heading(level) if level <= 2 => Gap::Section,
            BlockKind::Heading(_) => Gap::Heading,
            _ if heading(previous) => Gap::HeadingAbove,
            BlockKind::ListItem if previous.kind == BlockKind::ListItem => Gap::Item,
            _ => Gap::Paragraph,
        };
        match self.page_break(previous, block) {
            true => structure.max(Gap::Page),
            false => structure,
        }
    }

    /// Whether a page, slide, sheet or part ends between the two, and the text does not simply run on.
    fn page_break(&self, previous: &Block, block: &Block) -> bool {
        use Locator::{Cells, Pages, Part, Slides};
        match (&previous.locator, &block.locator) {
            (Pages { last, .. }, Pages { first, .. }) => last < first && !self.runs_on(previous, block),
            (Slides { last, .. }, Slides { first, .. }) => last < first,
            (Cells { sheet: a, .. }, Cells { sheet: b, .. }) => a != b,
            (Part { name: a }, Part { name: b }) => a != b,
            _ => false,
        }
    }

    /// Whether a paragraph goes on over the page: it has not ended, and the next does not begin with a capital.
    fn runs_on(&self, previous: &Block, block: &Block) -> bool {
        let end = previous.span.of(self.text).trim_end().chars().next_back();
        let start = block.span.of(self.text).trim_start().chars().next();
        end.is_some_and(|end| end.is_alphanumeric() || matches!(end, ',' | '-' | ';'))
            && start.is_some_and(|start| start.is_lowercase() || start.is_numeric())
    }

    fn add_prose(&mut self, block: &Block, text: &str) {
        let fits = self.config.target_tokens.min(self.config.max_tokens);
        let mut gap = Gap::None;
        for sentence in sentences(text) {
            let at = sentence.start;
            // A sentence is cut only where it is longer than a chunk.
            for (part, tokens) in fit(&text[sentence.clone()], fits, self.count) {
                self.push(block, part.start + at..part.end + at, tokens, gap, None);
                gap = Gap::None;
            }
            let piece = &text[sentence];
            let blank_line = piece[piece.trim_end().len()..].matches('\n').count() > 1;
            gap = if blank_line { Gap::Paragraph } else { Gap::Sentence };
        }
    }

    /// A table is one unit where it fits in a chunk; else its rows are units, with the header row as their context.
    fn add_table(&mut self, block: &Block, text: &str) {
        let tokens = (self.count)(text);
        if tokens <= self.config.target_tokens {
            self.push(block, 0..text.len(), tokens, Gap::None, None);
            return;
        }
        let header = text.lines().next().unwrap_or_default().trim();
        let header_tokens = (self.count)(header);
        // A header that fills half a chunk is no header.
        let is_header = header_tokens * 2 <= self.config.target_tokens;
        let context = is_header.then(|| (Rc::<str>::from(header), header_tokens));
        let room = match context {
            Some(_) => self.config.target_tokens - header_tokens,
            None => self.config.target_tokens,
        };
        self.add_rows(block, text, room, context);
    }

    fn add_rows(&mut self, block: &Block, text: &str, room: usize, context: Option<(Rc<str>, usize)>) {
        let mut at = 0;
        for (index, row) in text.split_inclusive('\n').enumerate() {
            let mut gap = if index == 0 { Gap::None } else { Gap::Sentence };
            for (part, tokens) in fit(row, room, self.count) {
                let context = context.clone().filter(|_| index > 0);
                self.push(block, part.start + at..part.end + at, tokens, gap, context);
                gap = Gap::None;
            }
            at += row.len();
        }
    }

    /// Code is taken apart into what is separated by blank lines, each beginning at the margin, and that into lines.
    fn add_lines(&mut self, block: &Block, text: &str) {
        let (mut at, mut blank) = (0, false);
        for line in text.split_inclusive('\n') {
            let is_blank = line.trim().is_empty();
            let begins_item = blank && !is_blank && !line.starts_with([' ', '\t', '}', ')', ']']);
            let mut gap = match (at, begins_item) {
                (0, _) => Gap::None,
                (_, true) => Gap::Paragraph,
                _ => Gap::Sentence,
            };
            for (part, tokens) in fit(line, self.config.target_tokens, self.count) {
                self.push(block, part.start + at..part.end + at, tokens, gap, None);
                gap = Gap::None;
            }
            blank = is_blank;
            at += line.len();
        }
    }

    /// Adds the unit at `range` of the block's text, without the white space around it.
    fn push(
        &mut self,
        block: &Block,
        range: Range<usize>,
        tokens: usize,
        gap: Gap,
        context: Option<(Rc<str>, usize)>,
    ) {
        let (start, end) = (block.span.start + range.start, block.span.start + range.end);
        let piece = &self.text[start..end];
        if piece.trim().is_empty() {
            return;
        }
        let trimmed =
            Span::new(start + (piece.len() - piece.trim_start().len()), start + piece.trim_end().len());
        self.units.push(Unit {
            span: trimmed,
            tokens: tokens.max(1),
            gap,
            locator: locate(self.text, block, trimmed),
            headings: Rc::clone(&self.headings),
            context,
            is_heading: matches!(block.kind, BlockKind::Heading(_)),
            hidden: block.kind == BlockKind::Hidden,
            flows_from_previous: matches!(gap, Gap::Sentence | Gap::Paragraph | Gap::None)
                && !matches!(block.kind, BlockKind::Table | BlockKind::Code),
        });
    }
}

/// A heading is a name, not a paragraph: what is longer is cut for the path.
fn shorten(title: &str) -> String {
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", line[..cut].trim_end()),
        None => line,
    }
}

/// The place of `span` inside of its block: exact for lines and for table rows, else that of the block.
fn locate(text: &str, block: &Block, span: Span) -> Locator {
    let whole = block.span.of(text).trim_end_matches('\n');
    let lines = |part: &str| part.matches('\n').count();
    let before = || lines(&text[block.span.start..span.start]);
    let within = || lines(&text[span.range()]);
    match &block.locator {
        Locator::Lines { first, last } if (last - first) as usize == lines(whole) => {
            let from = first + before() as u32;
            Locator::Lines { first: from, last: from + within() as u32 }
        }
        Locator::Cells { sheet, range } if block.kind == BlockKind::Table => {
            match rows(range).filter(|rows| (rows.last - rows.first) as usize == lines(whole)) {
                Some(rows) => {
                    let from = rows.first + before() as u32;
                    let range = format!("{}{from}:{}{}", rows.left, rows.right, from + within() as u32);
                    Locator::Cells { sheet: sheet.clone(), range }
                }
                None => block.locator.clone(),
            }
        }
        other => other.clone(),
    }
}

struct Rows<'a> {
    left: &'a str,
    first: u32,
    right: &'a str,
    last: u32,
}

/// Reads a cell range such as `B2:F9`.
fn rows(range: &str) -> Option<Rows<'_>> {
    let split = |cell: &'_ str| cell.find(|c: char| c.is_ascii_digit());
    let (from, to) = range.split_once(':')?;
    let ((left, first), (right, last)) = (from.split_at(split(from)?), to.split_at(split(to)?));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(Rows { left, first, right, last })
}
