//! Workbooks (xlsx, xlsm, xlsb, xls, ods): the values of every sheet as tables with their cell ranges.

mod margins;
mod package;
mod records;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use calamine::{Data, Reader, SheetType, SheetVisible, Sheets};
use carrel_corpus::{BlockKind, Locator, Outcome};

use super::draft::{one_line, table_text};
use super::{Draft, Reading, Source, dates, legacy, opendocument};

/// A group of rows is closed when its text has this many bytes: about what one chunk holds.
const GROUP: usize = 1500;
/// Most cells that are kept of one sheet.
pub(super) const CELLS: usize = 2_000_000;
/// Rows at the top of a sheet among which its header row is looked for.
const HEADER_WITHIN: usize = 10;

/// The cells of a row, from column A, with the 1-based number of the row.
pub(super) type Row = (u32, Vec<String>);

/// Reads a workbook. Formulas are read as their last computed values, dates as ISO dates.
pub(super) fn read(source: &Source) -> Reading {
    let mut draft = source.draft();
    let mut book = match open(source.bytes) {
        Ok(book) => book,
        Err(outcome @ Outcome::Failed { .. }) => {
            package::push_strings(source, &mut draft);
            return if draft.is_bare() { Err(outcome) } else { Ok(draft) };
        }
        Err(outcome) => return Err(outcome),
    };
    if let Ok(properties) = book.workbook_properties() {
        draft.title = properties.title.filter(|title| !title.trim().is_empty());
    }
    let sheets = book.sheets_metadata().to_vec();
    for sheet in sheets {
        let hidden = sheet.visible != SheetVisible::Visible;
        match rows(&mut book, &sheet.name) {
            Ok(rows) => push_sheet(&mut draft, &sheet.name, &rows, hidden),
            // What a sheet without cells shows is read with the charts.
            Err(_) if sheet.typ != SheetType::WorkSheet => {}
            Err(reason) => draft.lack(format!("sheet {}: {reason}", sheet.name)),
        }
    }
    match book {
        Sheets::Xlsx(_) | Sheets::Xlsb(_) => package::push_extras(source, &mut draft),
        Sheets::Ods(_) => opendocument::push_workbook_extras(source, &mut draft),
        Sheets::Xls(_) => push_record_extras(source, &mut draft),
    }
    Ok(draft)
}

fn push_record_extras(source: &Source, draft: &mut Draft) {
    if let Ok(mut file) = cfb::CompoundFile::open(Cursor::new(source.bytes)) {
        for path in ["/Workbook", "/Book"] {
            let mut stream = Vec::new();
            let found =
                file.open_stream(path).and_then(|mut stream_file| stream_file.read_to_end(&mut stream));
            if found.is_ok() {
                records::push_extras(&stream, draft);
                break;
            }
        }
    }
    legacy::push_embedded(source, draft);
    legacy::push_macros(source.bytes, draft);
}

fn open(bytes: &[u8]) -> Result<Sheets<Cursor<&[u8]>>, Outcome> {
    let reader = || Cursor::new(bytes);
    let failed = |_| Outcome::Failed { reason: "damaged workbook".into() };
    if bytes.starts_with(b"PK") {
        return match calamine::Xlsx::new(reader()) {
            Ok(book) => Ok(Sheets::Xlsx(book)),
            Err(calamine::XlsxError::Password) => Err(Outcome::Encrypted),
            Err(_) => calamine::Xlsb::new(reader())
                .map(Sheets::Xlsb)
                .or_else(|_| calamine::Ods::new(reader()).map(Sheets::Ods))
                .map_err(|error| match error {
                    calamine::OdsError::Password => Outcome::Encrypted,
                    _ => Outcome::Failed { reason: "damaged workbook".into() },
                }),
        };
    }
    match calamine::Xls::new(reader()) {
        Err(calamine::XlsError::Password) => Err(Outcome::Encrypted),
        other => other.map(Sheets::Xls).map_err(failed),
    }
}

/// The rows of a sheet that have any value, at most [`CELLS`] cells of them.
///
/// xlsx and xlsb are read as a stream of cells: a sheet may claim a range of billions of cells that it does not have.
fn rows(book: &mut Sheets<Cursor<&[u8]>>, name: &str) -> Result<Vec<Row>, String> {
    let damaged = |_| "damaged".to_owned();
    let mut cells = Cells::default();
    match book {
        Sheets::Xlsx(book) => {
            let mut reader = book.worksheet_cells_reader(name).map_err(|_| "damaged".to_owned())?;
            while let Some(cell) = reader.next_cell().map_err(|_| "damaged".to_owned())? {
                if !cells.add(cell.get_position(), &Data::from(cell.get_value().clone())) {
                    break;
                }
            }
        }
        Sheets::Xlsb(book) => {
            let mut reader = book.worksheet_cells_reader(name).map_err(|_| "damaged".to_owned())?;
            while let Some(cell) = reader.next_cell().map_err(|_| "damaged".to_owned())? {
                if !cells.add(cell.get_position(), &Data::from(cell.get_value().clone())) {
                    break;
                }
            }
        }
        book => {
            let range = book.worksheet_range(name).map_err(damaged)?;
            let (top, left) = range.start().unwrap_or((0, 0));
            for (row, column, value) in range.used_cells() {
                let at =
                    |offset: usize, base: u32| base.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
                if !cells.add((at(row, top), at(column, left)), value) {
                    break;
                }
            }
        }
    }
    Ok(cells.rows())
}

/// Cells by row, however they come.
#[derive(Default)]
struct Cells {
    rows: BTreeMap<u32, Vec<(u32, String)>>,
    count: usize,
}

impl Cells {
    /// Returns whether there is room for more.
    fn add(&mut self, (row, column): (u32, u32), value: &Data) -> bool {
        let text = cell_text(value);
        if !text.is_empty() && column < 16_384 {
            self.rows.entry(row).or_default().push((column, text));
            self.count += 1;
        }
        self.count < CELLS
    }

    fn rows(self) -> Vec<Row> {
        let row = |(number, cells): (u32, Vec<(u32, String)>)| {
            // Far-off cells of a sparse row are set next to each other rather than padded with thousands of gaps.
            let last = cells.iter().map(|(column, _)| *column).max().unwrap_or(0) as usize;
            let sparse = last > 256 && last > 8 * cells.len();
            let mut texts = vec![String::new(); if sparse { 0 } else { last + 1 }];
            for (column, text) in cells {
                match sparse {
                    true => texts.push(text),
                    false => texts[column as usize] = text,
                }
            }
            (number.saturating_add(1), texts)
        };
        self.rows.into_iter().map(row).collect()
    }
}

/// The value as a person reads it.
fn cell_text(value: &Data) -> String {
    match value {
        Data::Empty => String::new(),
        Data::String(text) => one_line(text),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number_text(*number),
        Data::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Data::Error(error) => error.to_string(),
        Data::DateTimeIso(text) | Data::DurationIso(text) => {
            text.strip_suffix("T00:00:00").unwrap_or(text).to_owned()
        }
        Data::DateTime(date) if date.is_duration() => dates::duration(date.as_f64()),
        Data::DateTime(date) => {
            let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
            let time = match (hour, minute, second) {
                (0, 0, 0) => None,
                (hour, minute, 0) => Some(format!("{hour:02}:{minute:02}")),
                (hour, minute, second) => Some(format!("{hour:02}:{minute:02}:{second:02}")),
            };
            match time {
                Some(time) if date.as_f64() < 1.0 => time,
                Some(time) => format!("{year:04}-{month:02}-{day:02} {time}"),
                None => format!("{year:04}-{month:02}-{day:02}"),
            }
        }
    }
}

/// A number without the noise of binary fractions: at most 15 significant digits, as spreadsheets keep them.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    let digits = format!("{number:.14e}").parse::<f64>().unwrap_or(number);
    digits.to_string()
}

fn push_sheet(draft: &mut Draft, sheet: &str, rows: &[Row], hidden: bool) {
    let locator = |first: u32, last: u32, columns: usize| Locator::Cells {
        sheet: sheet.to_owned(),
        range: format!("A{first}:{}{last}", column_name(columns.saturating_sub(1))),
    };
    if hidden {
        for group in rows.chunks(40) {
            let text = table_text(&group.iter().map(|(_, cells)| cells.clone()).collect::<Vec<_>>());
            draft.push(
                BlockKind::Hidden,
                locator(group[0].0, group[group.len() - 1].0, widest(group)),
                &text,
            );
        }
        return;
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        draft.push(BlockKind::Heading(2), locator(first.0, last.0, widest(rows)), sheet);
    }
    push_rows(draft, rows, locator);
}

fn widest(rows: &[Row]) -> usize {
    rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0)
}

/// Adds rows as tables of about one chunk each, every one beginning with the header row, and what stands above the
/// header row as a paragraph. `locator` makes the locator of rows (first, last) and a number of columns.
pub(super) fn push_rows(draft: &mut Draft, rows: &[Row], locator: impl Fn(u32, u32, usize) -> Locator) {
    let header = header_row(rows);
    for (number, cells) in &rows[..header] {
        let text = table_text(std::slice::from_ref(cells));
        draft.paragraph(locator(*number, *number, cells.len()), &text);
    }
    let Some((head, body)) = rows[header..].split_first() else { return };
    let columns = widest(&rows[header..]);
    let mut group: Vec<Vec<String>> = vec![head.1.clone()];
    let (mut first, mut last, mut bytes) = (head.0, head.0, 0);
    for (number, cells) in body {
        let size: usize = cells.iter().map(|cell| cell.len() + 3).sum();
        if bytes > 0 && bytes + size > GROUP {
            draft.table(locator(first, last, columns), &group);
            group.truncate(1);
            (first, bytes) = (*number, 0);
        }
        group.push(cells.clone());
        bytes += size;
        last = *number;
    }
    draft.table(locator(first, last, columns), &group);
}

/// The row that names the columns: the first near the top that is about as wide as the table.
fn header_row(rows: &[Row]) -> usize {
    let filled = |(_, cells): &Row| cells.iter().filter(|cell| !cell.is_empty()).count();
    let width = rows.iter().take(200).map(filled).max().unwrap_or(0);
    if width < 2 {
        return 0;
    }
    let wide = |row: &Row| filled(row) >= 2 && filled(row) * 3 >= width * 2;
    rows.iter().take(HEADER_WITHIN).position(wide).unwrap_or(0)
}

/// The name of a column counted from 0: A to Z, AA …
pub(super) fn column_name(mut column: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'A' + u8::try_from(column % 26).unwrap_or(0));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    name.iter().rev().map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_in_a_spreadsheet() {
        let names: Vec<String> = [0, 25, 26, 51, 701, 702].map(column_name).to_vec();
        assert_eq!(names, ["A", "Z", "AA", "AZ", "ZZ", "AAA"]);
    }

    #[test]
    fn a_damaged_workbook_gives_its_strings_and_page_headers() {
        let bytes = super::super::office::tests::package(&[
            ("xl/workbook.xml", "<workbook><sheets><sheet name="),
            (
                "xl/sharedStrings.xml",
                "<sst><si><t>Rent</t></si><si><r><t>is </t></r><r><t>due</t></r></si></sst>",
            ),
            (
                "xl/worksheets/sheet1.xml",
                "<worksheet><sheetData><row r=\"1\"/></sheetData><headerFooter><oddHeader>&amp;LFor internal use\
                 &amp;RPage &amp;P</oddHeader></headerFooter></worksheet>",
            ),
        ]);
        let document = super::super::tests::read("a.xlsx", &bytes);
        assert_eq!(document.text, "Rent\n\nis due\n\nFor internal use");
        assert!(document.outcome.to_string().starts_with("partly read (damaged"));
    }

    #[test]
    fn numbers_are_without_noise() {
        assert_eq!(number_text(0.1 + 0.2), "0.3");
        assert_eq!(number_text(1200.0), "1200");
        assert_eq!(number_text(-0.5), "-0.5");
    }

    #[test]
    fn every_group_of_a_long_table_begins_with_the_header() {
        let mut rows: Vec<Row> =
            vec![(1, vec!["Price list".into()]), (3, vec!["Item".into(), "Price".into()])];
        rows.extend((4..400).map(|n| (n, vec![format!("thing number {n}"), n.to_string()])));
        let mut draft = Draft::new(1 << 20);
        push_sheet(&mut draft, "S", &rows, false);
        let document = draft.finish(String::new());
        let tables: Vec<_> = document.blocks.iter().filter(|block| block.kind == BlockKind::Table).collect();
        assert!(tables.len() > 3);
        assert!(tables.iter().all(|block| block.span.of(&document.text).starts_with("Item | Price\n")));
        assert_eq!(document.blocks[1].locator.to_string(), "S A1:A1");
        assert!(tables[0].locator.to_string().starts_with("S A3:B"));
    }
}
