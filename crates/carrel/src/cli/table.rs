//! `carrel table`: a table out of documents, one row a document, one column a property of a JSON schema.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::desk::Desk;
use super::progress::Meter;
use super::{Exit, Failure, Global};
use crate::{interrupt, sheet, wire};

/// Fill a table from the documents, each cell with its source
///
/// SCHEMA is a file with the JSON schema of an object; each of its properties becomes a column, and its description says
/// what is looked for. A value that stands nowhere in its document is marked. Ctrl-C ends the work with the rows so far.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel table leases.json --folder ~/Documents/leases > leases.csv
  carrel table leases.json --format xlsx --output leases.xlsx
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
    /// Write to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
    /// For a spreadsheet program; a second sheet holds the words that each value rests on
    Xlsx,
}

impl TableArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let schema = std::fs::read_to_string(&self.schema).map_err(|error| {
            Failure::new(format!("could not read the schema `{}`: {error}", self.schema.display()))
        })?;
        let folder = self.folder.as_deref().map(super::folders::existing).transpose()?;
        let format = if global.json { Format::Json } else { self.format };
        if format == Format::Xlsx && self.output.is_none() && std::io::stdout().is_terminal() {
            let hint = "name a file with `--output`, or send it on: `> table.xlsx`";
            return Err(Failure::with_hint("a spreadsheet cannot be shown in a terminal", hint));
        }
        let Some(desk) = Desk::for_task(global, folder.as_deref(), true)? else {
            return Ok(Exit::Interrupted);
        };
        let scope = wire::Scope::beneath(folder.as_deref());
        let mut meter = Meter::new();
        let table = match &desk {
            Desk::Here(here) => {
                let table = here.0.tabulate(&schema, &scope.into(), &mut meter.watch())?;
                Some(wire::Table::from(&table))
            }
            Desk::Served(remote) => {
                let parsed = serde_json::from_str(&schema).map_err(|error| Failure::of(&error))?;
                remote.work("/library/table", &wire::TableBody { schema: parsed, scope }, &mut meter)?
            }
        };
        meter.clear();
        let Some(table) = table else { return Ok(Exit::Interrupted) };
        self.write(&encoded(&table, format)?)?;
        Ok(if interrupt::interrupted() { Exit::Interrupted } else { Exit::Done })
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(path) = &self.output else { return Ok(std::io::stdout().lock().write_all(bytes)?) };
        std::fs::write(path, bytes)
            .map_err(|error| Failure::new(format!("could not write `{}`: {error}", path.display())))
    }
}

fn encoded(table: &wire::Table, format: Format) -> Result<Vec<u8>, Failure> {
    Ok(match format {
        Format::Csv => sheet::csv(table).into_bytes(),
        Format::Json => {
            let mut bytes =
                serde_json::to_vec_pretty(&table.records()).map_err(|error| Failure::of(&error))?;
            bytes.push(b'\n');
            bytes
        }
        Format::Xlsx => sheet::xlsx(table).map_err(|error| Failure::of(&error))?,
    })
}
