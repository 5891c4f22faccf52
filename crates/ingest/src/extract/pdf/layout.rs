//! Words to blocks in reading order: lines, columns, paragraphs and tables.

mod columns;
mod paragraphs;

use carrel_corpus::BlockKind;

use super::content::{Canvas, Sight};
use super::words::{Word, is_ideograph, is_right_to_left, words};

/// Words of one line that stand together: a line of a column, or a cell of a table.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub words: Vec<Word>,
    pub left: f32,
    pub right: f32,
    pub base: f32,
    pub size: f32,
}

/// A block as found on a page, before the whole document is known.
#[derive(Clone, Debug)]
pub(super) struct PageBlock {
    pub kind: BlockKind,
    pub text: String,
    /// Where its first and last baselines stand, as a share of the page's height from the top.
    pub top: f32,
    pub bottom: f32,
    pub size: f32,
    pub bold: bool,
    /// Number of lines it was set in.
    pub lines: usize,
}

/// Gap between words, in font sizes, at which a line falls into segments.
const SEGMENT_GAP: f32 = 1.4;

/// The blocks of a page.
pub(super) fn blocks(canvas: &Canvas) -> Vec<PageBlock> {
    let page = (canvas.width * canvas.height).max(1.0);
    let scanned = canvas.images.iter().any(|image| image.size() > 0.4 * page);
    let mut blocks = Vec::new();
    let visible = |sight| sight == Sight::Visible || (sight == Sight::Unpainted && scanned);
    for direction in words(&canvas.glyphs, visible) {
        let upright = direction.turn == super::words::Turn::None;
        let rows = segments(direction.words);
        let mut found = Vec::new();
        columns::in_order(rows, &mut |region| paragraphs::push(region, &mut found));
        for block in &mut found {
            let place = |base: f32| if upright { base / canvas.height.max(1.0) } else { 0.5 };
            (block.top, block.bottom) = (place(block.top), place(block.bottom));
        }
        blocks.append(&mut found);
    }
    let hidden = |sight| sight == Sight::Hidden || (sight == Sight::Unpainted && !scanned);
    for direction in words(&canvas.glyphs, hidden) {
        for segment in segments(direction.words) {
            blocks.push(PageBlock {
                kind: BlockKind::Hidden,
                text: segment.text(),
                top: 0.5,
                bottom: 0.5,
                size: segment.size,
                bold: false,
                lines: 1,
            });
        }
    }
    join_hidden(blocks)
}

/// Hidden lines that follow each other are one block.
fn join_hidden(blocks: Vec<PageBlock>) -> Vec<PageBlock> {
    let mut joined: Vec<PageBlock> = Vec::with_capacity(blocks.len());
    for block in blocks {
        match joined.last_mut() {
            Some(last) if last.kind == BlockKind::Hidden && block.kind == BlockKind::Hidden => {
                last.text.push(' ');
                last.text.push_str(&block.text);
            }
            _ => joined.push(block),
        }
    }
    joined
}

/// Words in lines, each line cut where a gap is wide: from top to bottom, and from left to right.
fn segments(mut words: Vec<Word>) -> Vec<Segment> {
    words.sort_by(|a, b| a.base.total_cmp(&b.base));
    let mut rows: Vec<Vec<Word>> = Vec::new();
    let mut base = f32::NEG_INFINITY;
    for word in words {
        let row = rows.last_mut().filter(|row| {
            let size = row[0].size.min(word.size).max(1.0);
            (word.base - base).abs() < 0.35 * size || (word.base - row[0].base).abs() < 0.35 * size
        });
        base = word.base;
        match row {
            Some(row) => row.push(word),
            None => rows.push(vec![word]),
        }
    }
    let mut segments = Vec::new();
    for mut row in rows {
        row.sort_by(|a, b| a.left.total_cmp(&b.left));
        let mut open: Vec<Word> = Vec::new();
        for word in row {
            let wide = open
                .last()
                .is_some_and(|last| word.left - last.right > SEGMENT_GAP * last.size.max(word.size));
            if wide {
                segments.push(Segment::of(std::mem::take(&mut open)));
            }
            open.push(word);
        }
        segments.push(Segment::of(open));
    }
    segments
}

impl Segment {
    fn of(words: Vec<Word>) -> Segment {
        let fold = |start: f32, f: fn(f32, f32) -> f32, value: fn(&Word) -> f32| {
            words.iter().map(value).fold(start, f)
        };
        let longest = words.iter().max_by_key(|word| word.text.len());
        Segment {
            left: fold(f32::INFINITY, f32::min, |word| word.left),
            right: fold(f32::NEG_INFINITY, f32::max, |word| word.right),
            base: longest.map_or(0.0, |word| word.base),
            size: longest.map_or(0.0, |word| word.size),
            words,
        }
    }

    pub fn bold(&self) -> bool {
        let bold: usize = self.words.iter().filter(|word| word.bold).map(|word| word.text.len()).sum();
        bold * 10 >= self.words.iter().map(|word| word.text.len()).sum::<usize>() * 9
    }

    /// The words in reading order, with spaces where they stand apart.
    pub fn text(&self) -> String {
        let right_to_left = self.words.iter().filter(|word| is_right_to_left(&word.text)).count();
        if right_to_left * 2 > self.words.len() {
            return self.text_right_to_left();
        }
        let mut text = String::new();
        for (position, word) in self.words.iter().enumerate() {
            if position > 0 && parted(&self.words[position - 1], word) {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        text
    }

    /// Words from right to left; stretches of other scripts inside keep their own order.
    fn text_right_to_left(&self) -> String {
        let mut order: Vec<&Word> = Vec::with_capacity(self.words.len());
        let mut stretch: Vec<&Word> = Vec::new();
        for word in self.words.iter().rev() {
            if is_right_to_left(&word.text) {
                order.extend(stretch.drain(..).rev());
                order.push(word);
            } else {
                stretch.push(word);
            }
        }
        order.extend(stretch.drain(..).rev());
        order.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Whether there is a space between two words of a line.
fn parted(left: &Word, right: &Word) -> bool {
    let size = left.size.max(right.size);
    let gap = right.left - left.right;
    let solid = is_ideograph(&left.text) && is_ideograph(&right.text);
    left.spaced || gap > if solid { 0.6 * size } else { 0.1 * size } || gap < -size
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of lines given as (left, base, text), a character being 5 points wide at size 10.
    pub fn page(lines: &[(f32, f32, &str)]) -> Vec<Word> {
        let mut words = Vec::new();
        for (left, base, text) in lines {
            let mut at = *left;
            for part in text.split(' ') {
                let right = at + part.chars().count() as f32 * 5.0;
                words.push(Word {
                    text: part.to_owned(),
                    left: at,
                    right,
                    base: *base,
                    size: 10.0,
                    bold: false,
                    spaced: true,
                });
                at = right + 3.0;
            }
        }
        words
    }

    fn check(lines: &[(f32, f32, &str)], expected: &[(BlockKind, &str)]) {
        let mut found = Vec::new();
        columns::in_order(segments(page(lines)), &mut |region| paragraphs::push(region, &mut found));
        let found: Vec<(BlockKind, &str)> =
            found.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn two_columns_are_read_one_after_the_other() {
        let left = [
            "the rent of the house is due on the",
            "first day of each month and is paid",
            "in advance to the landlord without",
            "any deduction.",
        ];
        let right = [
            "the deposit amounts to three months",
            "and is kept apart from the money of",
            "the landlord until the end of the",
            "lease and then paid back.",
        ];
        let mut lines =
            vec![(60.0, 50.0, "A title that stands over both of the columns of this page and more")];
        for row in 0..4 {
            lines.push((50.0, 80.0 + 12.0 * row as f32, left[row]));
            lines.push((300.0, 81.0 + 12.0 * row as f32, right[row]));
        }
        check(
            &lines,
            &[
                (BlockKind::Paragraph, "A title that stands over both of the columns of this page and more"),
                (BlockKind::Paragraph, &left.join(" ")),
                (BlockKind::Paragraph, &right.join(" ")),
            ],
        );
    }

    #[test]
    fn rows_of_cells_are_a_table() {
        check(
            &[
                (50.0, 50.0, "Item"),
                (200.0, 50.0, "2025"),
                (300.0, 50.0, "2026"),
                (50.0, 62.0, "Rent paid"),
                (200.0, 62.0, "900"),
                (300.0, 62.0, "950"),
                (50.0, 74.0, "Heating"),
                (300.0, 74.0, "80"),
            ],
            &[(BlockKind::Table, "Item | 2025 | 2026\nRent paid | 900 | 950\nHeating |  | 80")],
        );
    }

    #[test]
    fn a_short_line_of_japanese_ends_its_paragraph() {
        check(
            &[
                (50.0, 50.0, "電線関係"),
                (50.0, 62.0, "電線接続端子部が次のいずれにも該当しないときに限り工具"),
                (50.0, 74.0, "を用いる"),
            ],
            &[
                (BlockKind::Paragraph, "電線関係"),
                (BlockKind::Paragraph, "電線接続端子部が次のいずれにも該当しないときに限り工具を用いる"),
            ],
        );
    }

    #[test]
    fn lines_are_joined_to_paragraphs_and_hyphens_go() {
        check(
            &[
                (50.0, 50.0, "The rent is due on the first day of the month and the pay-"),
                (50.0, 62.0, "ment is made in advance."),
                (50.0, 92.0, "The next paragraph."),
            ],
            &[
                (
                    BlockKind::Paragraph,
                    "The rent is due on the first day of the month and the payment is made in advance.",
                ),
                (BlockKind::Paragraph, "The next paragraph."),
            ],
        );
    }
}
