//! `carrel compare`: what two files say differently, and what only one of them says.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::desk::Here;
use super::progress::one_line;
use super::{Exit, Failure, Global};
use crate::wire;

/// Compare two files sentence by sentence
///
/// Shows what both speak of without saying the same, and what only one has, in the words of each. No model writes here.
/// The folders that the files are in are read first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel compare lease-2021.pdf lease-2024.pdf
  carrel compare draft.docx signed.pdf --json | jq '.differences[] | select(.kind == \"changed\")'")]
pub struct CompareArgs {
    #[arg(value_name = "FILE")]
    first: PathBuf,
    #[arg(value_name = "FILE")]
    second: PathBuf,
}

impl CompareArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let (first, first_folder) = super::folders::target(&self.first)?;
        let (second, second_folder) = super::folders::target(&self.second)?;
        let Some(here) = Here::for_task(global, &[first_folder, second_folder], false)? else {
            return Ok(Exit::Interrupted);
        };
        let (first, second) =
            (carrel_ingest::stored_from_path(&first), carrel_ingest::stored_from_path(&second));
        let comparison = here.0.compare(&first, &second)?;
        let comparison = wire::Comparison::new(first, second, &comparison);
        if global.json {
            super::print_json(&comparison)?;
        } else {
            print(&comparison)?;
        }
        Ok(Exit::Done)
    }
}

fn print(comparison: &wire::Comparison) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "- {}", comparison.first)?;
    writeln!(out, "+ {}", comparison.second)?;
    for difference in &comparison.differences {
        writeln!(out)?;
        for (mark, side) in [("-", &difference.first), ("+", &difference.second)] {
            if let Some(said) = side {
                writeln!(out, "{mark} {}: \"{}\"", said.locator, one_line(&said.quote, 300))?;
            }
        }
    }
    writeln!(
        out,
        "\n{} differences; {} sentences are the same",
        comparison.differences.len(),
        comparison.same
    )
}
