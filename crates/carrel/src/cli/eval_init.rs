//! `carrel eval init`: a set of questions out of a person's own documents, each accepted by that person.

use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use carrel_generate::tasks::Draft;
use clap::Args;

use super::desk::{Desk, Here};
use super::progress::{Meter, one_line};
use super::{Exit, Failure, Global};
use crate::eval;

/// Draft questions from your own documents, to measure with from then on
///
/// For sentences from all over the folder the model proposes a question and the words that answer it; those must stand in the
/// sentence, and the question must be understood without it. Each is shown, and those that you accept are kept. The set
/// holds a link to the documents, not a copy.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  carrel eval init ~/Documents/contracts --out ~/contracts-eval
  carrel eval ~/contracts-eval --json > before.json
  carrel eval ~/contracts-eval --baseline before.json    # after a change of model or settings")]
pub struct InitArgs {
    folder: PathBuf,
    /// Where the set is made [default: the folder's name with `-eval`, here]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Questions to keep
    #[arg(long, value_name = "N", default_value_t = 20)]
    questions: usize,
    /// Accept every question without asking
    #[arg(long)]
    yes: bool,
}

impl InitArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if !self.yes && !std::io::stdin().is_terminal() {
            let hint = "pass `--yes` to accept every question, and look through `queries.jsonl` yourself";
            return Err(Failure::with_hint("there is nobody at the terminal to accept questions", hint));
        }
        let folder = super::folders::existing(&self.folder)?;
        let name = format!("{}-eval", folder.file_name().unwrap_or_default().to_string_lossy());
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from(name));
        if out.join("queries.jsonl").exists() {
            let hint = "name another directory with `--out`";
            return Err(Failure::with_hint(format!("`{}` holds a set already", out.display()), hint));
        }
        let here = match Desk::for_task(global, Some(&folder), true)? {
            Some(Desk::Here(here)) => here,
            Some(Desk::Served(_)) => {
                let hint = "stop it, or leave `--data-dir` out";
                return Err(Failure::with_hint("a running carrel has this library open", hint));
            }
            None => return Ok(Exit::Interrupted),
        };
        let drafts = match self.draft(&here) {
            Err(eval::Error::Stopped) => return Ok(Exit::Interrupted),
            drafts => drafts?,
        };
        if drafts.is_empty() {
            eprintln!("no question was kept, so no set was made");
            return Ok(Exit::No);
        }
        let file = eval::write_set(&here.0, &folder, &drafts, &out)?;
        if global.json {
            super::print_json(&serde_json::json!({ "questions": drafts.len(), "file": file }))?;
        } else {
            println!("{} questions in `{}`", drafts.len(), file.display());
            eprintln!("hint: `carrel eval {}` measures with them", out.display());
        }
        Ok(Exit::Done)
    }

    fn draft(&self, here: &Here) -> Result<Vec<Draft>, eval::Error> {
        let mut meter = Meter::new();
        let mut watch = super::eval::watch(&mut meter);
        eval::draft_questions(&here.0, self.questions, &mut watch, &mut |draft| match self.yes {
            true => Ok(ControlFlow::Continue(true)),
            false => asked(draft).map_err(|source| eval::Error::Read { path: "the terminal".into(), source }),
        })
    }
}

/// Whether a person keeps the question; breaks when that person has had enough of them.
fn asked(draft: &Draft) -> std::io::Result<ControlFlow<(), bool>> {
    eprintln!("\n{}", draft.question);
    let source = &draft.source;
    eprintln!("    {}", draft.answer);
    eprintln!("    {}, {}: \"{}\"", source.path, source.locator, one_line(&source.quote, 300));
    loop {
        eprint!("keep it? [y]es, [n]o, [e]nough: ");
        std::io::stderr().flush()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(ControlFlow::Break(()));
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(ControlFlow::Continue(true)),
            "n" | "no" => return Ok(ControlFlow::Continue(false)),
            "e" | "enough" => return Ok(ControlFlow::Break(())),
            _ => {}
        }
    }
}
