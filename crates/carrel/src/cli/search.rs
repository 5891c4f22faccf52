//! `carrel search`: the passages alone, without a model's words.

use std::io::Write;
use std::path::PathBuf;

use carrel_index::Ranking;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::desk::{Desk, Here};
use super::progress::one_line;
use super::remote::Remote;
use super::{Exit, Failure, Global, print_json};
use crate::library::{DEFAULT_RESULTS, SearchRequest};
use crate::wire;

/// Find passages by words and by meaning
///
/// Understands `"an exact phrase"`, `-without`, `file:lease`, `type:pdf`, `after:2024-01-31` and `before:2025`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel search 'rent review'
  carrel search '\"notice period\" -draft type:pdf' --limit 5
  carrel search Nebenkosten --folder ~/Documents/contracts --json")]
pub struct SearchArgs {
    query: String,
    /// Search only this folder, reading it first
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Passages to show
    #[arg(long, value_name = "N", default_value_t = DEFAULT_RESULTS)]
    limit: usize,
    /// What decides: words, meaning, or both
    #[arg(long, value_enum, default_value_t = By::Both)]
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Both,
    Words,
    Meaning,
}

/// `carrel search --json`, and what the server gives.
#[derive(Serialize, Deserialize)]
struct Found {
    passages: Vec<wire::Passage>,
}

impl SearchArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let folder = match &self.folder {
            Some(folder) => Some(super::folders::existing(folder)?),
            None => None,
        };
        let desk = match &folder {
            Some(folder) => Desk::for_folder(global, folder)?,
            None => Desk::open(global)?,
        };
        let paths: Vec<String> =
            folder.iter().map(|folder| carrel_ingest::stored_from_path(folder)).collect();
        let found = match &desk {
            Desk::Here(here) => self.search_here(here, folder.as_deref(), paths)?,
            Desk::Served(remote) => Some(self.search_served(remote, folder.as_deref(), paths)?),
        };
        let Some(found) = found else { return Ok(Exit::Interrupted) };
        print(&found, global.json)?;
        Ok(if found.passages.is_empty() { Exit::No } else { Exit::Done })
    }

    fn search_here(
        &self,
        here: &Here,
        folder: Option<&std::path::Path>,
        paths: Vec<String>,
    ) -> Result<Option<Found>, Failure> {
        if let Some(folder) = folder {
            here.0.add_folder(folder)?;
        }
        let vectors = (self.by != By::Words).then_some(30.0);
        if !here.catch_up(vectors)? {
            return Ok(None);
        }
        let passages = here.0.search(&SearchRequest {
            query: self.query.clone(),
            folders: Vec::new(),
            paths,
            limit: self.limit,
            ranking: match self.by {
                By::Both => Ranking::Hybrid,
                By::Words => Ranking::Keywords,
                By::Meaning => Ranking::Vectors,
            },
        })?;
        Ok(Some(Found { passages: wire::passages(&passages) }))
    }

    fn search_served(
        &self,
        remote: &Remote,
        folder: Option<&std::path::Path>,
        paths: Vec<String>,
    ) -> Result<Found, Failure> {
        if self.by != By::Both {
            let hint = "leave `--by` out, or stop the server";
            return Err(Failure::with_hint(
                "the running carrel searches by words and meaning together",
                hint,
            ));
        }
        if let Some(folder) = folder {
            super::folders::add_served(remote, folder)?;
            super::folders::wait_served(remote, false)?;
        }
        let body =
            wire::SearchBody { query: self.query.clone(), folder: None, paths, limit: Some(self.limit) };
        remote.post("/library/search", &body)
    }
}

fn print(found: &Found, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(found);
    }
    let mut out = std::io::stdout().lock();
    for passage in &found.passages {
        let headings = if passage.headings.is_empty() {
            String::new()
        } else {
            format!(", {}", passage.headings.join(" > "))
        };
        writeln!(out, "[{}] {}, {}{headings}", passage.number, passage.path, passage.locator)?;
        let hidden = if passage.hidden { "(hidden in the file) " } else { "" };
        writeln!(out, "    {hidden}{}", one_line(&passage.text, 240))?;
    }
    if found.passages.is_empty() {
        eprintln!("nothing was found");
    }
    Ok(())
}
