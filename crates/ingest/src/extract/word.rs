//! Word documents (docx, docm, dotx): paragraphs with their styles, tables, lists, notes, comments, text boxes and
//! tracked changes.

mod body;
mod numbering;
mod styles;

use carrel_corpus::{BlockKind, Locator, Outcome};

use super::office::{Package, push_related};
use super::{Draft, Reading, Source};
use body::{Body, Notes};
use numbering::Numbering;
use styles::Styles;

/// Reads a document. What is inserted under tracked changes is read as text, what is deleted as hidden text.
pub(super) fn read(source: &Source) -> Reading {
    let mut package = Package::open(source.bytes)?;
    let main = package
        .relations("")
        .into_iter()
        .find(|relation| relation.kind == "officeDocument")
        .map_or("word/document.xml".to_owned(), |relation| relation.target);
    let Some(text) = package.text(&main).or_else(|| package.text("word/document.xml")) else {
        return Err(match package.is_encrypted() {
            true => Outcome::Encrypted,
            false => Outcome::Failed { reason: "the package has no document".into() },
        });
    };
    let mut draft = source.draft();
    package.core_properties(&mut draft);
    let relations = package.relations(&main);
    let part = |package: &mut Package, kind: &str| {
        let relation = relations.iter().find(|relation| relation.kind == kind && !relation.external)?;
        package.text(&relation.target)
    };
    let styles = part(&mut package, "styles").map(|xml| Styles::read(&xml)).unwrap_or_default();
    let mut notes = Notes::default();
    for (kind, label) in [("footnotes", "footnote"), ("endnotes", "endnote"), ("comments", "comment")] {
        if let Some(xml) = part(&mut package, kind) {
            notes.read(label, &xml);
        }
    }
    let numbering = part(&mut package, "numbering").map(|xml| Numbering::read(&xml)).unwrap_or_default();
    let body = Body::new(&styles, &notes, numbering, text.contains("lastRenderedPageBreak"));
    let (pages, broken) = body.read(&text, &mut draft);
    draft.pages = pages;
    if broken {
        draft.lack("the end of the document: damaged");
    }
    let mut seen = Vec::new();
    for relation in relations.iter().filter(|relation| matches!(relation.kind.as_str(), "header" | "footer"))
    {
        if let Some(xml) = package.text(&relation.target) {
            push_margin(&mut draft, &relation.kind, &xml, &styles, &mut seen);
        }
    }
    push_related(source, &mut package, &relations, &mut draft, &Locator::Part { name: "drawing".into() });
    push_alternative_chunks(source, &mut package, &relations, &mut draft);
    if let Some(relation) = relations.iter().find(|relation| relation.kind == "glossaryDocument")
        && let Some(xml) = package.text(&relation.target)
    {
        // Building blocks and prompts that stand ready to be inserted: nobody sees them in the document.
        let mut blocks = Draft::new(draft.room());
        Body::new(&styles, &Notes::default(), Numbering::default(), false).read(&xml, &mut blocks);
        draft.push(BlockKind::Hidden, Locator::Part { name: "building blocks".into() }, blocks.text());
    }
    package.push_macros(&mut draft);
    package.push_links(&mut draft);
    Ok(draft)
}

/// Adds a page header or footer once, however many sections repeat it.
fn push_margin(draft: &mut Draft, kind: &str, xml: &str, styles: &Styles, seen: &mut Vec<String>) {
    let notes = Notes::default();
    let mut margin = Draft::new(draft.room());
    Body::new(styles, &notes, Numbering::default(), false).read(xml, &mut margin);
    let text = margin.text().to_owned();
    if !seen.contains(&text) {
        draft.push(BlockKind::Paragraph, Locator::Part { name: format!("page {kind}") }, &text);
        seen.push(text);
    }
}

/// Text that the document takes in from a part of another format.
fn push_alternative_chunks(
    source: &Source,
    package: &mut Package,
    relations: &[super::office::Relation],
    draft: &mut Draft,
) {
    for relation in relations.iter().filter(|relation| relation.kind == "aFChunk" && !relation.external) {
        if let Some(bytes) = package.read(&relation.target) {
            source.member(draft, relation.target.rsplit('/').next().unwrap_or("part"), &bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::office::tests::package;
    use super::super::tests::{outline, read};

    fn document(body: &str, more: &[(&str, &str)]) -> String {
        let main = format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
        let styles = "<w:styles><w:style w:styleId=\"U1\"><w:name w:val=\"heading 1\"/></w:style></w:styles>";
        let relations = "<Relationships><Relationship Id=\"a\" Type=\"x/styles\" Target=\"styles.xml\"/>\
            <Relationship Id=\"b\" Type=\"x/footnotes\" Target=\"footnotes.xml\"/>\
            <Relationship Id=\"c\" Type=\"x/numbering\" Target=\"numbering.xml\"/></Relationships>";
        let mut parts = vec![
            ("word/document.xml", main.as_str()),
            ("word/styles.xml", styles),
            ("word/_rels/document.xml.rels", relations),
        ];
        parts.extend_from_slice(more);
        outline(&read("a.docx", &package(&parts)))
    }

    #[test]
    fn headings_lists_and_tables_are_read() {
        let body = "<w:p><w:pPr><w:pStyle w:val=\"U1\"/></w:pPr><w:r><w:t>Lease</w:t></w:r></w:p>\
            <w:p><w:r><w:t xml:space=\"preserve\">Rent is </w:t></w:r><w:r><w:t>900</w:t><w:tab/><w:t>EUR</w:t></w:r></w:p>\
            <w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>first</w:t></w:r></w:p>\
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>A</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>B</w:t></w:r></w:p></w:tc></w:tr>\
            <w:tr><w:tc><w:p><w:r><w:t>1</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>2</w:t></w:r></w:p></w:tc></w:tr></w:tbl>";
        assert_eq!(
            document(body, &[]),
            "indexed\nHeading(1) @ paragraph 1: Lease\nParagraph @ paragraph 2: Rent is 900\tEUR\n\
             ListItem @ paragraph 3: first\nTable @ paragraph 4: A | B\\n1 | 2"
        );
    }

    #[test]
    fn deleted_and_hidden_text_is_told_apart() {
        let body = "<w:p><w:r><w:t>Due </w:t></w:r><w:del><w:r><w:delText>monthly</w:delText></w:r></w:del>\
            <w:ins><w:r><w:t>yearly</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r></w:p>";
        assert_eq!(
            document(body, &[]),
            "indexed\nParagraph @ paragraph 1: Due yearly\nHidden @ paragraph 1: secret\nHidden @ paragraph 1: monthly"
        );
    }

    #[test]
    fn numbered_clauses_have_their_numbers() {
        let clause = |level: u32, text: &str| {
            format!(
                "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"3\"/></w:numPr></w:pPr>\
                 <w:r><w:t>{text}</w:t></w:r></w:p>"
            )
        };
        let body = [clause(0, "Rent"), clause(1, "Due monthly"), clause(0, "Term")].concat();
        let numbering = "<w:numbering><w:abstractNum w:abstractNumId=\"1\"><w:lvl w:ilvl=\"0\"><w:start w:val=\"1\"/>\
            <w:numFmt w:val=\"decimal\"/><w:lvlText w:val=\"%1.\"/></w:lvl><w:lvl w:ilvl=\"1\"><w:start w:val=\"1\"/>\
            <w:numFmt w:val=\"decimal\"/><w:lvlText w:val=\"%1.%2\"/></w:lvl></w:abstractNum>\
            <w:num w:numId=\"3\"><w:abstractNumId w:val=\"1\"/></w:num></w:numbering>";
        assert_eq!(
            document(&body, &[("word/numbering.xml", numbering)]),
            "indexed\nListItem @ paragraph 1: 1. Rent\nListItem @ paragraph 2: 1.1 Due monthly\n\
             ListItem @ paragraph 3: 2. Term"
        );
    }

    #[test]
    fn addresses_and_descriptions_are_read() {
        let body = "<w:p><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText> INCLUDEPICTURE </w:instrText></w:r>\
            <w:r><w:instrText>&quot;http://a.example/p.png&quot; </w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>\
            <w:r><w:t>Plan</w:t><w:drawing><wp:docPr name=\"x\" descr=\"Plan of the house\"/></w:drawing></w:r></w:p>";
        let relations = "<Relationships><Relationship Id=\"a\" Type=\"x/hyperlink\" TargetMode=\"External\" \
            Target=\"http://b.example/\"/></Relationships>";
        assert_eq!(
            document(body, &[("word/_rels/header1.xml.rels", relations)]),
            "indexed\nParagraph @ paragraph 1: Plan\nParagraph @ picture: Plan of the house\n\
             Paragraph @ links: http://a.example/p.png\\nhttp://b.example/"
        );
    }

    #[test]
    fn footnotes_follow_their_paragraph() {
        let body = "<w:p><w:r><w:t>Rent</w:t><w:footnoteReference w:id=\"2\"/></w:r></w:p>";
        let notes = "<w:footnotes><w:footnote w:id=\"2\"><w:p><w:r><w:t>Net of tax.</w:t></w:r></w:p></w:footnote></w:footnotes>";
        assert_eq!(
            document(body, &[("word/footnotes.xml", notes)]),
            "indexed\nParagraph @ paragraph 1: Rent\nParagraph @ footnote 2: Net of tax."
        );
    }
}
