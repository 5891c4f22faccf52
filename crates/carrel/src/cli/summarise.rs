//! `carrel summarise`: the most telling points of a file or folder, each with its citations.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::ask::{marks, print_citations, print_coverage};
use super::desk::Desk;
use super::progress::Meter;
use super::{Exit, Failure, Global};
use crate::{interrupt, wire};

/// Summarise a file or folder in cited points
///
/// The model reads all of it, section by section; a point is kept only where the text says it. Ctrl-C ends the reading and shows the points so far.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel summarise lease.pdf
  carrel summarise ~/Documents/minutes --json | jq -r '.claims[].text'

Exit code 3 says that nothing could be said that the text supports.")]
pub struct SummariseArgs {
    #[arg(value_name = "FILE_OR_FOLDER")]
    path: PathBuf,
}

impl SummariseArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let target = super::folders::found(&self.path)?;
        let desk = match target.is_dir() {
            true => Desk::for_task(global, Some(&target), false)?,
            false => Some(Desk::for_files(global, &[&target])?),
        };
        let path = carrel_ingest::stored_from_path(&target);
        let mut meter = Meter::new();
        let summary = match &desk {
            Some(Desk::Here(here)) => {
                Some(wire::Summary::from(&here.0.summarise(&path, &mut meter.watch())?))
            }
            Some(Desk::Served(remote)) => {
                remote.work("/library/summarise", &wire::SummariseBody { path }, &mut meter)?
            }
            None => None,
        };
        meter.clear();
        let Some(summary) = summary else { return Ok(Exit::Interrupted) };
        if global.json {
            super::print_json(&summary)?;
        } else {
            print(&summary)?;
        }
        Ok(match summary.claims.is_empty() {
            _ if interrupt::interrupted() => Exit::Interrupted,
            true => Exit::No,
            false => Exit::Done,
        })
    }
}

fn print(summary: &wire::Summary) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut at = 0;
    for claim in &summary.claims {
        let end = claim.span[1];
        write!(out, "{}{}", summary.summary.get(at..end).unwrap_or(&claim.text), marks(claim))?;
        at = end;
    }
    if summary.claims.is_empty() {
        eprintln!("nothing could be said that the text supports");
    } else {
        writeln!(out, "\n")?;
        print_citations(&mut out, &summary.claims)?;
        writeln!(out)?;
    }
    for note in &summary.notes {
        writeln!(out, "note: {note}")?;
    }
    print_coverage(&mut out, &summary.coverage)
}
