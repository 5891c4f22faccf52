use serde::Deserialize;

use super::*;
use crate::testing;

#[derive(Deserialize)]
struct Golden {
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

fn embedder(threads: usize) -> Option<LocalEmbedder> {
    let name = "all-minilm-l6-v2";
    let store = testing::store_with(name)?;
    Some(LocalEmbedder::load(&store, name, threads).unwrap())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn vectors_agree_with_another_implementation() {
    let Some(embedder) = embedder(2) else { return };
    let golden: Vec<Golden> =
        serde_json::from_slice(&testing::data("embeddings/all-minilm-l6-v2.json")).unwrap();
    assert_eq!(embedder.dimensions(), 384);
    for Golden { text, tokens, vector } in golden {
        assert_eq!(embedder.count_tokens(&text) + 2, tokens, "{text}");
        let ours = embedder.query(&text).unwrap();
        let cosine = cosine(&ours, &vector);
        assert!(cosine > CLOSE, "{cosine} for {text}");
    }
}

/// What quantising weights and activations to 8 bits may cost.
const CLOSE: f32 = 0.998;

#[test]
fn a_vector_is_the_same_whatever_it_is_batched_with() {
    let (Some(one), Some(two)) = (embedder(1), embedder(2)) else { return };
    let long = "The lease ends on the last day of March. ".repeat(200);
    let texts = ["", "rent", &long, "Wann ist die Miete fällig?", "a b c d e f g"];
    let together = two.passages(&texts).unwrap();
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(&one.passages(&[text]).unwrap()[0], vector);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
    }
    assert_eq!(one.id(), two.id());
    assert_eq!(one.network_tokens(&[&long]), one.max_tokens());
    assert!(two.passages(&[]).unwrap().is_empty());
}
