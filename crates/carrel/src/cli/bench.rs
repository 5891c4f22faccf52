//! `carrel bench`: how fast the models are on this machine.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

use carrel_corpus::{Embedder, Generator, Message, Prompt, Role, Sampling};
use carrel_models::{LocalEmbedder, LocalGenerator, Store};
use clap::Args;
use serde::Serialize;

use super::progress::Meter;
use super::{Exit, Failure, Global};
use crate::config::Config;
use crate::library;

/// Measure how fast the models read and write on this machine
///
/// Prefill is the reading of a prompt, decode the writing of an answer, both in tokens a second; embedding is counted in
/// passages a second.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  carrel bench --model qwen2.5-coder:1.5b --prompt 1000")]
pub struct BenchArgs {
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 512)]
    prompt: usize,
    /// Tokens to write
    #[arg(long, value_name = "N", default_value_t = 64)]
    write: usize,
    /// Passages to embed
    #[arg(long, value_name = "N", default_value_t = 64)]
    passages: usize,
}

/// What was measured.
#[derive(Serialize)]
struct Bench {
    generator: String,
    threads: usize,
    load_seconds: f64,
    prompt_tokens: usize,
    prefill_tokens_per_second: f64,
    output_tokens: usize,
    decode_tokens_per_second: f64,
    embedder: String,
    passages_per_second: f64,
}

impl BenchArgs {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let config = Config::without_data(global.overrides())?;
        let store = Store::open(&config.models_dir)?;
        let mut meter = Meter::new();
        let began = Instant::now();
        let generator = LocalGenerator::load(&store, &config.generator, config.generator_options.clone())?;
        let load_seconds = began.elapsed().as_secs_f64();
        let mut written = 0;
        let generation = generator.generate(&self.prompt_for(&generator), &mut |_| {
            written += 1;
            meter.show("writing", written, self.write as u64, None);
            ControlFlow::Continue(())
        });
        let generation = generation.map_err(library::Error::from)?;
        let embedder = LocalEmbedder::load(&store, &config.embedder, config.threads)?;
        let bench = Bench {
            generator: generator.id().to_owned(),
            threads: config.threads,
            load_seconds,
            prompt_tokens: generation.prompt_tokens,
            prefill_tokens_per_second: rate(generation.prompt_tokens, generation.prefill_seconds),
            output_tokens: generation.output_tokens,
            decode_tokens_per_second: rate(generation.output_tokens, generation.decode_seconds),
            embedder: embedder.id().to_owned(),
            passages_per_second: self.embed(&embedder)?,
        };
        meter.clear();
        print(&bench, global.json)?;
        Ok(Exit::Done)
    }

    /// Words that no two prompts have in the same order, so that nothing can be taken from a cache.
    fn prompt_for(&self, generator: &dyn Generator) -> Prompt {
        let mut content = String::from("Continue this list:");
        let mut number = std::process::id();
        while generator.count_tokens(&content) < self.prompt {
            for _ in 0..16 {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                content.push_str(&format!(" item {}", number >> 20));
            }
        }
        Prompt {
            messages: vec![Message { role: Role::User, content }],
            reply_prefix: String::new(),
            max_tokens: self.write,
            stop: Vec::new(),
            sampling: Sampling::GREEDY,
            json_schema: None,
        }
    }

    /// Passages a second, of about 200 tokens each.
    fn embed(&self, embedder: &dyn Embedder) -> Result<f64, Failure> {
        let texts: Vec<String> = (0..self.passages)
            .map(|n| {
                format!("Clause {n}. ") + &"The tenant shall keep the premises in good repair. ".repeat(20)
            })
            .collect();
        let began = Instant::now();
        for batch in texts.chunks(16) {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            embedder.passages(&batch).map_err(library::Error::from)?;
        }
        Ok(rate(texts.len(), began.elapsed().as_secs_f64()))
    }
}

fn rate(count: usize, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn print(bench: &Bench, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, bench).map_err(|error| Failure::of(&error))?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{} on {} threads, loaded in {:.1} s", bench.generator, bench.threads, bench.load_seconds)?;
    writeln!(
        out,
        "  prefill  {:>8.1} tokens/s ({} tokens)",
        bench.prefill_tokens_per_second, bench.prompt_tokens
    )?;
    writeln!(
        out,
        "  decode   {:>8.1} tokens/s ({} tokens)",
        bench.decode_tokens_per_second, bench.output_tokens
    )?;
    writeln!(out, "{}\n  embed    {:>8.1} passages/s", bench.embedder, bench.passages_per_second)?;
    Ok(())
}
