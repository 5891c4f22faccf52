//! XML: a forgiving walk over elements and text that all XML-based formats share, and the reader for plain XML files.
//!
//! Nothing is resolved from outside the file and no entity is ever expanded but the five of XML, HTML's few common
//! ones and character references, so that there is no entity bomb.

use carrel_corpus::{BlockKind, Locator};
use quick_xml::events::{BytesStart, Event};

use super::draft::one_line;
use super::{Reading, Source};
use crate::detect::decode;

/// One step of a walk. Names are without their prefix.
pub(super) enum Node<'a> {
    Open(Element<'a>),
    Close(String),
    Text(String),
}

/// An element that opens.
pub(super) struct Element<'a> {
    start: BytesStart<'a>,
}

impl Element<'_> {
    /// The local name.
    pub fn name(&self) -> &str {
        local(self.start.name().0)
    }

    /// The value of the first attribute with that local name.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self
            .start
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|attribute| local(attribute.key.0) == name)?;
        let raw: &str = attribute.value.as_ref();
        Some(quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), |value| value.into_owned()))
    }

    /// The value of the attribute with that local name that has a prefix.
    pub fn prefixed_attribute(&self, name: &str) -> Option<String> {
        let attribute = self
            .start
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.0.split_once(':').is_some_and(|(_, local)| local == name))?;
        Some(attribute.value.to_string())
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// A walk through an XML text; ends at its end or where it is damaged.
pub(super) struct Walk<'a> {
    reader: quick_xml::Reader<&'a [u8]>,
    /// Whether the text was not well-formed; what came before the damage has been walked.
    pub broken: bool,
}

impl<'a> Walk<'a> {
    pub fn new(text: &'a str) -> Walk<'a> {
        let mut reader = quick_xml::Reader::from_str(text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        config.expand_empty_elements = true;
        Walk { reader, broken: false }
    }

    /// Byte offset of the walk in its text.
    pub fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            match self.reader.read_event() {
                Ok(Event::Start(start)) => return Some(Node::Open(Element { start })),
                Ok(Event::End(end)) => return Some(Node::Close(local(end.name().0).to_owned())),
                Ok(Event::Text(text)) => return Some(Node::Text(text.xml10_content().into_owned())),
                Ok(Event::CData(text)) => return Some(Node::Text(text.into_inner().into_owned())),
                Ok(Event::GeneralRef(reference)) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => character.to_string(),
                        _ => entity(&reference.into_inner()),
                    };
                    return Some(Node::Text(character));
                }
                Ok(Event::Eof) => return None,
                Ok(_) => {}
                Err(_) => {
                    self.broken = true;
                    return None;
                }
            }
        }
    }
}

fn entity(name: &str) -> String {
    match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        "nbsp" => "\u{a0}",
        "shy" => "",
        "mdash" => "—",
        "ndash" => "–",
        "hellip" => "…",
        "lsquo" => "‘",
        "rsquo" => "’",
        "ldquo" => "“",
        "rdquo" => "”",
        "copy" => "©",
        "euro" => "€",
        other => return format!("&{other};"),
    }
    .to_owned()
}

/// Reads an XML file of no known vocabulary: the text of each element with the line where it stands; a file that
/// says everything in its attributes is kept as it is written.
pub(super) fn read(source: &Source) -> Reading {
    let text = decode(source.bytes);
    let mut draft = source.draft();
    let mut walk = Walk::new(&text);
    let mut paragraph = String::new();
    let (mut line, mut counted) = (1u32, 0usize);
    let mut names: Vec<String> = Vec::new();
    loop {
        let before = walk.position().min(text.len());
        let node = walk.next();
        if let Some(Node::Text(piece)) = &node {
            paragraph.push_str(piece);
            continue;
        }
        let content = one_line(&paragraph);
        paragraph.clear();
        if !content.is_empty() {
            let passed = text.as_bytes().get(counted..before).unwrap_or(&[]);
            line = line.saturating_add(passed.iter().filter(|&&b| b == b'\n').count() as u32);
            counted = before;
            if names.last().is_some_and(|name| name.eq_ignore_ascii_case("title")) {
                draft.title.get_or_insert_with(|| content.clone());
            }
            draft.push(BlockKind::Paragraph, Locator::Lines { first: line, last: line }, &content);
        }
        match node {
            Some(Node::Open(element)) => names.push(element.name().to_owned()),
            Some(Node::Close(_)) => {
                names.pop();
            }
            _ => break,
        }
    }
    let bare = draft.text().len() * 20 < text.len();
    if bare || walk.broken {
        return super::source::read_data(source);
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    #[test]
    fn element_text_is_read_with_its_line() {
        let file = "<?xml version=\"1.0\"?>\n<note><title>Rent &amp; more</title>\n<body>Due &#8364; 900</body></note>";
        let document = read("a.xml", file.as_bytes());
        assert_eq!(document.title, "Rent & more");
        assert_eq!(
            outline(&document),
            "indexed\nParagraph @ line 2: Rent & more\nParagraph @ line 3: Due € 900"
        );
    }

    #[test]
    fn an_entity_bomb_is_only_text() {
        let file = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><x>some text &b; here</x>";
        assert!(read("a.xml", file.as_bytes()).text.contains("&b;"));
    }
}
