//! Drafts questions from a document for a person to accept: a question, and the words of the document that answer it.
//!
//! The model only proposes. What it quotes must stand in the passage, and its question must be understood by somebody
//! who does not see it.

use std::ops::ControlFlow;

use carrel_corpus::{Citation, Generator, Passage};

use crate::conversation::leans_on_history;
use crate::evidence::Evidence;
use crate::prompt::{self, Shown, fenced};
use crate::words::{content_stems, find};
use crate::{Error, Stats};

/// A question that `answer` answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub question: String,
    pub answer: Citation,
}

const TOKENS: usize = 160;
const SCHEMA: &str = r#"{"type": "object", "properties": {"question": {"type": "string"}, "quote": {"type": "string"}},
"required": ["question", "quote"], "additionalProperties": false}"#;
/// Meaningful words that a question and a quotation must have.
const LEAST_WORDS: usize = 3;

/// A question that the passage answers; none where the model's does not hold.
///
/// # Errors
/// Fails when the generator does.
pub fn draft(
    passage: &Passage,
    generator: &dyn Generator,
    stats: &mut Stats,
) -> Result<Option<Draft>, Error> {
    let asked = "Write one question that this text answers. It must name what it is about (names, places, things), so that \
                 somebody who does not see the text understands it. Then quote the one sentence of the text that \
                 answers it, word for word. Write only JSON.";
    let shown = fenced(1, &Shown { passage, text: &passage.text });
    let mut prompt = prompt::fenced_task(asked, &shown, TOKENS);
    prompt.json_schema = Some(SCHEMA.to_owned());
    let reply = generator.generate(&prompt, &mut |_| ControlFlow::Continue(()))?;
    stats.add(&reply);
    // What grew too long to be finished is no draft.
    let written: serde_json::Value = serde_json::from_str(reply.text.trim()).unwrap_or_default();
    let (question, quote) = (written["question"].as_str(), written["quote"].as_str());
    let (Some(question), Some(quote)) = (question.map(str::trim), quote) else { return Ok(None) };
    let stands_alone = question.ends_with(['?', '？'])
        && content_stems(question).len() >= LEAST_WORDS
        && !leans_on_history(question)
        && !["text", "passage", "document"].iter().any(|word| question.to_lowercase().contains(word));
    let found = find(&passage.text, quote, false);
    let (true, Some(range)) = (stands_alone && content_stems(quote).len() >= LEAST_WORDS, found) else {
        return Ok(None);
    };
    let passages = std::slice::from_ref(passage);
    let evidence = Evidence::new(passages);
    let touched: Vec<usize> = (0..evidence.sentences.len())
        .filter(|&index| {
            let sentence = &evidence.sentences[index].range;
            sentence.start < range.end && range.start < sentence.end
        })
        .collect();
    Ok(touched.first().zip(touched.last()).map(|(&first, &last)| Draft {
        question: question.to_owned(),
        answer: evidence.citation(first..last + 1),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{Script, passage};

    fn check(reply: &str, expected: Option<&str>) {
        let lease =
            passage(1, "lease.txt", 0, "Lease of Mill Lane. The monthly rent\n is 900 euros. Signed.");
        let drafted =
            draft(&lease, &Script::of(&[reply]), &mut Stats::default()).expect("the seam does not fail");
        assert_eq!(drafted.as_ref().map(|draft| draft.answer.quote.as_str()), expected, "{reply}");
    }

    #[test]
    fn a_draft_is_kept_only_with_a_true_quotation_and_a_question_that_stands_alone() {
        let good = r#"{"question": "How high is the monthly rent of Mill Lane?", "quote": "The monthly rent is 900 euros"}"#;
        check(good, Some("The monthly rent\n is 900 euros."));
        check(&good.replace("900", "950"), None);
        check(&good.replace("of Mill Lane", "in this text"), None);
        check(&good.replace("How high is the monthly rent of Mill Lane?", "When is it due?"), None);
        check(&good[..40], None);
        check(&good.replace("The monthly rent is 900 euros", ""), None);
    }
}
