//! `carrel eval`: retrieval and answers measured on documents with questions.

use std::fmt::Display;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::desk::{Desk, Here};
use super::progress::Meter;
use super::{Exit, Failure, Global, eval_init};
use crate::config::{self, Config, Overrides};
use crate::eval::{self, ExhaustiveScores, Options, Report, Selection, Set, SideBySide, Variant};
use crate::interrupt;

/// Measure retrieval and answers on a folder of documents and questions
///
/// The folder holds `docs/`, one file a document, and `queries.jsonl`, one question a line:
///
///   {"id","question","relevant":[{"doc","text","start","end","page"}],"answer","answers","answerable"}
///
/// `start` and `end` are Unicode code points of the file; all but `id` and `question` may be left out. The documents are
/// read and embedded once and kept in the cache directory, so that the next run takes seconds.
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  carrel eval init ~/Documents/contracts
  carrel eval contracts-eval --baseline before.json
  carrel eval sets/scifact --retrieval-only
  carrel eval sets/squad2 --answers --limit 100
  carrel eval sets/cuad --exhaustive --limit 10
  carrel eval sets/cuad --answers --limit 100 --variant pdf --json > cuad.json")]
pub struct EvalArgs {
    #[arg(required = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<EvalCommand>,
    /// Write and judge answers too
    #[arg(long, conflicts_with = "retrieval_only")]
    answers: bool,
    /// Measure only retrieval (the default)
    #[arg(long)]
    retrieval_only: bool,
    /// Ask the model without any document: what it knows by itself
    #[arg(long, conflicts_with = "retrieval_only")]
    closed_book: bool,
    /// Only N questions, the first by the SHA-1 of their id
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Take another sample of questions
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Which of the set's documents are read
    #[arg(long, value_enum, default_value_t = Documents::Clean)]
    variant: Documents,
    /// Ask of all documents at once what the set asks of each (of questions with a `category` and a `scope`); `--limit`
    /// counts categories
    #[arg(long, conflicts_with_all = ["answers", "retrieval_only", "closed_book"])]
    exhaustive: bool,
    /// Only this category; may be given several times
    #[arg(long, value_name = "NAME", requires = "exhaustive")]
    category: Vec<String>,
    /// Ask with the name of the category alone
    #[arg(long, requires = "exhaustive")]
    by_name: bool,
    /// Show the figures beside those of an earlier `--json` report of this set; exit code 1 when one is worse
    #[arg(long, value_name = "FILE", conflicts_with = "exhaustive")]
    baseline: Option<PathBuf>,
    /// How much a figure may lose before it counts as worse
    #[arg(long, value_name = "X", default_value_t = 0.01, requires = "baseline")]
    tolerance: f64,
    /// Put every answer with its judgement into the JSON
    #[arg(long)]
    each: bool,
}

#[derive(Debug, Subcommand)]
enum EvalCommand {
    Init(eval_init::InitArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Documents {
    /// `docs/`, or `docs/clean` of a set with attacked documents
    Clean,
    /// `docs/attacked`
    Attacked,
    /// `pdf/`
    Pdf,
}

impl EvalArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        match (&self.command, &self.dir) {
            (Some(EvalCommand::Init(init)), _) => init.run(global),
            (None, Some(dir)) => self.measure_set(dir, global),
            (None, None) => Err(Failure::new("which set is to be measured?")),
        }
    }

    fn measure_set(&self, dir: &Path, global: &Global) -> Result<Exit, Failure> {
        let before = self.baseline.as_deref().map(report_of).transpose()?;
        let variant = match self.variant {
            Documents::Clean => Variant::Clean,
            Documents::Attacked => Variant::Attacked,
            Documents::Pdf => Variant::Pdf,
        };
        let set = Set::load(dir, variant)?;
        let Desk::Here(here) = Desk::with(self.config(global, &set)?)? else {
            return Err(Failure::with_hint(
                "a running carrel has this data directory open",
                "stop it, or leave `--data-dir` out",
            ));
        };
        here.0.add_folder(&set.documents)?;
        if self.answers || self.closed_book || self.exhaustive {
            here.0.preload_generator();
        }
        let began = Instant::now();
        if !here.catch_up(Some(f64::INFINITY))? {
            eprintln!("stopped; what was read is kept for the next run");
            return Ok(Exit::Interrupted);
        }
        eprintln!("read and embedded in {:.1} s", began.elapsed().as_secs_f64());
        let measured = match self.exhaustive {
            true => self.exhaust(&here, &set).map(|scores| print(&scores, global.json).map(|()| Exit::Done)),
            false => self.measure(&here, &set).map(|report| self.judge(&report, before, global.json)),
        };
        match measured {
            Err(eval::Error::Stopped) => Ok(Exit::Interrupted),
            measured => measured?,
        }
    }

    /// Prints the report, and beside an earlier one whether it is worse.
    fn judge(&self, report: &Report, before: Option<Value>, json: bool) -> Result<Exit, Failure> {
        print(report, json)?;
        let Some(before) = before else { return Ok(Exit::Done) };
        let now = serde_json::to_value(report).map_err(|error| Failure::of(&error))?;
        let Some(compared) = SideBySide::new(&before, &now, self.tolerance) else {
            return Err(Failure::new("the earlier report is of another set or of other questions"));
        };
        // The report itself is what stdout is for.
        eprint!("\n{compared}");
        Ok(if compared.is_worse() { Exit::Status(ExitCode::FAILURE) } else { Exit::Done })
    }

    /// A library of its own for each set, in the cache directory unless another place is named.
    fn config(&self, global: &Global, set: &Set) -> Result<Config, Failure> {
        let overrides = global.overrides();
        let embedder = overrides.embedder.as_deref().unwrap_or(config::DEFAULT_EMBEDDER);
        let data_dir = match &overrides.data_dir {
            Some(directory) => directory.clone(),
            None => {
                config::default_cache_dir()?.join("eval").join(eval::library_name(&set.documents, embedder))
            }
        };
        Ok(Config::resolve(Overrides { data_dir: Some(data_dir), ..overrides })?)
    }

    fn measure(&self, here: &Here, set: &Set) -> Result<Report, eval::Error> {
        let options = Options {
            answers: self.answers,
            closed_book: self.closed_book,
            limit: self.limit,
            seed: self.seed,
        };
        let mut meter = Meter::new();
        let mut report = eval::run(&here.0, set, &options, &mut watch(&mut meter))?;
        if let (Some(answers), false) = (&mut report.answers, self.each) {
            answers.each.clear();
        }
        Ok(report)
    }

    fn exhaust(&self, here: &Here, set: &Set) -> Result<ExhaustiveScores, eval::Error> {
        let selection =
            Selection { categories: self.category.clone(), limit: self.limit, by_name: self.by_name };
        let mut meter = Meter::new();
        let mut scores = eval::exhaustive(&here.0, set, &selection, &mut watch(&mut meter))?;
        if !self.each {
            scores.questions.iter_mut().for_each(|question| question.each.clear());
        }
        Ok(scores)
    }
}

/// Shows how far a measurement has come; after Ctrl-C it ends it.
pub fn watch(meter: &mut Meter) -> impl FnMut(&str, usize, usize) -> ControlFlow<()> {
    let mut began = (String::new(), Instant::now());
    move |what, done, total| {
        if began.0 != what {
            began = (what.to_owned(), Instant::now());
        }
        let left = began.1.elapsed().as_secs_f64() / done.max(1) as f64 * (total - done) as f64;
        meter.show(what, done as u64, total as u64, (done > 0).then_some(left));
        if interrupt::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn report_of(path: &Path) -> Result<Value, Failure> {
    let told = |error: &dyn std::error::Error| {
        Failure::new(format!("could not read the report `{}`: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    serde_json::from_str(&text).map_err(|error| told(&error))
}

fn print<T: Serialize + Display>(report: &T, json: bool) -> Result<(), Failure> {
    match json {
        true => super::print_json(report),
        false => Ok(write!(std::io::stdout().lock(), "{report}")?),
    }
}

impl From<eval::Error> for Failure {
    fn from(error: eval::Error) -> Failure {
        Failure::told(crate::chain(&error), error.hint())
    }
}
