//! `carrel status`: the ledger, every file and its outcome.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use serde_json::json;

use super::desk::Desk;
use super::{Exit, Failure, Global};
use crate::wire;

/// Show the ledger: every file, how its reading ended, and how much of the whole can be searched
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel status
  carrel status --unread
  carrel status --json | jq .coverage.text")]
pub struct StatusArgs {
    /// List only the files that were not read, or not whole
    #[arg(long)]
    unread: bool,
}

impl StatusArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let (status, mut ledger) = match Desk::open(global)? {
            Desk::Here(here) => {
                let status = here.0.status()?;
                let ledger = wire::Files::new(&here.0.files(None)?, &status.coverage);
                (wire::Status::from(&status), ledger)
            }
            Desk::Served(remote) => (remote.get("/library/status")?, remote.get("/library/files")?),
        };
        if self.unread {
            ledger.files.retain(|file| file.outcome != "indexed");
        }
        let mut out = std::io::stdout().lock();
        if global.json {
            let value = json!({
                "folders": status.folders,
                "files": ledger.files,
                "coverage": status.coverage,
                "progress": status.progress,
                "model": status.model,
            });
            writeln!(out, "{value:#}")?;
            return Ok(Exit::Done);
        }
        print(&mut out, &status, &ledger)?;
        Ok(Exit::Done)
    }
}

fn print(out: &mut impl Write, status: &wire::Status, ledger: &wire::Files) -> Result<(), Failure> {
    if status.folders.is_empty() {
        writeln!(out, "no folders yet; `carrel add FOLDER` reads one")?;
        return Ok(());
    }
    for folder in &status.folders {
        let reach = if folder.available { "" } else { " (cannot be reached now)" };
        writeln!(
            out,
            "{}: {} of {} files can be searched{reach}",
            folder.path, folder.searched, folder.files
        )?;
    }
    writeln!(out)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &ledger.files {
        *counts.entry(file.outcome.as_str()).or_default() += 1;
        let detail = if file.detail.is_empty() { String::new() } else { format!(" ({})", file.detail) };
        writeln!(out, "{:>6} chunks  {}{detail}  {}", file.chunks, file.outcome, file.path)?;
    }
    let counts: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    writeln!(out, "\n{}", counts.join(", "))?;
    writeln!(out, "{}", status.coverage.text)?;
    if let Some(error) = &status.progress.error {
        writeln!(out, "stopped: {error}")?;
    }
    Ok(())
}
