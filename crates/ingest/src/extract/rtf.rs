//! Rich Text Format (RTF 1.9): the text in paragraphs and table rows, with hidden and deleted text told apart; notes,
//! comments, page headers and text boxes beside it; embedded files as members.

mod object;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashSet;

use carrel_corpus::{BlockKind, Locator};

use super::draft::one_line;
use super::mail::codepage;
use super::{Draft, Reading, Source, fields, office};
use token::{Token, Tokens};

/// Deepest nesting of groups that is followed.
const DEPTH: usize = 2_000;

/// Reads a file.
pub(super) fn read(source: &Source) -> Reading {
    let mut draft = source.draft();
    let bytes = source.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(source.bytes);
    for object in push(bytes, &Locator::Whole, &mut draft) {
        if let Some((name, content)) = object::unwrap(&object)
            && !office::embedded(source, &mut draft, &name, &content)
        {
            break;
        }
    }
    Ok(draft)
}

/// Adds the paragraphs of an RTF text; with [`Locator::Whole`] each names its number. Returns the embedded objects.
pub(super) fn push(bytes: &[u8], locator: &Locator, draft: &mut Draft) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(draft, locator);
    for token in Tokens::new(bytes) {
        reader.take(token);
    }
    reader.end_asides(0);
    reader.end_paragraph();
    reader.end_table();
    reader.objects
}

/// The HTML that an RTF text wraps, where it was made from HTML.
pub(super) fn wrapped_html(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(2000)];
    crate::detect::find(head, b"\\fromhtml1")?;
    let mut html = Vec::new();
    let mut depth = 0usize;
    let mut tag_depth = None;
    let mut suppressed = false;
    let mut encoding = encoding_rs::WINDOWS_1252;
    let mut wide = String::new();
    for token in Tokens::new(bytes) {
        match token {
            Token::Open => depth += 1,
            Token::Close => {
                depth = depth.saturating_sub(1);
                if tag_depth.is_some_and(|tag| depth < tag) {
                    tag_depth = None;
                }
            }
            Token::Word("ansicpg", Some(page)) => encoding = codepage(page as u32).unwrap_or(encoding),
            Token::Word("htmltag", _) => tag_depth = Some(depth),
            Token::Word("htmlrtf", value) => suppressed = value != Some(0),
            Token::Word("par" | "line", _) if !suppressed => html.extend_from_slice(b"\r\n"),
            Token::Word("tab", _) if !suppressed => html.push(b'\t'),
            Token::Unicode(c) if !suppressed => {
                wide.clear();
                wide.push_str(&format!("&#{};", u32::from(c)));
                html.extend_from_slice(wide.as_bytes());
            }
            Token::Bytes(text) if !suppressed && (tag_depth.is_some() || depth <= 2) => {
                html.extend_from_slice(&text)
            }
            _ => {}
        }
    }
    Some(encoding.decode_without_bom_handling(&html).0.into_owned())
}

/// What a group does with the text inside it.
#[derive(Clone, Copy, PartialEq)]
enum Destination {
    Text,
    Skipped,
    /// A copy of what stands before it, for older readers.
    Copy,
    Title,
    Fonts,
    /// Beside the running text: a note, a comment, a page header, a text box.
    Aside,
    /// The author of the comment that follows.
    Author,
    /// The code of a field.
    Field,
    /// The number or bullet of a list item.
    Marker,
    /// An embedded file in hexadecimal.
    Object,
}

/// Text beside the running text, and how deep the group is that holds it.
struct Aside {
    label: &'static str,
    text: String,
    depth: usize,
}

#[derive(Clone, Copy)]
struct Group {
    destination: Destination,
    hidden: bool,
    deleted: bool,
    encoding: &'static encoding_rs::Encoding,
}

struct Reader<'a> {
    draft: &'a mut Draft,
    locator: &'a Locator,
    number: u32,
    stack: Vec<Group>,
    group: Group,
    /// Whether `\*` came just before: an unknown destination after it is skipped.
    optional: bool,
    /// Encodings of the fonts of the font table.
    fonts: Vec<(i32, &'static encoding_rs::Encoding)>,
    font: i32,
    paragraph: String,
    hidden: String,
    asides: Vec<Aside>,
    said: HashSet<String>,
    author: String,
    field: String,
    marker: String,
    object: Vec<u8>,
    objects: Vec<Vec<u8>>,
    pending: Vec<u8>,
    outline: Option<u8>,
    in_table: bool,
    row: Vec<String>,
    rows: Vec<Vec<String>>,
    lost_depth: usize,
}

impl<'a> Reader<'a> {
    fn new(draft: &'a mut Draft, locator: &'a Locator) -> Reader<'a> {
        let group = Group {
            destination: Destination::Text,
            hidden: false,
            deleted: false,
            encoding: encoding_rs::WINDOWS_1252,
        };
        Reader {
            draft,
            locator,
            number: 0,
            stack: Vec::new(),
            group,
            optional: false,
            fonts: Vec::new(),
            font: 0,
            paragraph: String::new(),
            hidden: String::new(),
            asides: Vec::new(),
            said: HashSet::new(),
            author: String::new(),
            field: String::new(),
            marker: String::new(),
            object: Vec::new(),
            objects: Vec::new(),
            pending: Vec::new(),
            outline: None,
            in_table: false,
            row: Vec::new(),
            rows: Vec::new(),
            lost_depth: 0,
        }
    }

    fn take(&mut self, token: Token) {
        if !matches!(token, Token::Bytes(_)) {
            self.decode_pending();
        }
        match token {
            Token::Open if self.stack.len() >= DEPTH => self.lost_depth += 1,
            Token::Open => self.stack.push(self.group),
            Token::Close if self.lost_depth > 0 => self.lost_depth -= 1,
            Token::Close => {
                let was = self.group.destination;
                self.end_asides(self.stack.len());
                if let Some(group) = self.stack.pop() {
                    self.group = group;
                }
                if was != self.group.destination {
                    self.end_destination(was);
                }
            }
            Token::Optional => self.optional = true,
            Token::Bytes(bytes) => self.pending.extend_from_slice(&bytes),
            Token::Unicode(c) => self.text(&c.to_string()),
            Token::Half(_) => {}
            Token::Word(word, value) => {
                self.word(word, value);
                self.optional = false;
            }
        }
    }

    fn decode_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.pending);
        if self.group.destination == Destination::Object {
            self.object.extend_from_slice(&bytes);
            return;
        }
        let text = self.group.encoding.decode_without_bom_handling(&bytes).0.into_owned();
        self.text(&text);
    }

    fn text(&mut self, text: &str) {
        match (self.group.destination, self.group.hidden || self.group.deleted) {
            (Destination::Skipped | Destination::Copy | Destination::Fonts | Destination::Object, _) => {}
            (Destination::Title, _) => self.draft.title.get_or_insert_default().push_str(text),
            (Destination::Aside, _) => {
                if let Some(aside) = self.asides.last_mut() {
                    aside.text.push_str(text);
                }
            }
            (Destination::Author, _) => self.author.push_str(text),
            (Destination::Field, _) => self.field.push_str(text),
            (Destination::Marker, _) => self.marker.push_str(text),
            (Destination::Text, true) => self.hidden.push_str(text),
            (Destination::Text, false) => self.paragraph.push_str(text),
        }
    }

    /// Adds the asides whose groups are at least `depth` deep.
    fn end_asides(&mut self, depth: usize) {
        while let Some(aside) = self.asides.pop_if(|aside| aside.depth >= depth) {
            let text = aside.text.trim();
            // Every section repeats its page headers.
            if self.said.insert(format!("{} {text}", aside.label)) {
                self.draft.paragraph(Locator::Part { name: aside.label.into() }, text);
            }
        }
    }

    fn end_destination(&mut self, destination: Destination) {
        match destination {
            Destination::Field => {
                if let Some(address) = fields::address(&std::mem::take(&mut self.field)) {
                    self.draft.link(address);
                }
            }
            Destination::Object => self.objects.push(object::from_hex(&std::mem::take(&mut self.object))),
            _ => {}
        }
    }

    fn begin_aside(&mut self, label: &'static str) {
        let author = std::mem::take(&mut self.author);
        let text = match label == "comment" && !author.trim().is_empty() {
            true => format!("{}: ", author.trim()),
            false => String::new(),
        };
        self.group.destination = Destination::Aside;
        self.asides.push(Aside { label, text, depth: self.stack.len() });
    }

    fn word(&mut self, word: &str, value: Option<i32>) {
        let on = value != Some(0);
        if self.group.destination == Destination::Copy {
            return;
        }
        match word {
            "ansicpg" => {
                let encoding = codepage(value.unwrap_or(1252).unsigned_abs());
                self.group.encoding = encoding.unwrap_or(self.group.encoding);
            }
            "mac" => self.group.encoding = encoding_rs::MACINTOSH,
            "fonttbl" => self.group.destination = Destination::Fonts,
            "f" if self.group.destination == Destination::Fonts => self.font = value.unwrap_or(0),
            "fcharset" => {
                if let Some(encoding) = value.and_then(charset) {
                    self.fonts.push((self.font, encoding));
                }
            }
            "f" => {
                let known = self.fonts.iter().find(|(font, _)| Some(*font) == value);
                self.group.encoding = known.map_or(self.group.encoding, |(_, encoding)| encoding);
            }
            "title" if self.group.destination == Destination::Skipped => {
                self.group.destination = Destination::Title;
            }
            "footnote" => self.begin_aside("footnote"),
            "annotation" => self.begin_aside("comment"),
            "shptxt" | "dptxbxtext" => self.begin_aside("text box"),
            "header" | "headerl" | "headerr" | "headerf" => self.begin_aside("page header"),
            "footer" | "footerl" | "footerr" | "footerf" => self.begin_aside("page footer"),
            "shprslt" => self.group.destination = Destination::Copy,
            "atnauthor" => self.group.destination = Destination::Author,
            "fldinst" => self.group.destination = Destination::Field,
            "listtext" | "pntext" => self.group.destination = Destination::Marker,
            "objdata" => self.group.destination = Destination::Object,
            "v" => self.group.hidden = on,
            "deleted" => self.group.deleted = on,
            "plain" => self.group.hidden = false,
            "par" | "sect" | "page" | "column" => self.end_line(),
            "pard" | "intbl" | "outlinelevel" if self.group.destination != Destination::Text => {}
            "pard" => {
                self.in_table = false;
                self.outline = None;
            }
            "intbl" => self.in_table = on,
            "outlinelevel" => {
                self.outline =
                    value.and_then(|level| u8::try_from(level + 1).ok()).filter(|level| *level <= 6);
            }
            "cell" | "nestcell" | "row" if self.group.destination == Destination::Aside => {
                self.text(if word == "row" { "\n" } else { "\t" });
            }
            "cell" | "nestcell" => {
                let cell = one_line(&std::mem::take(&mut self.paragraph));
                self.row.push(cell);
            }
            "row" | "nestrow" => {
                let row = std::mem::take(&mut self.row);
                self.rows.push(row);
            }
            "line" | "softline" => self.text("\n"),
            "tab" => self.text("\t"),
            other => match symbol(other) {
                Some(symbol) => self.text(symbol),
                None if self.optional || is_skipped(other) => self.group.destination = Destination::Skipped,
                None => {}
            },
        }
    }

    fn end_line(&mut self) {
        match (self.group.destination, self.in_table) {
            (Destination::Text, true) => self.paragraph.push('\n'),
            (Destination::Text, false) => self.end_paragraph(),
            (Destination::Aside, _) => self.text("\n"),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        self.decode_pending();
        if !self.in_table && self.row.is_empty() {
            self.end_table();
        }
        let mut text = std::mem::take(&mut self.paragraph);
        let marker = one_line(&std::mem::take(&mut self.marker));
        // A number can be referred to; a bullet only says that this is an item.
        if marker.contains(char::is_alphanumeric) && !text.trim().is_empty() {
            text = format!("{marker} {text}");
        }
        let hidden = std::mem::take(&mut self.hidden);
        self.number += u32::from(!text.trim().is_empty());
        let item = if marker.is_empty() { BlockKind::Paragraph } else { BlockKind::ListItem };
        let kind = self.outline.map_or(item, BlockKind::Heading);
        let locator = self.place();
        self.draft.push(kind, locator.clone(), &text);
        self.draft.push(BlockKind::Hidden, locator, &hidden);
    }

    fn end_table(&mut self) {
        if !self.row.is_empty() {
            let row = std::mem::take(&mut self.row);
            self.rows.push(row);
        }
        let rows = std::mem::take(&mut self.rows);
        if !rows.is_empty() {
            self.number += 1;
            let locator = self.place();
            self.draft.table(locator, &rows);
        }
    }

    fn place(&self) -> Locator {
        match self.locator {
            Locator::Whole => Locator::Part { name: format!("paragraph {}", self.number.max(1)) },
            other => other.clone(),
        }
    }
}

/// The encoding of a Windows character set number.
fn charset(number: i32) -> Option<&'static encoding_rs::Encoding> {
    let page = match number {
        77 => 10000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    };
    codepage(page)
}

fn symbol(word: &str) -> Option<&'static str> {
    Some(match word {
        "emdash" => "—",
        "endash" => "–",
        "bullet" => "•",
        "lquote" => "‘",
        "rquote" => "’",
        "ldblquote" => "“",
        "rdblquote" => "”",
        "emspace" | "enspace" | "qmspace" => " ",
        "~" => "\u{a0}",
        "_" => "-",
        _ => return None,
    })
}

/// Groups whose text is not the document's.
fn is_skipped(word: &str) -> bool {
    matches!(
        word,
        "stylesheet"
            | "colortbl"
            | "info"
            | "pict"
            | "themedata"
            | "colorschememapping"
            | "datastore"
            | "latentstyles"
            | "listtable"
            | "listoverridetable"
            | "revtbl"
            | "rsidtbl"
            | "generator"
            | "filetbl"
            | "xe"
            | "tc"
            | "bkmkstart"
            | "bkmkend"
            | "panose"
            | "falt"
            | "nonshppict"
            | "author"
            | "operator"
            | "creatim"
            | "revtim"
            | "doccomm"
            | "company"
            | "atnid"
            | "pnseclvl"
            | "wgrffmtfilter"
            | "xmlnstbl"
            | "mmathPr"
    )
}
