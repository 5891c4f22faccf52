//! Documents and limits as bytes between a worker and its parent. Only these two programs, of one build, ever speak it.
//!
//! The parent does not trust what it decodes: lengths are checked, and blocks that break the invariants of a
//! document are dropped.

use std::time::Duration;

use carrel_corpus::{Block, BlockKind, Document, Locator, Outcome, Span};

use crate::Limits;

/// Deepest nesting of members that is decoded.
const DEPTH: usize = 32;

/// Bytes that a document takes on the wire beside its text, at most: a parent reads no more than this.
pub(super) fn response_limit(limits: &Limits) -> usize {
    limits.text_bytes.saturating_mul(3).saturating_add(64 << 20)
}

pub(super) fn encode_limits(limits: &Limits) -> Vec<u8> {
    let mut out = Vec::new();
    for value in [
        limits.file_bytes,
        limits.text_bytes as u64,
        limits.memory_bytes,
        limits.cpu_seconds,
        limits.wall.as_millis() as u64,
        limits.members as u64,
        limits.depth as u64,
    ] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out
}

pub(super) fn decode_limits(bytes: &[u8]) -> Option<Limits> {
    let mut reader = Reader { bytes };
    Some(Limits {
        file_bytes: reader.u64()?,
        text_bytes: reader.u64()? as usize,
        memory_bytes: reader.u64()?,
        cpu_seconds: reader.u64()?,
        wall: Duration::from_millis(reader.u64()?),
        members: reader.u64()? as usize,
        depth: reader.u64()? as usize,
    })
}

pub(super) fn encode(document: &Document) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.text.len() + document.blocks.len() * 24 + 256);
    put_document(&mut out, document);
    out
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<Document> {
    let mut reader = Reader { bytes };
    let document = reader.document(DEPTH)?;
    reader.bytes.is_empty().then_some(document)
}

fn put_document(out: &mut Vec<u8>, document: &Document) {
    put_text(out, &document.title);
    put_text(out, &document.media_type);
    put_text(out, &document.text);
    let (outcome, detail) = document.outcome.encode();
    put_text(out, outcome);
    put_text(out, detail);
    put_u64(out, document.pages.map_or(0, |pages| u64::from(pages) + 1));
    put_u64(out, u64::from(document.date.is_some()));
    put_u64(out, document.date.unwrap_or(0) as u64);
    put_u64(out, document.blocks.len() as u64);
    let mut previous: Option<&Locator> = None;
    for block in &document.blocks {
        out.push(kind_code(block.kind));
        put_u64(out, block.span.start as u64);
        put_u64(out, block.span.end as u64);
        // Blocks of one page or section share their locator.
        match previous == Some(&block.locator) {
            true => put_text(out, ""),
            false => put_text(out, &block.locator.encode()),
        }
        previous = Some(&block.locator);
    }
    put_u64(out, document.members.len() as u64);
    for (name, member) in &document.members {
        put_text(out, name);
        put_document(out, member);
    }
}

/// A number in as few bytes as it needs, seven bits each, the lowest first.
fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_u64(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn kind_code(kind: BlockKind) -> u8 {
    match kind {
        BlockKind::Paragraph => 0,
        BlockKind::ListItem => 1,
        BlockKind::Table => 2,
        BlockKind::Code => 3,
        BlockKind::Hidden => 4,
        BlockKind::Heading(level) => 16 + level.min(15),
    }
}

fn kind_of(code: u8) -> Option<BlockKind> {
    Some(match code {
        0 => BlockKind::Paragraph,
        1 => BlockKind::ListItem,
        2 => BlockKind::Table,
        3 => BlockKind::Code,
        4 => BlockKind::Hidden,
        16..=31 => BlockKind::Heading(code - 16),
        _ => return None,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn document(&mut self, depth: usize) -> Option<Document> {
        let title = self.text()?.to_owned();
        let media_type = self.text()?.to_owned();
        let text = self.text()?.to_owned();
        let outcome = Outcome::decode(self.text()?, self.text()?)?;
        let pages = self.number()?.checked_sub(1).and_then(|pages| u32::try_from(pages).ok());
        let dated = self.number()? == 1;
        let date = self.number()? as i64;
        let blocks = self.blocks(&text)?;
        let count = self.length()?;
        let mut members = Vec::new();
        for _ in 0..count {
            let name = crate::extract::safe_name(self.text()?);
            members.push((name, self.document(depth.checked_sub(1)?)?));
        }
        Some(Document {
            title,
            media_type,
            text,
            blocks,
            pages,
            date: dated.then_some(date),
            outcome,
            members,
        })
    }

    fn blocks(&mut self, text: &str) -> Option<Vec<Block>> {
        let count = self.length()?;
        let mut blocks: Vec<Block> = Vec::new();
        let mut locator = Locator::Whole;
        for _ in 0..count {
            let kind = kind_of(self.take(1)?[0])?;
            let (start, end) = (self.length()?, self.length()?);
            let encoded = self.text()?;
            if !encoded.is_empty() {
                locator = Locator::decode(encoded)?;
            }
            let after = blocks.last().is_none_or(|last| last.span.end <= start);
            if after && start < end && text.get(start..end).is_some() {
                blocks.push(Block { kind, span: Span::new(start, end), locator: locator.clone() });
            }
        }
        Some(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Document {
        let page = |page| Locator::Pages { first: page, last: page };
        let block = |kind, start, end, locator| Block { kind, span: Span::new(start, end), locator };
        let member = Document::unread("text/plain", Outcome::Encrypted);
        Document {
            title: "Lease".into(),
            media_type: "application/pdf".into(),
            text: "Größe due".into(),
            blocks: vec![
                block(BlockKind::Heading(2), 0, 7, page(1)),
                block(BlockKind::Hidden, 8, 11, page(1)),
            ],
            pages: Some(3),
            date: Some(-5),
            outcome: Outcome::PartlyRead { missing: "page 2: damaged".into() },
            members: vec![("a/b.txt".into(), member)],
        }
    }

    #[test]
    fn documents_and_limits_round_trip() {
        assert_eq!(decode(&encode(&sample())), Some(sample()));
        assert_eq!(decode_limits(&encode_limits(&Limits::STANDARD)), Some(Limits::STANDARD));
    }

    #[test]
    fn no_prefix_or_mutation_breaks_the_reader() {
        let bytes = encode(&sample());
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None);
            for flip in [1, 0x40, 0x80, 0xFF] {
                let mut mutated = bytes.clone();
                mutated[cut] ^= flip;
                if let Some(document) = decode(&mutated) {
                    assert!(document.blocks.iter().all(|block| !block.span.of(&document.text).is_empty()));
                }
            }
        }
    }
}
