//! Which paragraph styles of a Word document are headings and lists.

use std::collections::HashMap;

use super::super::xml::{Node, Walk};

#[derive(Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    numbered: bool,
    /// The list that numbers its paragraphs, and on which level.
    list: Option<String>,
    level: Option<usize>,
}

/// The styles of a document by their ids.
#[derive(Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
}

impl Styles {
    pub fn read(xml: &str) -> Styles {
        let mut styles = Styles::default();
        let mut current: Option<(String, Style)> = None;
        for node in Walk::new(xml) {
            match node {
                Node::Open(element) => match (element.name(), &mut current) {
                    ("style", _) => {
                        current = element.attribute("styleId").map(|id| (id, Style::default()));
                    }
                    ("name", Some((_, style))) => style.name = element.attribute("val").unwrap_or_default(),
                    ("basedOn", Some((_, style))) => style.based_on = element.attribute("val"),
                    ("numPr", Some((_, style))) => style.numbered = true,
                    ("numId", Some((_, style))) => style.list = element.attribute("val"),
                    ("ilvl", Some((_, style))) => {
                        style.level = element.attribute("val").and_then(|level| level.parse().ok());
                    }
                    ("outlineLvl", Some((_, style))) => {
                        style.outline = element.attribute("val").and_then(|level| level.parse().ok());
                    }
                    _ => {}
                },
                Node::Close(name) if name == "style" => {
                    if let Some((id, style)) = current.take() {
                        styles.styles.insert(id, style);
                    }
                }
                _ => {}
            }
        }
        styles
    }

    /// The heading level of a style, where it is a heading.
    pub fn heading(&self, id: &str) -> Option<u8> {
        let mut id = id;
        for _ in 0..10 {
            let Some(style) = self.styles.get(id) else { return heading_name(id) };
            if let Some(level) = heading_name(&style.name) {
                return Some(level);
            }
            if let Some(level) = style.outline.filter(|level| *level < 9) {
                return Some((level + 1).min(6));
            }
            id = style.based_on.as_deref()?;
        }
        None
    }

    /// The list that numbers the paragraphs of a style, and the level and style that say so.
    pub fn list(&self, id: &str) -> Option<(&str, Option<usize>, &str)> {
        let mut id = self.styles.get_key_value(id)?.0.as_str();
        for _ in 0..10 {
            let style = self.styles.get(id)?;
            if let Some(list) = &style.list {
                return Some((list, style.level, id));
            }
            id = style.based_on.as_deref()?;
        }
        None
    }

    /// Whether paragraphs of this style are list items.
    pub fn is_list(&self, id: &str) -> bool {
        self.styles.get(id).is_some_and(|style| {
            style.name.to_lowercase().starts_with("list")
                && !style.name.eq_ignore_ascii_case("list paragraph")
                || (style.numbered && self.heading(id).is_none())
        })
    }
}

/// `heading 2`, `Heading2`, `Title`, and the names that localised versions use for ids.
fn heading_name(name: &str) -> Option<u8> {
    let name = name.to_lowercase().replace(' ', "");
    if matches!(name.as_str(), "title" | "titel" | "titre" | "título" | "titolo") {
        return Some(1);
    }
    let digits = ["heading", "überschrift", "berschrift", "titre", "título", "titolo", "kop", "rubrik"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let level: u8 = digits.parse().ok()?;
    (1..=9).contains(&level).then(|| level.min(6))
}
