//! PowerPoint presentations (pptx, pptm, ppsx): slides in their order, titles, tables, notes and comments.

use std::collections::BTreeSet;

use carrel_corpus::{BlockKind, Locator, Outcome};

use super::draft::one_line;
use super::office::{Package, Relation, alternative_text, push_related};
use super::xml::{Node, Walk};
use super::{Draft, Reading, Source};

/// Reads a presentation; hidden slides are read as hidden text.
pub(super) fn read(source: &Source) -> Reading {
    let mut package = Package::open(source.bytes)?;
    let mut draft = source.draft();
    package.core_properties(&mut draft);
    let slides = slide_parts(&mut package);
    if slides.is_empty() {
        return Err(match package.is_encrypted() {
            true => Outcome::Encrypted,
            false => Outcome::Failed { reason: "the package has no slides".into() },
        });
    }
    let mut masters = Masters::default();
    for (position, part) in slides.iter().enumerate() {
        let number = u32::try_from(position + 1).unwrap_or(u32::MAX);
        let locator = Locator::Slides { first: number, last: number };
        let Some(xml) = package.text(part) else {
            draft.lack(format!("slide {number}: damaged"));
            continue;
        };
        push_slide(&xml, &locator, &mut draft, &mut masters.margins);
        let relations = package.relations(part);
        masters.note(&mut package, &relations);
        for relation in &relations {
            if matches!(relation.kind.as_str(), "notesSlide" | "comments")
                && let Some(xml) = package.text(&relation.target)
            {
                push_notes(&xml, &locator, &mut draft, &mut masters.margins);
            }
        }
        push_related(source, &mut package, &relations, &mut draft, &locator);
    }
    masters.push(&mut package, &mut draft);
    package.push_macros(&mut draft);
    package.push_links(&mut draft);
    draft.pages = u32::try_from(slides.len()).ok();
    Ok(draft)
}

/// What many slides show: footers, and the text of their layouts and masters. It is read once.
#[derive(Default)]
struct Masters {
    margins: BTreeSet<String>,
    parts: BTreeSet<String>,
}

impl Masters {
    /// Notes the layout of a slide, and its master.
    fn note(&mut self, package: &mut Package, relations: &[Relation]) {
        for layout in relations.iter().filter(|relation| relation.kind == "slideLayout") {
            if self.parts.insert(layout.target.clone()) {
                let masters = package.relations(&layout.target).into_iter();
                self.parts.extend(
                    masters.filter(|relation| relation.kind == "slideMaster").map(|master| master.target),
                );
            }
        }
    }

    fn push(self, package: &mut Package, draft: &mut Draft) {
        let locator = || Locator::Part { name: "slide master".into() };
        let mut seen = self.margins.clone();
        for text in &self.margins {
            draft.paragraph(locator(), text);
        }
        for part in &self.parts {
            let Some(xml) = package.text(part) else { continue };
            for text in fixed_text(&xml) {
                if seen.insert(text.clone()) {
                    draft.paragraph(locator(), &text);
                }
            }
        }
    }
}

/// The paragraphs of a layout or master that are shown as they are: placeholders only say where something goes.
fn fixed_text(xml: &str) -> Vec<String> {
    let (mut fixed, mut taking, mut text) = (true, false, String::new());
    let mut found = Vec::new();
    for node in Walk::new(xml) {
        match node {
            Node::Open(element) => match element.name() {
                "sp" => fixed = true,
                "ph" => fixed = false,
                "t" => taking = true,
                _ => {}
            },
            Node::Text(piece) if taking && fixed => text.push_str(&piece),
            Node::Text(_) => {}
            Node::Close(name) => {
                taking = false;
                if name == "p" && !text.trim().is_empty() {
                    found.push(one_line(&std::mem::take(&mut text)));
                }
            }
        }
    }
    found
}

/// The parts of the slides in the order in which they are shown.
fn slide_parts(package: &mut Package) -> Vec<String> {
    let main = package
        .relations("")
        .into_iter()
        .find(|relation| relation.kind == "officeDocument")
        .map_or("ppt/presentation.xml".to_owned(), |relation| relation.target);
    let relations = package.relations(&main);
    let text = package.text(&main).unwrap_or_default();
    let listed: Vec<String> = Walk::new(&text)
        .filter_map(|node| match node {
            Node::Open(element) if element.name() == "sldId" => {
                // Its own `id` is a number; the one of the relationship begins with letters.
                relations
                    .iter()
                    .filter(|relation| relation.kind == "slide")
                    .find(|relation| relation_id(&element).as_deref() == Some(relation.id.as_str()))
                    .map(|relation| relation.target.clone())
            }
            _ => None,
        })
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    let number =
        |name: &String| name.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u32>().ok();
    let mut found: Vec<String> = package
        .names()
        .into_iter()
        .filter(|name| name.starts_with("ppt/slides/slide") && name.ends_with(".xml"))
        .collect();
    found.sort_by_key(number);
    found
}

fn relation_id(element: &super::xml::Element) -> Option<String> {
    element.prefixed_attribute("id")
}

#[derive(Default)]
struct Shape {
    title: bool,
    /// Slide number, date and footer placeholders say nothing about the slide itself.
    margin: bool,
}

/// Adds the paragraphs and tables of a slide; its footers go to `margins`.
fn push_slide(xml: &str, locator: &Locator, draft: &mut Draft, margins: &mut BTreeSet<String>) {
    let mut shape = Shape::default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let (mut in_table, mut skipping, mut taking, mut hidden) = (false, 0usize, false, false);
    let (mut text, mut cell) = (String::new(), String::new());
    for node in Walk::new(xml) {
        match node {
            Node::Open(element) => match element.name() {
                "sld" => {
                    hidden = element.attribute("show").is_some_and(|show| show == "0" || show == "false")
                }
                "Fallback" => skipping += 1,
                "sp" => shape = Shape::default(),
                "ph" => {
                    let kind = element.attribute("type").unwrap_or_default();
                    shape.title = matches!(kind.as_str(), "title" | "ctrTitle");
                    shape.margin = matches!(kind.as_str(), "sldNum" | "dt" | "ftr");
                }
                "tbl" => in_table = true,
                "tr" => rows.push(Vec::new()),
                // The number and date of a margin are fields.
                "fld" if shape.margin => skipping += 1,
                "cNvPr" => {
                    if let Some(alternative) = alternative_text(&element).filter(|_| skipping == 0) {
                        draft.paragraph(locator.clone(), &alternative);
                    }
                }
                "t" => taking = skipping == 0,
                "br" => text.push('\n'),
                "tab" => text.push('\t'),
                _ => {}
            },
            Node::Text(piece) if taking => text.push_str(&piece),
            Node::Text(_) => {}
            Node::Close(name) => match name.as_str() {
                "t" => taking = false,
                "Fallback" => skipping = skipping.saturating_sub(1),
                "fld" if shape.margin => skipping = skipping.saturating_sub(1),
                "p" if in_table => {
                    cell.push_str(&std::mem::take(&mut text));
                    cell.push('\n');
                }
                "p" => {
                    let kind = match (hidden, shape.title) {
                        (true, _) => BlockKind::Hidden,
                        (false, true) => BlockKind::Heading(2),
                        (false, false) => BlockKind::Paragraph,
                    };
                    let content = std::mem::take(&mut text);
                    if shape.title && draft.is_empty() {
                        draft.title.get_or_insert_with(|| one_line(&content));
                    }
                    match shape.margin {
                        false => draft.push(kind, locator.clone(), &content),
                        true if content.trim().is_empty() => {}
                        true => {
                            margins.insert(one_line(&content));
                        }
                    }
                }
                "tc" => {
                    if let Some(row) = rows.last_mut() {
                        row.push(std::mem::take(&mut cell));
                    }
                }
                "tbl" => {
                    in_table = false;
                    draft.table(locator.clone(), &std::mem::take(&mut rows));
                }
                _ => {}
            },
        }
    }
}

/// Adds speaker notes or comments of a slide, without the number that the notes page repeats.
fn push_notes(xml: &str, locator: &Locator, draft: &mut Draft, margins: &mut BTreeSet<String>) {
    let (mut taking, mut margin) = (false, false);
    let mut text = String::new();
    for node in Walk::new(xml) {
        match node {
            Node::Open(element) => match element.name() {
                "sp" => margin = false,
                "ph" => {
                    let kind = element.attribute("type").unwrap_or_default();
                    margin = matches!(kind.as_str(), "sldNum" | "dt" | "ftr" | "hdr");
                }
                "t" | "text" => taking = true,
                _ => {}
            },
            Node::Text(piece) if taking => text.push_str(&piece),
            Node::Text(_) => {}
            Node::Close(name) => {
                taking = false;
                let ends = matches!(name.as_str(), "p" | "cm");
                let content = if ends { std::mem::take(&mut text) } else { String::new() };
                match margin {
                    false => draft.paragraph(locator.clone(), &content),
                    true if content.contains(char::is_alphabetic) => {
                        margins.insert(one_line(&content));
                    }
                    true => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::office::tests::package;
    use super::super::tests::{outline, read};

    #[test]
    fn slides_come_in_the_order_of_the_presentation() {
        let slide = |title: &str, show: &str| {
            format!(
                "<p:sld {show}><p:sp><p:ph type=\"title\"/><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp>\
                 <p:sp><a:p><a:r><a:t>Body of {title}</a:t></a:r></a:p></p:sp>\
                 <p:sp><p:ph type=\"ftr\"/><a:p><a:t>The firm</a:t></a:p></p:sp>\
                 <p:sp><p:ph type=\"sldNum\"/><a:p><a:fld><a:t>7</a:t></a:fld></a:p></p:sp></p:sld>"
            )
        };
        let (one, two) = (slide("One", "show=\"0\""), slide("Two", ""));
        let bytes = package(&[
            (
                "ppt/presentation.xml",
                "<p:sldIdLst><p:sldId id=\"256\" r:id=\"r2\"/><p:sldId id=\"257\" r:id=\"r1\"/></p:sldIdLst>",
            ),
            (
                "ppt/_rels/presentation.xml.rels",
                "<R><Relationship Id=\"r1\" Type=\"x/slide\" Target=\"slides/slide1.xml\"/>\
                 <Relationship Id=\"r2\" Type=\"x/slide\" Target=\"slides/slide2.xml\"/></R>",
            ),
            ("ppt/slides/slide1.xml", &one),
            ("ppt/slides/slide2.xml", &two),
            (
                "ppt/slides/_rels/slide1.xml.rels",
                "<R><Relationship Id=\"n\" Type=\"x/slideLayout\" Target=\"../slideLayouts/l.xml\"/></R>",
            ),
            (
                "ppt/slideLayouts/l.xml",
                "<p:sldLayout><p:sp><p:ph type=\"title\"/><a:p><a:t>Click to edit</a:t></a:p></p:sp>\
                 <p:sp><a:p><a:t>Confidential</a:t></a:p></p:sp></p:sldLayout>",
            ),
            (
                "ppt/slides/_rels/slide2.xml.rels",
                "<R><Relationship Id=\"n\" Type=\"x/notesSlide\" Target=\"../notesSlides/n.xml\"/></R>",
            ),
            ("ppt/notesSlides/n.xml", "<p:notes><p:sp><a:p><a:t>Say hello</a:t></a:p></p:sp></p:notes>"),
        ]);
        let document = read("a.pptx", &bytes);
        assert_eq!(document.title, "Two");
        assert_eq!(
            outline(&document),
            "indexed\nHeading(2) @ slide 1: Two\nParagraph @ slide 1: Body of Two\nParagraph @ slide 1: Say hello\n\
             Hidden @ slide 2: One\nHidden @ slide 2: Body of One\n\
             Paragraph @ slide master: The firm\nParagraph @ slide master: Confidential"
        );
    }
}
