//! The body of a Word document as a stream of paragraphs and tables.

use std::collections::HashMap;

use carrel_corpus::{BlockKind, Locator};

use super::super::Draft;
use super::super::draft::{one_line, table_text};
use super::super::xml::{Element, Node, Walk};
use super::super::{fields, office};
use super::numbering::Numbering;
use super::styles::Styles;

/// Font size in half points at or below which text cannot be read by eye.
const UNREADABLE: f32 = 4.0;

/// Footnotes, endnotes and comments by kind and id.
#[derive(Default)]
pub(super) struct Notes {
    texts: HashMap<(&'static str, String), String>,
}

impl Notes {
    /// Takes in a part of notes; `label` is the name of the element of one note.
    pub fn read(&mut self, label: &'static str, xml: &str) {
        let mut id = None;
        let mut text = String::new();
        let mut taking = false;
        for node in Walk::new(xml) {
            match node {
                Node::Open(element) if element.name() == label => {
                    id = element.attribute("id");
                    text =
                        element.attribute("author").map(|author| format!("{author}: ")).unwrap_or_default();
                    if element.attribute("type").is_some() {
                        id = None;
                    }
                }
                Node::Open(element) => taking = element.name() == "t",
                Node::Text(piece) if taking => text.push_str(&piece),
                Node::Text(_) => {}
                Node::Close(name) => {
                    taking = false;
                    if name == "p" {
                        text.push('\n');
                    } else if name == label
                        && let Some(id) = id.take()
                    {
                        self.texts.insert((label, id), text.trim().to_owned());
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Paragraph {
    text: String,
    hidden: String,
    deleted: String,
    style: Option<String>,
    outline: Option<u8>,
    list: bool,
    /// Its own list and level; its style may have others.
    list_id: Option<String>,
    level: Option<usize>,
    notes: Vec<(&'static str, String)>,
    /// Page on which the paragraph begins.
    page: u32,
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    /// Paragraphs of the cell that is open.
    cell: Vec<String>,
    shaded: bool,
    page: u32,
}

/// Properties of the run that is open.
#[derive(Default)]
struct Run {
    open: bool,
    hidden: bool,
    white: bool,
    shaded: bool,
}

/// A reader of one body.
pub(super) struct Body<'a> {
    styles: &'a Styles,
    notes: &'a Notes,
    numbering: Numbering,
    /// Properties that a tracked change replaced are open.
    former: usize,
    paged: bool,
    page: u32,
    number: u32,
    paragraphs: Vec<Paragraph>,
    tables: Vec<Table>,
    run: Run,
    /// Names of elements whose text is not taken, and how many of them are open.
    skipping: usize,
    deleting: usize,
    text: bool,
    /// Code of the field that is open, and the addresses that fields lead to.
    field: String,
    coding: bool,
    links: Vec<String>,
    /// Descriptions of pictures, for after the paragraph.
    alternatives: Vec<String>,
}

impl<'a> Body<'a> {
    /// `paged` says whether the file notes where Word last broke its pages.
    pub fn new(styles: &'a Styles, notes: &'a Notes, numbering: Numbering, paged: bool) -> Body<'a> {
        Body {
            styles,
            notes,
            numbering,
            former: 0,
            paged,
            page: 1,
            number: 0,
            paragraphs: Vec::new(),
            tables: Vec::new(),
            run: Run::default(),
            skipping: 0,
            deleting: 0,
            text: false,
            field: String::new(),
            coding: false,
            links: Vec::new(),
            alternatives: Vec::new(),
        }
    }

    /// Reads the body into `draft`; returns the number of pages, where known, and whether the XML was damaged.
    pub fn read(mut self, xml: &str, draft: &mut Draft) -> (Option<u32>, bool) {
        let mut walk = Walk::new(xml);
        for node in walk.by_ref() {
            match node {
                Node::Open(element) => self.open(&element),
                Node::Text(piece) => self.take(&piece),
                Node::Close(name) => self.close(&name, draft),
            }
        }
        while !self.paragraphs.is_empty() {
            self.end_paragraph(draft);
        }
        while !self.tables.is_empty() {
            self.end_table(draft);
        }
        self.links.iter().for_each(|address| draft.link(address));
        (self.paged.then_some(self.page), walk.broken)
    }

    fn open(&mut self, element: &Element) {
        let value = || element.attribute("val");
        let on = || !matches!(value().as_deref(), Some("0" | "false" | "none" | "off"));
        self.former += usize::from(is_former(element.name()));
        if is_skipped(element.name()) {
            self.skipping += 1;
            return;
        }
        if self.former > 0 {
            return;
        }
        match element.name() {
            "p" => self.paragraphs.push(Paragraph { page: self.page, ..Paragraph::default() }),
            "r" => self.run = Run { open: true, ..Run::default() },
            "t" | "delText" => self.text = true,
            "instrText" => self.coding = true,
            "fldChar" => self.end_field(),
            "fldSimple" => {
                self.field = element.attribute("instr").unwrap_or_default();
                self.end_field();
            }
            "docPr" => {
                if let Some(text) = office::alternative_text(element) {
                    self.alternatives.push(text);
                }
            }
            // Letters drawn along a line (WordArt of older versions).
            "textpath" => {
                if let Some(text) = element.attribute("string") {
                    self.take_visible(&text);
                }
            }
            "tab" if self.run.open => self.take_visible("\t"),
            "br" | "cr" => {
                if element.attribute("type").as_deref() == Some("page") && !self.paged {
                    self.page += 1;
                }
                self.take_visible("\n");
            }
            "noBreakHyphen" => self.take_visible("-"),
            "lastRenderedPageBreak" => {
                self.page += 1;
                if let Some(paragraph) = self.paragraphs.last_mut().filter(|p| p.text.trim().is_empty()) {
                    paragraph.page = self.page;
                }
            }
            "vanish" | "webHidden" if self.run.open => self.run.hidden = on(),
            "color" if self.run.open => {
                self.run.white = value().is_some_and(|color| color.eq_ignore_ascii_case("ffffff"));
            }
            "highlight" if self.run.open => self.run.shaded = true,
            "sz" if self.run.open => {
                self.run.hidden |=
                    value().and_then(|size| size.parse::<f32>().ok()).is_some_and(|s| s <= UNREADABLE);
            }
            "shd" => {
                let fill = element.attribute("fill").unwrap_or_default().to_lowercase();
                if !matches!(fill.as_str(), "" | "auto" | "ffffff") {
                    self.run.shaded |= self.run.open;
                    self.shade();
                }
            }
            "tblStyle" => self.shade(),
            "del" | "moveFrom" => self.deleting += 1,
            "tbl" => self.tables.push(Table { page: self.page, ..Table::default() }),
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.rows.push(Vec::new());
                }
            }
            "footnoteReference" => self.note("footnote", element),
            "endnoteReference" => self.note("endnote", element),
            "commentReference" => self.note("comment", element),
            name => self.paragraph_property(name, element),
        }
    }

    fn paragraph_property(&mut self, name: &str, element: &Element) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match name {
            "pStyle" => paragraph.style = element.attribute("val"),
            "numPr" => paragraph.list = true,
            "numId" => paragraph.list_id = element.attribute("val"),
            "ilvl" => paragraph.level = element.attribute("val").and_then(|level| level.parse().ok()),
            "outlineLvl" => {
                let level = element.attribute("val").and_then(|level| level.parse::<u8>().ok());
                paragraph.outline = level.filter(|level| *level < 9).map(|level| (level + 1).min(6));
            }
            _ => {}
        }
    }

    fn shade(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            table.shaded = true;
        }
    }

    fn note(&mut self, kind: &'static str, element: &Element) {
        if let (Some(paragraph), Some(id)) = (self.paragraphs.last_mut(), element.attribute("id")) {
            paragraph.notes.push((kind, id));
        }
    }

    fn end_field(&mut self) {
        self.links.extend(fields::address(&std::mem::take(&mut self.field)).map(str::to_owned));
    }

    fn take(&mut self, piece: &str) {
        if self.coding {
            self.field.push_str(piece);
        }
        if self.text && self.skipping == 0 {
            self.take_visible(piece);
        }
    }

    /// Adds text to the paragraph, as visible, hidden or deleted.
    fn take_visible(&mut self, piece: &str) {
        let shaded = self.run.shaded || self.tables.last().is_some_and(|table| table.shaded);
        let hidden = self.run.hidden || (self.run.white && !shaded);
        if self.skipping > 0 {
            return;
        }
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match (self.deleting > 0, hidden) {
            (true, _) => paragraph.deleted.push_str(piece),
            (false, true) => paragraph.hidden.push_str(piece),
            (false, false) => paragraph.text.push_str(piece),
        }
    }

    fn close(&mut self, name: &str, draft: &mut Draft) {
        if is_skipped(name) {
            self.skipping = self.skipping.saturating_sub(1);
            return;
        }
        self.former = self.former.saturating_sub(usize::from(is_former(name)));
        match name {
            "t" | "delText" => self.text = false,
            "instrText" => self.coding = false,
            "r" => self.run = Run::default(),
            "p" => self.end_paragraph(draft),
            "del" | "moveFrom" => self.deleting = self.deleting.saturating_sub(1),
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    let cell = table.cell.join("\n");
                    table.cell.clear();
                    match table.rows.last_mut() {
                        Some(row) => row.push(cell),
                        None => table.rows.push(vec![cell]),
                    }
                }
            }
            "tbl" => self.end_table(draft),
            _ => {}
        }
    }

    fn end_paragraph(&mut self, draft: &mut Draft) {
        let Some(mut paragraph) = self.paragraphs.pop() else { return };
        let has_text = !paragraph.text.trim().is_empty();
        if (has_text || paragraph.deleted.is_empty())
            && let Some(number) = self.number(&paragraph).filter(|number| has_text && !number.is_empty())
        {
            paragraph.text = format!("{number} {}", paragraph.text.trim_start());
        }
        if self.tables.is_empty() {
            self.number += u32::from(has_text);
            draft.push(self.kind(&paragraph), self.locator(paragraph.page), &paragraph.text);
            if matches!(paragraph.style.as_deref(), Some("Title")) {
                draft.title.get_or_insert_with(|| one_line(&paragraph.text));
            }
        } else if let Some(table) = self.tables.last_mut().filter(|_| has_text) {
            table.cell.push(paragraph.text.trim().to_owned());
        }
        for text in [&paragraph.hidden, &paragraph.deleted] {
            draft.push(BlockKind::Hidden, self.locator(paragraph.page), text);
        }
        for text in self.alternatives.drain(..) {
            draft.paragraph(Locator::Part { name: "picture".into() }, &text);
        }
        for (kind, id) in &paragraph.notes {
            if let Some(text) = self.notes.texts.get(&(*kind, id.clone())) {
                draft.paragraph(Locator::Part { name: format!("{kind} {id}") }, text);
            }
        }
    }

    /// The number that Word shows before a paragraph.
    fn number(&mut self, paragraph: &Paragraph) -> Option<String> {
        let style = paragraph.style.as_deref().and_then(|style| self.styles.list(style));
        let (list, level) = match (&paragraph.list_id, style) {
            (Some(list), _) => (list.as_str(), paragraph.level),
            (None, Some((list, level, style))) => {
                (list, paragraph.level.or(level).or_else(|| self.numbering.level_of_style(list, style)))
            }
            (None, None) => return None,
        };
        self.numbering.next(list, level.unwrap_or(0))
    }

    fn kind(&self, paragraph: &Paragraph) -> BlockKind {
        let style = paragraph.style.as_deref();
        let heading = paragraph.outline.or_else(|| self.styles.heading(style?));
        match heading {
            Some(level) => BlockKind::Heading(level),
            None if paragraph.list || style.is_some_and(|style| self.styles.is_list(style)) => {
                BlockKind::ListItem
            }
            None => BlockKind::Paragraph,
        }
    }

    fn end_table(&mut self, draft: &mut Draft) {
        let Some(table) = self.tables.pop() else { return };
        if let Some(outer) = self.tables.last_mut() {
            outer.cell.push(table_text(&table.rows).replace(" | ", ", "));
            return;
        }
        self.number += 1;
        let locator = self.locator(table.page);
        let single = table.rows.iter().all(|row| row.len() <= 1);
        match single {
            // A table of one column is a frame round text.
            true => table.rows.iter().flatten().for_each(|cell| draft.paragraph(locator.clone(), cell)),
            false => draft.table(locator, &table.rows),
        }
    }

    fn locator(&self, page: u32) -> Locator {
        match self.paged {
            true => Locator::Pages { first: page, last: page },
            false => Locator::Part { name: format!("paragraph {}", self.number.max(1)) },
        }
    }
}

/// Elements that hold the properties which a tracked change replaced.
fn is_former(name: &str) -> bool {
    matches!(name, "pPrChange" | "rPrChange" | "sectPrChange" | "tblPrChange" | "trPrChange" | "tcPrChange")
}

/// Elements whose text is not the document's: the older twin of a drawing, field codes, phonetic guides.
fn is_skipped(name: &str) -> bool {
    matches!(name, "Fallback" | "delInstrText" | "rt" | "binData")
}
