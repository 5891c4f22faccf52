//! Files that are damaged at random: each ends with an outcome and a document that keeps its invariants.

use std::io::Write;

use carrel_corpus::{Document, Outcome};
use carrel_ingest::{Limits, extract};

/// A small random generator (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below.max(1)
    }
}

fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a new part");
        writer.write_all(content.as_bytes()).expect("writes to memory");
    }
    writer.finish().expect("closes").into_inner()
}

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>> endobj\n\
2 0 obj <</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 600 800]>> endobj\n\
3 0 obj <</Type/Page/Parent 2 0 R/Contents 5 0 R/Resources<</Font<</F1 4 0 R>>>>/Annots[<</Subtype/Text/Contents(note)>>]>> endobj\n\
4 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica/FirstChar 32/LastChar 34/Widths[250 300 400]>> endobj\n\
5 0 obj <</Length 120>> stream\nq 1 0 0 1 0 0 cm BT /F1 12 Tf 72 700 Td [(Rent is) -250 (due.)] TJ 0 -14 TD (Second line) ' ET Q\n\
endstream endobj\n6 0 obj <</First 7 0 R>> endobj\n7 0 obj <</Title(Rent)/Next 7 0 R>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF";

const MAIL: &[u8] = b"From: Ada <ada@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?R=C3=A9nt?=\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>Due <b>now</b>\r\n\
--x\r\nContent-Disposition: attachment; filename=a.csv\r\nContent-Transfer-Encoding: base64\r\n\r\nYSxiCjEsMgo=\r\n--x--\r\n";

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let word = "<w:document xmlns:w=\"w\"><w:body><w:p><w:r><w:t>Rent</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r>\
        <w:t>A</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>";
    let sheet = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>Item</t></is></c><c r=\"B1\"><v>3</v></c></row></sheetData></worksheet>";
    let book = "<workbook><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>";
    let top = "<Relationships><Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
    let relations = "<Relationships><Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>";
    vec![
        ("a.pdf", PDF.to_vec()),
        ("a.eml", MAIL.to_vec()),
        ("a.docx", package(&[("word/document.xml", word)])),
        (
            "a.xlsx",
            package(&[
                ("_rels/.rels", top),
                ("xl/workbook.xml", book),
                ("xl/_rels/workbook.xml.rels", relations),
                ("xl/worksheets/sheet1.xml", sheet),
            ]),
        ),
        (
            "a.html",
            b"<html><body><table><tr><td>a<td>b</table><ul><li>x</ul><p style='display:none'>y</body>"
                .to_vec(),
        ),
        (
            "a.rtf",
            br"{\rtf1\ansi{\fonttbl{\f0 A;}}\pard Gr\'f6\u8364?\par\trowd\intbl a\cell b\cell\row}".to_vec(),
        ),
        ("a.csv", b"a,b\n\"1,2\",3\n".to_vec()),
        ("a.md", b"# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n".to_vec()),
        (
            "a.ipynb",
            br#"{"nbformat":4,"cells":[{"cell_type":"code","source":["x"],"outputs":[{"text":"y"}]}]}"#
                .to_vec(),
        ),
    ]
}

fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.next(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.next(bytes.len());
        match random.next(6) {
            0 => bytes.truncate(at),
            1 => bytes[at] = random.next(256) as u8,
            2 => bytes[at] ^= 1 << random.next(8),
            3 => {
                let end = (at + 1 + random.next(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + 1 + random.next(200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.next(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let digits = ["99999999999", "-1", "0", "4294967295"][random.next(4)];
                bytes.splice(at..at, digits.bytes());
            }
        }
    }
    bytes
}

fn check(document: &Document) {
    let mut end = 0;
    for block in &document.blocks {
        assert!(block.span.start >= end, "blocks are in order and do not overlap");
        assert!(!block.span.of(&document.text).trim().is_empty(), "a block has text");
        end = block.span.end;
    }
    if document.outcome.is_searchable() {
        assert!(!document.blocks.is_empty() || !document.members.is_empty());
    }
    for (name, member) in &document.members {
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."));
        check(member);
    }
}

#[test]
fn the_samples_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in samples() {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writes a file");
        let document = extract(&path, &Limits::STANDARD);
        assert_eq!(document.outcome, Outcome::Indexed, "{name}");
        check(&document);
    }
}

#[test]
fn damaged_files_have_an_outcome() {
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = Limits { text_bytes: 1 << 20, members: 50, ..Limits::STANDARD };
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for (name, bytes) in samples() {
            for _ in 0..150 {
                let path = folder.path().join(name);
                std::fs::write(&path, mutated(&bytes, &mut random)).expect("writes a file");
                check(&extract(&path, &limits));
            }
        }
    }));
    let _ = std::panic::take_hook();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}
