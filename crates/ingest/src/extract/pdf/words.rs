//! Glyphs to words: what stands close together on one baseline, in reading order inside the word.

use super::content::{Glyph, Sight};

/// Gap, in font sizes, at which a new word begins.
const GAP: f32 = 0.12;

/// A word in the frame of its line: `left` to `right` along the line, `base` across it, both in points.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub text: String,
    pub left: f32,
    pub right: f32,
    pub base: f32,
    pub size: f32,
    pub bold: bool,
    /// Whether a space was shown after it.
    pub spaced: bool,
}

/// The words of one direction of writing.
#[derive(Default)]
pub(super) struct Direction {
    /// Quarter turns, clockwise as the page is shown; vertical writing has its own.
    pub turn: Turn,
    pub words: Vec<Word>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Turn {
    #[default]
    None,
    Right,
    Around,
    Left,
    /// Columns of upright characters from right to left.
    Vertical,
}

impl Turn {
    fn of(glyph: &Glyph) -> Turn {
        if glyph.vertical {
            return Turn::Vertical;
        }
        match (glyph.dx.abs() >= glyph.dy.abs(), glyph.dx >= 0.0, glyph.dy >= 0.0) {
            (true, true, _) => Turn::None,
            (true, false, _) => Turn::Around,
            (false, _, true) => Turn::Right,
            (false, _, false) => Turn::Left,
        }
    }

    /// A point of the page in the frame of a line: along it, and across it downwards.
    fn frame(self, x: f32, y: f32) -> (f32, f32) {
        match self {
            Turn::None => (x, y),
            Turn::Right | Turn::Vertical => (y, -x),
            Turn::Around => (-x, -y),
            Turn::Left => (-y, x),
        }
    }
}

/// The words of glyphs of one kind of sight, by direction, the most frequent direction first.
pub(super) fn words(glyphs: &[Glyph], wanted: impl Fn(Sight) -> bool) -> Vec<Direction> {
    let mut directions: Vec<(Direction, Builder)> = Vec::new();
    for glyph in glyphs.iter().filter(|glyph| wanted(glyph.sight)) {
        let turn = Turn::of(glyph);
        let found = directions.iter().position(|(direction, _)| direction.turn == turn);
        let index = found.unwrap_or_else(|| {
            directions.push((Direction { turn, words: Vec::new() }, Builder::default()));
            directions.len() - 1
        });
        let (direction, builder) = &mut directions[index];
        builder.add(glyph, turn, &mut direction.words);
    }
    let mut directions: Vec<Direction> = directions
        .into_iter()
        .map(|(mut direction, mut builder)| {
            builder.close(&mut direction.words);
            remove_doubles(&mut direction.words);
            direction
        })
        .collect();
    directions.sort_by_key(|direction| std::cmp::Reverse(direction.words.len()));
    directions
}

/// A glyph in the frame of its line.
struct Piece {
    left: f32,
    text: std::rc::Rc<str>,
}

#[derive(Default)]
struct Builder {
    pieces: Vec<Piece>,
    left: f32,
    right: f32,
    base: f32,
    size: f32,
    bold: bool,
    rightward: bool,
}

impl Builder {
    fn add(&mut self, glyph: &Glyph, turn: Turn, words: &mut Vec<Word>) {
        let (start, base) = turn.frame(glyph.x, glyph.y);
        let (end, _) = turn.frame(glyph.x + glyph.dx, glyph.y + glyph.dy);
        let (left, right) = (start.min(end), start.max(end));
        let size = glyph.size.max(0.1);
        if glyph.text.trim().is_empty() {
            // A space ends the word it touches; one that stands elsewhere is only the end of what came before.
            let touches = (base - self.base).abs() < 0.5 * size && left - self.right < size;
            self.close_with(words, touches);
            return;
        }
        if (base - self.base).abs() < 0.1 * size && self.is_double(&glyph.text, left, size) {
            return;
        }
        if !self.pieces.is_empty() && !self.takes(glyph, left, right, base, size) {
            self.close(words);
        }
        if self.pieces.is_empty() {
            (self.left, self.right, self.base, self.size, self.bold) = (left, right, base, size, glyph.bold);
            self.rightward = false;
        }
        self.left = self.left.min(left);
        self.right = self.right.max(right);
        self.pieces.push(Piece { left, text: glyph.text.clone() });
        if is_ideograph(&glyph.text) {
            // Chinese and Japanese have no spaces: each stretch without a gap is one word of the line.
            self.bold |= glyph.bold;
        }
    }

    /// Whether the glyph continues the word.
    fn takes(&self, glyph: &Glyph, left: f32, right: f32, base: f32, size: f32) -> bool {
        let larger = self.size.max(size);
        let same_line = (base - self.base).abs() < 0.3 * larger;
        let same_size = size > 0.55 * self.size && self.size > 0.55 * size;
        let gap = left - self.right;
        let joins = gap < GAP * larger && gap > -0.5 * larger;
        // Right-to-left text shown in its logical order runs the other way.
        let before = self.left - right;
        let backwards = before < GAP * larger && before > -0.5 * larger && is_right_to_left(&glyph.text);
        same_line && same_size && (joins || backwards)
    }

    /// Whether the glyph is shown a second time to look bolder.
    fn is_double(&self, text: &str, left: f32, size: f32) -> bool {
        self.pieces
            .iter()
            .rev()
            .take(3)
            .any(|piece| &*piece.text == text && (piece.left - left).abs() < 0.1 * size)
    }

    fn close(&mut self, words: &mut Vec<Word>) {
        self.close_with(words, false);
    }

    fn close_with(&mut self, words: &mut Vec<Word>, spaced: bool) {
        if self.pieces.is_empty() {
            return;
        }
        let right_to_left = self.pieces.iter().any(|piece| is_right_to_left(&piece.text));
        if right_to_left {
            self.pieces.sort_by(|a, b| b.left.total_cmp(&a.left));
        } else if self.pieces.windows(2).any(|pair| pair[1].left < pair[0].left - 0.01) {
            self.pieces.sort_by(|a, b| a.left.total_cmp(&b.left));
        }
        let mut text: String = self.pieces.iter().map(|piece| &*piece.text).collect();
        if right_to_left {
            text = left_to_right_runs_restored(&text);
        }
        self.pieces.clear();
        for (position, part) in text.split_whitespace().enumerate() {
            // A code that stands for several words ("of the") keeps them apart.
            if position > 0
                && let Some(last) = words.last_mut()
            {
                last.spaced = true;
            }
            words.push(Word {
                text: part.to_owned(),
                left: self.left,
                right: self.right,
                base: self.base,
                size: self.size,
                bold: self.bold,
                spaced,
            });
        }
    }
}

/// Numbers and Latin words inside a right-to-left word keep their own order.
fn left_to_right_runs_restored(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run: Vec<char> = Vec::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || (!run.is_empty() && matches!(c, '.' | ',' | ':' | '/')) {
            run.push(c);
        } else {
            out.extend(run.drain(..).rev());
            out.push(c);
        }
    }
    out.extend(run.drain(..).rev());
    out
}

pub(super) fn is_right_to_left(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
            && !('\u{660}'..='\u{669}').contains(&c)
    })
}

/// Whether the text is in a script that is written without spaces. Wide Latin letters are not: their words are parted.
pub(super) fn is_ideograph(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
            && !matches!(c, '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}')
    })
}

/// Words shown twice at nearly the same place, as some programs make shadows and bold type.
fn remove_doubles(words: &mut Vec<Word>) {
    let mut places: std::collections::HashMap<(i32, i32, u64), usize> = std::collections::HashMap::new();
    let key = |word: &Word, dx: i32, dy: i32| {
        let cell = (word.size * 0.25).max(0.5);
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&word.text, &mut hash);
        ((word.left / cell) as i32 + dx, (word.base / cell) as i32 + dy, std::hash::Hasher::finish(&hash))
    };
    let mut index = 0;
    words.retain(|word| {
        let near = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy)));
        let double = near.into_iter().any(|(dx, dy)| places.contains_key(&key(word, dx, dy)));
        if !double {
            places.insert(key(word, 0, 0), index);
        }
        index += 1;
        !double
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glyphs(text: &str, x: f32, y: f32, step: f32) -> Vec<Glyph> {
        let glyph = |(position, c): (usize, char)| Glyph {
            text: c.to_string().into(),
            x: x + position as f32 * step,
            y,
            dx: step.abs(),
            dy: 0.0,
            size: 10.0,
            bold: false,
            vertical: false,
            sight: Sight::Visible,
        };
        text.chars().enumerate().map(glyph).collect()
    }

    fn texts(glyphs: &[Glyph]) -> Vec<String> {
        words(glyphs, |_| true).into_iter().flat_map(|d| d.words).map(|word| word.text).collect()
    }

    #[test]
    fn gaps_and_spaces_part_words() {
        let mut page = glyphs("Rent due", 0.0, 0.0, 5.0);
        page.extend(glyphs("now", 43.0, 0.0, 5.0));
        page.extend(glyphs("now", 43.3, 0.0, 5.0));
        assert_eq!(texts(&page), ["Rent", "due", "now"]);
    }

    #[test]
    fn letters_shown_twice_are_read_once() {
        let mut page = Vec::new();
        for position in 0..3 {
            for _ in 0..2 {
                page.extend(glyphs("o", 5.0 * position as f32, 0.0, 5.0));
            }
        }
        assert_eq!(texts(&page), ["ooo"]);
    }

    #[test]
    fn right_to_left_words_are_in_reading_order() {
        // Shown from left to right in visual order, and from right to left in logical order.
        assert_eq!(texts(&glyphs("םולש", 0.0, 0.0, 5.0)), ["שלום"]);
        assert_eq!(texts(&glyphs("שלום", 50.0, 0.0, -5.0)), ["שלום"]);
    }
}
