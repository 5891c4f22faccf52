//! `carrel bench`: how fast the models are on this machine.

use std::io::Write;
use std::path::{Path, PathBuf};

use carrel_models::{BenchOptions, BenchReport, EmbedReport, LocalEmbedder, Store, bench, bench_embedder};
use clap::Args;

use super::progress::bytes;
use super::{Exit, Failure, Global, print_json};
use crate::config::Config;
use crate::library;

/// Measure how fast the models read and write on this machine
///
/// Prefill is the reading of a prompt, decode the writing of an answer after so many tokens, both in tokens a second;
/// beside it stands what share of the memory's own speed that is. With speculation the answer repeats its prompt.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  carrel bench --model qwen2.5-coder:1.5b
  carrel bench --prefill 1024 --depth 0 --runs 5 --json
  carrel bench --embed notes.txt")]
pub struct BenchArgs {
    /// Lengths of prompts
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', default_values_t = [128, 512, 1024, 2048])]
    prefill: Vec<usize>,
    /// Tokens read before what is written
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', default_values_t = [0, 1024, 2048])]
    depth: Vec<usize>,
    /// Tokens to write at each depth
    #[arg(long, value_name = "N", default_value_t = 32)]
    write: usize,
    /// Every figure is the median of so many runs
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Time the embedder over the lines of this file instead
    #[arg(long, value_name = "FILE")]
    embed: Option<PathBuf>,
}

impl BenchArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let config = Config::without_data(global.overrides())?;
        match &self.embed {
            Some(file) => self.embedder(&config, file, global.json),
            None => self.generator(&config, global.json),
        }
    }

    fn generator(&self, config: &Config, json: bool) -> Result<Exit, Failure> {
        let (file, repack_dir) = weights(config)?;
        let options = BenchOptions {
            prefill: self.prefill.clone(),
            depths: self.depth.clone(),
            decode_tokens: self.write.max(1),
            runs: self.runs.max(1),
            cache: config.generator_options.cache,
            repack_dir,
            ..BenchOptions::usual(config.threads)
        };
        let mut report = bench(&file, &options, &mut |what| eprintln!("measuring: {what}"))?;
        report.model.clone_from(&config.generator);
        match json {
            true => print_json(&Report { file: &file, report: &report })?,
            false => print_table(&report)?,
        }
        Ok(Exit::Done)
    }

    fn embedder(&self, config: &Config, file: &Path, json: bool) -> Result<Exit, Failure> {
        let content = std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("could not read `{}`: {error}", file.display())))?;
        let texts: Vec<&str> = content.lines().filter(|line| !line.trim().is_empty()).collect();
        let store = Store::open(&config.models_dir)?;
        let embedder = LocalEmbedder::load(&store, &config.embedder, config.threads)?;
        let report: EmbedReport = bench_embedder(&embedder, &texts).map_err(library::Error::from)?;
        if json {
            print_json(&report)?;
            return Ok(Exit::Done);
        }
        println!(
            "{} on {} threads: {:.0} tokens/s ({} texts, {} tokens, {:.2} s)",
            config.embedder, config.threads, report.tokens_per_s, report.texts, report.tokens, report.seconds
        );
        Ok(Exit::Done)
    }
}

/// The generator's file, and where its weights are kept in the layout of this machine.
fn weights(config: &Config) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let store = Store::open(&config.models_dir)?;
    let manifest = match store.get(&config.generator) {
        Ok(manifest) => manifest,
        Err(_) if Path::new(&config.generator).is_file() => {
            return Ok((PathBuf::from(&config.generator), None));
        }
        Err(error) => return Err(error.into()),
    };
    let digest = manifest
        .file("weights")
        .ok_or_else(|| Failure::new(format!("the model `{}` has no weights", config.generator)))?;
    Ok((store.blob_path(&digest), Some(store.derived_directory(&digest))))
}

/// The report with the file that was measured, for a peer to be measured with the same one.
#[derive(serde::Serialize)]
struct Report<'a> {
    file: &'a Path,
    #[serde(flatten)]
    report: &'a BenchReport,
}

fn print_table(report: &BenchReport) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} on {} threads, {}: loaded in {:.2} s, {} at most, memory {:.1} GB/s",
        report.model,
        report.threads,
        report.kernels,
        report.load_s,
        bytes(report.peak_rss_bytes),
        report.bandwidth_gb_s
    )?;
    for row in &report.prefill {
        writeln!(out, "  prefill {:>5}              {:>8.1} tokens/s", row.tokens, row.tok_s)?;
    }
    for row in &report.decode {
        let how = if row.speculation { "speculation" } else { "plain" };
        let share =
            row.roofline.map_or_else(String::new, |share| format!("  {:.0} % of the memory", share * 100.0));
        writeln!(out, "  decode  {:>5} {how:<12} {:>8.1} tokens/s{share}", row.depth, row.tok_s)?;
    }
    if let Some(first) = &report.first_token {
        let (tokens, cold) = (first.tokens, first.cold_s * 1e3);
        let (follow_up, restored) = (first.follow_up_s * 1e3, first.restored_s * 1e3);
        writeln!(
            out,
            "  first token after {tokens}: cold {cold:.0} ms, follow-up {follow_up:.0} ms, after a restart {restored:.0} ms"
        )?;
    }
    writeln!(
        out,
        "  guesses that are all wrong: {:+.1} % of the time",
        (report.useless_guesses - 1.0) * 100.0
    )?;
    Ok(())
}
