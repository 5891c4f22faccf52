use std::path::PathBuf;

use serde::Deserialize;

use super::*;
use crate::gguf::testing::Builder;
use crate::testing;

/// A SentencePiece vocabulary with bytes, a few pieces and their scores.
fn spm(space_prefix: bool) -> Tokenizer {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    tokens.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
    let mut kinds = vec![2, 3, 3];
    kinds.resize(tokens.len(), 6);
    let mut scores = vec![0.0; tokens.len()];
    for (score, piece) in
        [(-1.0, "▁t"), (-2.0, "he"), (-3.0, "▁the"), (-9.0, "▁"), (-9.0, "t"), (-9.0, "h"), (-9.0, "e")]
    {
        tokens.push(piece.to_owned());
        kinds.push(1);
        scores.push(score);
    }
    let builder = Builder::new("llama")
        .string("tokenizer.ggml.model", "llama")
        .strings("tokenizer.ggml.tokens", &tokens)
        .i32s("tokenizer.ggml.token_type", &kinds)
        .f32s("tokenizer.ggml.scores", &scores)
        .bool("tokenizer.ggml.add_space_prefix", space_prefix);
    Tokenizer::from_gguf(&Gguf::from_bytes(builder.build()).unwrap()).unwrap()
}

fn text_of(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let mut decoding = Decoding::default();
    let mut text = String::new();
    tokens.iter().for_each(|&token| decoding.push(tokenizer, token, &mut text));
    decoding.finish(&mut text);
    text
}

#[test]
fn sentencepiece_merges_by_score_and_falls_back_to_bytes() {
    let tokenizer = spm(true);
    let the = 3 + 256 + 2;
    assert_eq!(tokenizer.encode("the", Parse::Plain), [the]);
    assert_eq!(tokenizer.encode_whole("the the", Parse::Plain), [1, the, the]);
    let omega = tokenizer.encode("theΩ", Parse::Plain);
    assert_eq!(omega, [the, 3 + 0xce, 3 + 0xa9]);
    assert_eq!(text_of(&tokenizer, &omega), " theΩ");
    assert_eq!(spm(false).encode("the", Parse::Plain), [3 + 256 + 4, 3 + 256 + 1]);
}

#[test]
fn names_of_control_tokens_are_text_unless_they_are_trusted() {
    let tokenizer = spm(false);
    assert_eq!(tokenizer.encode("</s>", Parse::Special), [2]);
    assert!(!tokenizer.encode("</s>", Parse::Plain).contains(&2));
    assert!(tokenizer.is_stop(2));
}

#[test]
fn half_characters_are_held_back() {
    let tokenizer = spm(false);
    let mut decoding = Decoding::default();
    let mut text = String::new();
    for (byte, expected) in [(0xe2, ""), (0x82, ""), (0xac, "€"), (0xff, "€\u{fffd}"), (0xc3, "€\u{fffd}")]
    {
        decoding.push(&tokenizer, 3 + byte, &mut text);
        assert_eq!(text, expected);
    }
    decoding.finish(&mut text);
    assert_eq!(text, "€\u{fffd}\u{fffd}");
}

#[test]
fn an_unknown_model_or_rule_is_an_error() {
    let with = |model: &str, pre: &str| {
        let gguf = Builder::new("x")
            .string("tokenizer.ggml.model", model)
            .string("tokenizer.ggml.pre", pre)
            .strings("tokenizer.ggml.tokens", &["a"])
            .strings::<&str>("tokenizer.ggml.merges", &[])
            .build();
        Tokenizer::from_gguf(&Gguf::from_bytes(gguf).unwrap()).map(|_| ())
    };
    assert!(matches!(with("t5", "gpt-2"), Err(Error::Tokenizer(name)) if name == "t5"));
    assert!(matches!(with("gpt2", "new-rule"), Err(Error::Tokenizer(name)) if name.contains("new-rule")));
    assert!(with("gpt2", "gpt-2").is_ok());
}

/// Ids that llama.cpp gives, for one model.
#[derive(Deserialize)]
struct Golden {
    /// Name in the catalogue, or the vocabulary's file beside this one.
    model: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    /// Without control tokens being looked for.
    plain: Vec<u32>,
    /// With what stands before and after, and control tokens looked for.
    special: Vec<u32>,
}

fn golden_files() -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/tokens");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

#[test]
fn ids_are_those_of_llama_cpp() {
    let files = golden_files();
    assert!(files.len() >= 4, "{files:?}");
    for path in files {
        let golden: Golden = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let vocabulary = path.with_file_name(&golden.model);
        let file = match vocabulary.is_file() {
            true => vocabulary,
            false => {
                let Some(store) = testing::store_with(&golden.model) else { continue };
                store.blob_path(&store.get(&golden.model).unwrap().file("weights").unwrap())
            }
        };
        let tokenizer = Tokenizer::from_gguf(&Gguf::open(&file).unwrap()).unwrap();
        for Case { text, plain, special } in golden.cases {
            let name = &golden.model;
            assert_eq!(tokenizer.encode(&text, Parse::Plain), plain, "{name}: {text:?}");
            assert_eq!(tokenizer.encode_whole(&text, Parse::Special), special, "{name}: {text:?}");
        }
    }
}
