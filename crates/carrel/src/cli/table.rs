//! `carrel table`: a table out of documents, one row a document, one column a property of a JSON schema.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::desk::Here;
use super::progress::Meter;
use super::{Exit, Failure, Global};
use crate::interrupt;

/// Fill a table from the documents, each cell with its source
///
/// SCHEMA is a file with the JSON schema of an object; each of its properties becomes a column, and its description says
/// what is looked for. A value that stands nowhere in its document is marked. Ctrl-C ends the work with the rows so far.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel table leases.json --folder ~/Documents/leases > leases.csv
  carrel table leases.json --format json | jq '.[] | {path, rent: .rent.value}'

Where leases.json is, for example:
  {\"type\": \"object\", \"properties\": {
    \"tenant\": {\"type\": [\"string\", \"null\"], \"description\": \"name of the tenant\"},
    \"rent\": {\"type\": [\"number\", \"null\"], \"description\": \"monthly rent in euros\"}}}")]
pub struct TableArgs {
    schema: PathBuf,
    /// Only the documents of this folder, reading it first
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// How the table is printed; `--json` means `--format json`
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

impl TableArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let schema = std::fs::read_to_string(&self.schema).map_err(|error| {
            Failure::new(format!("could not read the schema `{}`: {error}", self.schema.display()))
        })?;
        let folder = self.folder.as_deref().map(super::folders::existing).transpose()?;
        let Some(here) = Here::for_task(global, folder.as_slice(), true)? else {
            return Ok(Exit::Interrupted);
        };
        let paths: Vec<String> =
            folder.iter().map(|folder| carrel_ingest::stored_from_path(folder)).collect();
        let mut meter = Meter::new();
        let table = here.0.tabulate(&schema, &paths, &mut meter.watch())?;
        meter.clear();
        if global.json || self.format == Format::Json {
            super::print_json(&table.to_json())?;
        } else {
            write!(std::io::stdout().lock(), "{}", table.to_csv())?;
        }
        Ok(if interrupt::interrupted() { Exit::Interrupted } else { Exit::Done })
    }
}
