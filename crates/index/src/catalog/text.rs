//! Texts in parts that fit a database page, and their blocks in a compact form.

use carrel_corpus::{Block, BlockKind, Locator, Span};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{integer, size};
use crate::Result;

/// Bytes of text in a part: with its row header it fits a page of 4,096, so no part needs overflow pages.
const PART: usize = 3_900;

pub(super) fn insert(tx: &Transaction, document: i64, text: &str, blocks: &[Block]) -> Result<i64> {
    tx.prepare_cached("INSERT INTO texts (document, blocks) VALUES (?1, ?2)")?
        .execute(params![document, encode(blocks)])?;
    let id = tx.last_insert_rowid();
    let mut statement =
        tx.prepare_cached("INSERT INTO text_parts (text, start, part) VALUES (?1, ?2, ?3)")?;
    let mut start = 0;
    while start < text.len() {
        let end = floor_char_boundary(text, start + PART);
        statement.execute(params![id, integer(start), &text[start..end]])?;
        start = end;
    }
    Ok(id)
}

pub(super) fn whole(tx: &Transaction, text: i64) -> Result<String> {
    let mut statement = tx.prepare_cached("SELECT part FROM text_parts WHERE text = ?1 ORDER BY start")?;
    let mut rows = statement.query([text])?;
    let mut whole = String::new();
    while let Some(row) = rows.next()? {
        whole.push_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
    }
    Ok(whole)
}

/// The text of `span`, reading only the parts that it touches; empty where the span lies outside the text.
pub(super) fn slice(tx: &Transaction, text: i64, span: Span) -> Result<String> {
    let mut statement = tx.prepare_cached(
        "SELECT start, part FROM text_parts WHERE text = ?1 AND start < ?3 AND start >=
         (SELECT max(start) FROM text_parts WHERE text = ?1 AND start <= ?2) ORDER BY start",
    )?;
    let mut rows = statement.query(params![text, integer(span.start), integer(span.end)])?;
    let mut found = String::new();
    let mut first = None;
    while let Some(row) = rows.next()? {
        first.get_or_insert(size(row, 0)?);
        found.push_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?);
    }
    let Some(first) = first else { return Ok(found) };
    let range = span.start - first..(span.end - first).min(found.len());
    Ok(found.get(range).unwrap_or("").to_owned())
}

pub(super) fn blocks(tx: &Transaction, text: i64) -> Result<Vec<Block>> {
    let encoded: Option<Vec<u8>> = tx
        .prepare_cached("SELECT blocks FROM texts WHERE id = ?1")?
        .query_row([text], |row| row.get(0))
        .optional()?;
    Ok(decode(&encoded.unwrap_or_default()))
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A block is: kind, level, start, end, length of the locator, locator. Numbers are `u32`, little endian.
fn encode(blocks: &[Block]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks.len() * 28);
    for block in blocks {
        let (kind, level) = match block.kind {
            BlockKind::Heading(level) => (0, level),
            BlockKind::Paragraph => (1, 0),
            BlockKind::ListItem => (2, 0),
            BlockKind::Table => (3, 0),
            BlockKind::Code => (4, 0),
            BlockKind::Hidden => (5, 0),
        };
        let locator = block.locator.encode();
        out.extend([kind, level]);
        for number in [block.span.start, block.span.end, locator.len()] {
            out.extend((number as u32).to_le_bytes());
        }
        out.extend(locator.as_bytes());
    }
    out
}

/// Reads what [`encode`] wrote, up to the first thing that it cannot have written.
fn decode(mut bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    while let Some(block) = decode_one(&mut bytes) {
        blocks.push(block);
    }
    blocks
}

fn decode_one(bytes: &mut &[u8]) -> Option<Block> {
    let (head, rest) = bytes.split_at_checked(14)?;
    let number =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let kind = match head[0] {
        0 => BlockKind::Heading(head[1]),
        1 => BlockKind::Paragraph,
        2 => BlockKind::ListItem,
        3 => BlockKind::Table,
        4 => BlockKind::Code,
        5 => BlockKind::Hidden,
        _ => return None,
    };
    let (locator, rest) = rest.split_at_checked(number(10))?;
    *bytes = rest;
    let locator = Locator::decode(std::str::from_utf8(locator).ok()?)?;
    Some(Block { kind, span: Span { start: number(2), end: number(6) }, locator })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_round_trip() {
        let block = |kind, start, end, locator| Block { kind, span: Span::new(start, end), locator };
        let blocks = vec![
            block(BlockKind::Heading(2), 0, 9, Locator::Pages { first: 1, last: 1 }),
            block(BlockKind::Table, 10, 80, Locator::Cells { sheet: "A\nB".into(), range: "A1:C9".into() }),
            block(BlockKind::Hidden, 80, 80, Locator::Whole),
        ];
        assert_eq!(decode(&encode(&blocks)), blocks);
        assert_eq!(decode(&encode(&blocks)[..30]).len(), 1, "a torn list gives what is whole");
    }

    #[test]
    fn parts_end_on_character_boundaries() {
        assert_eq!(floor_char_boundary("aé", 2), 1);
        assert_eq!(floor_char_boundary("aé", 9), 3);
    }
}
