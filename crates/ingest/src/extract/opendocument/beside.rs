//! What an OpenDocument package has beside its content: master pages, charts and other objects, macros; and what a
//! workbook has outside its cells.

use std::collections::HashSet;

use carrel_corpus::{BlockKind, Locator};

use super::super::office::{self, Package};
use super::super::xml::{Node, Walk};
use super::super::{Draft, Source};
use super::Reader;

/// Adds what a package has beside its content: master pages, charts and other objects, macros.
pub(super) fn push(source: &Source, package: &mut Package, draft: &mut Draft) {
    if let Some(styles) = package.text("styles.xml") {
        push_margins(&styles, draft);
    }
    for name in package.names() {
        let folder = name.split('/').next().unwrap_or_default();
        match (folder, name.ends_with("/content.xml")) {
            (folder, true) if folder.starts_with("object") => {
                if let Some(xml) = package.text(&name) {
                    Reader::new(draft).read(&xml);
                }
            }
            (folder, false) if folder.starts_with("object") && !name.contains('/') => {
                let more =
                    package.read(&name).is_none_or(|bytes| office::embedded(source, draft, &name, &bytes));
                if !more {
                    return;
                }
            }
            ("basic", _) if !name.ends_with("script-lb.xml") && !name.ends_with("script-lc.xml") => {
                if let Some(xml) = package.text(&name) {
                    push_macros(&xml, draft);
                }
            }
            _ => {}
        }
    }
}

/// Adds the modules of macros: nobody who reads the document sees them.
pub(super) fn push_macros(xml: &str, draft: &mut Draft) {
    let (mut name, mut text, mut inside) = (String::new(), String::new(), false);
    for node in Walk::new(xml) {
        match node {
            Node::Open(element) if element.name() == "module" => {
                name = element.attribute("name").unwrap_or_default();
                inside = true;
            }
            Node::Open(element) => inside |= element.name() == "source-code",
            Node::Text(piece) if inside => text.push_str(&piece),
            Node::Text(_) => {}
            Node::Close(_) => {
                if std::mem::take(&mut inside) {
                    let locator = Locator::Part { name: format!("macro {name}").trim_end().to_owned() };
                    draft.push(BlockKind::Hidden, locator, &std::mem::take(&mut text));
                }
            }
        }
    }
}

/// Adds what a packaged workbook has outside its cells: comments, text boxes, charts, page headers and footers,
/// macros.
pub(in super::super) fn push_workbook_extras(source: &Source, draft: &mut Draft) {
    let Ok(mut package) = Package::open(source.bytes) else { return };
    if let Some(content) = package.text("content.xml") {
        push_shapes(&content, draft);
    }
    push(source, &mut package, draft);
}

/// Adds the paragraphs of a sheet that are no cell's value: those of comments and drawings.
fn push_shapes(content: &str, draft: &mut Draft) {
    let (mut table, mut text) = (String::new(), String::new());
    let mut inside: Vec<String> = Vec::new();
    for node in Walk::new(content) {
        match node {
            Node::Open(element) => match element.name() {
                "table" => table = element.attribute("name").unwrap_or_default(),
                "a" => element.attribute("href").iter().for_each(|address| draft.link(address)),
                name @ ("annotation" | "text-box" | "custom-shape") => inside.push(name.to_owned()),
                "date" | "creator" if !inside.is_empty() => inside.push(element.name().to_owned()),
                _ => {}
            },
            Node::Text(piece) => match inside.last().map(String::as_str) {
                None | Some("date" | "creator") => {}
                Some(_) => text.push_str(&piece),
            },
            Node::Close(name) => {
                if name == "p" && !inside.is_empty() {
                    text.push('\n');
                }
                if inside.last() == Some(&name) {
                    inside.pop();
                    let part = if name == "annotation" { "comment" } else { "drawing" };
                    if inside.is_empty() {
                        let locator = Locator::Part { name: format!("{table} {part}") };
                        draft.paragraph(locator, &std::mem::take(&mut text));
                    }
                }
            }
        }
    }
}

/// Page headers and footers stand in the master pages, as does what every slide shows. Placeholders there, which have
/// a class, only say where something else goes.
fn push_margins(styles: &str, draft: &mut Draft) {
    let mut text = String::new();
    let (mut inside, mut filling) = (0usize, 0usize);
    let mut seen = HashSet::new();
    for node in Walk::new(styles) {
        match node {
            Node::Open(element) if is_margin(element.name()) => inside += 1,
            Node::Open(element) if element.name() == "frame" => {
                inside += usize::from(inside > 0 || element.attribute("class").is_none());
            }
            Node::Open(element) if is_field(element.name()) => filling += 1,
            Node::Close(name) if is_field(&name) => filling = filling.saturating_sub(1),
            Node::Text(piece) if inside > 0 && filling == 0 => text.push_str(&piece),
            Node::Close(name) if is_margin(&name) || name == "frame" => {
                inside = inside.saturating_sub(1);
                let text = std::mem::take(&mut text);
                let number = matches!(text.trim(), "Page" | "Page /");
                if text.contains(char::is_alphanumeric) && !number && seen.insert(text.clone()) {
                    let part = match name.split_once('-').map_or(name.as_str(), |(part, _)| part) {
                        part @ ("header" | "footer") => format!("page {part}"),
                        _ => "master page".to_owned(),
                    };
                    draft.paragraph(Locator::Part { name: part }, &text);
                }
            }
            Node::Close(name) if inside > 0 && name == "p" => text.push('\n'),
            _ => {}
        }
    }
}

/// What is filled in when the page is shown; the file has only a specimen of it.
fn is_field(name: &str) -> bool {
    matches!(
        name,
        "page-number" | "page-count" | "sheet-name" | "file-name" | "title" | "date" | "time" | "author-name"
    )
}

/// Page headers and footers, also those of the first or of left pages.
fn is_margin(name: &str) -> bool {
    matches!(
        name,
        "header"
            | "footer"
            | "header-left"
            | "footer-left"
            | "header-first"
            | "footer-first"
            | "custom-shape"
    )
}
