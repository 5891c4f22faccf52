//! The stories of a Word 97-2003 document beside its main text ([MS-DOC] 2.4.1): comments and text boxes; and the
//! addresses in the codes of its fields.

use carrel_corpus::Locator;

use super::super::{Draft, fields};

/// Positions in FibRgLw97 of the lengths of the stories, in the order in which their texts follow each other.
const STORIES: [(usize, Option<&str>); 8] = [
    (3, None),
    (4, None),
    (5, None),
    (6, None),
    (7, Some("comment")),
    (8, None),
    (9, Some("text box")),
    (10, Some("text box")),
];
/// Position of the piece table in FibRgFcLcb97.
const PIECES: usize = 33;

/// Adds the stories; `tables` are the streams `0Table` and `1Table`.
pub(super) fn push(word: &[u8], tables: &[Vec<u8>; 2], draft: &mut Draft) {
    let Some(text) = Text::read(word, tables) else { return };
    let mut at = 0;
    for (length, label) in text.lengths.iter().zip(STORIES.iter().map(|(_, label)| label)) {
        let story = text.units(at, at.saturating_add(*length));
        at = at.saturating_add(*length);
        let (shown, codes) = parted(&String::from_utf16_lossy(&story));
        codes.iter().filter_map(|code| fields::address(code)).for_each(|address| draft.link(address));
        let Some(label) = label else { continue };
        for paragraph in shown.split(['\r', '\u{c}']) {
            let paragraph = paragraph.replace('\u{7}', "\t").replace('\u{b}', "\n");
            let readable: String =
                paragraph.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n')).collect();
            draft.paragraph(Locator::Part { name: (*label).to_owned() }, &readable);
        }
    }
}

/// The text of a document in pieces.
struct Text<'a> {
    word: &'a [u8],
    lengths: Vec<usize>,
    /// First character, one past the last, where its bytes begin, and whether each is a single byte.
    pieces: Vec<(usize, usize, usize, bool)>,
}

impl<'a> Text<'a> {
    fn read(word: &'a [u8], tables: &[Vec<u8>; 2]) -> Option<Text<'a>> {
        let flags = short(word, 10)?;
        // Documents before Word 97 keep everything elsewhere.
        if short(word, 0)? != 0xA5EC || flags & 0x0100 != 0 {
            return None;
        }
        let table = &tables[usize::from(flags & 0x0200 != 0)];
        let longs = 34 + 2 * usize::from(short(word, 32)?) + 2;
        let pairs = longs + 4 * usize::from(short(word, longs - 2)?) + 2;
        let lengths =
            STORIES.iter().map(|(position, _)| long(word, longs + 4 * position)).collect::<Option<_>>()?;
        let (start, size) = (long(word, pairs + 8 * PIECES)?, long(word, pairs + 8 * PIECES + 4)?);
        let pieces = pieces(table.get(start..start.checked_add(size)?)?)?;
        Some(Text { word, lengths, pieces })
    }

    /// The UTF-16 units of the characters from `first` to `last`.
    fn units(&self, first: usize, last: usize) -> Vec<u16> {
        let mut units = Vec::new();
        for &(from, to, start, single) in &self.pieces {
            let (begin, end) = (first.max(from), last.min(to));
            if begin >= end {
                continue;
            }
            let width = if single { 1 } else { 2 };
            let bytes =
                self.word.get(start + (begin - from) * width..start + (end - from) * width).unwrap_or(&[]);
            match single {
                true => {
                    let text = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0;
                    units.extend(text.encode_utf16());
                }
                false => {
                    units.extend(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])))
                }
            }
        }
        units
    }
}

/// The piece table of a `Clx`, after the property changes that may stand before it.
fn pieces(clx: &[u8]) -> Option<Vec<(usize, usize, usize, bool)>> {
    let mut at = 0;
    while *clx.get(at)? == 1 {
        at += 3 + usize::from(short(clx, at + 1)?);
    }
    let size = long(clx, at + 1)?;
    let table = clx.get(at + 5..)?;
    let table = &table[..size.min(table.len())];
    let count = table.len().checked_sub(4)? / 12;
    (0..count)
        .map(|piece| {
            let place = long(table, 4 * (count + 1) + 8 * piece + 2)?;
            let single = place & 0x4000_0000 != 0;
            let place = place & 0x3FFF_FFFF;
            let start = if single { place / 2 } else { place };
            Some((long(table, 4 * piece)?, long(table, 4 * piece + 4)?, start, single))
        })
        .collect()
}

/// What is shown of a text with fields, and the codes of the fields.
fn parted(text: &str) -> (String, Vec<String>) {
    let (mut shown, mut codes) = (String::new(), Vec::new());
    // Of each field that is open, its code while that is still being read.
    let mut open: Vec<Option<String>> = Vec::new();
    for c in text.chars() {
        match c {
            '\u{13}' => open.push(Some(String::new())),
            '\u{14}' => {
                if let Some(field) = open.last_mut() {
                    codes.extend(field.take());
                }
            }
            '\u{15}' => codes.extend(open.pop().flatten()),
            c => match open.iter_mut().rev().find_map(Option::as_mut) {
                Some(code) => code.push(c),
                None => shown.push(c),
            },
        }
    }
    (shown, codes)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_boxes_are_read_from_their_stories() {
        // Main text, a comment, a text box: eleven, four and three characters in one piece of single bytes.
        let text = b"\x13HYPERLINK \"http://a.example/\"\x14x\x15why\rbox";
        let main = text.len() - 7;
        let mut word = vec![0; 2000];
        word[..2].copy_from_slice(&0xA5ECu16.to_le_bytes());
        let longs = 36;
        word[longs - 2..longs].copy_from_slice(&22u16.to_le_bytes());
        for (position, length) in [(3, main), (7, 4), (9, 3)] {
            word[longs + 4 * position..][..4].copy_from_slice(&(length as u32).to_le_bytes());
        }
        let pairs = longs + 88 + 2;
        let mut table = vec![2];
        table.extend_from_slice(&16u32.to_le_bytes());
        for number in [0, text.len() as u32] {
            table.extend_from_slice(&number.to_le_bytes());
        }
        table.extend_from_slice(&[0, 0]);
        table.extend_from_slice(&(0x4000_0000u32 | (2 * 1500)).to_le_bytes());
        table.extend_from_slice(&[0, 0]);
        word[pairs + 8 * PIECES + 4..][..4].copy_from_slice(&(table.len() as u32).to_le_bytes());
        word[1500..1500 + text.len()].copy_from_slice(text);
        let mut draft = Draft::new(1000);
        push(&word, &[table, Vec::new()], &mut draft);
        assert_eq!(draft.finish(String::new()).text, "why\n\nbox\n\nhttp://a.example/");
    }
}
