//! OpenDocument text and presentations (odt, ott, odp), in a package or as one flat XML file. Spreadsheets of the
//! flat kind are read here too; packaged ones with the other workbooks.

use std::collections::HashSet;

use carrel_corpus::{BlockKind, Locator, Outcome};

use super::draft::{one_line, table_text};
use super::office::Package;
use super::xml::{Element, Node, Walk};
use super::{Draft, Reading, Source, dates};
use crate::detect::decode;

/// Reads a package.
pub(super) fn read(source: &Source) -> Reading {
    let mut package = Package::open(source.bytes)?;
    if package.text("META-INF/manifest.xml").is_some_and(|manifest| manifest.contains("encryption-data")) {
        return Err(Outcome::Encrypted);
    }
    let Some(content) = package.text("content.xml") else {
        return Err(match package.is_encrypted() {
            true => Outcome::Encrypted,
            false => Outcome::Failed { reason: "the package has no content".into() },
        });
    };
    let mut draft = source.draft();
    if let Some(meta) = package.text("meta.xml") {
        read_meta(&meta, &mut draft);
    }
    Reader::new(&mut draft).read(&content);
    if let Some(styles) = package.text("styles.xml") {
        push_margins(&styles, &mut draft);
    }
    for name in package.names() {
        if name.starts_with("object")
            && name.ends_with("/content.xml")
            && let Some(xml) = package.text(&name)
        {
            Reader::new(&mut draft).read(&xml);
        }
    }
    Ok(draft)
}

/// Reads a flat file.
pub(super) fn read_flat(source: &Source) -> Reading {
    let text = decode(source.bytes);
    let mut draft = source.draft();
    read_meta(&text, &mut draft);
    Reader::new(&mut draft).read(&text);
    Ok(draft)
}

fn read_meta(xml: &str, draft: &mut Draft) {
    let mut name = String::new();
    for node in Walk::new(xml) {
        match node {
            Node::Open(element) => match element.name() {
                "body" => return,
                other => name = other.to_owned(),
            },
            Node::Close(_) => name.clear(),
            Node::Text(value) => match name.as_str() {
                "title" if draft.title.is_none() => draft.title = Some(value),
                "date" => draft.date = dates::iso(&value).or(draft.date),
                "creation-date" => draft.date = draft.date.or_else(|| dates::iso(&value)),
                _ => {}
            },
        }
    }
}

/// Page headers and footers stand in the master pages.
fn push_margins(styles: &str, draft: &mut Draft) {
    let mut text = String::new();
    let mut inside = 0usize;
    for node in Walk::new(styles) {
        match node {
            Node::Open(element) if matches!(element.name(), "header" | "footer") => inside += 1,
            Node::Text(piece) if inside > 0 => text.push_str(&piece),
            Node::Close(name) if matches!(name.as_str(), "header" | "footer") => {
                inside = inside.saturating_sub(1);
                draft.paragraph(Locator::Part { name: format!("page {name}") }, &std::mem::take(&mut text));
            }
            Node::Close(name) if inside > 0 && name == "p" => text.push('\n'),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    cell: Vec<String>,
    name: String,
    repeat: usize,
}

struct Reader<'a> {
    draft: &'a mut Draft,
    /// Paragraphs that are open, with their kinds: a note opens one inside another.
    open: Vec<(BlockKind, String)>,
    tables: Vec<Table>,
    lists: usize,
    slide: u32,
    number: u32,
    skipping: usize,
    hidden_styles: HashSet<String>,
    style: String,
}

impl<'a> Reader<'a> {
    fn new(draft: &'a mut Draft) -> Reader<'a> {
        Reader {
            draft,
            open: Vec::new(),
            tables: Vec::new(),
            lists: 0,
            slide: 0,
            number: 0,
            skipping: 0,
            hidden_styles: HashSet::new(),
            style: String::new(),
        }
    }

    fn read(mut self, xml: &str) {
        let mut walk = Walk::new(xml);
        for node in walk.by_ref() {
            match node {
                Node::Open(element) => self.open(&element),
                Node::Text(piece) => {
                    if let Some((_, text)) = self.open.last_mut().filter(|_| self.skipping == 0) {
                        text.push_str(&collapse(&piece));
                    }
                }
                Node::Close(name) => self.close(&name),
            }
        }
        while let Some((kind, text)) = self.open.pop() {
            self.push(kind, &text);
        }
        if walk.broken {
            self.draft.lack("the end of the document: damaged");
        }
        if self.slide > 0 {
            self.draft.pages = Some(self.slide);
        }
    }

    fn open(&mut self, element: &Element) {
        match element.name() {
            "meta" | "tracked-changes" | "binary-data" | "annotation-end" | "scripts" | "settings" => {
                self.skipping += 1;
            }
            "style" => self.style = element.attribute("name").unwrap_or_default(),
            "text-properties" => {
                let hidden = element.attribute("display").is_some_and(|display| display == "none");
                if hidden {
                    self.hidden_styles.insert(self.style.clone());
                }
            }
            "h" => {
                let level =
                    element.attribute("outline-level").and_then(|level| level.parse().ok()).unwrap_or(1);
                self.open.push((BlockKind::Heading(u8::min(level, 6).max(1)), String::new()));
            }
            "p" => {
                let hidden = element.attribute("style-name").is_some_and(|s| self.hidden_styles.contains(&s));
                let kind = match (hidden, self.lists > 0) {
                    (true, _) => BlockKind::Hidden,
                    (false, true) => BlockKind::ListItem,
                    (false, false) => BlockKind::Paragraph,
                };
                self.open.push((kind, String::new()));
            }
            "list" => self.lists += 1,
            "s" => {
                let count = element.attribute("c").and_then(|count| count.parse::<usize>().ok()).unwrap_or(1);
                self.text(&" ".repeat(count.min(100)));
            }
            "tab" => self.text("\t"),
            "line-break" => self.text("\n"),
            "page" if element.attribute("master-page-name").is_some() => self.slide += 1,
            "table" => {
                let name = element.attribute("name").unwrap_or_default();
                self.tables.push(Table { name, ..Table::default() });
            }
            "table-row" => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows.push(Vec::new());
                }
            }
            "table-cell" | "covered-table-cell" => {
                let repeat =
                    element.attribute("number-columns-repeated").and_then(|n| n.parse::<usize>().ok());
                if let Some(table) = self.tables.last_mut() {
                    table.repeat = repeat.unwrap_or(1).min(64);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((_, open)) = self.open.last_mut() {
            open.push_str(text);
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "meta" | "tracked-changes" | "binary-data" | "annotation-end" | "scripts" | "settings" => {
                self.skipping = self.skipping.saturating_sub(1);
            }
            "p" | "h" => {
                if let Some((kind, text)) = self.open.pop() {
                    self.push(kind, &text);
                }
            }
            "list" => self.lists = self.lists.saturating_sub(1),
            "table-cell" | "covered-table-cell" => {
                if let Some(table) = self.tables.last_mut() {
                    let cell = table.cell.join("\n");
                    table.cell.clear();
                    let repeat = if cell.is_empty() { 1 } else { table.repeat.max(1) };
                    if let Some(row) = table.rows.last_mut() {
                        row.extend(std::iter::repeat_n(cell, repeat));
                    }
                }
            }
            "table" => self.end_table(),
            _ => {}
        }
    }

    fn push(&mut self, kind: BlockKind, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        if let Some(table) = self.tables.last_mut() {
            table.cell.push(text.trim().to_owned());
            return;
        }
        self.number += 1;
        if kind == BlockKind::Heading(1) {
            self.draft.title.get_or_insert_with(|| one_line(text));
        }
        let locator = self.locator();
        self.draft.push(kind, locator, text);
    }

    fn end_table(&mut self) {
        let Some(table) = self.tables.pop() else { return };
        if let Some(outer) = self.tables.last_mut() {
            outer.cell.push(table_text(&table.rows).replace(" | ", ", "));
            return;
        }
        self.number += 1;
        let locator = match table.name.is_empty() || self.slide > 0 {
            true => self.locator(),
            false => Locator::Part { name: table.name },
        };
        self.draft.table(locator, &table.rows);
    }

    fn locator(&self) -> Locator {
        match self.slide {
            0 => Locator::Part { name: format!("paragraph {}", self.number.max(1)) },
            slide => Locator::Slides { first: slide, last: slide },
        }
    }
}

/// Runs of white space in the XML are one space.
fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' | '\t' | '\r' | '\n' if collapsed.ends_with(' ') => {}
            ' ' | '\t' | '\r' | '\n' => collapsed.push(' '),
            c => collapsed.push(c),
        }
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::super::office::tests::package;
    use super::super::tests::{outline, read};

    #[test]
    fn text_and_tables_are_read() {
        let content = "<office:document-content><office:text><text:h text:outline-level=\"2\">Rent</text:h>\
            <text:p>Due<text:s text:c=\"2\"/>monthly</text:p><text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>\
            <table:table table:name=\"T\"><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell>\
            <table:table-cell><text:p>B</text:p></table:table-cell></table:table-row></table:table></office:text></office:document-content>";
        let bytes =
            package(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", content)]);
        assert_eq!(
            outline(&read("a.odt", &bytes)),
            "indexed\nHeading(2) @ paragraph 1: Rent\nParagraph @ paragraph 2: Due  monthly\n\
             ListItem @ paragraph 3: one\nTable @ T: A | B"
        );
    }

    #[test]
    fn an_encrypted_package_is_named_as_such() {
        let bytes = package(&[
            ("mimetype", "application/vnd.oasis.opendocument.text"),
            ("META-INF/manifest.xml", "<manifest:encryption-data/>"),
            ("content.xml", "garbage"),
        ]);
        assert_eq!(read("a.odt", &bytes).outcome.to_string(), "encrypted");
    }
}
