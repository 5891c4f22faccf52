//! The records of a PowerPoint 97-2003 presentation ([MS-PPT] 2.3.1), walked one by one: what stands beside the slides'
//! text, and the text itself where the file is damaged.

use std::io::Read;

use carrel_corpus::Locator;

use super::super::{Draft, Source, office};

const SLIDE: u16 = 1006;
const MASTER: u16 = 1016;
const TEXT: u16 = 4000;
const BYTES: u16 = 4008;
const STRING: u16 = 4026;
const LINK: u16 = 4055;
const HEADERS: u16 = 4057;
const OUTLINE: u16 = 4080;
const OBJECT: u16 = 4113;
const COMMENT: u16 = 12000;
/// Deepest nesting of records.
const DEPTH: usize = 24;

struct Record<'a> {
    kind: u16,
    instance: u16,
    body: &'a [u8],
}

/// Calls `each` with every record that holds no others, with the kinds of those around it.
fn walk<'a>(bytes: &'a [u8], around: &mut Vec<u16>, each: &mut impl FnMut(&Record<'a>, &[u16])) {
    let mut rest = bytes;
    while let Some((header, tail)) = rest.split_at_checked(8) {
        let version = u16::from_le_bytes([header[0], header[1]]);
        let kind = u16::from_le_bytes([header[2], header[3]]);
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let (body, after) = tail.split_at(length.min(tail.len()));
        if version & 0xF == 0xF && around.len() < DEPTH {
            around.push(kind);
            walk(body, around, each);
            around.pop();
        } else {
            each(&Record { kind, instance: version >> 4, body }, around);
        }
        rest = after;
    }
}

fn text(record: &Record) -> String {
    match record.kind {
        BYTES => record.body.iter().map(|&byte| char::from(byte)).collect(),
        _ => encoding_rs::UTF_16LE.decode_without_bom_handling(record.body).0.into_owned(),
    }
}

/// Adds the paragraphs of the outline and of all slides, each once, in the order in which the file has them.
pub(super) fn push_texts(records: &[u8], draft: &mut Draft) {
    walk(records, &mut Vec::new(), &mut |record, around| {
        let shown = around.iter().any(|kind| matches!(*kind, SLIDE | OUTLINE));
        if !matches!(record.kind, TEXT | BYTES) || !shown {
            return;
        }
        for paragraph in text(record).split('\r') {
            let paragraph = paragraph.replace('\u{b}', "\n");
            let missing = paragraph.lines().any(|line| !draft.text().contains(line.trim()));
            // A lone `*` stands where the number or date of the slide goes.
            if missing && paragraph.trim() != "*" {
                draft.paragraph(Locator::Whole, &paragraph);
            }
        }
    });
}

/// Adds comments, footers, addresses and embedded objects.
pub(super) fn push_beside(source: &Source, records: &[u8], draft: &mut Draft) {
    let mut author = String::new();
    let mut objects = Vec::new();
    walk(records, &mut Vec::new(), &mut |record, around| {
        let part = |name: &str| Locator::Part { name: name.into() };
        match (record.kind, around.last(), record.instance) {
            (STRING, Some(&COMMENT), 0) => author = text(record),
            (STRING, Some(&COMMENT), 1) => {
                draft.paragraph(part("comment"), &format!("{author}: {}", text(record)))
            }
            (STRING, Some(&HEADERS), _) if !around.contains(&MASTER) => {
                let text = text(record);
                if !draft.text().contains(text.trim()) {
                    draft.paragraph(part("slide footer"), &text);
                }
            }
            (STRING, Some(&LINK), 1) => draft.link(&text(record)),
            (OBJECT, _, 1) => {
                let mut bytes = Vec::new();
                let packed = record.body.get(4..).unwrap_or(&[]);
                // What could be unpacked of a damaged object is worth having.
                let _ = flate2::read::ZlibDecoder::new(packed).take(256 << 20).read_to_end(&mut bytes);
                objects.push(bytes);
            }
            (OBJECT, _, _) => objects.push(record.body.to_vec()),
            _ => {}
        }
    });
    for bytes in objects {
        super::push_macros(&bytes, draft);
        if !office::embedded(source, draft, "embedded object", &bytes) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: u16, kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = version.to_le_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn text_of_slides_is_read_but_not_that_of_masters() {
        let atom = |text: &[u8]| record(0, BYTES, text);
        let mut bytes = record(0xF, MASTER, &atom(b"Click to edit"));
        bytes.extend(record(0xF, SLIDE, &record(0xF, 1036, &atom(b"Rent\rDue"))));
        bytes.extend(record(0xF, 1008, &atom(b"*")));
        let mut draft = Draft::new(1000);
        push_texts(&bytes, &mut draft);
        push_texts(&bytes, &mut draft);
        assert_eq!(draft.text(), "Rent\n\nDue");
    }
}
