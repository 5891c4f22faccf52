//! How well a stretch of a document carries a claim: features, and the logistic score made of them.
//!
//! A language model's own opinion is not asked for: it is small, slow, and the author of the claim. What is measured
//! is whether the claim's words, in their order and in their sense (an embedding's cosine), are in the text,
//! and whether what must be right to the letter is.

/// What is compared between a claim and a stretch of one to three sentences. All but the last four from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Features {
    /// Weighted share of the claim's content words that the stretch holds.
    pub words: f32,
    /// The same for words that the question did not bring in.
    pub new_words: f32,
    /// Share of the claim's adjacent word pairs that the stretch holds as pairs.
    pub pairs: f32,
    /// Cosine of claim and stretch, best of its sentences; 0 where negative.
    pub similarity: f32,
    /// Weighted share of the question's content words that the stretch and what surrounds it hold.
    pub question: f32,
    /// One of the two denies a word that the other says.
    pub denied: bool,
    /// A word of the claim meets its opposite in the stretch.
    pub antonym: bool,
    /// A number or date of the claim is not there.
    pub fact_missing: bool,
    /// A name of the claim is not there.
    pub name_missing: bool,
}

impl Features {
    /// All of them as numbers, in the order of the constants below.
    pub fn row(&self) -> [f32; 9] {
        let flag = |set: bool| f32::from(u8::from(set));
        [
            self.words,
            self.new_words,
            self.pairs,
            self.similarity,
            self.question,
            flag(self.denied),
            flag(self.antonym),
            flag(self.fact_missing),
            flag(self.name_missing),
        ]
    }

    /// What must be right to the letter is missing.
    pub fn fails_to_the_letter(&self) -> bool {
        self.fact_missing || self.name_missing
    }
}

const BIAS: f32 = -4.2;
const WORDS: f32 = 2.0;
const NEW_WORDS: f32 = 3.0;
const PAIRS: f32 = 1.5;
const SIMILARITY: f32 = 2.5;
const QUESTION: f32 = 0.5;
const DENIED: f32 = -5.0;
const ANTONYM: f32 = -1.5;

/// Claims at or above this are shown as supported.
pub(crate) const THRESHOLD: f32 = 0.5;

/// Probability that the stretch carries the claim, before the checks to the letter.
pub(crate) fn probability(features: &Features) -> f32 {
    let flag = |set: bool| f32::from(u8::from(set));
    logistic(
        BIAS + WORDS * features.words
            + NEW_WORDS * features.new_words
            + PAIRS * features.pairs
            + SIMILARITY * features.similarity
            + QUESTION * features.question
            + DENIED * flag(features.denied)
            + ANTONYM * flag(features.antonym),
    )
}

pub(crate) fn logistic(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}
