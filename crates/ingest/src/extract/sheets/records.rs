//! What an Excel 97-2003 workbook has outside its cells ([MS-XLS] 2.4): page headers and footers, comments, text boxes,
//! the titles of charts, addresses.

use std::collections::HashMap;

use carrel_corpus::Locator;

use super::super::Draft;
use super::{column_name, margins};

const EOF: u16 = 0x000A;
const HEADER: u16 = 0x0014;
const FOOTER: u16 = 0x0015;
const NOTE: u16 = 0x001C;
const CONTINUE: u16 = 0x003C;
const OBJECT: u16 = 0x005D;
const SHEET: u16 = 0x0085;
const TEXT: u16 = 0x01B6;
const LINK: u16 = 0x01B8;
const BEGIN: u16 = 0x0809;
const CHART_TEXT: u16 = 0x100D;
/// The moniker of an address ([MS-OSHARED] 2.3.7.6).
const ADDRESS: [u8; 16] =
    [0xE0, 0xC9, 0xEA, 0x79, 0xF9, 0xBA, 0xCE, 0x11, 0x8C, 0x82, 0x00, 0xAA, 0x00, 0x4B, 0xA9, 0x0B];

/// What has been read of the sheet that is open.
#[derive(Default)]
struct Sheet {
    name: String,
    /// Streams inside streams: a chart on a sheet is one.
    depth: usize,
    object: u16,
    /// Characters of a text that are still to come.
    wanted: usize,
    texts: HashMap<u16, String>,
    /// Cell and object of each comment.
    notes: Vec<(String, u16)>,
}

/// Adds what the records of a workbook stream say.
pub(super) fn push_extras(stream: &[u8], draft: &mut Draft) {
    let mut names = HashMap::new();
    let mut sheet = Sheet::default();
    let mut at = 0;
    while let Some(header) = stream.get(at..at + 4) {
        let kind = u16::from_le_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_le_bytes([header[2], header[3]]));
        let body = stream.get(at + 4..at + 4 + length).unwrap_or(&[]);
        match kind {
            SHEET if body.len() > 8 => {
                let place = u32::from_le_bytes([body[0], body[1], body[2], body[3]]) as usize;
                names.insert(place, string(&body[8..], usize::from(body[6]), body[7]));
            }
            BEGIN => {
                if let Some(name) = names.get(&at) {
                    sheet = Sheet { name: name.clone(), ..Sheet::default() };
                }
                sheet.depth += 1;
            }
            EOF => {
                sheet.depth = sheet.depth.saturating_sub(1);
                if sheet.depth == 0 {
                    end(std::mem::take(&mut sheet), draft);
                }
            }
            _ => take(&mut sheet, kind, body, draft),
        }
        at += 4 + length;
    }
    end(sheet, draft);
}

fn take(sheet: &mut Sheet, kind: u16, body: &[u8], draft: &mut Draft) {
    let word = |at: usize| body.get(at..at + 2).map_or(0, |pair| u16::from_le_bytes([pair[0], pair[1]]));
    let part = |label: &str| Locator::Part { name: format!("{} {label}", sheet.name).trim().to_owned() };
    match kind {
        HEADER | FOOTER if body.len() > 3 => {
            let label = if kind == HEADER { "page header" } else { "page footer" };
            margins::push(&string(&body[3..], usize::from(word(0)), body[2]), &part(label), draft);
        }
        OBJECT => sheet.object = word(6),
        TEXT => sheet.wanted = usize::from(word(10)),
        CONTINUE if sheet.wanted > 0 && !body.is_empty() => {
            let text = string(&body[1..], sheet.wanted, body[0]);
            sheet.wanted = sheet.wanted.saturating_sub(text.encode_utf16().count());
            sheet.texts.entry(sheet.object).or_default().push_str(&text);
        }
        CONTINUE => {}
        NOTE => {
            let cell = format!("{}{}", column_name(usize::from(word(2))), u32::from(word(0)) + 1);
            sheet.notes.push((cell, word(6)));
        }
        CHART_TEXT if body.len() > 4 => {
            draft.paragraph(part("chart"), &string(&body[4..], usize::from(body[2]), body[3]));
        }
        LINK => {
            if let Some(start) = crate::detect::find(body, &ADDRESS) {
                let text = string(body.get(start + 20..).unwrap_or(&[]), usize::MAX, 1);
                draft.link(text.split('\0').next().unwrap_or_default());
            }
        }
        _ => {}
    }
}

/// Adds the comments of a sheet, each with its cell, and its text boxes.
fn end(mut sheet: Sheet, draft: &mut Draft) {
    let part = |label: &str| Locator::Part { name: format!("{} {label}", sheet.name).trim().to_owned() };
    for (cell, object) in &sheet.notes {
        if let Some(text) = sheet.texts.remove(object) {
            draft.paragraph(part("comment"), &format!("{cell}: {}", text.trim()));
        }
    }
    let mut boxes: Vec<(u16, String)> = sheet.texts.drain().collect();
    boxes.sort();
    for (_, text) in boxes {
        draft.paragraph(part("drawing"), &text);
    }
}

/// A string of at most `count` characters, of one byte or of two each as the lowest bit of `flags` says.
fn string(bytes: &[u8], count: usize, flags: u8) -> String {
    match flags & 1 {
        0 => bytes.iter().take(count).map(|&byte| char::from(byte)).collect(),
        _ => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .take(count)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_comments_and_chart_titles_are_read() {
        let mut stream = Vec::new();
        let mut put = |kind: u16, body: &[u8]| {
            stream.extend_from_slice(&kind.to_le_bytes());
            stream.extend_from_slice(&(body.len() as u16).to_le_bytes());
            stream.extend_from_slice(body);
        };
        put(BEGIN, &[0; 16]);
        put(SHEET, b"\x2f\0\0\0\0\0\x04\0Rent");
        put(EOF, &[]);
        put(0, &[0; 3]);
        put(BEGIN, &[0; 16]);
        put(HEADER, b"\x06\0\0&LFirm");
        put(OBJECT, &[0x15, 0, 0x12, 0, 0x19, 0, 7, 0]);
        put(TEXT, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        put(CONTINUE, b"\0why?");
        put(NOTE, &[2, 0, 1, 0, 0, 0, 7, 0]);
        put(CHART_TEXT, b"\0\0\x05\0Costs");
        put(EOF, &[]);
        let mut draft = Draft::new(1000);
        push_extras(&stream, &mut draft);
        let document = draft.finish(String::new());
        let found: Vec<String> = document
            .blocks
            .iter()
            .map(|block| format!("{}: {}", block.locator, block.span.of(&document.text)))
            .collect();
        assert_eq!(found, ["Rent page header: Firm", "Rent chart: Costs", "Rent comment: B3: why?"]);
    }
}
