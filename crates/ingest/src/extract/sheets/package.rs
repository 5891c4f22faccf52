//! What a workbook package (xlsx, xlsm, xlsb) has outside its cells: comments, text boxes, charts, page headers and
//! footers, embedded files, macros, addresses.

use carrel_corpus::Locator;

use super::super::office::{self, Package, drawing_text};
use super::super::xml::{Node, Walk};
use super::super::{Draft, Source};
use super::margins;

/// Adds all of it.
pub(super) fn push_extras(source: &Source, draft: &mut Draft) {
    let Ok(mut package) = Package::open(source.bytes) else { return };
    for name in package.names() {
        let file = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let digits: String = file.chars().filter(char::is_ascii_digit).collect();
        let part = |label: &str| Locator::Part { name: format!("{label} {digits}").trim().to_owned() };
        let folder = name.strip_suffix(file.as_str()).unwrap_or_default();
        let label = match folder {
            "xl/embeddings/" => {
                let more =
                    package.read(&name).is_none_or(|bytes| office::embedded(source, draft, &file, &bytes));
                if !more {
                    return;
                }
                continue;
            }
            _ if !file.ends_with(".xml") => continue,
            "xl/worksheets/" | "xl/chartsheets/" | "xl/dialogsheets/" => {
                if let Some(xml) = package.text(&name) {
                    push_margins(&xml, &part("sheet"), draft);
                }
                continue;
            }
            "xl/threadedcomments/" => "comments",
            "xl/" | "xl/comments/" if file.starts_with("comments") => "comments",
            "xl/drawings/" if file.starts_with("drawing") => "drawing",
            "xl/charts/" if file.starts_with("chart") => "chart",
            "xl/diagrams/" if file.starts_with("data") => "diagram",
            _ => continue,
        };
        let Some(xml) = package.text(&name) else { continue };
        match label {
            "comments" => draft.paragraph(part(label), &comment_text(&xml)),
            _ => {
                draft.paragraph(part(label), &drawing_text(&xml));
                push_alternatives(&xml, &part("picture"), draft);
            }
        }
    }
    package.push_macros(draft);
    package.push_links(draft);
}

/// Adds the strings of a workbook whose cells cannot be made out, and what it has outside them.
pub(super) fn push_strings(source: &Source, draft: &mut Draft) {
    let Ok(mut package) = Package::open(source.bytes) else { return };
    if let Some(xml) = package.text("xl/sharedStrings.xml") {
        for text in drawing_text(&xml).lines() {
            draft.paragraph(Locator::Part { name: "strings".into() }, text);
        }
    }
    if !draft.is_empty() {
        draft.lack("damaged: text without the cells that it stands in");
        push_extras(source, draft);
    }
}

/// Adds the page headers and footers of a sheet, which stand after its cells.
fn push_margins(xml: &str, locator: &Locator, draft: &mut Draft) {
    let Some(at) =
        xml.rfind("</sheetData>").or_else(|| xml.rfind("headerFooter>")).map(|at| xml[..at].rfind('<'))
    else {
        return;
    };
    let rest = &xml[at.unwrap_or(0)..];
    let (mut text, mut inside) = (String::new(), false);
    for node in Walk::new(rest) {
        match node {
            Node::Open(element) => {
                inside = element.name().ends_with("Header") || element.name().ends_with("Footer")
            }
            Node::Text(piece) if inside => text.push_str(&piece),
            Node::Text(_) => {}
            Node::Close(_) => {
                if std::mem::take(&mut inside) {
                    margins::push(&std::mem::take(&mut text), locator, draft);
                }
            }
        }
    }
}

fn push_alternatives(xml: &str, locator: &Locator, draft: &mut Draft) {
    for node in Walk::new(xml) {
        if let Node::Open(element) = node
            && element.name() == "cNvPr"
            && let Some(text) = office::alternative_text(&element)
        {
            draft.paragraph(locator.clone(), &text);
        }
    }
}

/// Comments of a sheet, one a line, each with the cell it belongs to.
fn comment_text(xml: &str) -> String {
    let mut text = String::new();
    let mut taking = false;
    for node in Walk::new(xml) {
        match node {
            Node::Open(element) => {
                taking = matches!(element.name(), "t" | "text");
                if matches!(element.name(), "comment" | "threadedComment") {
                    let cell = element.attribute("ref").unwrap_or_default();
                    text.push_str(&format!("\n{cell}: "));
                }
            }
            Node::Close(_) => taking = false,
            Node::Text(piece) if taking => text.push_str(&piece.replace('\n', " ")),
            Node::Text(_) => {}
        }
    }
    text
}
