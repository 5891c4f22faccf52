//! OpenDocument text and presentations (odt, ott, odp), in a package or as one flat XML file. Spreadsheets of the
//! flat kind are read here too; packaged ones with the other workbooks.

mod beside;

use std::collections::HashSet;

use carrel_corpus::{BlockKind, Locator, Outcome};

use super::draft::{one_line, table_text};
use super::office::Package;
use super::xml::{Element, Node, Walk};
use super::{Draft, Reading, Source, dates};
use crate::detect::decode;

pub(super) use beside::push_workbook_extras;

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
    beside::push(source, &mut package, &mut draft);
    Ok(draft)
}

/// Reads a flat file.
pub(super) fn read_flat(source: &Source) -> Reading {
    let text = decode(source.bytes);
    let mut draft = source.draft();
    read_meta(&text, &mut draft);
    Reader::new(&mut draft).read(&text);
    beside::push_macros(&text, &mut draft);
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
    deleted: usize,
    annotations: usize,
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
            deleted: 0,
            annotations: 0,
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
            "annotation" => self.annotations += 1,
            "date" if self.annotations > 0 => self.skipping += 1,
            name if is_skipped(name) => self.skipping += 1,
            // What was deleted under tracked changes.
            "tracked-changes" => self.deleted += 1,
            "a" => element.attribute("href").iter().for_each(|address| self.draft.link(address)),
            "creator" | "footer-decl" | "header-decl" => {
                self.open.push((BlockKind::Paragraph, String::new()));
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
                let kind = match (hidden || self.deleted > 0, self.lists > 0) {
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
            "annotation" => self.annotations = self.annotations.saturating_sub(1),
            "date" if self.annotations > 0 => self.skipping = self.skipping.saturating_sub(1),
            name if is_skipped(name) => self.skipping = self.skipping.saturating_sub(1),
            "tracked-changes" => self.deleted = self.deleted.saturating_sub(1),
            "p" | "h" | "creator" | "footer-decl" | "header-decl" => {
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

/// Elements whose text is not the document's.
fn is_skipped(name: &str) -> bool {
    matches!(
        name,
        "meta"
            | "change-info"
            | "binary-data"
            | "annotation-end"
            | "scripts"
            | "settings"
            | "note-citation"
            | "page-number"
            | "page-count"
    )
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
    fn macros_deletions_and_footers_are_read() {
        let content = "<office:text><text:tracked-changes><text:changed-region><office:change-info><dc:creator>Ada</dc:creator>\
            </office:change-info><text:p>old rent</text:p></text:changed-region></text:tracked-changes>\
            <text:p>Rent <text:a xlink:href=\"http://a.example/\">here</text:a><office:annotation><dc:creator>Bob</dc:creator>\
            <dc:date>2026-11-24</dc:date><text:p>why?</text:p></office:annotation></text:p></office:text>";
        let styles = "<style:master-page><style:footer-first><text:p>Firm<text:page-number>1</text:page-number></text:p></style:footer-first>\
            <draw:frame presentation:class=\"title\"><text:p>Click here</text:p></draw:frame></style:master-page>";
        let bytes = package(&[
            ("mimetype", "application/vnd.oasis.opendocument.text"),
            ("content.xml", content),
            ("styles.xml", styles),
            (
                "Basic/Standard/One.xml",
                "<script:module script:name=\"One\">Sub Main\nEnd Sub</script:module>",
            ),
        ]);
        assert_eq!(
            outline(&read("a.odt", &bytes)),
            "indexed\nHidden @ paragraph 1: old rent\nParagraph @ paragraph 2: Bob\nParagraph @ paragraph 3: why?\n\
             Paragraph @ paragraph 4: Rent here\nParagraph @ page footer: Firm\nHidden @ macro One: Sub Main\\nEnd Sub\n\
             Paragraph @ links: http://a.example/"
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
