//! Delimited values: rows as a table, in groups that each begin with a row range of the file.

use carrel_corpus::Locator;

use super::draft::one_line;
use super::sheets::{column_name, push_rows};
use super::{Reading, Source};
use crate::detect::decode;

/// Reads comma-separated values and the like. The locator names rows and columns as a spreadsheet would.
pub(super) fn read(source: &Source, delimiter: u8) -> Reading {
    let text = decode(source.bytes);
    let mut draft = source.draft();
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows: Vec<(u32, Vec<String>)> = Vec::new();
    let mut number = 0u32;
    for record in reader.records() {
        number = number.saturating_add(1);
        match record {
            Ok(record) => rows.push((number, record.iter().map(one_line).collect())),
            Err(_) => draft.lack(format!("row {number}: not readable")),
        }
    }
    push_rows(&mut draft, &rows, |first, last, columns| Locator::Cells {
        sheet: super::stem(source.name).to_owned(),
        range: format!("A{first}:{}{last}", column_name(columns.saturating_sub(1))),
    });
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    #[test]
    fn rows_are_a_table_with_its_range() {
        let document = read("stock.csv", b"item;price\n\"Tea; green\";3\nMilk;1\n");
        assert_eq!(
            outline(&document),
            "indexed\nTable @ stock A1:B3: item | price\\nTea; green | 3\\nMilk | 1"
        );
    }

    #[test]
    fn a_long_table_comes_in_groups() {
        let rows: String = (0..300).map(|n| format!("{n},value {n}\n")).collect();
        let document = read("a.csv", rows.as_bytes());
        assert!(document.blocks.len() > 3);
        assert!(document.text.contains("299 | value 299"));
    }
}
