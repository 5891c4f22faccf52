//! Drafts questions from a document for a person to accept: a question, the words that answer it, and the sentence that says so.
//!
//! The model only proposes. The sentence is chosen before it writes, so that it stands in the document; what it gives for the
//! answer must stand in that sentence, and its question must be understood by somebody who sees neither, and be answered by it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use carrel_corpus::{Citation, Generator, Passage};

use crate::conversation::leans_on_history;
use crate::evidence::{Evidence, header_text, is_row, without_instructions};
use crate::prompt::{self, YesNo};
use crate::words::{content_stems, find};
use crate::{Error, Stats};

/// A question that a sentence of a document answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub question: String,
    /// The words of the sentence that are the answer.
    pub answer: String,
    pub source: Citation,
}

/// Meaningful words that a question and a sentence must have.
const LEAST_WORDS: usize = 3;
/// Content words of an answer at most: a whole sentence cannot be looked for in what is written.
const MOST_WORDS: usize = 8;
/// Sentences of a passage that are tried.
const TRIES: usize = 2;
/// How much likelier the model must find it, in nats, that the sentence says the answer to the question than that it does not.
const SURE: f32 = 0.5;

/// A question that the passage answers; none where none of the model's holds.
///
/// # Errors
/// Fails when the generator does.
pub fn draft(
    passage: &Passage,
    generator: &dyn Generator,
    stats: &mut Stats,
) -> Result<Option<Draft>, Error> {
    let passages = std::slice::from_ref(passage);
    let evidence = Evidence::new(passages);
    let shown = without_instructions(&passage.text, &evidence.sentences);
    let text = format!("{}\n{shown}", evidence.name(0));
    for index in telling(&evidence) {
        let source = evidence.citation(index..index + 1);
        let reply = generator
            .generate(&prompt::drafting(&text, &source.quote), &mut |_| ControlFlow::Continue(()))?;
        stats.add(&reply);
        // What grew too long to be finished is no draft.
        let written: serde_json::Value = serde_json::from_str(reply.text.trim()).unwrap_or_default();
        let (question, answer) = (written["question"].as_str(), written["answer"].as_str());
        let Some((question, answer)) = question.map(str::trim).zip(answer.map(str::trim)) else { continue };
        let holds = stands_alone(question) && answers(question, answer, &source.quote, passage);
        if holds && YesNo::near_miss(&text, question, answer).log_odds(generator)? >= SURE {
            return Ok(Some(Draft { question: question.to_owned(), answer: answer.to_owned(), source }));
        }
    }
    Ok(None)
}

/// The sentences that say most in figures and names, best first.
fn telling(evidence: &Evidence) -> Vec<usize> {
    let headings = evidence.headings();
    let says = |&index: &usize| {
        let sentence = &evidence.sentences[index];
        sentence.citable
            && !headings.contains(&index)
            && !is_row(evidence.text(index))
            && sentence.stems.len() >= LEAST_WORDS
    };
    let mut telling: Vec<usize> = (0..evidence.sentences.len()).filter(says).collect();
    telling.sort_by_key(|&index| std::cmp::Reverse(evidence.sentences[index].facts.len().min(2)));
    telling.truncate(TRIES);
    telling
}

fn stands_alone(question: &str) -> bool {
    question.ends_with(['?', '？'])
        && content_stems(question).len() >= LEAST_WORDS
        && !leans_on_history(question)
        && !["text", "passage", "document", "sentence"]
            .iter()
            .any(|word| question.to_lowercase().contains(word))
}

/// Whether `answer` is words of the sentence that the question does not say itself, and the question says what it is about.
fn answers(question: &str, answer: &str, sentence: &str, passage: &Passage) -> bool {
    let (asked, given) = (content_stems(question), content_stems(answer));
    let of_text: BTreeSet<String> =
        content_stems(&passage.text).union(&content_stems(&header_text(passage))).cloned().collect();
    let is_of_text = asked.intersection(&of_text).count() * 2 >= asked.len();
    find(sentence, answer, false).is_some()
        && (1..=MOST_WORDS).contains(&given.len())
        && given.intersection(&asked).count() * 2 <= given.len()
        && is_of_text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{Script, passage};

    fn check(reply: &str, finds: bool, expected: Option<(&str, &str)>) {
        let lease =
            passage(1, "lease.txt", 0, "Lease of Mill Lane, signed. The monthly rent\n is 900 euros.");
        let script = Script::of(&[reply]).finding(finds);
        let drafted = draft(&lease, &script, &mut Stats::default()).expect("the seam does not fail");
        let drafted = drafted.as_ref().map(|draft| (draft.answer.as_str(), draft.source.quote.as_str()));
        assert_eq!(drafted, expected, "{reply}");
    }

    #[test]
    fn a_draft_is_kept_only_with_an_answer_of_the_sentence_and_a_question_that_stands_alone() {
        let good = r#"{"question": "How high is the monthly rent of Mill Lane?", "answer": "900 euros"}"#;
        check(good, true, Some(("900 euros", "The monthly rent\n is 900 euros.")));
        check(good, false, None);
        check(&good.replace("900", "950"), true, None);
        check(&good.replace("of Mill Lane", "in this text"), true, None);
        check(&good.replace("How high is the monthly rent of Mill Lane?", "When is it due?"), true, None);
        check(&good.replace("How high is", "Are 900 euros"), true, None);
        check(&good[..40], true, None);
        check(&good.replace("900 euros", ""), true, None);
    }
}
