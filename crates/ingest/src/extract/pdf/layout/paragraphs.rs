//! Lines of a region to paragraphs, list items and tables.

use carrel_corpus::BlockKind;

use super::super::words::is_ideograph;
use super::{PageBlock, Segment};
use crate::extract::draft::table_text;
use crate::extract::markup::is_item;

/// Distance of baselines, in font sizes, at which a paragraph ends.
const LEADING: f32 = 1.75;

/// One line of a region with its segments from left to right.
struct Row {
    segments: Vec<Segment>,
    base: f32,
    size: f32,
}

impl Row {
    fn left(&self) -> f32 {
        self.segments.first().map_or(0.0, |segment| segment.left)
    }

    fn right(&self) -> f32 {
        self.segments.last().map_or(0.0, |segment| segment.right)
    }

    fn text(&self) -> String {
        self.segments.iter().map(Segment::text).collect::<Vec<_>>().join(" ")
    }

    /// Whether it looks like a row of cells rather than like a line of text.
    fn is_cells(&self) -> bool {
        match self.segments.as_slice() {
            [] | [_] => false,
            [first, second] => !(is_marker(&first.text()) && second.left - first.right < 6.0 * first.size),
            _ => true,
        }
    }
}

/// Whether the text only numbers or marks what follows it: `1.`, `(a)`, `•`.
fn is_marker(text: &str) -> bool {
    let inner = text.trim_matches(['(', ')', '.', '[', ']']);
    let short = inner.chars().count() <= 4;
    let numbered =
        inner.len() < text.len() && short && inner.chars().all(|c| c.is_alphanumeric() || c == '.');
    let sectioned =
        text.contains('.') && text.chars().all(|c| c.is_ascii_digit() || c == '.') && text.len() <= 8;
    let bullet = matches!(text, "•" | "-" | "–" | "▪" | "●" | "◦" | "*" | "·" | "o" | "§" | "☐" | "☒");
    numbered || sectioned || bullet
}

/// Adds the blocks of a region; its segments are sorted by line.
pub(in super::super) fn push(segments: Vec<Segment>, blocks: &mut Vec<PageBlock>) {
    let rows = rows(segments);
    let mut at = 0;
    while at < rows.len() {
        let table = table_end(&rows, at);
        if table > at + 1 {
            blocks.push(table_block(&rows[at..table]));
            at = table;
            continue;
        }
        let end = paragraph_end(&rows, at);
        blocks.push(paragraph_block(&rows[at..end]));
        at = end;
    }
}

fn rows(segments: Vec<Segment>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for segment in segments {
        match rows.last_mut() {
            Some(row) if (segment.base - row.base).abs() < 0.4 * segment.size.min(row.size).max(1.0) => {
                row.size = row.size.max(segment.size);
                row.segments.push(segment);
            }
            _ => rows.push(Row { base: segment.base, size: segment.size, segments: vec![segment] }),
        }
    }
    for row in &mut rows {
        row.segments.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows
}

/// The end of the table that begins at row `start`; not past it where none begins.
fn table_end(rows: &[Row], start: usize) -> usize {
    if !rows[start].is_cells() {
        return start;
    }
    let mut end = start + 1;
    let mut next = end;
    while next < rows.len() {
        let gap = rows[next].base - rows[next - 1].base;
        let size = rows[next].size.max(rows[next - 1].size);
        if gap > 3.0 * size {
            break;
        }
        if rows[next].is_cells() {
            end = next + 1;
        } else if next + 1 - end > 1 {
            // One line between rows of cells may belong to a cell; two are text.
            break;
        }
        next += 1;
    }
    let cells = rows[start..end].iter().filter(|row| row.is_cells()).count();
    if cells >= 2 { end } else { start }
}

/// Rows as a table: cells are set in the columns that the rows have in common.
fn table_block(rows: &[Row]) -> PageBlock {
    let columns = columns(rows);
    let mut cells: Vec<Vec<String>> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut line = vec![String::new(); columns.len()];
        for segment in &row.segments {
            let index =
                columns.iter().position(|(left, right)| segment.left < *right && *left < segment.right);
            let cell = &mut line[index.unwrap_or(0)];
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(&segment.text());
        }
        cells.push(line);
    }
    block(BlockKind::Table, table_text(&cells), rows)
}

/// The columns of a table: stretches that the cells of most rows cover. Cells that reach over several columns do not
/// join them.
fn columns(rows: &[Row]) -> Vec<(f32, f32)> {
    let most = rows.iter().map(|row| row.segments.len()).max().unwrap_or(1);
    let mut spans: Vec<(f32, f32)> = rows
        .iter()
        .filter(|row| row.segments.len() * 2 >= most)
        .flat_map(|row| row.segments.iter().map(|segment| (segment.left, segment.right)))
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut columns: Vec<(f32, f32)> = Vec::new();
    for (left, right) in spans {
        match columns.last_mut() {
            Some(last) if left < last.1 => last.1 = last.1.max(right),
            _ => columns.push((left, right)),
        }
    }
    columns
}

/// The end of the paragraph that begins at row `start`.
fn paragraph_end(rows: &[Row], start: usize) -> usize {
    let right = rows.iter().map(Row::right).fold(f32::NEG_INFINITY, f32::max);
    let mut end = start + 1;
    while end < rows.len()
        && table_end(rows, end) <= end + 1
        && continues(&rows[end - 1], &rows[end], &rows[start], right)
    {
        end += 1;
    }
    end
}

/// Whether `row` continues the paragraph of the line before it, which began with `first`.
fn continues(previous: &Row, row: &Row, first: &Row, right: f32) -> bool {
    let size = previous.size.max(row.size).max(1.0);
    let gap = row.base - previous.base;
    let same_size = (row.size - previous.size).abs() < 0.12 * size;
    if gap > LEADING * size || !same_size {
        return false;
    }
    let text = row.text();
    if is_item(&text)
        || row.segments.first().is_some_and(|segment| is_marker(&segment.text()) && row.segments.len() > 1)
    {
        return false;
    }
    let bold = |row: &Row| row.segments.iter().all(Segment::bold);
    if bold(previous) != bold(row) && previous.right() < right - 4.0 * size {
        return false;
    }
    let before = previous.text();
    // Chinese and Japanese fill their lines, breaking them anywhere: a short line is the last one.
    let solid = before.chars().next_back().is_some_and(|c| is_ideograph(&c.to_string()));
    if solid && previous.right() < right - 2.5 * size {
        return false;
    }
    let ended = before.trim_end_matches(['"', '”', '’', ')', ' ']).ends_with(['.', ':', '?', '!', ';', '。']);
    let short = previous.right() < right - 0.15 * (right - first.left()).max(1.0);
    let indented = row.left() > previous.left() + 0.9 * size && !is_item(&before);
    !(ended && (short || indented))
}

fn paragraph_block(rows: &[Row]) -> PageBlock {
    let mut text = String::new();
    for row in rows {
        let line = row.text();
        if text.is_empty() {
            text = line;
        } else if joins(&text, &line) {
            text.pop();
            text.push_str(&line);
        } else {
            let last = text.chars().next_back().unwrap_or(' ').to_string();
            let solid =
                is_ideograph(&last) && line.chars().next().is_some_and(|c| is_ideograph(&c.to_string()));
            if !solid {
                text.push(' ');
            }
            text.push_str(&line);
        }
    }
    let kind = if is_item(&text) { BlockKind::ListItem } else { BlockKind::Paragraph };
    block(kind, text, rows)
}

/// Whether the hyphen at the end of a line only breaks a word.
fn joins(text: &str, line: &str) -> bool {
    let mut end = text.chars().rev();
    let hyphen = matches!(end.next(), Some('-' | '\u{2010}'));
    let letter = end.next().is_some_and(char::is_lowercase);
    hyphen && letter && line.chars().next().is_some_and(char::is_lowercase)
}

fn block(kind: BlockKind, text: String, rows: &[Row]) -> PageBlock {
    let size = rows.iter().map(|row| row.size).fold(0.0, f32::max);
    PageBlock {
        kind,
        text,
        top: rows.first().map_or(0.0, |row| row.base),
        bottom: rows.last().map_or(0.0, |row| row.base),
        size,
        bold: rows.iter().all(|row| row.segments.iter().all(Segment::bold)),
        lines: rows.len(),
    }
}
