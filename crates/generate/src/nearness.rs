//! How near a sentence stands to what is looked for, by meaning and by words.

use carrel_corpus::Embedder;

use crate::Error;
use crate::evidence::Evidence;
use crate::text::dot;
use crate::words::content_stems;

/// Weight of shared words beside the cosine.
const WORDS: f32 = 0.7;

/// Nearness to texts that count alike, however long each of them is: a clause's name and its explanation.
pub(crate) struct Nearness {
    parts: Vec<Part>,
}

struct Part {
    vector: Vec<f32>,
    stems: Vec<String>,
}

impl Nearness {
    /// Texts without a meaningful word count only where none has one.
    pub fn to(texts: &[&str], embedder: &dyn Embedder) -> Result<Nearness, Error> {
        let mut parts = Vec::new();
        for text in texts {
            let stems: Vec<String> = content_stems(text).into_iter().collect();
            if !stems.is_empty() {
                parts.push(Part { vector: embedder.query(text)?, stems });
            }
        }
        if parts.is_empty() {
            parts.push(Part { vector: embedder.query(&texts.join(" "))?, stems: Vec::new() });
        }
        Ok(Nearness { parts })
    }

    /// Cosine and share of words, each the mean over the parts. The sentence's vector must have been made.
    pub fn of(&self, evidence: &Evidence, sentence: usize) -> f32 {
        let cosine = |part: &Part| evidence.vector(sentence).map_or(0.0, |own| dot(own, &part.vector));
        self.mean(cosine) + WORDS * self.words(evidence, sentence)
    }

    /// The same, and the share of words that stand in the sentence, right before it or in the headings above it. `10. Term and
    /// notice.` says what the next sentence is about, which need not repeat it.
    pub fn in_context(&self, evidence: &Evidence, sentence: usize) -> f32 {
        let around = &evidence.surroundings[evidence.sentences[sentence].passage];
        let from = sentence.saturating_sub(1).max(around.sentences.start);
        let held = |stem: &str| {
            around.header.contains(stem)
                || evidence.sentences[from..=sentence].iter().any(|near| near.stems.contains(stem))
        };
        self.of(evidence, sentence)
            + self.mean(|part| evidence.weights.coverage(part.stems.iter(), held).unwrap_or(0.0))
    }

    pub fn words(&self, evidence: &Evidence, sentence: usize) -> f32 {
        let held = |stem: &str| evidence.sentences[sentence].stems.contains(stem);
        self.mean(|part| evidence.weights.coverage(part.stems.iter(), held).unwrap_or(0.0))
    }

    fn mean(&self, of: impl Fn(&Part) -> f32) -> f32 {
        self.parts.iter().map(of).sum::<f32>() / self.parts.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{Counting, passage};

    #[test]
    fn a_sentence_under_the_heading_that_names_the_subject_is_nearer() {
        let text = "Rent and payment of it.\n\nIt falls due each month.\n\nHe can be told to leave.";
        let passages = [passage(1, "lease.txt", 0, text)];
        let mut evidence = Evidence::new(&passages);
        evidence.embed(&[0, 1, 2], &Counting).unwrap();
        let nearness = Nearness::to(&["When is the rent paid?"], &Counting).unwrap();
        let gained = |index| nearness.in_context(&evidence, index) - nearness.of(&evidence, index);
        assert!(gained(1) > gained(2), "{} {}", gained(1), gained(2));
        assert_eq!(nearness.words(&evidence, 1), nearness.words(&evidence, 2));
    }
}
