//! What the packages of Office Open XML share: parts, relationships, core properties, charts and diagrams; and XPS,
//! which is a package of pages.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use carrel_corpus::{Locator, Outcome};

use super::draft::one_line;
use super::xml::{Element, Node, Walk};
use super::{Draft, Reading, Source, dates};
use crate::detect::decode;

/// Largest part that is read from a package, in bytes.
const PART: u64 = 256 << 20;

/// A zip package with its parts by name.
pub(super) struct Package<'a> {
    archive: Option<zip::ZipArchive<Cursor<&'a [u8]>>>,
    /// Index of each part by its name in lower case without a leading slash.
    names: BTreeMap<String, usize>,
    /// The parts themselves, of a package whose directory is lost.
    salvaged: Vec<Vec<u8>>,
    encrypted: bool,
}

/// A relationship of a part to another.
pub(super) struct Relation {
    pub id: String,
    /// Last segment of its type: `slide`, `notesSlide`, `image`.
    pub kind: String,
    /// Name of the part it leads to, or an address outside the package.
    pub target: String,
    pub external: bool,
}

impl<'a> Package<'a> {
    /// Opens a package; one whose directory is damaged is read from its local headers.
    pub fn open(bytes: &'a [u8]) -> Result<Package<'a>, Outcome> {
        if let Ok(archive) = zip::ZipArchive::new(Cursor::new(bytes)) {
            let mut names = BTreeMap::new();
            for index in 0..archive.len() {
                if let Some(Ok(name)) = archive.name_for_index(index) {
                    names.insert(part_name(&name), index);
                }
            }
            return Ok(Package { archive: Some(archive), names, salvaged: Vec::new(), encrypted: false });
        }
        let mut package =
            Package { archive: None, names: BTreeMap::new(), salvaged: Vec::new(), encrypted: false };
        let mut stream = Cursor::new(bytes);
        while let Ok(Some(mut file)) = zip::read::read_zipfile_from_stream(&mut stream) {
            let mut content = Vec::new();
            let name = file.name().map(|name| part_name(&name)).unwrap_or_default();
            let whole = (&mut file).take(PART).read_to_end(&mut content).is_ok();
            package.names.insert(name, package.salvaged.len());
            package.salvaged.push(content);
            if !whole || package.salvaged.len() > 10_000 {
                break;
            }
        }
        match package.names.is_empty() {
            true => Err(Outcome::Failed { reason: "damaged package".into() }),
            false => Ok(package),
        }
    }

    /// The bytes of a part, `None` where there is none or it cannot be read.
    pub fn read(&mut self, part: &str) -> Option<Vec<u8>> {
        let index = *self.names.get(&part_name(part))?;
        let Some(archive) = &mut self.archive else { return self.salvaged.get(index).cloned() };
        match archive.by_index(index) {
            Ok(file) => {
                let mut bytes = Vec::new();
                // What could be read of a damaged part is worth having.
                let _ = file.take(PART).read_to_end(&mut bytes);
                Some(bytes)
            }
            Err(zip::result::ZipError::UnsupportedArchive(reason)) => {
                self.encrypted |= reason == zip::result::ZipError::PASSWORD_REQUIRED;
                None
            }
            Err(_) => None,
        }
    }

    /// A part as text.
    pub fn text(&mut self, part: &str) -> Option<String> {
        self.read(part).map(|bytes| decode(&bytes))
    }

    /// Names of all parts, in lower case.
    pub fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// Whether a part that was asked for needs a password.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The relationships of a part, `""` being the package itself.
    pub fn relations(&mut self, part: &str) -> Vec<Relation> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let separator = if folder.is_empty() { "" } else { "/" };
        let Some(text) = self.text(&format!("{folder}{separator}_rels/{file}.rels")) else {
            return Vec::new();
        };
        Walk::new(&text)
            .filter_map(|node| {
                let Node::Open(element) = node else { return None };
                if element.name() != "Relationship" {
                    return None;
                }
                let external = element.attribute("TargetMode").is_some_and(|mode| mode == "External");
                let target = element.attribute("Target")?;
                Some(Relation {
                    id: element.attribute("Id").unwrap_or_default(),
                    kind: element.attribute("Type")?.rsplit('/').next()?.to_owned(),
                    target: if external { target } else { resolve(folder, &target) },
                    external,
                })
            })
            .collect()
    }

    /// Notes every address outside the package that one of its parts leads to.
    pub fn push_links(&mut self, draft: &mut Draft) {
        for name in self.names().iter().filter(|name| name.ends_with(".rels")) {
            let part = name.replace("_rels/", "");
            let relations = self.relations(part.trim_end_matches(".rels"));
            relations.iter().filter(|relation| relation.external).for_each(|link| draft.link(&link.target));
        }
    }

    /// Adds the modules of macros: nobody who reads the document sees them.
    pub fn push_macros(&mut self, draft: &mut Draft) {
        for name in self.names().iter().filter(|name| name.ends_with("vbaproject.bin")) {
            if let Some(bytes) = self.read(name) {
                super::legacy::push_macros(&bytes, draft);
            }
        }
    }

    /// Fills in the title and date that the core properties state.
    pub fn core_properties(&mut self, draft: &mut Draft) {
        let relation = self.relations("").into_iter().find(|relation| relation.kind == "core-properties");
        let part = relation.map_or("docProps/core.xml".to_owned(), |relation| relation.target);
        let Some(text) = self.text(&part) else { return };
        let mut name = String::new();
        for node in Walk::new(&text) {
            match node {
                Node::Open(element) => name = element.name().to_owned(),
                Node::Close(_) => name.clear(),
                Node::Text(value) => match name.as_str() {
                    "title" => draft.title = Some(value),
                    "modified" => draft.date = dates::iso(&value).or(draft.date),
                    "created" => draft.date = draft.date.or_else(|| dates::iso(&value)),
                    _ => {}
                },
            }
        }
    }
}

fn part_name(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}

/// The part that `target` names when it is said in a part of `folder`.
pub(super) fn resolve(folder: &str, target: &str) -> String {
    let path = if target.starts_with('/') { target.to_owned() } else { format!("{folder}/{target}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The texts of a drawing part (chart, diagram, drawing): what stands in `t` and `v` elements, a paragraph a line.
pub(super) fn drawing_text(xml: &str) -> String {
    let mut text = String::new();
    let mut taking = false;
    for node in Walk::new(xml) {
        match node {
            Node::Open(element) => taking = matches!(element.name(), "t" | "v"),
            Node::Close(name) => {
                taking = false;
                if matches!(name.as_str(), "p" | "v" | "pt" | "si") && !text.ends_with('\n') {
                    text.push('\n');
                }
            }
            Node::Text(piece) if taking => text.push_str(&piece),
            Node::Text(_) => {}
        }
    }
    text
}

/// What a picture shows, where its author said so in words rather than with the name of a file.
pub(super) fn alternative_text(element: &Element) -> Option<String> {
    let text = element.attribute("descr")?;
    let words = text.split_whitespace().count();
    (words > 1 && !text.contains("://") && !text.contains(":\\")).then(|| one_line(&text))
}

/// Adds charts, diagrams, comments and embedded files that a part leads to.
pub(super) fn push_related(
    source: &Source,
    package: &mut Package,
    relations: &[Relation],
    draft: &mut Draft,
    locator: &Locator,
) {
    for relation in relations.iter().filter(|relation| !relation.external) {
        match relation.kind.as_str() {
            "chart" | "diagramData" | "chartEx" => {
                if let Some(xml) = package.text(&relation.target) {
                    draft.paragraph(locator.clone(), drawing_text(&xml).trim());
                }
            }
            "package" | "oleObject" => {
                if let Some(bytes) = package.read(&relation.target) {
                    let name = relation.target.rsplit('/').next().unwrap_or("embedded").to_owned();
                    if !embedded(source, draft, &name, &bytes) {
                        return;
                    }
                }
            }
            _ => {}
        }
    }
}

/// Adds an embedded file as a member, unwrapping the OLE package it may be in. Returns whether more members may
/// follow.
pub(super) fn embedded(source: &Source, draft: &mut Draft, name: &str, bytes: &[u8]) -> bool {
    if let Some((inner_name, inner)) = super::legacy::unwrap_object(bytes) {
        return source.member(draft, inner_name.as_deref().unwrap_or(name), &inner);
    }
    bytes.is_empty() || source.member(draft, name, bytes)
}

/// Reads an XPS document: the strings of the glyphs of each page.
pub(super) fn read_xps(source: &Source) -> Reading {
    let mut package = Package::open(source.bytes)?;
    let mut draft = source.draft();
    package.core_properties(&mut draft);
    let mut pages: Vec<(u32, String)> = package
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".fpage"))
        .map(|name| {
            let digits: String =
                name.rsplit('/').next().unwrap_or("").chars().filter(char::is_ascii_digit).collect();
            (digits.parse().unwrap_or(0), name)
        })
        .collect();
    pages.sort();
    for (position, (_, name)) in pages.iter().enumerate() {
        let page = u32::try_from(position + 1).unwrap_or(u32::MAX);
        let Some(xml) = package.text(name) else {
            draft.lack(format!("page {page}: damaged"));
            continue;
        };
        draft.paragraph(Locator::Pages { first: page, last: page }, &xps_page(&xml));
    }
    draft.pages = u32::try_from(pages.len()).ok();
    Ok(draft)
}

/// The glyph runs of a page; runs at one height make a line.
fn xps_page(xml: &str) -> String {
    let mut text = String::new();
    let mut height = String::new();
    for node in Walk::new(xml) {
        let Node::Open(element) = node else { continue };
        let Some(run) = element.attribute("UnicodeString").filter(|_| element.name() == "Glyphs") else {
            continue;
        };
        let at = element.attribute("OriginY").unwrap_or_default();
        text.push(if at == height || text.is_empty() { ' ' } else { '\n' });
        text.push_str(&one_line(run.strip_prefix("{}").unwrap_or(&run)));
        height = at;
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    /// A zip package of these parts.
    pub fn package(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a new part");
            writer.write_all(content.as_bytes()).expect("writes to memory");
        }
        writer.finish().expect("closes the package").into_inner()
    }

    #[test]
    fn a_package_without_its_directory_is_salvaged() {
        let bytes = package(&[("a/b.xml", "<x/>"), ("c.txt", "hello")]);
        let cut = crate::detect::find(&bytes, b"PK\x01\x02").expect("a directory");
        let mut package = super::Package::open(&bytes[..cut]).expect("is salvaged");
        assert_eq!(package.text("C.TXT").as_deref(), Some("hello"));
    }

    #[test]
    fn targets_are_resolved() {
        assert_eq!(super::resolve("ppt/slides", "../notesSlides/n1.xml"), "ppt/notesSlides/n1.xml");
        assert_eq!(super::resolve("word", "/word/media/i.png"), "word/media/i.png");
    }
}
