//! `carrel list`: a question about every document, answered by visiting every document.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::ask::print_coverage;
use super::desk::Desk;
use super::progress::{Meter, one_line};
use super::{Exit, Failure, Global};
use crate::{interrupt, wire};

/// Visit every document for a question about all of them, with one quotation for each
///
/// For questions such as `which of these ... have ...`, `how many ...` or `which ... lack ...`, where the best few
/// passages are not enough. Any other text is taken for what the documents are to say. Ctrl-C ends the visit and shows
/// what it has.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel list \"Which of these contracts have a non-compete clause?\"
  carrel list \"Which leases lack a break clause?\" --folder ~/Documents/leases
  carrel list \"a cap on liability\" --json | jq -r '.rows[] | select(.meets) | .path'

Exit code 3 says that no document was found.")]
pub struct ListArgs {
    question: String,
    /// Visit only this folder, reading it first
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl ListArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if self.question.trim().is_empty() {
            return Err(crate::library::Error::EmptyQuestion.into());
        }
        let folder = self.folder.as_deref().map(super::folders::existing).transpose()?;
        let Some(desk) = Desk::for_task(global, folder.as_deref(), true)? else {
            return Ok(Exit::Interrupted);
        };
        let scope = wire::Scope::beneath(folder.as_deref());
        let mut meter = Meter::new();
        let listing = match &desk {
            Desk::Here(here) => {
                let visit = here.0.visit(&self.question, &scope.into(), &mut meter.watch())?;
                Some(wire::Listing::from(&visit))
            }
            Desk::Served(remote) => {
                let body = wire::ListBody { question: self.question.clone(), scope };
                remote.work("/library/list", &body, &mut meter)?
            }
        };
        meter.clear();
        let Some(listing) = listing else { return Ok(Exit::Interrupted) };
        if global.json {
            super::print_json(&listing)?;
        } else {
            print(&listing)?;
        }
        Ok(match listing.answer().next() {
            _ if interrupt::interrupted() => Exit::Interrupted,
            None => Exit::No,
            Some(_) => Exit::Done,
        })
    }
}

fn print(listing: &wire::Listing) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let nearest = if listing.lacking { "nearest: " } else { "" };
    for row in listing.answer() {
        match &row.evidence {
            Some(evidence) => {
                writeln!(out, "{}, {}", row.path, evidence.locator)?;
                writeln!(out, "    {nearest}\"{}\"", one_line(&evidence.quote, 300))?;
            }
            None => writeln!(out, "{}", row.path)?,
        }
    }
    let found = listing.answer().count();
    writeln!(out, "{found} found; visited {} of {} documents", listing.visited, listing.total)?;
    print_coverage(&mut out, &listing.coverage)
}
