//! A table out of documents as CSV and as a spreadsheet, each value beside the place that it comes from.
//!
//! The spreadsheet is Office Open XML (ECMA-376, SpreadsheetML) in its smallest form: strings stand in their cells.
//! Nothing in it is a formula, whatever a document says.

use std::fmt::Write as _;
use std::io::{Cursor, Write};

use serde_json::Value;
use zip::result::ZipResult;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::wire::{Cell, Table};

/// Rows as RFC 4180 CSV: path, then for each column its value and where it stands.
pub fn csv(table: &Table) -> String {
    let mut csv = String::new();
    for row in cells(table) {
        let fields: Vec<String> = row.iter().map(|value| quoted(&text(value))).collect();
        csv.push_str(&fields.join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// A workbook of two sheets: the rows as in [`csv`], and for each value the words that it rests on.
pub fn xlsx(table: &Table) -> ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    let sheets = [sheet(&cells(table)), sheet(&sources(table))];
    let parts = PARTS.iter().map(|(name, content)| (*name, *content));
    let pages = ["xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"];
    for (name, content) in parts.chain(pages.into_iter().zip(sheets.iter().map(String::as_str))) {
        archive.start_file(name, options)?;
        archive.write_all(content.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

const PARTS: [(&str, &str); 4] = [
    (
        "[Content_Types].xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/worksheets/sheet2.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#,
    ),
    (
        "_rels/.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Table" sheetId="1" r:id="rId1"/><sheet name="Sources" sheetId="2" r:id="rId2"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#,
    ),
];

/// The table with its header; two cells for each column.
fn cells(table: &Table) -> Vec<Vec<Value>> {
    let named = |column: &String| [Value::from(column.clone()), Value::from(format!("{column} (source)"))];
    let mut rows =
        vec![[Value::from("path")].into_iter().chain(table.columns.iter().flat_map(named)).collect()];
    rows.extend(table.rows.iter().map(|row| {
        let pair = |cell: &Cell| [cell.value.clone(), Value::from(place(cell))];
        [Value::from(row.path.clone())].into_iter().chain(row.cells.iter().flat_map(pair)).collect()
    }));
    rows
}

/// A row for every citation.
fn sources(table: &Table) -> Vec<Vec<Value>> {
    let header = ["path", "column", "value", "where", "words"];
    let mut rows = vec![header.map(Value::from).to_vec()];
    for row in &table.rows {
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            rows.extend(cell.citations.iter().map(|cited| {
                let found = [&cited.path, column, &text(&cell.value), &cited.locator, &cited.quote];
                found.map(|text| Value::from(text.as_str())).to_vec()
            }));
        }
    }
    rows
}

/// Where the value stands; a value that was not found says so.
fn place(cell: &Cell) -> String {
    match cell.citations.first() {
        Some(citation) if cell.supported => citation.locator.clone(),
        _ if cell.value.is_null() || cell.value == "" || cell.value == false => String::new(),
        _ => "not found in the document".to_owned(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A CSV field. A leading `=`, `+`, `-` or `@` that is no number would be run as a formula by a spreadsheet.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err();
    let guarded = if formula { format!("'{field}") } else { field.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

/// Characters that a cell may hold.
const CELL: usize = 32_767;

fn sheet(rows: &[Vec<Value>]) -> String {
    let mut xml = String::from(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#,
    );
    for row in rows {
        xml.push_str("<row>");
        for value in row {
            // Writing to a string does not fail.
            let _ = match value {
                Value::Null => write!(xml, "<c/>"),
                Value::Bool(set) => write!(xml, r#"<c t="b"><v>{}</v></c>"#, u8::from(*set)),
                Value::Number(number) => write!(xml, "<c><v>{number}</v></c>"),
                other => {
                    let shown = escaped(&text(other));
                    write!(xml, r#"<c t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>"#)
                }
            };
        }
        xml.push_str("</row>");
    }
    xml.push_str("</sheetData></worksheet>");
    xml
}

/// As text of XML 1.0, which has no way to write most control characters.
fn escaped(text: &str) -> String {
    let allowed =
        |c: &char| matches!(c, '\t' | '\n') || !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(allowed).take(CELL).fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::{Evidence, TableRow};

    fn table() -> Table {
        let cited = Evidence {
            document: 1,
            path: "c.txt".into(),
            title: "c".into(),
            locator: "line 2".into(),
            page: None,
            span: [0, 9],
            quote: "950 <euros>\u{1}".into(),
        };
        let cells = vec![
            Cell { value: json!(950), supported: true, citations: vec![cited] },
            Cell { value: json!("=Carl \"Berg\""), supported: false, citations: Vec::new() },
            Cell { value: Value::Null, supported: false, citations: Vec::new() },
        ];
        let columns = ["rent", "tenant", "end"].map(str::to_owned).to_vec();
        Table { columns, rows: vec![TableRow { path: "c.txt".into(), cells }] }
    }

    #[test]
    fn a_field_of_csv_is_never_a_formula() {
        assert_eq!(
            csv(&table()).lines().collect::<Vec<_>>(),
            [
                "path,rent,rent (source),tenant,tenant (source),end,end (source)",
                "c.txt,950,line 2,\"'=Carl \"\"Berg\"\"\",not found in the document,,",
            ]
        );
    }

    #[test]
    fn a_sheet_is_well_formed_whatever_the_text() {
        let xml = sheet(&sources(&table()));
        assert!(xml.contains("950 &lt;euros&gt;</t>"), "{xml}");
        assert!(sheet(&cells(&table())).contains("<c><v>950</v></c>"));
    }
}
