//! Prints what is read from files, as one line of JSON each: `extract [--workers N] [--quiet] FILE…`.
//!
//! With `--workers` the files are read in worker processes, as the server does it, with `--quiet` only the time that
//! it took is told.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use carrel_ingest::{Limits, Workers, WorkersConfig, extract, worker_main};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--serve") {
        return worker_main();
    }
    let quiet = take_flag(&mut arguments, "--quiet");
    let workers = take_flag(&mut arguments, "--workers").then(|| WorkersConfig {
        program: std::env::current_exe().unwrap_or_default(),
        args: vec!["--serve".into()],
        count: 1,
        limits: Limits::STANDARD,
    });
    let workers = workers.map(Workers::new);
    let files: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let started = Instant::now();
    let mut bytes = 0;
    for path in &files {
        let document = read(workers.as_ref(), path);
        bytes += document.text.len();
        if !quiet {
            println!("{}", json(&document));
        }
    }
    if quiet {
        println!("{:.3} s, {} files, {bytes} bytes of text", started.elapsed().as_secs_f64(), files.len());
    }
    ExitCode::SUCCESS
}

fn take_flag(arguments: &mut Vec<String>, flag: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != flag);
    arguments.len() < before
}

fn read(workers: Option<&Workers>, path: &Path) -> carrel_corpus::Document {
    match workers {
        Some(workers) => workers.extract(path),
        None => extract(path, &Limits::STANDARD),
    }
}

fn json(document: &carrel_corpus::Document) -> serde_json::Value {
    let (outcome, detail) = document.outcome.encode();
    let block = |block: &carrel_corpus::Block| {
        serde_json::json!({
            "kind": format!("{:?}", block.kind),
            "text": block.span.of(&document.text),
            "locator": block.locator.to_string(),
            "page": block.locator.first_page(),
        })
    };
    let member = |(name, member): &(String, carrel_corpus::Document)| {
        let mut value = json(member);
        value["name"] = name.as_str().into();
        value
    };
    serde_json::json!({
        "outcome": outcome,
        "detail": detail,
        "title": document.title,
        "media_type": document.media_type,
        "pages": document.pages,
        "date": document.date,
        "blocks": document.blocks.iter().map(block).collect::<Vec<_>>(),
        "members": document.members.iter().map(member).collect::<Vec<_>>(),
    })
}
