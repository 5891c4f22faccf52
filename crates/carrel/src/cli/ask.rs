//! `carrel ask`: a question, its answer as it is written, and underneath what each sentence rests on.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use carrel_generate::tasks::Visited;
use clap::Args;

use super::desk::{Desk, Here};
use super::progress::{Meter, one_line};
use super::remote::Remote;
use super::{Exit, Failure, Global, print_json};
use crate::library::{AskEvent, AskRequest};
use crate::{interrupt, wire};

/// Answer a question from the documents, with numbered citations
///
/// Without `--folder`, all folders of the library are asked. With it, that folder is read first where it has not been,
/// and only it is asked; what was read is kept, so that the next question about it is quick.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel ask \"When is the rent due?\"
  carrel ask \"Who may terminate, and when?\" --folder ~/Documents/contracts
  carrel ask \"What did we pay in March?\" --json | jq -r .answer

Exit code 3 says that the documents do not answer the question.")]
pub struct AskArgs {
    question: String,
    /// Ask only this folder, reading it first
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Wait at most so many seconds for vectors before answering; what has none is searched by keyword
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    wait: f64,
}

impl AskArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if self.question.trim().is_empty() {
            return Err(crate::library::Error::EmptyQuestion.into());
        }
        let folder = match &self.folder {
            Some(folder) => Some(super::folders::existing(folder)?),
            None => None,
        };
        let desk = match &folder {
            Some(folder) => Desk::for_folder(global, folder)?,
            None => Desk::open(global)?,
        };
        let body = wire::AskBody {
            question: self.question.clone(),
            paths: folder.iter().map(|folder| carrel_ingest::stored_from_path(folder)).collect(),
            ..wire::AskBody::default()
        };
        let mut page = Page::new(global.json);
        let answer = match &desk {
            Desk::Here(here) => self.ask_here(here, folder.as_deref(), body, &mut page)?,
            Desk::Served(remote) => ask_served(remote, folder.as_deref(), &body, &mut page)?,
        };
        let Some(answer) = answer else { return Ok(Exit::Interrupted) };
        page.finish(&answer)?;
        if answer.asks_for_all {
            eprintln!("hint: `carrel list` visits every document for a question like this");
        }
        Ok(if answer.refused { Exit::No } else { Exit::Done })
    }

    fn ask_here(
        &self,
        here: &Here,
        folder: Option<&std::path::Path>,
        body: wire::AskBody,
        page: &mut Page,
    ) -> Result<Option<wire::Answer>, Failure> {
        let library = &here.0;
        if let Some(folder) = folder {
            library.add_folder(folder)?;
        }
        library.preload_generator();
        if !here.catch_up(Some(self.wait))? {
            return Ok(None);
        }
        let answered = library.ask(&AskRequest::from(body), &mut |event| {
            page.event(&event);
            if interrupt::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(Some(wire::Answer::from(&answered)))
    }
}

fn ask_served(
    remote: &Remote,
    folder: Option<&std::path::Path>,
    body: &wire::AskBody,
    page: &mut Page,
) -> Result<Option<wire::Answer>, Failure> {
    if let Some(folder) = folder {
        super::folders::add_served(remote, folder)?;
        if !super::folders::wait_served(remote, false)? {
            return Ok(None);
        }
    }
    let mut answer = None;
    remote.stream("/library/ask", body, &mut |name, data| {
        let parse = |error: serde_json::Error| Failure::of(&error);
        match name {
            "done" => answer = Some(serde_json::from_str::<wire::Answer>(data).map_err(parse)?),
            "error" => {
                let error: wire::ErrorDetail = serde_json::from_str(data).map_err(parse)?;
                return Err(Failure::told(error.message, error.hint));
            }
            "delta" => page.delta(text_of(data).as_str()),
            "note" => page.note(text_of(data).as_str()),
            "visited" => {
                let wire::Visited { done, total, path } = serde_json::from_str(data).map_err(parse)?;
                page.visited(Visited { done, total, path: &path });
            }
            "rewritten" | "passages" => {}
            "claim" => page.claim(&serde_json::from_str::<wire::Claim>(data).map_err(parse)?),
            _ => {}
        }
        Ok(())
    })?;
    answer.map(Some).ok_or_else(|| Failure::new("the running carrel broke off its answer"))
}

fn text_of(data: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
    value["text"].as_str().unwrap_or_default().to_owned()
}

/// Prints an answer with its citations: to a terminal sentence by sentence, while the one being written is shown on stderr; to
/// a file or a pipe once it stands, since what is written may be withdrawn.
struct Page {
    json: bool,
    streams: bool,
    terminal: bool,
    meter: Meter,
    /// When whole documents began to be read.
    visiting: Option<Instant>,
    /// What the model has written so far.
    written: String,
    /// How much of it is on stdout.
    printed: usize,
}

impl Page {
    fn new(json: bool) -> Page {
        Page {
            json,
            streams: !json && std::io::stdout().is_terminal(),
            terminal: std::io::stderr().is_terminal(),
            meter: Meter::new(),
            visiting: None,
            written: String::new(),
            printed: 0,
        }
    }

    fn event(&mut self, event: &AskEvent<'_>) {
        match event {
            AskEvent::Passages { passages, coverage } if self.terminal && !self.json => {
                eprintln!("{} passages found in {coverage}", passages.len());
            }
            AskEvent::Delta(text) => self.delta(text),
            AskEvent::Claim(claim) => self.claim(&wire::Claim::from(*claim)),
            AskEvent::Note(note) => self.note(note),
            AskEvent::Visited(visited) => self.visited(*visited),
            AskEvent::Passages { .. } | AskEvent::Rewritten(_) => {}
        }
    }

    fn delta(&mut self, text: &str) {
        self.written.push_str(text);
        let unfinished = self.written[self.printed.min(self.written.len())..].replace('\n', " ");
        self.meter.show(unfinished.trim_start(), 0, 0, None);
    }

    fn visited(&mut self, visited: Visited<'_>) {
        let began = *self.visiting.get_or_insert_with(Instant::now);
        self.meter.step(visited, began);
    }

    fn note(&mut self, note: &str) {
        self.meter.show(note, 0, 0, None);
    }

    /// Prints up to the end of a checked sentence, where it is what has been streamed.
    fn claim(&mut self, claim: &wire::Claim) {
        let [start, end] = claim.span;
        let streamed = self.written.get(start..end) == Some(claim.text.as_str());
        if !self.streams || !streamed || start < self.printed {
            return;
        }
        self.meter.clear();
        let mut out = std::io::stdout().lock();
        // A closed pipe is noticed when the answer is finished.
        let _ =
            write!(out, "{}{}", &self.written[self.printed..end], marks(claim)).and_then(|()| out.flush());
        self.printed = end;
    }

    fn finish(&mut self, answer: &wire::Answer) -> Result<(), Failure> {
        self.meter.clear();
        if self.json {
            return print_json(answer);
        }
        let mut out = std::io::stdout().lock();
        self.print_rest(&mut out, answer)?;
        print_sources(&mut out, answer)?;
        for note in &answer.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(print_coverage(&mut out, &answer.coverage)?)
    }

    /// What was not printed while it was written: all of it, when the final text is another one.
    fn print_rest(&self, out: &mut impl Write, answer: &wire::Answer) -> std::io::Result<()> {
        let same = answer.answer.get(..self.printed) == self.written.get(..self.printed);
        let mut at = if same { self.printed } else { 0 };
        if !same {
            writeln!(out, "\n\nOn a second look this does not stand. Instead:\n")?;
        }
        for claim in &answer.claims {
            let [start, end] = claim.span;
            if start >= at && end <= answer.answer.len() {
                write!(out, "{}{}", &answer.answer[at..end], marks(claim))?;
                at = end;
            }
        }
        writeln!(out, "{}\n", answer.answer[at..].trim_end())
    }
}

/// The numbers of a sentence's citations, or the mark of one that nothing supports.
pub fn marks(claim: &wire::Claim) -> String {
    let mut numbers: Vec<usize> = claim.citations.iter().map(|citation| citation.number).collect();
    numbers.dedup();
    match claim.support.as_str() {
        "unsupported" => " [not in the documents]".to_owned(),
        _ => numbers.iter().map(|number| format!(" [{number}]")).collect(),
    }
}

/// How much of the scope was searched, and the first few files that were not.
pub fn print_coverage(out: &mut impl Write, coverage: &wire::Coverage) -> std::io::Result<()> {
    writeln!(out, "{}", coverage.text)?;
    for unread in coverage.unread.iter().take(5) {
        writeln!(out, "  unread: {} ({})", unread.path, unread.outcome)?;
    }
    Ok(())
}

/// Path, place and words of every citation, once each; gives whether there was one.
pub fn print_citations(out: &mut impl Write, claims: &[wire::Claim]) -> std::io::Result<bool> {
    let mut citations: Vec<&wire::Citation> = claims.iter().flat_map(|claim| &claim.citations).collect();
    citations.sort_by_key(|citation| (citation.number, citation.span));
    citations.dedup_by_key(|citation| (citation.number, citation.span));
    for citation in &citations {
        print_citation(out, citation)?;
    }
    Ok(!citations.is_empty())
}

fn print_citation(out: &mut impl Write, citation: &wire::Citation) -> std::io::Result<()> {
    writeln!(out, "[{}] {}, {}", citation.number, citation.path, citation.locator)?;
    writeln!(out, "    \"{}\"", one_line(&citation.quote, 300))
}

/// What the answer cites. A refusal shows what came nearest.
fn print_sources(out: &mut impl Write, answer: &wire::Answer) -> std::io::Result<()> {
    let cited = print_citations(out, &answer.claims)?;
    if let Some(nearest) = &answer.nearest {
        writeln!(out, "The nearest they say:")?;
        print_citation(out, nearest)?;
    }
    if answer.refused {
        writeln!(out, "The nearest passages:")?;
        for passage in answer.passages.iter().take(3) {
            writeln!(out, "[{}] {}, {}", passage.number, passage.path, passage.locator)?;
            writeln!(out, "    {}", one_line(&passage.text, 160))?;
        }
    }
    if answer.refused || cited {
        writeln!(out)?;
    }
    Ok(())
}
