//! `carrel eval`: retrieval and answers measured on documents with questions.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::desk::{Desk, Here};
use super::progress::Meter;
use super::{Exit, Failure, Global};
use crate::config::{self, Config, Overrides};
use crate::eval::{self, Options, Report, Set, Variant};
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
#[command(after_help = "\
Examples:
  carrel eval sets/scifact --retrieval-only
  carrel eval sets/squad2 --answers --limit 100
  carrel eval sets/cuad --answers --limit 100 --variant pdf --json > cuad.json")]
pub struct EvalArgs {
    dir: PathBuf,
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
    /// Put every answer with its judgement into the JSON
    #[arg(long)]
    each: bool,
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
        let variant = match self.variant {
            Documents::Clean => Variant::Clean,
            Documents::Attacked => Variant::Attacked,
            Documents::Pdf => Variant::Pdf,
        };
        let set = Set::load(&self.dir, variant)?;
        let Desk::Here(here) = Desk::with(self.config(global, &set)?)? else {
            return Err(Failure::with_hint(
                "a running carrel has this data directory open",
                "stop it, or leave `--data-dir` out",
            ));
        };
        here.0.add_folder(&set.documents)?;
        if self.answers || self.closed_book {
            here.0.preload_generator();
        }
        let began = Instant::now();
        if !here.catch_up(Some(f64::INFINITY))? {
            eprintln!("stopped; what was read is kept for the next run");
            return Ok(Exit::Interrupted);
        }
        eprintln!("read and embedded in {:.1} s", began.elapsed().as_secs_f64());
        match self.measure(&here, &set) {
            Ok(report) => self.print(report, global.json),
            Err(eval::Error::Stopped) => Ok(Exit::Interrupted),
            Err(error) => Err(error.into()),
        }
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
        let mut began = (String::new(), Instant::now());
        eval::run(&here.0, set, &options, &mut |what, done, total| {
            if began.0 != what {
                began = (what.to_owned(), Instant::now());
            }
            let left = began.1.elapsed().as_secs_f64() / done.max(1) as f64 * (total - done) as f64;
            meter.show(what, done as u64, total as u64, (done > 0).then_some(left));
            if interrupt::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    fn print(&self, mut report: Report, json: bool) -> Result<Exit, Failure> {
        if let (Some(answers), false) = (&mut report.answers, self.each) {
            answers.each.clear();
        }
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, &report).map_err(|error| Failure::of(&error))?;
            writeln!(out)?;
        } else {
            write!(out, "{report}")?;
        }
        Ok(Exit::Done)
    }
}

impl From<eval::Error> for Failure {
    fn from(error: eval::Error) -> Failure {
        Failure { message: crate::chain(&error), hint: error.hint() }
    }
}
