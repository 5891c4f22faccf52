//! `carrel extract`: what is read from one file, so that reading can be judged by itself.

use std::io::Write;
use std::path::PathBuf;

use carrel_corpus::Document;
use carrel_ingest::{Workers, WorkersConfig};
use clap::Args;

use super::{Exit, Failure, Global, print_json};
use crate::config::Config;
use crate::wire;

/// Show what is read from a file: its text, block by block, each with its page, sheet or line
///
/// Reads as the library does, in a worker process with limited memory, time and rights. A file that cannot be read ends
/// with an outcome that says why; that is no failure of this command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel extract lease.pdf
  carrel extract accounts.xlsx --json | jq '.blocks[] | .locator'")]
pub struct ExtractArgs {
    file: PathBuf,
}

impl ExtractArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if !self.file.exists() {
            return Err(Failure::new(format!("no such file `{}`", self.file.display())));
        }
        let config = Config::without_data(global.overrides())?;
        let workers = Workers::new(WorkersConfig {
            program: config.worker.0,
            args: config.worker.1,
            count: 1,
            limits: config.limits,
        });
        let document = workers.extract(&self.file);
        match global.json {
            true => print_json(&wire::extracted(&document))?,
            false => print(&mut std::io::stdout().lock(), &wire::path(&self.file), &document)?,
        }
        Ok(Exit::Done)
    }
}

fn print(out: &mut impl Write, name: &str, document: &Document) -> Result<(), Failure> {
    let pages = document.pages.map_or(String::new(), |pages| format!(", {pages} pages"));
    writeln!(out, "{name}: {} ({}{pages})", document.outcome, document.media_type)?;
    for block in &document.blocks {
        writeln!(out, "\n[{}, {}]", block.locator, wire::kind(block.kind))?;
        writeln!(out, "{}", block.span.of(&document.text).trim_end())?;
    }
    for (member, document) in &document.members {
        writeln!(out)?;
        print(out, &format!("{name}!/{member}"), document)?;
    }
    Ok(())
}
