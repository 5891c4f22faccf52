//! What a PDF says outside its pages' content: outline, layers, notes, form values and embedded files.

use std::collections::HashMap;

use carrel_corpus::BlockKind;
use hayro_syntax::Pdf;
use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as PdfString};
use hayro_syntax::page::Page;

use super::super::draft::one_line;

/// Most entries followed in an outline, a name tree or a list of files.
const ENTRIES: usize = 5_000;

/// A text string (ISO 32000, 7.9.2.2): UTF-16 or UTF-8 with a mark, else PDFDocEncoding.
pub(super) fn text_string(bytes: &[u8]) -> String {
    match bytes {
        [0xFE, 0xFF, rest @ ..] => encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0.into_owned(),
        [0xFF, 0xFE, rest @ ..] => encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0.into_owned(),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => bytes.iter().map(|&byte| document_character(byte)).collect(),
    }
}

/// A byte of PDFDocEncoding (ISO 32000, annex D).
fn document_character(byte: u8) -> char {
    const LOW: [char; 8] = ['˘', 'ˇ', 'ˆ', '˙', '˝', '˛', '˚', '˜'];
    const HIGH: [char; 33] = [
        '•', '†', '‡', '…', '—', '–', 'ƒ', '⁄', '‹', '›', '−', '‰', '„', '“', '”', '‘', '’', '‚', '™', 'ﬁ',
        'ﬂ', 'Ł', 'Œ', 'Š', 'Ÿ', 'Ž', 'ı', 'ł', 'œ', 'š', 'ž', '\u{fffd}', '€',
    ];
    match byte {
        0x18..=0x1F => LOW[usize::from(byte - 0x18)],
        0x80..=0xA0 => HIGH[usize::from(byte - 0x80)],
        byte => char::from(byte),
    }
}

/// The titles of the outline with their levels.
pub(super) struct Outline {
    levels: HashMap<String, u8>,
}

impl Outline {
    /// The level of a text that is a title of the outline.
    pub fn level(&self, text: &str) -> Option<u8> {
        if text.len() > 300 || self.levels.is_empty() {
            return None;
        }
        self.levels.get(&normal(text)).copied()
    }
}

fn normal(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Reads the outline.
pub(super) fn outline(catalog: &Dict) -> Outline {
    let mut levels = HashMap::new();
    let mut left = ENTRIES;
    let mut stack: Vec<(Dict, u8)> = Vec::new();
    stack.extend(
        catalog.get::<Dict>(b"Outlines").and_then(|root| root.get::<Dict>(b"First")).map(|first| (first, 1)),
    );
    while let Some((item, level)) = stack.pop() {
        if left == 0 {
            break;
        }
        left -= 1;
        let title =
            item.get::<PdfString>(b"Title").map(|title| normal(&text_string(&title))).unwrap_or_default();
        if title.len() > 2 {
            levels.entry(title).or_insert(level);
        }
        stack.extend(item.get::<Dict>(b"Next").map(|next| (next, level)));
        stack.extend(item.get::<Dict>(b"First").map(|first| (first, (level + 1).min(6))));
    }
    Outline { levels }
}

/// Object numbers of the layers that are switched off when the file is opened.
pub(super) fn hidden_layers(catalog: &Dict) -> Vec<u32> {
    let Some(properties) = catalog.get::<Dict>(b"OCProperties") else { return Vec::new() };
    let Some(initial) = properties.get::<Dict>(b"D") else { return Vec::new() };
    let numbers = |dict: &Dict, key: &[u8]| -> Vec<u32> {
        let list = dict.get::<Array>(key);
        list.iter()
            .flat_map(|list| list.raw_iter())
            .filter_map(|item| item.as_obj_ref().map(|reference| reference.obj_number))
            .collect()
    };
    if initial.get::<Name>(b"BaseState").is_some_and(|state| state.as_str() == "OFF") {
        let on = numbers(&initial, b"ON");
        return numbers(&properties, b"OCGs").into_iter().filter(|layer| !on.contains(layer)).collect();
    }
    numbers(&initial, b"OFF")
}

/// The comments on a page, and the values of form fields that have no appearance. `shown` is the text so far: what
/// is already in it is not said again. A comment begins with its author.
pub(super) fn notes(page: &Page, shown: &str) -> Vec<(BlockKind, String)> {
    let mut notes = Vec::new();
    let annotations = page.raw().get::<Array>(b"Annots");
    for annotation in annotations.iter().flat_map(|list| list.iter::<Dict>()).take(ENTRIES) {
        let kind = annotation.get::<Name>(b"Subtype");
        let kind = kind.as_ref().map_or("", |kind| kind.as_str());
        let text = match kind {
            "Widget" if !annotation.contains_key(b"AP") => field_value(&annotation),
            "Popup" | "Link" | "Widget" => None,
            _ => annotation.get::<PdfString>(b"Contents").map(|text| text_string(&text)),
        };
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { continue };
        if shown.contains(text.trim()) || shown.contains(&one_line(&text)) {
            continue;
        }
        let text = match author(&annotation) {
            Some(author) => format!("{author}: {text}"),
            None => text,
        };
        let hidden = annotation.get::<i32>(b"F").unwrap_or(0) & 2 != 0;
        let note = (if hidden { BlockKind::Hidden } else { BlockKind::Paragraph }, text);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

fn author(annotation: &Dict) -> Option<String> {
    if annotation.get::<Name>(b"Subtype").is_some_and(|kind| kind.as_str() == "Widget") {
        return None;
    }
    let name = text_string(&annotation.get::<PdfString>(b"T")?);
    (!name.trim().is_empty()).then_some(name)
}

/// The name and value of a form field, which may stand in the widget's parents.
fn field_value(widget: &Dict) -> Option<String> {
    let mut field = widget.clone();
    let (mut name, mut value) = (None, None);
    for _ in 0..8 {
        name = name.or_else(|| field.get::<PdfString>(b"T").map(|name| text_string(&name)));
        value = value.or_else(|| match field.get::<Object>(b"V") {
            Some(Object::String(text)) => Some(text_string(&text)),
            Some(Object::Name(choice)) if choice.as_str() != "Off" => Some(choice.as_str().to_owned()),
            _ => None,
        });
        match field.get::<Dict>(b"Parent") {
            Some(parent) => field = parent,
            None => break,
        }
    }
    let value = value.filter(|value| !value.trim().is_empty())?;
    Some(match name {
        Some(name) => format!("{name}: {value}"),
        None => value,
    })
}

/// The files embedded in the document, by name; each at most `limit` bytes.
pub(super) fn attachments(pdf: &Pdf, catalog: &Dict, limit: u64) -> Vec<(String, Vec<u8>)> {
    let mut specifications = Vec::new();
    let mut stack: Vec<Dict> = Vec::new();
    stack.extend(catalog.get::<Dict>(b"Names").and_then(|names| names.get::<Dict>(b"EmbeddedFiles")));
    let mut left = ENTRIES;
    while let Some(node) = stack.pop().filter(|_| left > 0) {
        left -= 1;
        stack.extend(node.get::<Array>(b"Kids").iter().flat_map(|kids| kids.iter::<Dict>()));
        let names = node.get::<Array>(b"Names");
        specifications
            .extend(names.iter().flat_map(|names| names.iter::<Object>()).filter_map(Object::into_dict));
    }
    for page in pdf.pages().iter() {
        let annotations = page.raw().get::<Array>(b"Annots");
        specifications.extend(annotations.iter().flat_map(|list| list.iter::<Dict>()).filter_map(
            |annotation| {
                let kind = annotation.get::<Name>(b"Subtype")?;
                (kind.as_str() == "FileAttachment").then(|| annotation.get::<Dict>(b"FS"))?
            },
        ));
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for specification in specifications.iter().take(ENTRIES) {
        let Some((name, bytes)) = embedded_file(specification) else { continue };
        let known = files.iter().any(|(other, content)| *other == name && *content == bytes);
        if bytes.len() as u64 <= limit && !known {
            files.push((name, bytes));
        }
    }
    files
}

fn embedded_file(specification: &Dict) -> Option<(String, Vec<u8>)> {
    let name = [b"UF".as_slice(), b"F"].iter().find_map(|key| specification.get::<PdfString>(key));
    let name = name.map_or("attachment".to_owned(), |name| text_string(&name));
    let files = specification.get::<Dict>(b"EF")?;
    let file = [b"F".as_slice(), b"UF"].iter().find_map(|key| files.get::<Stream>(key))?;
    Some((name, file.decoded_data().ok()?.into_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_strings_are_decoded() {
        assert_eq!(super::text_string(b"\xFE\xFF\0a\x20\xAC"), "a€");
        assert_eq!(super::text_string(b"caf\xE9 \x92\xA0"), "café ™€");
    }
}
