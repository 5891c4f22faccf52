//! Jupyter notebooks: cells in order, with the text of their outputs.

use carrel_corpus::{BlockKind, Locator, Outcome};
use serde_json::Value;

use super::draft::one_line;
use super::{Reading, Source};
use crate::detect::decode;

/// Longest output kept of one cell, in bytes: logs, not results, are longer.
const OUTPUT: usize = 20_000;

/// Reads a notebook (nbformat 3 and 4). The locator names the cell.
pub(super) fn read(source: &Source) -> Reading {
    let root: Value = serde_json::from_str(&decode(source.bytes))
        .map_err(|_| Outcome::Failed { reason: "not valid JSON".into() })?;
    let mut draft = source.draft();
    let sheets = root["worksheets"].as_array().map(|sheets| sheets.iter().collect()).unwrap_or(vec![&root]);
    let cells = sheets.iter().filter_map(|sheet| sheet["cells"].as_array()).flatten();
    for (position, cell) in cells.enumerate() {
        let locator = Locator::Part { name: format!("cell {}", position + 1) };
        let content = joined(if cell["source"].is_null() { &cell["input"] } else { &cell["source"] });
        match cell["cell_type"].as_str() {
            Some("code") => {
                draft.push(BlockKind::Code, locator.clone(), &content);
                for output in cell["outputs"].as_array().into_iter().flatten() {
                    draft.paragraph(locator.clone(), &output_text(output));
                }
            }
            _ => {
                for part in content.split("\n\n") {
                    let level = part.bytes().take_while(|&byte| byte == b'#').count();
                    if (1..=6).contains(&level) && !part.trim().contains('\n') {
                        let title = part[level..].trim();
                        draft.title.get_or_insert_with(|| one_line(title));
                        let level = super::markup::heading_level(level);
                        draft.push(BlockKind::Heading(level), locator.clone(), title);
                    } else {
                        draft.paragraph(locator.clone(), part);
                    }
                }
            }
        }
    }
    Ok(draft)
}

/// A string, or a list of strings that make one.
fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn output_text(output: &Value) -> String {
    let mut text = joined(&output["text"]);
    if text.is_empty() {
        text = joined(&output["data"]["text/plain"]);
    }
    if text.is_empty() && output["output_type"] == "error" {
        text = format!(
            "{}: {}",
            output["ename"].as_str().unwrap_or(""),
            output["evalue"].as_str().unwrap_or("")
        );
    }
    let end = (0..=text.len().min(OUTPUT)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    #[test]
    fn cells_and_outputs_are_read() {
        let file = r##"{"nbformat":4,"cells":[{"cell_type":"markdown","source":["# Rent"]},
            {"cell_type":"code","source":"1+1","outputs":[{"data":{"text/plain":["2"]}}]}]}"##;
        assert_eq!(
            outline(&read("a.ipynb", file.as_bytes())),
            "indexed\nHeading(1) @ cell 1: Rent\nCode @ cell 2: 1+1\nParagraph @ cell 2: 2"
        );
    }
}
