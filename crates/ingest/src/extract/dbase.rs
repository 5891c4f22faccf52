//! Tables of dBase, FoxPro and Clipper (dbf): one table a file, its records as rows under the names of the fields.

use carrel_corpus::{BlockKind, Locator, Outcome};

use super::draft::{one_line, table_text};
use super::mail::codepage;
use super::sheets::{CELLS, Row, column_name, push_rows};
use super::{Reading, Source, dates};
use crate::detect::guess;

/// Most fields of a table, by any of the formats.
const FIELDS: usize = 2046;
/// Deleted records that make one block.
const DELETED: usize = 40;

/// What a file says of its records.
struct Layout {
    version: u8,
    /// Bytes before the first record.
    header: usize,
    /// Bytes of a record, the mark of deletion being the first.
    record: usize,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: u8,
    at: usize,
    length: usize,
}

impl Layout {
    /// `None` where the bytes are no such file.
    fn read(bytes: &[u8]) -> Option<Layout> {
        let short = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
        let version = *bytes.first()?;
        let known = matches!(
            version,
            0x03 | 0x04 | 0x30..=0x32 | 0x43 | 0x63 | 0x83 | 0x8B | 0x8C | 0xCB | 0xF5 | 0xFB
        );
        let (header, record) = (short(8)?, short(10)?);
        let dated =
            bytes.get(2).is_some_and(|month| *month <= 12) && bytes.get(3).is_some_and(|day| *day <= 31);
        if !known || !dated || header < 65 || record < 2 || bytes.len() < header {
            return None;
        }
        let mut fields = Vec::new();
        let mut at = 1;
        for descriptor in bytes[32..header].chunks(32) {
            if descriptor[0] == b'\r' {
                break;
            }
            let descriptor: &[u8; 32] = descriptor.try_into().ok()?;
            let name = descriptor[..11].split(|byte| *byte == 0).next()?;
            let kind = descriptor[11];
            // The number of decimals is the upper half of the length of a long text.
            let long = if kind == b'C' { usize::from(descriptor[17]) << 8 } else { 0 };
            let length = usize::from(descriptor[16]) + long;
            if name.is_empty() || name.iter().any(u8::is_ascii_control) || !kind.is_ascii_graphic() {
                return None;
            }
            fields.push(Field { name: String::from_utf8_lossy(name).trim().to_owned(), kind, at, length });
            at += length;
        }
        let fits = at == record && (1..=FIELDS).contains(&fields.len());
        fits.then_some(Layout { version, header, record, fields })
    }

    /// The value of a field of a record as a person reads it; memos stand in another file.
    fn value(&self, field: &Field, record: &[u8], text: &impl Fn(&[u8]) -> String) -> String {
        let Some(bytes) = record.get(field.at..field.at + field.length) else { return String::new() };
        let double = matches!(self.version, 0x30..=0x32);
        match (field.kind, bytes.len()) {
            (b'D', 8) => match std::str::from_utf8(bytes) {
                Ok(date) if bytes.iter().all(u8::is_ascii_digit) => {
                    format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
                }
                _ => String::new(),
            },
            (b'L', _) => match bytes.first() {
                Some(b'T' | b't' | b'Y' | b'y') => "TRUE".into(),
                Some(b'F' | b'f' | b'N' | b'n') => "FALSE".into(),
                _ => String::new(),
            },
            (b'I' | b'+', 4) => bytes.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes)).to_string(),
            (b'Y', 8) => {
                let amount = bytes.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
                (amount as f64 / 10_000.0).to_string()
            }
            (b'O', 8) | (b'B', 8) if double || field.kind == b'O' => {
                bytes.first_chunk().map_or(0.0, |bytes| f64::from_le_bytes(*bytes)).to_string()
            }
            (b'T' | b'@', 8) => moment(bytes).unwrap_or_default(),
            (b'C' | b'N' | b'F' | b'V', _) => one_line(&text(bytes).replace('\0', " ")),
            _ => String::new(),
        }
    }
}

/// Whether the bytes are such a table.
pub(crate) fn is_table(bytes: &[u8]) -> bool {
    Layout::read(bytes).is_some()
}

/// Reads a table. Records that are marked as deleted, which stay in the file until it is packed, are hidden text. Rows are
/// numbered as a spreadsheet shows them, the names of the fields being row 1.
pub(super) fn read(source: &Source) -> Reading {
    let layout = Layout::read(source.bytes).ok_or(Outcome::Failed { reason: "damaged table".into() })?;
    let mut draft = source.draft();
    let body = &source.bytes[layout.header..];
    let text = encoding(source.bytes, body);
    let names: Vec<String> = layout.fields.iter().map(|field| field.name.clone()).collect();
    let columns = names.len();
    let (mut rows, mut deleted): (Vec<Row>, Vec<Row>) = (vec![(1, names)], Vec::new());
    for (number, record) in (2u32..).zip(body.chunks_exact(layout.record)) {
        if rows.len() * columns > CELLS {
            draft.lack(format!("records after the first {}", rows.len() - 1));
            break;
        }
        let cells = layout.fields.iter().map(|field| layout.value(field, record, &text)).collect();
        match record[0] {
            // The end of the file.
            0x1A => break,
            b'*' => deleted.push((number, cells)),
            _ => rows.push((number, cells)),
        }
    }
    let locator = |first: u32, last: u32, columns: usize| Locator::Cells {
        sheet: super::stem(source.name).to_owned(),
        range: format!("A{first}:{}{last}", column_name(columns.saturating_sub(1))),
    };
    push_rows(&mut draft, &rows, locator);
    for group in deleted.chunks(DELETED) {
        let cells: Vec<Vec<String>> = group.iter().map(|(_, cells)| cells.clone()).collect();
        draft.push(
            BlockKind::Hidden,
            locator(group[0].0, group[group.len() - 1].0, columns),
            &table_text(&cells),
        );
    }
    Ok(draft)
}

/// How text is to be read: in the code page that the header names, else in the one that it looks like.
fn encoding(bytes: &[u8], body: &[u8]) -> impl Fn(&[u8]) -> String {
    let page = match bytes.get(29).copied().unwrap_or(0) {
        0x01 | 0x09 | 0x0B | 0x0D | 0x0F | 0x11 | 0x15 | 0x18 | 0x19 | 0x1B => 437,
        0x02 | 0x08 | 0x0A | 0x0E | 0x10 | 0x12 | 0x14 | 0x16 | 0x1A | 0x1D | 0x25 | 0x37 => 850,
        0x03 | 0x57..=0x59 => 1252,
        0x04 => 10000,
        0x26 | 0x65 => 866,
        0x13 | 0x7B => 932,
        0x4D | 0x7A => 936,
        0x4E | 0x79 => 949,
        0x4F | 0x78 => 950,
        0x50 | 0x7C => 874,
        0x7D => 1255,
        0x7E => 1256,
        0xC8 => 1250,
        0xC9 => 1251,
        0xCA => 1254,
        0xCB => 1253,
        0xCC => 1257,
        _ => 0,
    };
    let plain = std::str::from_utf8(body).is_ok();
    let named = Some(page).filter(|page| *page > 0 && !plain);
    let guess = guess(&body[..body.len().min(64 << 10)]);
    move |bytes| match named {
        Some(437) => bytes.iter().map(|byte| dos(*byte, CODE_PAGE_437)).collect(),
        Some(850) => bytes.iter().map(|byte| dos(*byte, CODE_PAGE_850)).collect(),
        Some(page) => codepage(page).unwrap_or(guess).decode_without_bom_handling(bytes).0.into_owned(),
        None => guess.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// A character of a DOS code page, of which `upper` is the upper half.
fn dos(byte: u8, upper: &str) -> char {
    match byte {
        0..=0x7F => char::from(byte),
        byte => upper.chars().nth(usize::from(byte - 0x80)).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const CODE_PAGE_850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
    └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// A day, counted as astronomers do, and a time in milliseconds; `None` for one that is not set.
fn moment(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(i64::from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let (day, milliseconds) = (word(0)?, word(4)?);
    let seconds = (day - 2_440_588) * 86_400 + milliseconds / 1000;
    (1_721_426..5_373_485).contains(&day).then(|| dates::text(seconds).trim_end_matches(" UTC").to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    /// A table of dBase III by its fields (name, kind, length) and its records, each with its mark.
    fn table(code_page: u8, fields: &[(&str, u8, u8)], records: &[&[u8]]) -> Vec<u8> {
        let record = 1 + fields.iter().map(|(.., length)| u16::from(*length)).sum::<u16>();
        let header = 33 + 32 * u16::try_from(fields.len()).expect("few fields");
        let mut bytes = vec![0x03, 124, 5, 20];
        bytes.extend(u32::try_from(records.len()).expect("few records").to_le_bytes());
        bytes.extend(header.to_le_bytes());
        bytes.extend(record.to_le_bytes());
        bytes.resize(32, 0);
        bytes[29] = code_page;
        for (name, kind, length) in fields {
            let mut descriptor = [0; 32];
            descriptor[..name.len()].copy_from_slice(name.as_bytes());
            (descriptor[11], descriptor[16]) = (*kind, *length);
            bytes.extend(descriptor);
        }
        bytes.push(b'\r');
        records.iter().for_each(|record| bytes.extend(*record));
        bytes.push(0x1A);
        bytes
    }

    #[test]
    fn records_are_rows_and_deleted_ones_are_hidden() {
        let fields =
            [("ITEM", b'C', 8), ("PRICE", b'N', 5), ("DUE", b'D', 8), ("PAID", b'L', 1), ("MORE", b'M', 2)];
        let bytes = table(
            0x02,
            &fields,
            &[b" T\x81r      3.5020240301T 1", b"*Old         1        ?  ", b" Tea      4.0020240302F  "],
        );
        assert_eq!(
            outline(&read("stock.dbf", &bytes)),
            "indexed\nTable @ stock A1:E4: ITEM | PRICE | DUE | PAID | MORE\\nTür | 3.50 | 2024-03-01 | TRUE\\n\
             Tea | 4.00 | 2024-03-02 | FALSE\nHidden @ stock A3:E3: Old | 1"
        );
    }

    #[test]
    fn a_table_without_a_code_page_is_read_as_what_it_looks_like() {
        let bytes = table(0, &[("NAME", b'C', 8)], &["  Größe ".as_bytes()]);
        assert!(read("a.dbf", &bytes).text.contains("Größe"));
    }

    #[test]
    fn no_cut_or_change_is_too_much() {
        let bytes =
            table(0x03, &[("NAME", b'C', 8), ("T", b'T', 8), ("Y", b'Y', 8)], &[&[b' '; 25], &[0xFF; 25]]);
        for at in 0..bytes.len() {
            read("a.dbf", &bytes[..at]);
            for change in [0, 0x20, 0xFF] {
                let mut changed = bytes.clone();
                changed[at] = change;
                read("a.dbf", &changed);
            }
        }
    }
}
