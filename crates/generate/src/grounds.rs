//! What speaks for an answer once it is written, and whether that carries it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use carrel_corpus::{Claim, Generator, Passage, Span, Support};

use crate::Error;
use crate::answerable::Strength;
use crate::evidence::{Evidence, is_row};
use crate::prompt::{YesNo, asked_of};

/// What speaks for an answer once it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grounds {
    /// Of what was found.
    pub(crate) strength: Strength,
    /// Probability of support of the best sentence.
    pub(crate) support: f32,
    pub(crate) look: SecondLook,
    /// Whether the answer is a sentence of a document, since the model wrote none that is supported.
    pub(crate) quoted: bool,
}

/// What the model makes of an answer when it sees nothing but its evidence, by how much likelier it finds yes than no, in
/// nats, beside [`NOTHING`]. While it writes it has many passages before it and takes what is near for what is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SecondLook {
    /// Whether the text around the evidence answers the question exactly.
    pub answers: f32,
    /// Whether the evidence alone says what the answer says to the question, beside examples of near misses.
    pub right: f32,
    /// How likely the least likely token of the question is for one who reads the text around the evidence and asks for this
    /// answer: what the text does not speak of is a surprise, however much the rest is its own words.
    pub asked: f32,
}

/// What a model says of a text and a question that say nothing is what it is inclined to say of any (Zhao et al., "Calibrate
/// Before Use", 2021).
pub(crate) const NOTHING: &str = "N/A";

/// How much of a token's surprise is taken for the user's way of writing, where it is one without any text.
const MANNER: f32 = 0.5;

/// Bytes of a passage on either side of the evidence.
const AROUND: usize = 300;

/// Looks again at the first sentence that is supported; `None` where none is.
pub(crate) fn second_look(
    question: &str,
    claims: &[Claim],
    passages: &[Passage],
    generator: &dyn Generator,
) -> Result<Option<SecondLook>, Error> {
    let Some(claim) = claims.iter().find(|claim| claim.support == Support::Supported) else {
        return Ok(None);
    };
    let Some((passage, citation)) = claim.citations.iter().find_map(|citation| {
        Some((passages.iter().find(|passage| passage.chunk == citation.chunk)?, citation))
    }) else {
        return Ok(None);
    };
    let start = citation.span.start - passage.span.start;
    let from = passage.text.floor_char_boundary(start.saturating_sub(AROUND));
    let to = passage.text.ceil_char_boundary(start + citation.quote.len() + AROUND);
    let name = [std::slice::from_ref(&passage.title), &passage.headings].concat().join(" > ");
    let labels = labels(passage, start);
    let around = match from > 0 {
        true => format!("{name}\n{labels}{}", &passage.text[from..to]),
        false => format!("{name}\n{}", &passage.text[from..to]),
    };
    let alone = format!("{name}\n{labels}{}", citation.quote);
    let inclined = inclination(generator)?;
    // Both about the same text, one after the other, so that it is read once.
    let answers = says_answers(&around, question, generator)?;
    let asked = |text: &str, answer: &str| asked_of(text, answer, question, generator);
    let surprise = asked(&around, &claim.text)?.into_iter().zip(asked(NOTHING, NOTHING)?);
    let right = YesNo::near_miss(&alone, question, &claim.text).log_odds(generator)?;
    Ok(Some(SecondLook {
        answers: answers - inclined.answers,
        right: right - inclined.right,
        asked: surprise.map(|(here, anyhow)| here - MANNER * anyhow).fold(0.0, f32::min),
    }))
}

/// The first row of the table that the text at `start` stands in, as a line; empty where it stands in none, or is that row.
fn labels(passage: &Passage, start: usize) -> String {
    let line = passage.text[start..].split('\n').next().unwrap_or("");
    if !is_row(line) {
        return String::new();
    }
    let above = passage.text[..start].rsplit('\n').skip(1).take_while(|line| is_row(line)).last();
    match above.or(Some(passage.context.trim()).filter(|context| !context.is_empty())) {
        Some(labels) => format!("{labels}\n"),
        None => String::new(),
    }
}

fn says_answers(text: &str, question: &str, generator: &dyn Generator) -> Result<f32, Error> {
    let asked = format!("Question: {question}\nDoes the text answer this question exactly?");
    YesNo::about(text, &asked).log_odds(generator)
}

/// What the model says of nothing. It is the same every time, so each model is asked once.
fn inclination(generator: &dyn Generator) -> Result<SecondLook, Error> {
    static KNOWN: Mutex<BTreeMap<String, SecondLook>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(&look) = known().get(generator.id()) {
        return Ok(look);
    }
    let look = SecondLook {
        answers: says_answers(NOTHING, NOTHING, generator)?,
        right: YesNo::near_miss(NOTHING, NOTHING, NOTHING).log_odds(generator)?,
        asked: 0.0,
    };
    known().insert(generator.id().to_owned(), look);
    Ok(look)
}

/// A sentence of a document as an answer.
pub(crate) fn quotation(evidence: &Evidence, sentence: usize) -> Claim {
    let citation = evidence.citation(sentence..sentence + 1);
    let text = citation.quote.split_whitespace().collect::<Vec<_>>().join(" ");
    let span = Span::new(0, text.len());
    Claim { span, text, support: Support::Supported, citations: vec![citation] }
}

// Fitted by `tests/scripts/calibrate_refusal.py` with Qwen2.5-Coder-1.5B to 200 questions of squad2 and clapnq. Of those without
// an answer 0.52 and 0.64 are refused, of the others 0.08 and 0.15.
const SIMILARITY: f32 = 4.1;
const ANSWERS: f32 = 0.63;
const RIGHT: f32 = 0.45;
const ASKED: f32 = 0.155;
/// An answer whose grounds weigh less is refused.
const BAR: f32 = 2.25;

impl Grounds {
    /// Whether they carry an answer.
    pub(crate) fn suffice(&self) -> bool {
        let SecondLook { answers, right, asked } = self.look;
        SIMILARITY * self.strength.similarity + ANSWERS * answers + RIGHT * right + ASKED * asked >= BAR
    }

    /// All of them, as the script reads them.
    pub fn row(&self) -> [f32; 14] {
        let quoted = f32::from(u8::from(self.quoted));
        let [a, b, c, d, e, f, g, h, i] = self.strength.row();
        [a, b, c, d, e, f, g, h, i, self.support, self.look.answers, self.look.right, self.look.asked, quoted]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::passage;

    #[test]
    fn a_row_is_read_with_the_names_of_its_columns() {
        let text = "Hotels.\n\n| hotel | capacity |\n|---|---|\n| Alba | 120 |\n| Birch | 80 |\n\nThe end.";
        let table = passage(1, "hotels.md", 0, text);
        let at = |words: &str| text.find(words).unwrap();
        assert_eq!(labels(&table, at("| Birch")), "| hotel | capacity |\n");
        for elsewhere in ["| hotel", "Hotels", "The end"] {
            assert_eq!(labels(&table, at(elsewhere)), "", "{elsewhere}");
        }
        let continued = Passage {
            context: "| hotel | capacity |".to_owned(),
            ..passage(1, "hotels.md", 0, "| Birch | 80 |")
        };
        assert_eq!(labels(&continued, 0), "| hotel | capacity |\n");
    }
}
