//! The binary formats of older Office versions (doc, ppt, pub), and what is embedded in them.

mod macros;
mod objects;
mod slides;
mod stories;

use std::io::{Cursor, Read};

use carrel_corpus::{BlockKind, Locator, Outcome};
use undoc::{Block, HeadingLevel, ListType, Paragraph};

use super::{Draft, Reading, Source};

pub(super) use macros::push as push_macros;
pub(super) use objects::{package, push_embedded, storage_file, unwrap_object};

/// An OLE compound file in memory.
type Compound<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

/// Reads a document or presentation.
pub(super) fn read(source: &Source) -> Reading {
    let document = match undoc::parse_bytes(source.bytes) {
        Ok(document) => document,
        Err(undoc::Error::Encrypted) => return Err(Outcome::Encrypted),
        Err(_) => return salvage(source),
    };
    let mut draft = source.draft();
    draft.title = document.metadata.title.clone();
    let date = document.metadata.modified.as_deref().or(document.metadata.created.as_deref());
    draft.date = date.and_then(super::dates::iso);
    let slides = document.format == undoc::FormatType::Ppt;
    let mut number = 0;
    for (position, section) in document.sections.iter().enumerate() {
        let slide = u32::try_from(position + 1).unwrap_or(u32::MAX);
        let mut place = || {
            number += 1;
            match slides {
                true => Locator::Slides { first: slide, last: slide },
                false => Locator::Part { name: format!("paragraph {number}") },
            }
        };
        for block in &section.content {
            push_block(&mut draft, block, &mut place);
        }
        for (label, paragraphs) in [("header", &section.header), ("footer", &section.footer)] {
            for paragraph in paragraphs.iter().flatten() {
                let locator = Locator::Part { name: format!("page {label}") };
                draft.paragraph(locator, &visible(paragraph));
            }
        }
        for paragraph in section.notes.iter().flatten() {
            draft.paragraph(place(), &visible(paragraph));
        }
    }
    if slides {
        draft.pages = u32::try_from(document.sections.len()).ok();
    }
    if draft.is_empty() && !slides {
        return salvage(source);
    }
    push_beside(source, &mut draft);
    Ok(draft)
}

/// Adds what stands beside the running text: comments, text boxes, addresses, embedded files, macros.
fn push_beside(source: &Source, draft: &mut Draft) {
    let Ok(mut file) = cfb::CompoundFile::open(Cursor::new(source.bytes)) else { return };
    if let Some(word) = stream(&mut file, "/WordDocument") {
        let tables = ["/0Table", "/1Table"].map(|path| stream(&mut file, path).unwrap_or_default());
        stories::push(&word, &tables, draft);
    }
    if let Some(records) = stream(&mut file, "/PowerPoint Document") {
        slides::push_beside(source, &records, draft);
    }
    push_embedded(source, draft);
    push_macros(source.bytes, draft);
}

fn push_block(draft: &mut Draft, block: &Block, place: &mut impl FnMut() -> Locator) {
    match block {
        Block::Paragraph(paragraph) => {
            let kind = match (&paragraph.heading, &paragraph.list_info) {
                (HeadingLevel::None, Some(list)) if list.list_type != ListType::None => BlockKind::ListItem,
                (HeadingLevel::None, _) => BlockKind::Paragraph,
                (level, _) => BlockKind::Heading(heading(level)),
            };
            let text = visible(paragraph);
            if text.trim().is_empty() {
                return;
            }
            let locator = place();
            draft.push(kind, locator.clone(), &text);
            draft.push(BlockKind::Hidden, locator, &deleted(paragraph));
        }
        Block::Table(table) => {
            let rows: Vec<Vec<String>> = table
                .rows
                .iter()
                .map(|row| row.cells.iter().map(undoc::model::Cell::plain_text).collect())
                .collect();
            draft.table(place(), &rows);
        }
        Block::Note { label, content } => {
            let text: Vec<String> = content.iter().map(visible).collect();
            draft.paragraph(Locator::Part { name: format!("note {label}") }, &text.join("\n"));
        }
        _ => {}
    }
}

fn heading(level: &HeadingLevel) -> u8 {
    match level {
        HeadingLevel::None | HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// The text of a paragraph without what was deleted under tracked changes.
fn visible(paragraph: &Paragraph) -> String {
    runs(paragraph, false)
}

fn deleted(paragraph: &Paragraph) -> String {
    runs(paragraph, true)
}

fn runs(paragraph: &Paragraph, deleted: bool) -> String {
    let mut text = String::new();
    for run in &paragraph.runs {
        if (run.revision == undoc::model::RevisionType::Deleted) == deleted {
            text.push_str(&run.text);
            if run.line_break {
                text.push('\n');
            }
        }
    }
    text
}

/// What can be made out in a file that is damaged or of a very old version: its runs of text.
fn salvage(source: &Source) -> Reading {
    let mut file = cfb::CompoundFile::open(Cursor::new(source.bytes))
        .map_err(|_| Outcome::Failed { reason: "damaged file".into() })?;
    let mut draft = source.draft();
    if let Some(records) = stream(&mut file, "/PowerPoint Document") {
        slides::push_texts(&records, &mut draft);
    }
    for path in ["/WordDocument", "/PowerPoint Document"] {
        let Some(bytes) = stream(&mut file, path) else { continue };
        if path == "/WordDocument" && bytes.get(11).is_some_and(|flags| flags & 1 == 1) {
            return Err(Outcome::Encrypted);
        }
        let runs = if draft.is_empty() { text_runs(&bytes) } else { Vec::new() };
        for run in runs {
            draft.paragraph(Locator::Whole, &run);
        }
    }
    if !draft.is_empty() {
        draft.lack("damaged: text without its order and layout");
    }
    push_beside(source, &mut draft);
    Ok(draft)
}

/// Reads a Publisher file: the text of its stories, which stands in one stream as UTF-16.
pub(super) fn read_publisher(source: &Source) -> Reading {
    let mut file = cfb::CompoundFile::open(Cursor::new(source.bytes))
        .map_err(|_| Outcome::Failed { reason: "damaged file".into() })?;
    let mut draft = source.draft();
    let bytes = stream(&mut file, "/Quill/QuillSub/CONTENTS").unwrap_or_default();
    for run in wide_runs(&bytes, 12) {
        for paragraph in run.split(['\r', '\n', '\u{c}']) {
            draft.paragraph(Locator::Whole, paragraph);
        }
    }
    Ok(draft)
}

fn stream(file: &mut Compound, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.open_stream(path).ok()?.take(256 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Runs of readable text, as single bytes or as UTF-16, that are long enough not to be chance.
fn text_runs(bytes: &[u8]) -> Vec<String> {
    let mut runs = wide_runs(bytes, 8);
    let mut run = Vec::new();
    for &byte in bytes.iter().chain(std::iter::once(&0)) {
        if (32..127).contains(&byte) || matches!(byte, b'\t' | b'\r' | b'\n') || byte >= 0xA0 {
            run.push(byte);
        } else {
            let words = run.split(|b| *b == b' ').filter(|word| word.len() > 1).count();
            let letters = run.iter().filter(|b| b.is_ascii_alphabetic() || **b == b' ').count();
            if words >= 3 && letters * 10 >= run.len() * 8 {
                runs.push(encoding_rs::WINDOWS_1252.decode_without_bom_handling(&run).0.into_owned());
            }
            run.clear();
        }
    }
    runs
}

fn wide_runs(bytes: &[u8], shortest: usize) -> Vec<String> {
    let mut runs = Vec::new();
    let mut run = String::new();
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    for unit in units.chain(std::iter::once(0)) {
        let c = char::from_u32(u32::from(unit)).unwrap_or('\0');
        let readable = c.is_ascii_graphic() || matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}');
        if readable || ('\u{a1}'..'\u{590}').contains(&c) || ('\u{2010}'..'\u{2030}').contains(&c) {
            run.push(c);
        } else {
            let ascii = run.chars().filter(char::is_ascii).count();
            if run.len() >= shortest && ascii * 2 >= run.chars().count() {
                runs.push(std::mem::take(&mut run));
            }
            run.clear();
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_text_are_found_in_noise() {
        let mut bytes = vec![0, 1, 2, 3];
        bytes.extend_from_slice(b"the rent is due monthly");
        bytes.extend_from_slice(&[0, 255, 1]);
        assert_eq!(text_runs(&bytes), ["the rent is due monthly"]);
    }
}
