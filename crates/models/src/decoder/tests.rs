//! Tiny models of every family against what llama.cpp computes with them (`tests/scripts/model_goldens.py`),
//! and the promise of the same bits against itself.

use std::sync::Arc;

use super::*;
use crate::gguf::Gguf;
use crate::testing::{data, store_with};

const FAMILIES: [&str; 10] = [
    "llama",
    "llama-k-quants",
    "llama-old-quants",
    "qwen2",
    "qwen3",
    "phi3",
    "gemma2",
    "gemma3",
    "granite",
    "smollm3",
];

const CACHES: [CacheType; 2] = [CacheType::F16, CacheType::Q8];

fn options(threads: usize) -> DecoderOptions {
    DecoderOptions { threads, context_tokens: 512, cache: CacheType::F16, repack_dir: None }
}

fn tiny(family: &str, threads: usize, isa: Isa) -> Decoder {
    tiny_with(family, options(threads), isa)
}

fn tiny_with(family: &str, options: DecoderOptions, isa: Isa) -> Decoder {
    let gguf = Gguf::from_bytes(data(&format!("models/{family}.gguf"))).unwrap();
    Decoder::load_with(&Arc::new(gguf), options, isa).unwrap()
}

fn snapshot(state: &State, decoder: &Decoder) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.snapshot(decoder, &mut bytes).unwrap();
    bytes
}

fn best(logits: &[f32]) -> u32 {
    (0..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best }) as u32
}

fn greedy(decoder: &Decoder, state: &mut State, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut next = best(decoder.prefill(state, prompt).unwrap());
    let mut path = vec![next];
    while path.len() < count {
        next = best(decoder.step(state, next).unwrap());
        path.push(next);
    }
    path
}

struct Golden {
    prompt: Vec<u32>,
    path: Vec<u32>,
    /// How much better each choice was than the next best, in standard deviations of the logits.
    margins: Vec<f64>,
    logits: Vec<(usize, f64)>,
    spread: f64,
}

fn goldens(name: &str) -> Vec<Golden> {
    let cases: serde_json::Value = serde_json::from_slice(&data(&format!("models/{name}.json"))).unwrap();
    let tokens = |value: &serde_json::Value| {
        value.as_array().unwrap().iter().map(|token| token.as_u64().unwrap() as u32).collect()
    };
    let cases = cases.as_array().unwrap().iter();
    cases
        .map(|case| Golden {
            prompt: tokens(&case["prompt"]),
            path: tokens(&case["path"]),
            margins: case["margins"]
                .as_array()
                .unwrap()
                .iter()
                .map(|margin| margin.as_f64().unwrap())
                .collect(),
            spread: case["spread"].as_f64().unwrap(),
            logits: case["logits"].as_object().unwrap().iter().fold(Vec::new(), |mut all, (token, logit)| {
                all.push((token.parse().unwrap(), logit.as_f64().unwrap()));
                all
            }),
        })
        .collect()
}

/// Checks that the logits after the prompt are within `tolerance` of their spread. Gives the number of steps for which the path is the same.
fn check(decoder: &Decoder, name: &str, golden: &Golden, tolerance: f64) -> usize {
    let logits = decoder.prefill(&mut decoder.new_state(), &golden.prompt).unwrap().to_vec();
    let mut worst = 0.0;
    for &(token, expected) in &golden.logits {
        worst = f64::max(worst, (f64::from(logits[token]) - expected).abs() / golden.spread);
    }
    assert!(worst < tolerance, "{name}, prompt of {}: logits differ by {worst}", golden.prompt.len());
    let path = greedy(decoder, &mut decoder.new_state(), &golden.prompt, golden.path.len());
    path.iter().zip(&golden.path).take_while(|(ours, theirs)| ours == theirs).count()
}

#[test]
fn every_family_computes_what_llama_cpp_does() {
    for family in FAMILIES {
        let decoder = tiny(family, 2, Isa::detect());
        // Half-precision weights are multiplied in floats by both; quantised ones with what each has rounded.
        let tolerance = if family.ends_with("-quants") { 0.25 } else { 0.02 };
        for golden in goldens(family) {
            let (steps, length) = (check(&decoder, family, &golden, tolerance), golden.prompt.len());
            assert_eq!(golden.path.len(), 64);
            assert_eq!(steps, 64, "{family}, prompt of {length}: clear by {:?}", golden.margins.get(steps));
        }
    }
}

/// A difference of two logits of a real model, in standard deviations, that rounding may turn round.
const CLOSE: f64 = 0.15;

/// The path of a real model is the same up to the first choice that is too close to call, which decides nothing, and
/// what follows it neither.
fn check_real(name: &str, file: &str, cache: CacheType, at_least: usize) {
    let Some(store) = store_with(name) else { return };
    let weights = store.blob_path(&store.get(name).unwrap().file("weights").unwrap());
    let gguf = Arc::new(Gguf::open(&weights).unwrap());
    let options = DecoderOptions { cache, ..options(2) };
    let decoder = Decoder::load_with(&gguf, options, Isa::detect()).unwrap();
    let mut total = 0;
    for golden in goldens(file) {
        let steps = check(&decoder, name, &golden, 0.25);
        let margin = golden.margins.get(steps).copied().unwrap_or(0.0);
        let length = golden.prompt.len();
        assert!(margin < CLOSE, "{name}, prompt of {length}: other token at {steps}, clear by {margin}");
        total += steps;
    }
    assert!(total >= at_least, "{name}: the same path for {total} steps only");
}

#[test]
fn real_models_compute_what_llama_cpp_does() {
    for (name, file) in [
        ("smollm2:135m", "real-smollm2-135m"),
        ("qwen2.5-coder:0.5b", "real-qwen2.5-coder-0.5b"),
        ("qwen2.5-coder:1.5b", "real-qwen2.5-coder-1.5b"),
        ("gemma3:270m", "real-gemma3-270m"),
    ] {
        check_real(name, file, CacheType::F16, 24);
    }
}

#[test]
fn a_cache_of_bytes_changes_little() {
    for family in FAMILIES {
        let (halves, tokens) = (tiny(family, 2, Isa::detect()), prompt(300));
        let bytes = tiny_with(family, DecoderOptions { cache: CacheType::Q8, ..options(2) }, Isa::detect());
        assert!(bytes.cache_bytes_per_token() * 16 <= halves.cache_bytes_per_token() * 9);
        let (mut one, mut other) = (halves.new_state(), bytes.new_state());
        let expected = halves.prefill(&mut one, &tokens).unwrap();
        let found = bytes.prefill(&mut other, &tokens).unwrap();
        let mean = expected.iter().sum::<f32>() / expected.len() as f32;
        let variance = expected.iter().map(|logit| (logit - mean).powi(2)).sum::<f32>();
        let spread = (variance / expected.len() as f32).sqrt();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.25 * spread, "{family}: {found} for {expected}");
        }
    }
    check_real("smollm2:135m", "real-smollm2-135m", CacheType::Q8, 24);
}

fn prompt(length: usize) -> Vec<u32> {
    (0..length as u32).map(|at| (at * at + at / 7) % 96).collect()
}

#[test]
fn batches_threads_and_instructions_change_no_bit() {
    for family in ["llama", "llama-k-quants", "gemma3", "phi3"] {
        for cache in CACHES {
            check_bits(family, cache);
        }
    }
}

fn check_bits(family: &str, cache: CacheType) {
    let load = |threads, isa| tiny_with(family, DecoderOptions { cache, ..options(threads) }, isa);
    let reference = load(1, Isa::Plain);
    let tokens = prompt(300);
    let mut state = reference.new_state();
    let expected = reference.prefill(&mut state, &tokens).unwrap().to_vec();
    for isa in Isa::available() {
        let decoder = load(3, isa);
        let mut state = decoder.new_state();
        assert_eq!(decoder.prefill(&mut state, &tokens).unwrap(), expected, "{family} {isa:?} {cache:?}");
        let mut state = decoder.new_state();
        decoder.prefill(&mut state, &tokens[..250]).unwrap();
        for &token in &tokens[250..280] {
            decoder.step(&mut state, token).unwrap();
        }
        let rows = decoder.verify(&mut state, &tokens[280..]).unwrap();
        assert_eq!(rows[rows.len() - 96..], expected, "{family} {isa:?} {cache:?} in pieces");
    }
}

#[test]
fn a_kept_prefix_gives_the_same_bits() {
    for family in ["llama", "gemma3"] {
        for cache in CACHES {
            check_prefix(family, cache);
        }
    }
}

fn check_prefix(family: &str, cache: CacheType) {
    let load = |threads| tiny_with(family, DecoderOptions { cache, ..options(threads) }, Isa::detect());
    let decoder = load(2);
    let tokens = prompt(290);
    let mut cold = decoder.new_state();
    let expected = decoder.prefill(&mut cold, &tokens).unwrap().to_vec();

    let mut other = tokens[..261].to_vec();
    other.extend([3, 1, 4, 1, 5, 9]);
    let mut state = decoder.new_state();
    decoder.prefill(&mut state, &other).unwrap();
    let mut fork = state.fork();
    let kept = fork.common_prefix(&tokens);
    assert!((261..=262).contains(&kept));
    fork.truncate(kept);
    assert_eq!(decoder.prefill(&mut fork, &tokens[kept..]).unwrap(), expected, "{family} {cache:?} forked");
    // The origin of the fork is as it was.
    let after = decoder.step(&mut state, 7).unwrap().to_vec();
    let mut fresh = decoder.new_state();
    other.push(7);
    assert_eq!(decoder.prefill(&mut fresh, &other).unwrap(), after, "{family} {cache:?} origin");

    // Nothing of what was cut off is left in a snapshot.
    state.truncate(261);
    let snapshot = snapshot(&state, &decoder);
    let mut short = decoder.new_state();
    decoder.prefill(&mut short, &tokens[..261]).unwrap();
    assert_eq!(self::snapshot(&short, &decoder), snapshot, "{family} {cache:?} cut");
    let mut restored = load(1).restore(&mut &snapshot[..]).unwrap();
    assert_eq!(restored.tokens(), &tokens[..261]);
    assert_eq!(self::snapshot(&restored, &decoder), snapshot);
    let logits = decoder.prefill(&mut restored, &tokens[261..]).unwrap();
    assert_eq!(logits, expected, "{family} {cache:?} restored");
}

#[test]
fn damaged_snapshots_and_those_of_other_models_are_not_taken() {
    let decoder = tiny("llama", 1, Isa::detect());
    let mut state = decoder.new_state();
    decoder.prefill(&mut state, &prompt(20)).unwrap();
    let snapshot = snapshot(&state, &decoder);
    assert!(decoder.restore(&mut &snapshot[..]).is_some());
    assert!(tiny("qwen2", 1, Isa::detect()).restore(&mut &snapshot[..]).is_none());
    let other = DecoderOptions { cache: CacheType::Q8, ..options(1) };
    assert!(tiny_with("llama", other, Isa::detect()).restore(&mut &snapshot[..]).is_none());
    for at in [0, 9, 45, snapshot.len() / 2, snapshot.len() - 1] {
        let mut damaged = snapshot.clone();
        damaged[at] ^= 1;
        assert!(decoder.restore(&mut &damaged[..]).is_none(), "byte {at}");
    }
    assert!(decoder.restore(&mut &snapshot[..snapshot.len() - 1]).is_none());
    assert!(decoder.restore(&mut &[][..]).is_none());
}

#[test]
fn speculation_is_plain_greedy_decoding() {
    for family in FAMILIES {
        let decoder = tiny(family, 2, Isa::detect());
        let tokens = prompt(100);
        let expected = greedy(&decoder, &mut decoder.new_state(), &tokens, 200);
        let mut state = decoder.new_state();
        let first = best(decoder.prefill(&mut state, &tokens).unwrap());
        let mut lookup = Lookup::new(&tokens);
        let mut path = vec![first];
        let (mut next, mut passes) = (Some(first), 0);
        while let Some(token) = next {
            let mut choose = |logits: &[f32]| {
                let token = best(logits);
                path.push(token);
                (path.len() < 200).then_some(token)
            };
            next = decoder.advance(&mut state, &mut lookup, token, &mut choose).unwrap();
            passes += 1;
        }
        assert_eq!(path, expected, "{family}");
        assert!(passes < 200);
        assert_eq!(state.tokens(), [&tokens[..], &expected[..state.len() - 100]].concat());
    }
}

#[test]
fn a_full_context_is_an_error_and_leaves_the_state() {
    let decoder = tiny("llama", 1, Isa::detect());
    let mut state = decoder.new_state();
    decoder.prefill(&mut state, &prompt(500)).unwrap();
    let error = decoder.prefill(&mut state, &prompt(13)).unwrap_err();
    assert!(matches!(error, Error::ContextOverflow { tokens: 513, limit: 512 }));
    assert_eq!(state.len(), 500);
    decoder.prefill(&mut state, &prompt(12)).unwrap();
    assert!(matches!(decoder.step(&mut state, 1), Err(Error::ContextOverflow { .. })));
    assert!(decoder.step(&mut decoder.new_state(), 96).is_err());
}

#[test]
fn what_cannot_be_run_is_named() {
    let load =
        |bytes| match Gguf::from_bytes(bytes).and_then(|gguf| Decoder::load(&Arc::new(gguf), options(1))) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it was loaded"),
        };
    let mamba = crate::gguf::testing::Builder::new("mamba").build();
    assert_eq!(load(mamba), "model architecture `mamba` is not supported");
    let bare = crate::gguf::testing::Builder::new("llama").u32("llama.block_count", 1).build();
    assert_eq!(load(bare), "the model says nothing of `llama.embedding_length`");
    // The same model with one tensor under another name.
    let mut other = data("models/llama.gguf");
    let name = b"blk.1.ffn_down.weight";
    let at = other.windows(name.len()).position(|window| window == name).unwrap();
    other[at + 4] = b'7';
    assert_eq!(load(other), "the model has no tensor `blk.1.ffn_down.weight`");
}
