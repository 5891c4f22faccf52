//! Electronic books: EPUB, in the order of its spine, and FictionBook.

use carrel_corpus::{BlockKind, Locator, Outcome};

use super::draft::one_line;
use super::office::{Package, resolve};
use super::xml::{Node, Walk};
use super::{Draft, Reading, Source, dates, html};
use crate::detect::decode;

/// Reads an EPUB. The locator of a block is its chapter.
pub(super) fn read(source: &Source) -> Reading {
    let mut package = Package::open(source.bytes)?;
    if package.names().iter().any(|name| name == "meta-inf/rights.xml") {
        return Err(Outcome::Encrypted);
    }
    let root = package.text("META-INF/container.xml").and_then(|container| {
        Walk::new(&container).find_map(|node| match node {
            Node::Open(element) if element.name() == "rootfile" => element.attribute("full-path"),
            _ => None,
        })
    });
    let root = root
        .or_else(|| package.names().into_iter().find(|name| name.ends_with(".opf")))
        .ok_or(Outcome::Failed { reason: "the book has no table of its parts".into() })?;
    let opf = package.text(&root).unwrap_or_default();
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut draft = source.draft();
    let chapters = read_package_file(&opf, &mut draft);
    for (position, href) in chapters.iter().enumerate() {
        let href = percent_decoded(href.split('#').next().unwrap_or(href));
        let fallback = format!("part {}", position + 1);
        let Some(text) = package.text(&resolve(folder, &href)) else {
            draft.lack(format!("{fallback}: missing"));
            continue;
        };
        let chapter = chapter_title(&text).unwrap_or(fallback);
        let title = draft.title.take();
        html::push_page(&text, Some(&chapter), &mut draft);
        draft.title = title;
    }
    Ok(draft)
}

/// Takes the title and date, and returns the parts in reading order.
fn read_package_file(opf: &str, draft: &mut Draft) -> Vec<String> {
    let mut manifest = std::collections::HashMap::new();
    let mut spine = Vec::new();
    let mut name = String::new();
    for node in Walk::new(opf) {
        match node {
            Node::Open(element) => {
                match element.name() {
                    "item" => {
                        if let (Some(id), Some(href)) = (element.attribute("id"), element.attribute("href")) {
                            manifest.insert(id, href);
                        }
                    }
                    "itemref" => spine.extend(element.attribute("idref")),
                    _ => {}
                }
                name = element.name().to_owned();
            }
            Node::Close(_) => name.clear(),
            Node::Text(value) => match name.as_str() {
                "title" if draft.title.is_none() => draft.title = Some(value),
                "date" => draft.date = draft.date.or_else(|| dates::iso(&value)),
                _ => {}
            },
        }
    }
    spine.iter().filter_map(|id| manifest.get(id).cloned()).collect()
}

/// The first heading or the title of a chapter's page.
fn chapter_title(page: &str) -> Option<String> {
    let mut title = None;
    let mut inside: Option<String> = None;
    for node in Walk::new(page) {
        match node {
            Node::Open(element) if matches!(element.name(), "title" | "h1" | "h2" | "h3") => {
                inside = Some(String::new());
            }
            Node::Text(text) => {
                if let Some(inside) = &mut inside {
                    inside.push_str(&text);
                }
            }
            Node::Close(name) if matches!(name.as_str(), "title" | "h1" | "h2" | "h3") => {
                let text = inside.take().map(|text| one_line(&text)).filter(|text| !text.is_empty());
                if text.is_some() && name != "title" {
                    return text;
                }
                title = title.or(text);
            }
            _ => {}
        }
    }
    title
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a FictionBook: sections with titles and paragraphs.
pub(super) fn read_fiction_book(source: &Source) -> Reading {
    let text = decode(source.bytes);
    let mut draft = source.draft();
    let (mut paragraph, mut section, mut depth) = (String::new(), String::new(), 0u8);
    let (mut body, mut in_title, mut binary) = (false, false, false);
    for node in Walk::new(&text) {
        match node {
            Node::Open(element) => match element.name() {
                "body" => body = true,
                "binary" => binary = true,
                "section" => depth = depth.saturating_add(1),
                "title" => in_title = true,
                _ => {}
            },
            Node::Text(piece) if !binary => paragraph.push_str(&piece),
            Node::Text(_) => {}
            Node::Close(name) => {
                let content = one_line(&paragraph);
                let locator = match section.is_empty() {
                    true => Locator::Whole,
                    false => Locator::Part { name: section.clone() },
                };
                match name.as_str() {
                    "book-title" if !body => draft.title = Some(content.clone()),
                    "section" => depth = depth.saturating_sub(1),
                    "title" => in_title = false,
                    "binary" => binary = false,
                    "date" if !body => draft.date = dates::iso(&content),
                    _ => {}
                }
                if matches!(
                    name.as_str(),
                    "p" | "v" | "subtitle" | "text-author" | "book-title" | "th" | "td"
                ) {
                    if in_title {
                        section.clone_from(&content);
                        draft.push(
                            BlockKind::Heading(depth.clamp(1, 6)),
                            Locator::Part { name: content.clone() },
                            &content,
                        );
                    } else {
                        draft.paragraph(locator, &content);
                    }
                    paragraph.clear();
                } else if !matches!(
                    name.as_str(),
                    "emphasis" | "strong" | "a" | "sup" | "sub" | "style" | "code"
                ) {
                    paragraph.clear();
                }
            }
        }
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::super::office::tests::package;
    use super::super::tests::{outline, read};

    #[test]
    fn chapters_come_in_spine_order() {
        let opf = "<package><metadata><dc:title>On Rent</dc:title></metadata><manifest>\
            <item id=\"a\" href=\"a.xhtml\"/><item id=\"b\" href=\"b%20b.xhtml\"/></manifest>\
            <spine><itemref idref=\"b\"/><itemref idref=\"a\"/></spine></package>";
        let bytes = package(&[
            ("mimetype", "application/epub+zip"),
            ("META-INF/container.xml", "<container><rootfile full-path=\"OPS/c.opf\"/></container>"),
            ("OPS/c.opf", opf),
            ("OPS/a.xhtml", "<html><body><h1>Two</h1><p>later</p></body></html>"),
            ("OPS/b b.xhtml", "<html><body><h1>One</h1><p>first</p></body></html>"),
        ]);
        let document = read("a.epub", &bytes);
        assert_eq!(document.title, "On Rent");
        assert_eq!(
            outline(&document),
            "indexed\nHeading(1) @ One: One\nParagraph @ One: first\nHeading(1) @ Two: Two\nParagraph @ Two: later"
        );
    }
}
