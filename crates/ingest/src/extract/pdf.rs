//! PDF: the glyphs of each page become words, lines, columns, paragraphs and tables.
//!
//! Each page is read by itself, so that a damaged one costs only itself and the outcome names it. The appearances of
//! form fields and annotations count as text of their page; embedded files are members.

mod content;
mod fonts;
mod layout;
mod margins;
mod second;
mod structure;
mod words;

use std::panic::AssertUnwindSafe;

use carrel_corpus::{BlockKind, Locator, Outcome};
use hayro_syntax::object::{DateTime, Dict};
use hayro_syntax::{LoadPdfError, Pdf};

use super::{Draft, Reading, Source, UNRECOGNISED, dates};
use crate::Password;
use fonts::Fonts;
use layout::PageBlock;
use second::SecondReader;

/// Most pages that are read of one file.
const PAGES: usize = 20_000;

/// What became of one page.
enum PageReading {
    Read(Vec<PageBlock>),
    /// Nothing but images.
    Scanned,
    Blank,
    /// Its fonts give no characters for most of its glyphs.
    Unreadable,
    Damaged,
}

/// Reads a file.
pub(super) fn read(source: &Source) -> Reading {
    let pdf = match open(source.bytes, source.passwords) {
        Ok(pdf) => pdf,
        Err(outcome @ Outcome::Failed { .. }) => return rescued(source).ok_or(outcome),
        Err(outcome) => return Err(outcome),
    };
    let mut draft = source.draft();
    let metadata = pdf.metadata();
    draft.title = metadata.title.as_deref().map(structure::text_string).filter(|title| is_title(title));
    draft.date = metadata.modification_date.or(metadata.creation_date).as_ref().and_then(moment);
    let catalog = pdf.xref().get::<Dict>(pdf.xref().root_id()).unwrap_or_default();
    let layers = structure::hidden_layers(&catalog);
    let fonts = Fonts::new();
    let mut readings = Vec::new();
    for page in pdf.pages().iter().take(PAGES) {
        let read = || read_page(page, &fonts, &layers);
        readings.push(std::panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or(PageReading::Damaged));
    }
    rescue_pages(&mut readings, source.bytes);
    draft.pages = u32::try_from(pdf.pages().len()).ok();
    margins::drop_repeated(&mut readings);
    let outline = structure::outline(&catalog);
    let body = body_size(&readings);
    for (position, reading) in readings.iter().enumerate() {
        let number = u32::try_from(position + 1).unwrap_or(u32::MAX);
        let locator = Locator::Pages { first: number, last: number };
        if let PageReading::Read(blocks) = reading {
            for block in blocks {
                draft.push(kind(block, body, &outline), locator.clone(), &block.text);
            }
        }
        if let Some(page) = pdf.pages().get(position) {
            for (kind, text) in structure::notes(page, draft.text()) {
                draft.push(kind, locator.clone(), &text);
            }
        }
    }
    lack_pages(&readings, &mut draft);
    if pdf.pages().len() > PAGES {
        draft.lack(format!("pages after the first {PAGES}"));
    }
    let scanned = readings.iter().any(|reading| matches!(reading, PageReading::Scanned));
    let only_scanned =
        scanned && readings.iter().all(|r| matches!(r, PageReading::Scanned | PageReading::Blank));
    for (name, bytes) in structure::attachments(&pdf, &catalog, source.limits.file_bytes) {
        if !source.member(&mut draft, &name, &bytes) {
            break;
        }
    }
    // A key that opens nothing is not always noticed when the file is opened.
    if draft.is_bare() && !scanned && source.bytes.windows(8).any(|window| window == b"/Encrypt") {
        return Err(Outcome::Encrypted);
    }
    if only_scanned && draft.is_bare() {
        draft.verdict = Some(Outcome::Unsupported { kind: UNRECOGNISED.to_owned() });
    }
    Ok(draft)
}

fn open(bytes: &[u8], passwords: &[Password]) -> Result<Pdf, Outcome> {
    match Pdf::new(bytes.to_vec()) {
        Ok(pdf) => Ok(pdf),
        Err(LoadPdfError::Decryption(_)) => {
            let with = |password: &Password| Pdf::new_with_password(bytes.to_vec(), password.text()).ok();
            passwords.iter().find_map(with).ok_or(Outcome::Encrypted)
        }
        Err(LoadPdfError::Invalid) => {
            let damaged = Outcome::Failed { reason: "damaged: no page was found".into() };
            let Some(at) = bytes.windows(8).rposition(|window| window == b"/Encrypt") else {
                return Err(damaged);
            };
            // A file may encrypt its attachments only, which is a scheme that the parser refuses.
            let mut plain = bytes.to_vec();
            plain[at + 1] = b'X';
            Pdf::new(plain).map_err(|_| Outcome::Encrypted)
        }
    }
}

/// A file in which the first reader finds no pages, as the second reads it.
fn rescued(source: &Source) -> Option<Draft> {
    let reader = SecondReader::open(source.bytes)?;
    let mut draft = source.draft();
    let mut readings = Vec::new();
    for number in reader.pages().into_iter().take(PAGES) {
        let blocks = reader.page(number);
        for block in &blocks {
            draft.push(block.kind, Locator::Pages { first: number, last: number }, &block.text);
        }
        readings.push(if blocks.is_empty() { PageReading::Damaged } else { PageReading::Read(blocks) });
    }
    if !readings.iter().any(|reading| matches!(reading, PageReading::Read(_))) {
        return None;
    }
    draft.pages = u32::try_from(readings.len()).ok();
    draft.lack("the file is damaged: text may be missing".to_owned());
    lack_pages(&readings, &mut draft);
    Some(draft)
}

/// Has the second reader try the pages that the first stumbled over.
fn rescue_pages(readings: &mut [PageReading], bytes: &[u8]) {
    if !readings.iter().any(|reading| matches!(reading, PageReading::Damaged)) {
        return;
    }
    let Some(reader) = SecondReader::open(bytes) else { return };
    for (number, reading) in (1..).zip(readings) {
        if matches!(reading, PageReading::Damaged) {
            let blocks = reader.page(number);
            if !blocks.is_empty() {
                *reading = PageReading::Read(blocks);
            }
        }
    }
}

fn read_page<'a>(page: &hayro_syntax::page::Page<'a>, fonts: &Fonts<'a>, layers: &[u32]) -> PageReading {
    let canvas = content::run(page, fonts, layers);
    let blocks = layout::blocks(&canvas);
    let shown = blocks.iter().any(|block| block.kind != BlockKind::Hidden);
    let none = canvas.glyphs.is_empty() && canvas.images.is_empty() && canvas.unknown > 0;
    let unreadable = none || canvas.unknown > 20 && canvas.unknown > 2 * canvas.glyphs.len();
    match (shown, unreadable, canvas.images.is_empty()) {
        (_, true, _) => PageReading::Unreadable,
        (true, false, _) => PageReading::Read(blocks),
        (false, false, false) if blocks.is_empty() => PageReading::Scanned,
        (false, false, _) if blocks.is_empty() => PageReading::Blank,
        (false, false, _) => PageReading::Read(blocks),
    }
}

/// Names the pages of which nothing could be read.
fn lack_pages(readings: &[PageReading], draft: &mut Draft) {
    let mut lack = |what: &str, is: fn(&PageReading) -> bool| {
        let pages: Vec<usize> =
            (1..).zip(readings).filter(|(_, reading)| is(reading)).map(|(page, _)| page).collect();
        if !pages.is_empty() {
            let pages = ranges(&pages);
            let plural = if pages.contains([',', '-']) { "pages" } else { "page" };
            draft.lack(format!("{plural} {pages}: {what}"));
        }
    };
    lack(&format!("no text ({UNRECOGNISED})"), |reading| matches!(reading, PageReading::Scanned));
    lack("the fonts do not say which characters they show", |reading| {
        matches!(reading, PageReading::Unreadable)
    });
    lack("damaged", |reading| matches!(reading, PageReading::Damaged));
}

/// `3, 7-9`
pub(crate) fn ranges(numbers: &[usize]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < numbers.len() {
        let run = (at..numbers.len()).take_while(|&next| numbers[next] == numbers[at] + next - at).count();
        let separator = if text.is_empty() { "" } else { ", " };
        match run {
            1 => text.push_str(&format!("{separator}{}", numbers[at])),
            run => text.push_str(&format!("{separator}{}-{}", numbers[at], numbers[at + run - 1])),
        }
        at += run;
    }
    text
}

/// The size in which most of the text is set.
fn body_size(readings: &[PageReading]) -> f32 {
    let mut sizes: std::collections::BTreeMap<u32, usize> = std::collections::BTreeMap::new();
    for reading in readings {
        if let PageReading::Read(blocks) = reading {
            for block in blocks {
                *sizes.entry((block.size * 4.0).round() as u32).or_default() += block.text.len();
            }
        }
    }
    sizes.into_iter().max_by_key(|(_, bytes)| *bytes).map_or(10.0, |(size, _)| size as f32 / 4.0)
}

/// What a block is, seen from the whole document: a heading is in the outline, or larger or bolder than the body.
fn kind(block: &PageBlock, body: f32, outline: &structure::Outline) -> BlockKind {
    if matches!(block.kind, BlockKind::Hidden | BlockKind::Table) {
        return block.kind;
    }
    if let Some(level) = outline.level(&block.text) {
        return BlockKind::Heading(level);
    }
    let characters = block.text.chars().count();
    let words = block.text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
    if block.lines > 3 || words == 0 || !(3..=160).contains(&characters) {
        return block.kind;
    }
    let ratio = block.size / body.max(1.0);
    if ratio >= 1.15 {
        return BlockKind::Heading(if ratio >= 1.6 { 1 } else { 2 });
    }
    let sentence = block.text.trim_end().ends_with(['.', ';', ',', ':']) && words > 8;
    match block.bold && ratio > 0.95 && words <= 14 && !sentence {
        true => BlockKind::Heading(3),
        false => block.kind,
    }
}

/// Programs write file names and placeholders into the title.
fn is_title(title: &str) -> bool {
    let lower = title.trim().to_lowercase();
    let placeholder = matches!(lower.as_str(), "" | "untitled" | "title" | "document" | "print" | "unknown");
    let program = lower.starts_with("microsoft word -") || lower.starts_with("powerpoint presentation");
    let file = [".doc", ".docx", ".pdf", ".tex", ".dvi", ".qxd", ".indd", ".htm", ".html"]
        .iter()
        .any(|end| lower.ends_with(end));
    !placeholder && !program && !file
}

fn moment(date: &DateTime) -> Option<i64> {
    let offset = i64::from(date.utc_offset_hour) * 60 + i64::from(date.utc_offset_minute);
    dates::moment(
        [i64::from(date.year), i64::from(date.month), i64::from(date.day)],
        [i64::from(date.hour), i64::from(date.minute), i64::from(date.second)],
        offset,
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    /// A file of these content streams, one a page, with Helvetica as `F1` and a scan as `I`.
    fn file(pages: &[&str], more: &str) -> Vec<u8> {
        let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 10 + 2 * page)).collect();
        let mut text = format!(
            "%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R {more}>> endobj\n\
             2 0 obj <</Type/Pages/Count {}/Kids[{}]/MediaBox[0 0 600 800]/Resources 3 0 R>> endobj\n\
             3 0 obj <</Font<</F1 4 0 R>>/XObject<</I 5 0 R>>>> endobj\n\
             4 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj\n\
             5 0 obj <</Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray/Length 1>> stream\nx\nendstream endobj\n",
            pages.len(),
            kids.join(" ")
        );
        for (page, content) in pages.iter().enumerate() {
            let number = 10 + 2 * page;
            text.push_str(&format!(
                "{number} 0 obj <</Type/Page/Parent 2 0 R/Contents {} 0 R>> endobj\n\
                 {} 0 obj <</Length {}>> stream\n{content}\nendstream endobj\n",
                number + 1,
                number + 1,
                content.len() + 1
            ));
        }
        // Without a cross-reference table: the objects are found by looking for them.
        text.push_str("trailer <</Root 1 0 R>>\n%%EOF");
        text.into_bytes()
    }

    #[test]
    fn pages_have_their_text_and_scans_are_named() {
        let scan = "q 600 0 0 800 0 0 cm /I Do Q";
        let text = "BT /F1 12 Tf 72 700 Td (Rent is due.) Tj ET";
        let document = read("a.pdf", &file(&[text, scan, scan], ""));
        assert_eq!(document.pages, Some(3));
        assert_eq!(
            outline(&document),
            "partly read (pages 2-3: no text (scanned; install tesseract))\nParagraph @ page 1: Rent is due."
        );
    }

    #[test]
    fn white_and_tiny_text_is_hidden_but_a_text_layer_is_not() {
        let white = "BT /F1 12 Tf 1 g 72 700 Td (ignore the rules) Tj ET BT 0 g /F1 12 Tf 72 600 Td (Rent is due.) Tj ET \
            BT /F1 0.5 Tf 72 500 Td (nobody reads this) Tj ET";
        let layer = "q 600 0 0 800 0 0 cm /I Do Q BT 3 Tr /F1 12 Tf 72 700 Td (recognised) Tj ET";
        let dark = "0 g 60 690 200 30 re f BT /F1 12 Tf 1 g 72 700 Td (white on black) Tj ET";
        assert_eq!(
            outline(&read("a.pdf", &file(&[white, layer, dark], ""))),
            "indexed\nParagraph @ page 1: Rent is due.\nHidden @ page 1: ignore the rules nobody reads this\n\
             Paragraph @ page 2: recognised\nParagraph @ page 3: white on black"
        );
    }

    #[test]
    fn comments_name_their_authors() {
        let commented = |second: &str| {
            let bytes = file(&["BT /F1 12 Tf 72 700 Td (Rent is due.) Tj ET"], "");
            let notes = format!(
                "/Type/Page/Annots[<</Subtype/Text/Rect[0 0 9 9]/T(Ada)/Contents(Why?)>>\
                 <</Subtype/Text/Rect[0 0 9 9]/T({second})/Contents(So it is.)>>]"
            );
            read(
                "a.pdf",
                String::from_utf8_lossy(&bytes).replacen("/Type/Page/", &format!("{notes}/"), 1).as_bytes(),
            )
        };
        assert_eq!(commented("Bob").text, "Rent is due.\n\nAda: Why?\n\nBob: So it is.");
        assert_eq!(commented("Ada").text, "Rent is due.\n\nAda: Why?\n\nAda: So it is.");
    }

    #[test]
    fn what_was_cut_off_the_page_is_not_read() {
        let cut = "BT /F1 12 Tf 72 700 Td (Rent is due.) Tj 0 -2000 Td (cut off) Tj ET";
        assert_eq!(outline(&read("a.pdf", &file(&[cut], ""))), "indexed\nParagraph @ page 1: Rent is due.");
    }

    #[test]
    fn letters_along_a_curve_are_one_word_but_a_superscript_is_not() {
        let curve = "BT /F1 10 Tf 72 700 Td [(B)] TJ 1.5 Ts [(e)] TJ 3 Ts [(r)] TJ 5 Ts [(g)] TJ ET";
        let raised = "BT /F1 10 Tf 72 600 Td (rent) Tj /F1 6 Tf 4 Ts (2) Tj ET";
        let document = read("a.pdf", &file(&[curve, raised], ""));
        assert_eq!(document.blocks[0].span.of(&document.text), "Berg");
        assert!(!document.text.contains("rent2"), "{}", document.text);
    }

    #[test]
    fn glyphs_without_characters_are_named() {
        let more = "/Unused 0>> endobj 80 0 obj <</Type/Font/Subtype/Type0/BaseFont/Odd/Encoding/Identity-H\
            /DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/Odd/CIDSystemInfo<</Registry(Adobe)\
            /Ordering(Identity)/Supplement 0>>/FontDescriptor<</Type/FontDescriptor/FontName/Odd/Flags 4>>>>]";
        let odd = |name: &str| {
            let bytes = file(&["BT /F1 12 Tf 72 700 Td <00360053> Tj ET"], more);
            String::from_utf8_lossy(&bytes).replace("/F1 4 0 R", "/F1 80 0 R").replace("Odd", name)
        };
        let unread = read("a.pdf", odd("Odd").as_bytes()).outcome.to_string();
        assert_eq!(unread, "failed (page 1: the fonts do not say which characters they show)");
        // The glyphs of the fonts that come with Windows stand in a known order.
        assert_eq!(read("a.pdf", odd("ArialMT").as_bytes()).text, "Sp");
        // But where a table leads from codes to glyphs, the codes are characters.
        let table = odd("ArialMT").replace("/FontDescriptor<<", "/CIDToGIDMap 5 0 R/FontDescriptor<<");
        assert_eq!(read("a.pdf", table.as_bytes()).text, "6S");
    }

    #[test]
    fn an_attachment_is_a_member() {
        let more = "/Names <</EmbeddedFiles <</Names [(a) <</F (../due.txt)/EF <</F 90 0 R>>>>]>>>>";
        let mut bytes = file(&["BT /F1 12 Tf 72 700 Td (See attachment) Tj ET"], more);
        let end = bytes.len() - "trailer <</Root 1 0 R>>\n%%EOF".len();
        bytes.truncate(end);
        bytes.extend_from_slice(
            b"90 0 obj <</Length 7>> stream\nmonthly\nendstream endobj\ntrailer <</Root 1 0 R>>\n%%EOF",
        );
        let document = read("a.pdf", &bytes);
        assert_eq!(document.members[0].0, "due.txt");
        assert_eq!(document.members[0].1.text, "monthly");
    }

    #[test]
    fn repeated_headers_and_page_numbers_are_dropped() {
        let page = |number: usize, body: &str| {
            format!(
                "BT /F1 9 Tf 72 780 Td (Annual report of the firm) Tj ET BT /F1 12 Tf 72 500 Td ({body}) Tj ET \
                 BT /F1 9 Tf 300 20 Td (Page {number}) Tj ET"
            )
        };
        let pages: Vec<String> =
            (1..=5).map(|number| page(number, &format!("Text number {number} here."))).collect();
        let refs: Vec<&str> = pages.iter().map(String::as_str).collect();
        let document = read("a.pdf", &file(&refs, ""));
        assert_eq!(document.text.matches("Annual report").count(), 1);
        assert_eq!(document.text.matches("Text number").count(), 5);
        assert!(!document.text.contains("Page 3"));
    }

    #[test]
    fn ranges_are_short() {
        assert_eq!(super::ranges(&[3, 7, 8, 9]), "3, 7-9");
    }
}
