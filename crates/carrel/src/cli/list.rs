//! `carrel list`: a question about every document, answered by visiting every document.

use std::io::Write;
use std::path::PathBuf;

use carrel_generate::tasks::Row;
use clap::Args;

use super::ask::print_coverage;
use super::desk::Here;
use super::progress::{Meter, one_line};
use super::{Exit, Failure, Global};
use crate::library::Visit;
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
        let Some(here) = Here::for_task(global, folder.as_slice(), true)? else {
            return Ok(Exit::Interrupted);
        };
        let paths: Vec<String> =
            folder.iter().map(|folder| carrel_ingest::stored_from_path(folder)).collect();
        let mut meter = Meter::new();
        let visit = here.0.visit(&self.question, &paths, &mut meter.watch())?;
        meter.clear();
        let answer: Vec<&Row> = visit.found.answer(&visit.criterion).collect();
        if global.json {
            super::print_json(&wire::Listing::from(&visit))?;
        } else {
            print(&visit, &answer)?;
        }
        Ok(match answer.is_empty() {
            _ if interrupt::interrupted() => Exit::Interrupted,
            true => Exit::No,
            false => Exit::Done,
        })
    }
}

fn print(visit: &Visit, answer: &[&Row]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let nearest = if visit.criterion.lacking { "nearest: " } else { "" };
    for row in answer {
        match &row.evidence {
            Some(evidence) => {
                writeln!(out, "{}, {}", row.path, evidence.locator)?;
                writeln!(out, "    {nearest}\"{}\"", one_line(&evidence.quote, 300))?;
            }
            None => writeln!(out, "{}", row.path)?,
        }
    }
    let visited = visit.found.rows.len();
    writeln!(out, "{} found; visited {visited} of {} documents", answer.len(), visit.total)?;
    print_coverage(&mut out, &wire::Coverage::from(&visit.coverage))
}
