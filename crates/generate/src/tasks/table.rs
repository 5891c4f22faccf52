//! Fills a table from documents: one row a document, one column a property of a JSON schema, one citation a cell.
//!
//! The model's output is constrained to the schema, so it always parses; that it is well formed says nothing about
//! its truth, so every value is looked for in the passages like any other claim.

use carrel_corpus::{Citation, Embedder, Generator, Passage, Support};
use serde_json::{Map, Value};

use super::{Reader, Source, Visited, Watcher};
use crate::align::Aligner;
use crate::evidence::{split, without_instructions};
use crate::prompt::{self, Shown, fenced};
use crate::words::find_words;
use crate::{Error, Stats};

#[derive(Clone, Debug, PartialEq)]
pub struct TableConfig {
    /// Tokens of passages shown for one document.
    pub passage_tokens: usize,
    /// Tokens of one row as JSON.
    pub row_tokens: usize,
}

impl Default for TableConfig {
    fn default() -> TableConfig {
        TableConfig { passage_tokens: 1_000, row_tokens: 200 }
    }
}

/// The state and result of the task. Store it to go on later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Names of the schema's properties, in their order.
    pub columns: Vec<String>,
    pub rows: Vec<TableRow>,
    pub stats: Stats,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    pub source: Source,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// A value with its evidence; `citations` is empty exactly when it is not supported.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// As the schema types it; null where the document does not say.
    pub value: Value,
    pub support: Support,
    pub citations: Vec<Citation>,
}

/// Adds a row for each document that has none yet. Broken off by `watch`, it leaves in `table` what it has done.
///
/// # Errors
/// [`Error::Schema`] where `schema` is not the JSON schema of an object with properties; fails when a network or
/// the reader does.
pub fn extract_table(
    schema: &str,
    documents: &[Source],
    config: &TableConfig,
    table: &mut Table,
    read: &mut Reader,
    (generator, embedder): (&dyn Generator, &dyn Embedder),
    watch: &mut Watcher,
) -> Result<(), Error> {
    let schema: Value = serde_json::from_str(schema).map_err(|_| Error::Schema)?;
    let columns = columns(&schema)?;
    table.columns = columns.iter().map(|(name, _)| name.clone()).collect();
    let query = columns.iter().map(|(_, asked)| asked.as_str()).collect::<Vec<_>>().join("; ");
    for source in documents {
        if table.rows.iter().any(|row| row.source.document == source.document) {
            continue;
        }
        let passages = within(read(source.document, Some(&query))?, config.passage_tokens, generator);
        let values = ask(&schema, &columns, &passages, config, generator, &mut table.stats)?;
        let cells = columns
            .iter()
            .map(|(name, asked)| {
                cell(values.get(name).cloned().unwrap_or(Value::Null), asked, &passages, embedder)
            })
            .collect::<Result<_, Error>>()?;
        table.rows.push(TableRow { source: source.clone(), cells });
        let seen = Visited { done: table.rows.len(), total: documents.len(), path: &source.path };
        if watch(seen).is_break() {
            break;
        }
    }
    Ok(())
}

/// Name of each property, and what it asks for in words: its description where it has one.
fn columns(schema: &Value) -> Result<Vec<(String, String)>, Error> {
    let properties = schema["properties"].as_object().filter(|p| !p.is_empty()).ok_or(Error::Schema)?;
    let asked = |name: &str, property: &Value| {
        let described = property["description"].as_str().or(property["title"].as_str());
        described.map_or_else(|| name.replace(['_', '-'], " "), str::to_owned)
    };
    Ok(properties.iter().map(|(name, property)| (name.clone(), asked(name, property))).collect())
}

fn within(passages: Vec<Passage>, budget: usize, generator: &dyn Generator) -> Vec<Passage> {
    let mut left = budget;
    passages
        .into_iter()
        // What a reader of the file does not see is no value of it.
        .filter(|passage| !passage.hidden)
        .enumerate()
        .take_while(|(at, passage)| {
            let cost = generator.count_tokens(&passage.text);
            let fits = cost <= left || *at == 0;
            left = left.saturating_sub(cost);
            fits
        })
        .map(|(_, passage)| passage)
        .collect()
}

fn ask(
    schema: &Value,
    columns: &[(String, String)],
    passages: &[Passage],
    config: &TableConfig,
    generator: &dyn Generator,
    stats: &mut Stats,
) -> Result<Map<String, Value>, Error> {
    if passages.is_empty() {
        return Ok(Map::new());
    }
    // The day on which a file was written last stands in no document, and would be taken for the day of a letter.
    let undated = |passage: &Passage| Passage { date: None, ..passage.clone() };
    let show = |(at, passage): (usize, Passage)| {
        let text = without_instructions(&passage.text, &split(0, &passage.text));
        fenced(at + 1, &Shown { passage: &passage, text: &text })
    };
    let shown: String = passages.iter().map(undated).enumerate().map(show).collect();
    let wanted: Vec<String> = columns.iter().map(|(name, asked)| format!("\"{name}\": {asked}")).collect();
    let asked = format!(
        "Fill this from the text, with its own words and figures, null where it does not say:\n{}\nWrite only JSON.",
        wanted.join("\n")
    );
    let mut prompt = prompt::fenced_task(&asked, &shown, config.row_tokens);
    prompt.json_schema = Some(schema.to_string());
    let generation = generator.generate(&prompt, &mut |_| std::ops::ControlFlow::Continue(()))?;
    stats.add(&generation);
    if let Ok(values) = serde_json::from_str(generation.text.trim()) {
        return Ok(values);
    }
    // Only a row that grew too long does not parse: its columns are asked for one by one.
    let [(name, _)] = columns else {
        let mut row = Map::new();
        for column in columns {
            let alone = alone(schema, &column.0);
            row.extend(ask(&alone, std::slice::from_ref(column), passages, config, generator, stats)?);
        }
        return Ok(row);
    };
    Ok(Map::from_iter([(name.clone(), Value::Null)]))
}

/// The schema with one of its properties.
fn alone(schema: &Value, name: &str) -> Value {
    let mut alone = schema.clone();
    alone["properties"] =
        Value::from(Map::from_iter([(name.to_owned(), schema["properties"][name].clone())]));
    if let Some(required) = alone["required"].as_array_mut() {
        required.retain(|property| property == name);
    }
    alone
}

fn cell(value: Value, asked: &str, passages: &[Passage], embedder: &dyn Embedder) -> Result<Cell, Error> {
    let said = match &value {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(true) => Some(asked.to_owned()),
        Value::Bool(false) => None,
        Value::Array(items) => Some(items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        other => Some(plain(other)),
    };
    let Some(said) = said else {
        return Ok(Cell { value, support: Support::NotAClaim, citations: Vec::new() });
    };
    let checked = Aligner::new(passages, asked, embedder).check(&said, &[])?;
    let citations = match checked.support {
        Support::Supported => checked.citations,
        // A title is no sentence that says something, and still what it is.
        _ => value.as_str().and_then(|text| word_for_word(text, passages)).into_iter().collect(),
    };
    let is_supported = !citations.is_empty();
    // Of a schema without null, a model makes words for it, and numbers that stand nowhere.
    let is_made_up = value.is_number() || says_nothing_of_it(&said);
    if !is_supported && is_made_up {
        return Ok(Cell { value: Value::Null, support: Support::NotAClaim, citations });
    }
    let support = if is_supported { Support::Supported } else { Support::Unsupported };
    Ok(Cell { value, support, citations })
}

/// `not specified`, `unknown`
fn says_nothing_of_it(value: &str) -> bool {
    const WORDS: [&str; 12] = [
        "unknown",
        "none",
        "n/a",
        "na",
        "null",
        "not applicable",
        "not specified",
        "not stated",
        "not available",
        "not given",
        "not mentioned",
        "not provided",
    ];
    let value = value.trim().trim_end_matches('.').to_lowercase();
    WORDS.contains(&value.as_str())
}

/// Where whole words of a passage are `wanted`, but for the case.
fn word_for_word(wanted: &str, passages: &[Passage]) -> Option<Citation> {
    passages
        .iter()
        .enumerate()
        .find_map(|(at, passage)| Some(passage.citation(at + 1, find_words(&passage.text, wanted)?)))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
