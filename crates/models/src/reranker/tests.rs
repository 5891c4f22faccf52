use std::path::PathBuf;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    question: String,
    passages: Vec<String>,
    logits: Vec<f32>,
}

/// What quantising activations to 8 bits may cost, as a share of how far the golden logits lie apart.
const CLOSE: f32 = 0.08;

/// Tiny networks with random weights and what another implementation makes of them, by
/// `tests/scripts/golden_rerankings.py`.
#[test]
fn logits_agree_with_another_implementation() {
    for family in ["bert", "xlm-roberta"] {
        let made = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/rerankers").join(family);
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("model");
        std::fs::create_dir(&model).unwrap();
        for file in ["model.safetensors", "tokenizer.json", "config.json"] {
            std::fs::copy(made.join(file), model.join(file)).unwrap();
        }
        let store = Store::open(&directory.path().join("store")).unwrap();
        assert_eq!(store.import(&model, "tiny").unwrap().kind, ModelKind::Reranker);
        let reranker = LocalReranker::load(&store, "tiny", 2).unwrap();
        let golden: Golden =
            serde_json::from_slice(&std::fs::read(made.join("golden.json")).unwrap()).unwrap();
        let passages: Vec<&str> = golden.passages.iter().map(String::as_str).collect();
        let ours = reranker.scores(&golden.question, &passages).unwrap();
        let most = golden.logits.iter().copied().fold(f32::MIN, f32::max);
        let least = golden.logits.iter().copied().fold(f32::MAX, f32::min);
        for (ours, theirs) in ours.iter().zip(&golden.logits) {
            assert!((ours - theirs).abs() < CLOSE * (most - least), "{family}: {ours} {theirs}");
        }
        let alone = reranker.scores(&golden.question, &passages[1..2]).unwrap();
        assert_eq!(alone[0], ours[1], "a passage is judged as if it were alone");
    }
}

#[test]
fn an_embedder_is_no_reranker() {
    let Some(store) = crate::testing::store_with("all-minilm-l6-v2") else { return };
    assert!(matches!(LocalReranker::load(&store, "all-minilm-l6-v2", 1), Err(Error::WrongKind { .. })));
}
