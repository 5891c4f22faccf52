//! What the calibration script sees of the scorers: the features that they are fitted on.

use carrel_corpus::{Embedder, Passage};

use crate::align::Aligner;
use crate::evidence::Evidence;
use crate::{Error, answerable};

/// The features of a claim's best evidence in the order of the constants of the support score, then `fact_missing`
/// and `name_missing`; then the probability that is made of them.
///
/// # Errors
/// Fails when the embedder does.
pub fn support(
    question: &str,
    claim: &str,
    passages: &[Passage],
    embedder: &dyn Embedder,
) -> Result<Vec<f32>, Error> {
    let checked = Aligner::new(passages, question, embedder).check(claim, &[])?;
    let mut row = checked.features.row().to_vec();
    row.push(checked.score);
    Ok(row)
}

/// The features of the question's best evidence in the order of the constants of the answerability score, then the
/// probability that is made of them.
///
/// # Errors
/// Fails when the embedder does.
pub fn answerability(
    question: &str,
    passages: &[Passage],
    embedder: &dyn Embedder,
) -> Result<Vec<f32>, Error> {
    let mut evidence = Evidence::new(passages);
    let (strength, _) = answerable::strength(question, &mut evidence, embedder)?;
    let mut row = strength.row().to_vec();
    row.push(answerable::probability(&strength));
    Ok(row)
}

/// The sentences of a document's text that are taken for instructions.
pub fn instructions(text: &str) -> Vec<String> {
    let found = crate::evidence::split(0, text);
    found.into_iter().filter(|s| !s.citable).map(|s| text[s.range].to_owned()).collect()
}
