//! `carrel doctor`: what protects the person here, shown by trying to break it, and what else an answer
//! depends on.

mod checks;
mod process;

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::airgap::probe::{self, PROBES};
use crate::config::Config;

/// When a lock that this kernel can hold does not.
const A_LOCK_IS_OPEN: u8 = 3;

/// A lock, and what happened when it was tried.
#[derive(Debug, Serialize)]
pub struct Lock {
    pub name: String,
    /// What it keeps from happening.
    pub lock: String,
    pub holds: bool,
    pub evidence: String,
    /// False for the second wall, which an older kernel does not have.
    pub required: bool,
}

/// Something that Carrel uses and the state that it is in.
#[derive(Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    pub detail: String,
}

#[derive(Debug, Serialize)]
struct Report {
    locks: Vec<Lock>,
    checks: Vec<Check>,
}

/// Examines everything and prints it; fails when a lock is open.
pub fn run(config: &Config, json: bool) -> ExitCode {
    let report = Report { locks: locks(config), checks: checks::all(config) };
    let printed = match json {
        true => serde_json::to_writer_pretty(io::stdout(), &report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(io::stdout())),
        false => print(&report),
    };
    let open = report.locks.iter().any(|lock| lock.required && !lock.holds);
    match (printed, open) {
        (Err(_), _) => ExitCode::FAILURE,
        (Ok(()), true) => ExitCode::from(A_LOCK_IS_OPEN),
        (Ok(()), false) => ExitCode::SUCCESS,
    }
}

fn locks(config: &Config) -> Vec<Lock> {
    let (program, _) = &config.worker;
    let mut locks: Vec<Lock> = PROBES
        .iter()
        .map(|probe| {
            let outcome = probe::run(program, probe);
            Lock {
                name: outcome.name,
                lock: probe.lock.to_owned(),
                holds: outcome.holds,
                evidence: outcome.evidence,
                required: probe.required,
            }
        })
        .collect();
    locks.push(process::worker(config));
    locks.extend(process::server(config));
    locks
}

fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Locks, each tried from inside a process that is locked like the server")?;
    for Lock { name, lock, holds, evidence, .. } in &report.locks {
        let state = if *holds { "holds" } else { "OPEN" };
        writeln!(out, "  {state:5}  {name:16} {lock}\n         {:16} {evidence}", "")?;
    }
    writeln!(out, "\nWhat Carrel uses")?;
    for Check { name, ok, detail } in &report.checks {
        let state = if *ok { "ok" } else { "no" };
        writeln!(out, "  {state:5}  {name:16} {detail}")?;
    }
    Ok(())
}
