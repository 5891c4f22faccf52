//! What `carrel bench` measures: how fast a model reads and writes on this machine, and how far that is from
//! what its memory would allow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use carrel_corpus::Embedder;
use serde::Serialize;

use crate::Error;
use crate::decoder::{CacheType, Decoder, DecoderOptions, Lookup, State};
use crate::gguf::Gguf;
use crate::kernels::pool::Pool;

mod conversation;

pub use conversation::FirstToken;

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    pub threads: usize,
    /// Lengths of prompts.
    pub prefill: Vec<usize>,
    /// Lengths of what was read before the tokens that are written.
    pub depths: Vec<usize>,
    /// Tokens written at each depth.
    pub decode_tokens: usize,
    /// Every figure is the median of so many runs.
    pub runs: usize,
    pub cache: CacheType,
    pub repack_dir: Option<PathBuf>,
}

impl BenchOptions {
    /// Prompts of 128 to 2,048 tokens; writing after 0, 1,024 and 2,048.
    pub fn usual(threads: usize) -> BenchOptions {
        BenchOptions {
            threads,
            prefill: vec![128, 512, 1024, 2048],
            depths: vec![0, 1024, 2048],
            decode_tokens: 32,
            runs: 3,
            cache: CacheType::F16,
            repack_dir: None,
        }
    }
}

/// Speed of reading a prompt.
#[derive(Clone, Debug, Serialize)]
pub struct PrefillRate {
    pub tokens: usize,
    pub tok_s: f64,
}

/// Speed of writing after `depth` tokens. With speculation the text repeats what is in its prompt.
#[derive(Clone, Debug, Serialize)]
pub struct DecodeRate {
    pub depth: usize,
    pub speculation: bool,
    pub tok_s: f64,
    /// Share of the speed at which the weights and the cache can be read from memory; none with speculation.
    pub roofline: Option<f64>,
}

/// What was measured, on one machine in one run.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    pub model: String,
    pub threads: usize,
    /// Instructions of the kernels.
    pub kernels: String,
    /// What keys and values are kept as.
    pub kv: CacheType,
    pub load_s: f64,
    pub prefill: Vec<PrefillRate>,
    pub decode: Vec<DecodeRate>,
    /// After a conversation as long as the longest prompt, or 2,048 tokens.
    pub first_token: Option<FirstToken>,
    /// Time with lookup over time without, where no guess is right.
    pub useless_guesses: f64,
    /// Largest resident memory of the process so far.
    pub peak_rss_bytes: u64,
    /// Bytes of weights that every token reads.
    pub weight_bytes: u64,
    /// Speed of reading memory on all threads, in 10^9 bytes a second.
    pub bandwidth_gb_s: f64,
}

/// Measures a model file. `progress` is told what is being measured.
///
/// # Errors
/// As [`Decoder::load`].
pub fn bench(
    model: &Path,
    options: &BenchOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BenchReport, Error> {
    progress("loading");
    let began = Instant::now();
    let gguf = Arc::new(Gguf::open(model)?);
    let longest = options.prefill.iter().chain(&options.depths).max().copied().unwrap_or(0);
    let decoder = Decoder::load(
        &gguf,
        DecoderOptions {
            threads: options.threads,
            context_tokens: longest.max(256) + 4 * options.decode_tokens + 64,
            cache: options.cache,
            repack_dir: options.repack_dir.clone(),
        },
    )?;
    let load_s = began.elapsed().as_secs_f64();
    let runs = Runs { decoder: &decoder, options };
    let mut prefill = Vec::new();
    for &tokens in &options.prefill {
        progress(&format!("reading {tokens} tokens"));
        prefill.push(PrefillRate { tokens, tok_s: runs.prefill(tokens)? });
    }
    let mut written = Vec::new();
    for &depth in &options.depths {
        progress(&format!("writing after {depth} tokens"));
        written.push((depth, runs.decode(depth)?, runs.speculate(depth)?));
    }
    // What the measures that follow take is no need of the model's.
    let peak_rss_bytes = peak_rss_bytes();
    progress("answering in a conversation");
    let longest = options.prefill.iter().max().map(|&tokens| tokens.min(2048));
    let first_token = longest.map(|tokens| runs.first_token(tokens)).transpose()?;
    let useless_guesses = runs.useless_guesses()?;
    progress("memory");
    let bandwidth_gb_s = bandwidth(options.threads);
    let mut decode = Vec::new();
    for (depth, plain, speculative) in written {
        let bytes = decoder.weight_bytes() + (depth * decoder.cache_bytes_per_token()) as u64;
        let roofline = Some(plain * bytes as f64 / (bandwidth_gb_s * 1e9));
        decode.push(DecodeRate { depth, speculation: false, tok_s: plain, roofline });
        decode.push(DecodeRate { depth, speculation: true, tok_s: speculative, roofline: None });
    }
    Ok(BenchReport {
        model: model.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        threads: options.threads,
        kernels: decoder.kernels(),
        kv: options.cache,
        load_s,
        prefill,
        decode,
        first_token,
        useless_guesses,
        peak_rss_bytes,
        weight_bytes: decoder.weight_bytes(),
        bandwidth_gb_s,
    })
}

struct Runs<'a> {
    decoder: &'a Decoder,
    options: &'a BenchOptions,
}

impl Runs<'_> {
    /// Tokens all over the vocabulary, the same every time.
    fn text(&self, length: usize) -> Vec<u32> {
        let vocabulary = self.decoder.architecture().vocabulary;
        (0..length).map(|at| ((at * 7919 + 13) % vocabulary.min(20_000)) as u32).collect()
    }

    fn median(&self, mut run: impl FnMut() -> Result<f64, Error>) -> Result<f64, Error> {
        let mut rates = (0..self.options.runs.max(1)).map(|_| run()).collect::<Result<Vec<f64>, Error>>()?;
        rates.sort_by(f64::total_cmp);
        Ok(rates[rates.len() / 2])
    }

    fn prefill(&self, length: usize) -> Result<f64, Error> {
        let text = self.text(length);
        self.median(|| {
            let mut state = self.decoder.new_state();
            let began = Instant::now();
            self.decoder.prefill(&mut state, &text)?;
            Ok(length as f64 / began.elapsed().as_secs_f64())
        })
    }

    fn decode(&self, depth: usize) -> Result<f64, Error> {
        let count = self.options.decode_tokens;
        let mut state = self.after(&self.text(depth.max(1)))?;
        let length = state.len();
        self.median(|| {
            state.truncate(length);
            let began = Instant::now();
            let mut next = 1;
            for _ in 0..count {
                next = best(self.decoder.step(&mut state, next)?);
            }
            Ok(count as f64 / began.elapsed().as_secs_f64())
        })
    }

    /// Greedy decoding with lookup, of a text that the prompt has already: what the model itself writes next,
    /// which it was given as the end of the prompt.
    fn speculate(&self, depth: usize) -> Result<f64, Error> {
        let count = self.options.decode_tokens;
        let mut state = self.after(&self.text(depth.max(1)))?;
        let length = state.len();
        let mut next = 1;
        let mut written = Vec::new();
        for _ in 0..count {
            written.push(next);
            next = best(self.decoder.step(&mut state, next)?);
        }
        self.median(|| {
            state.truncate(length);
            let mut lookup = Lookup::new(&[state.tokens(), &written].concat());
            let mut chosen = 0;
            let mut next = Some(1);
            let began = Instant::now();
            while let Some(token) = next {
                next = self.decoder.advance(&mut state, &mut lookup, token, &mut |logits| {
                    chosen += 1;
                    (chosen < count).then(|| best(logits))
                })?;
            }
            Ok(count as f64 / began.elapsed().as_secs_f64())
        })
    }

    fn after(&self, text: &[u32]) -> Result<State, Error> {
        let mut state = self.decoder.new_state();
        self.decoder.prefill(&mut state, text)?;
        Ok(state)
    }
}

fn best(logits: &[f32]) -> u32 {
    (0..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best }) as u32
}

/// What was measured of an embedder.
#[derive(Clone, Debug, Serialize)]
pub struct EmbedReport {
    pub texts: usize,
    pub tokens: usize,
    pub seconds: f64,
    pub tokens_per_s: f64,
}

/// Times an embedder over texts.
///
/// # Errors
/// Those of the embedder.
pub fn bench_embedder(
    embedder: &dyn Embedder,
    texts: &[&str],
) -> Result<EmbedReport, carrel_corpus::SeamError> {
    let longest = embedder.max_tokens();
    let tokens = texts.iter().map(|text| embedder.count_tokens(text).min(longest)).sum();
    let began = Instant::now();
    embedder.passages(texts)?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(EmbedReport { texts: texts.len(), tokens, seconds, tokens_per_s: tokens as f64 / seconds })
}

/// Speed of reading memory that no cache holds, in 10^9 bytes a second: the best of a few rounds.
fn bandwidth(threads: usize) -> f64 {
    const SLICE: usize = 1 << 17;
    let pool = Pool::new(threads);
    let words = vec![1u64; 32 << 20];
    let total = AtomicU64::new(0);
    let round = || {
        let began = Instant::now();
        pool.run(words.len() / SLICE, &|unit| {
            let slice = &words[unit * SLICE..(unit + 1) * SLICE];
            let sum = slice.iter().fold(0u64, |sum, &word| sum.wrapping_add(word));
            total.fetch_add(sum, Ordering::Relaxed);
        });
        (words.len() * 8) as f64 / began.elapsed().as_secs_f64() / 1e9
    };
    let best = (0..5).map(|_| round()).fold(0.0, f64::max);
    assert!(total.into_inner() == 5 * words.len() as u64, "every word was read");
    best
}

/// Largest resident memory of this process so far; 0 where the system does not say.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let kilobytes =
        fields.get("VmHWM").and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
