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

fn options(threads: usize) -> DecoderOptions {
    DecoderOptions { threads, context_tokens: 512, repack_dir: None }
}

fn tiny(family: &str, threads: usize, isa: Isa) -> Decoder {
    let gguf = Gguf::from_bytes(data(&format!("models/{family}.gguf"))).unwrap();
    Decoder::load_with(&Arc::new(gguf), options(threads), isa).unwrap()
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

/// The same path, and logits within `tolerance` of their spread. Both sides round activations to 8 bits, each in
/// its way.
///
/// Gives the number of steps compared.
fn check(decoder: &Decoder, name: &str, tolerance: f64) -> usize {
    let mut steps = 0;
    for golden in goldens(name) {
        let logits = decoder.prefill(&mut decoder.new_state(), &golden.prompt).unwrap().to_vec();
        let mut worst = 0.0;
        for (token, expected) in golden.logits {
            worst = f64::max(worst, (f64::from(logits[token]) - expected).abs() / golden.spread);
        }
        assert!(worst < tolerance, "{name}, prompt of {}: logits differ by {worst}", golden.prompt.len());
        let path = greedy(decoder, &mut decoder.new_state(), &golden.prompt, golden.path.len());
        let same = path.iter().zip(&golden.path).take_while(|(ours, theirs)| ours == theirs).count();
        // A choice closer than what rounding may change decides nothing, and what follows it neither.
        let margin = golden.margins.get(same).copied().unwrap_or(0.0);
        let length = golden.prompt.len();
        assert!(margin < CLOSE, "{name}, prompt of {length}: other token at {same}, clear by {margin}");
        steps += same;
    }
    steps
}

/// A difference of two logits, in standard deviations, that rounding may turn round.
const CLOSE: f64 = 0.15;

#[test]
fn every_family_computes_what_llama_cpp_does() {
    for family in FAMILIES {
        let steps = check(&tiny(family, 2, Isa::detect()), family, 0.25);
        assert!(steps >= 64, "{family}: the same path for {steps} steps only");
    }
}

#[test]
fn real_models_compute_what_llama_cpp_does() {
    for (name, file) in [
        ("smollm2:135m", "real-smollm2-135m"),
        ("qwen2.5-coder:0.5b", "real-qwen2.5-coder-0.5b"),
        ("qwen2.5-coder:1.5b", "real-qwen2.5-coder-1.5b"),
        ("gemma3:270m", "real-gemma3-270m"),
    ] {
        let Some(store) = store_with(name) else { continue };
        let weights = store.blob_path(&store.get(name).unwrap().file("weights").unwrap());
        let gguf = Arc::new(Gguf::open(&weights).unwrap());
        let decoder = Decoder::load_with(&gguf, options(2), Isa::detect()).unwrap();
        let steps = check(&decoder, file, 0.25);
        assert!(steps >= 24, "{name}: the same path for {steps} steps only");
    }
}

fn prompt(length: usize) -> Vec<u32> {
    (0..length as u32).map(|at| (at * at + at / 7) % 96).collect()
}

#[test]
fn batches_threads_and_instructions_change_no_bit() {
    for family in ["llama", "llama-k-quants", "gemma3", "phi3"] {
        let reference = tiny(family, 1, Isa::Plain);
        let tokens = prompt(300);
        let mut state = reference.new_state();
        let expected = reference.prefill(&mut state, &tokens).unwrap().to_vec();
        for isa in Isa::available() {
            let decoder = tiny(family, 3, isa);
            let mut state = decoder.new_state();
            assert_eq!(decoder.prefill(&mut state, &tokens).unwrap(), expected, "{family} {isa:?}");
            let mut state = decoder.new_state();
            decoder.prefill(&mut state, &tokens[..250]).unwrap();
            for &token in &tokens[250..280] {
                decoder.step(&mut state, token).unwrap();
            }
            let rows = decoder.verify(&mut state, &tokens[280..]).unwrap();
            assert_eq!(rows[rows.len() - 96..], expected, "{family} {isa:?} in pieces");
        }
    }
}

#[test]
fn a_kept_prefix_gives_the_same_bits() {
    for family in ["llama", "gemma3"] {
        let decoder = tiny(family, 2, Isa::detect());
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
        assert_eq!(decoder.prefill(&mut fork, &tokens[kept..]).unwrap(), expected, "{family} forked");
        // The origin of the fork is as it was.
        let after = decoder.step(&mut state, 7).unwrap().to_vec();
        let mut fresh = decoder.new_state();
        other.push(7);
        assert_eq!(decoder.prefill(&mut fresh, &other).unwrap(), after, "{family} origin");

        state.truncate(261);
        let snapshot = state.snapshot(&decoder);
        let mut restored = tiny(family, 1, Isa::detect()).restore(&snapshot).unwrap();
        assert_eq!(restored.tokens(), &tokens[..261]);
        assert_eq!(decoder.prefill(&mut restored, &tokens[261..]).unwrap(), expected, "{family} restored");
    }
}

#[test]
fn damaged_snapshots_and_those_of_other_models_are_not_taken() {
    let decoder = tiny("llama", 1, Isa::detect());
    let mut state = decoder.new_state();
    decoder.prefill(&mut state, &prompt(20)).unwrap();
    let snapshot = state.snapshot(&decoder);
    assert!(decoder.restore(&snapshot).is_some());
    assert!(tiny("qwen2", 1, Isa::detect()).restore(&snapshot).is_none());
    for at in [0, 9, 45, snapshot.len() / 2, snapshot.len() - 1] {
        let mut damaged = snapshot.clone();
        damaged[at] ^= 1;
        assert!(decoder.restore(&damaged).is_none(), "byte {at}");
    }
    assert!(decoder.restore(&snapshot[..snapshot.len() - 1]).is_none());
    assert!(decoder.restore(&[]).is_none());
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
