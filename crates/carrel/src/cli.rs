//! The command line: what a person types, what is printed, and what the exit code means. Data goes to stdout,
//! everything else to stderr.

mod ask;
mod bench;
mod compare;
mod desk;
mod eval;
mod eval_init;
mod extract;
mod failure;
mod folders;
mod list;
mod models;
mod progress;
mod remote;
mod search;
mod serve;
mod status;
mod summarise;
mod table;
mod unlock;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use carrel_models::CacheType;
use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::config::{Config, Overrides};
use crate::{airgap, doctor, interrupt};

pub use failure::Failure;
pub use progress::one_line;

/// How a command ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exit {
    Done,
    /// The documents do not say; or a lock of the doctor does not hold.
    No,
    /// Ctrl-C ended it at a safe point.
    Interrupted,
    /// A command that speaks for itself, with its status.
    Status(ExitCode),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::No => ExitCode::from(3),
            Exit::Interrupted => ExitCode::from(interrupt::EXIT_STATUS),
            Exit::Status(code) => code,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed; stderr says why, and what to do
  2    wrong usage
  3    the documents do not say (ask), nothing was found (search, list)
  130  stopped by Ctrl-C; nothing that was read is lost

Examples:
  carrel serve ~/Documents/contracts
  carrel ask \"When is the rent due?\" --folder ~/Documents/contracts
  carrel search '\"notice period\" type:pdf after:2024-01-01'
  carrel status --json | jq '.files[] | select(.outcome != \"indexed\")'";

/// Ask your own documents; every sentence of an answer opens at its source. Nothing leaves this machine.
#[derive(Debug, Parser)]
#[command(name = "carrel", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Settings that every command understands.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Where the library keeps what it knows of your documents [default: the platform's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where models are kept [default: `models` in the platform's data directory; also $CARREL_MODELS]
    #[arg(long, global = true, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,
    /// The model that answers: a name from `carrel models list`, or a GGUF file
    #[arg(long, global = true, value_name = "NAME")]
    pub model: Option<String>,
    /// The model that search by meaning uses
    #[arg(long, global = true, value_name = "NAME")]
    pub embedder: Option<String>,
    /// A model that reads question and passage together and puts what was found in a better order [default: none]
    #[arg(long, global = true, value_name = "NAME")]
    pub reranker: Option<String>,
    /// Threads that a model may use [default: all]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// What a model keeps of what it has read: `f16`, or `q8` in half the memory [default: f16]
    #[arg(long, global = true, value_name = "TYPE")]
    pub kv: Option<CacheType>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// Say on stderr what goes on inside
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

impl Global {
    pub fn resolve(&self) -> Result<Config, Failure> {
        Ok(Config::resolve(self.overrides())?)
    }

    /// What was said here, before anything else is taken into account.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            data_dir: self.data_dir.clone(),
            models_dir: self.models_dir.clone(),
            generator: self.model.clone(),
            embedder: self.embedder.clone(),
            reranker: self.reranker.clone(),
            threads: self.threads,
            kv: self.kv,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Serve(serve::ServeArgs),
    Ask(ask::AskArgs),
    Search(search::SearchArgs),
    List(list::ListArgs),
    Summarise(summarise::SummariseArgs),
    Compare(compare::CompareArgs),
    Table(table::TableArgs),
    Add(folders::AddArgs),
    Remove(folders::RemoveArgs),
    Status(status::StatusArgs),
    Unlock(unlock::UnlockArgs),
    Extract(extract::ExtractArgs),
    Models(models::ModelsArgs),
    Eval(eval::EvalArgs),
    Bench(bench::BenchArgs),
    /// Show what protects you here, and try to break each lock
    ///
    /// Starts a process with every lock of the server on it, and lets it try to reach out. Exit code 3 when a lock
    /// does not hold.
    Doctor,
    /// Print a fresh one-time link to the page of the running server
    Open,
    /// Serve extraction requests on stdin and stdout
    #[command(hide = true)]
    Worker,
    /// Try one of the doctor's locks from inside
    #[command(hide = true)]
    Probe {
        name: String,
    },
}

/// Runs what was asked for.
pub fn run(args: Args) -> Result<Exit, Failure> {
    if matches!(args.command, Command::Worker) {
        return Ok(Exit::Status(carrel_ingest::worker_main()));
    }
    quiet_panics();
    log_to_stderr(args.global.verbose);
    let global = &args.global;
    match args.command {
        Command::Serve(serve) => serve.run(global),
        Command::Ask(ask) => ask.run(global),
        Command::Search(search) => search.run(global),
        Command::List(list) => list.run(global),
        Command::Summarise(summarise) => summarise.run(global),
        Command::Compare(compare) => compare.run(global),
        Command::Table(table) => table.run(global),
        Command::Add(add) => add.run(global),
        Command::Remove(remove) => remove.run(global),
        Command::Status(status) => status.run(global),
        Command::Unlock(unlock) => unlock.run(global),
        Command::Extract(extract) => extract.run(global),
        Command::Models(models) => models.run(global),
        Command::Eval(eval) => eval.run(global),
        Command::Bench(bench) => bench.run(global),
        Command::Doctor => Ok(Exit::Status(doctor::run(&global.resolve()?, global.json))),
        Command::Open => serve::open(global),
        Command::Worker => Ok(Exit::Status(carrel_ingest::worker_main())),
        Command::Probe { name } => Ok(Exit::Status(airgap::probe::main(&name))),
    }
}

/// Says what went wrong, and gives the exit code.
pub fn report(result: Result<Exit, Failure>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) if failure.unread => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

/// A panic's own message may quote the text that it stumbled over; only its place is printed.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| match info.location() {
        Some(place) => eprintln!("internal error at {}:{}", place.file(), place.line()),
        None => eprintln!("internal error"),
    }));
}

fn log_to_stderr(verbose: bool) {
    let filter = if verbose { "warn,carrel=debug" } else { "error,carrel=warn" };
    // A second call in one process changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
