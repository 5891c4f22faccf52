//! `carrel compare`: what two files say differently, and what only one of them says.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::desk::Desk;
use super::progress::{Meter, one_line};
use super::{Exit, Failure, Global};
use crate::wire;

/// Compare two files sentence by sentence
///
/// Shows what both speak of without saying the same, and what only one has, in the words of each. No model writes here.
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
        let (first, second) = (super::folders::found(&self.first)?, super::folders::found(&self.second)?);
        let desk = Desk::for_files(global, &[&first, &second])?;
        let (first, second) =
            (carrel_ingest::stored_from_path(&first), carrel_ingest::stored_from_path(&second));
        let comparison = match &desk {
            Desk::Here(here) => {
                let comparison = here.0.compare(&first, &second)?;
                wire::Comparison::new(first, second, &comparison)
            }
            Desk::Served(remote) => {
                let body = wire::CompareBody { first, second };
                let done = remote.work("/library/compare", &body, &mut Meter::new())?;
                let Some(comparison) = done else { return Ok(Exit::Interrupted) };
                comparison
            }
        };
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
