//! Follow-up questions: whether one leans on what was said before, and what it means standing alone.

use std::collections::BTreeSet;

use carrel_corpus::{Embedder, Generator};

use crate::text::{Token, dot, tokens};
use crate::words::content_stems;
use crate::{Error, Turn, prompt};

/// Words that point back, wherever [`points_back`] finds no other use of theirs.
const BACKWARD: [&str; 46] = [
    "it", "its", "they", "them", "their", "theirs", "he", "she", "him", "his", "her", "hers", "this", "that",
    "these", "those", "there", "then", "same", "former", "latter", "one", "ones", "else", "other", "others",
    "er", "sie", "es", "ihr", "dies", "diese", "dieser", "dort", "davon", "ella", "ellos", "eso", "esto",
    "il", "elle", "ils", "cela", "celui", "ceux", "y",
];
const OPENINGS: [&str; 18] = [
    "and ",
    "and?",
    "but ",
    "so ",
    "what about",
    "how about",
    "why?",
    "why not",
    "when?",
    "where?",
    "who?",
    "how?",
    "und ",
    "was ist mit",
    "y ",
    "et ",
    "tell me more",
    "more ",
];

/// Whether a question cannot be understood without the turns before it.
pub fn leans_on_history(question: &str) -> bool {
    let lower = question.trim().to_lowercase();
    // French "is there" begins as Spanish "and" does.
    if OPENINGS.iter().any(|opening| lower.starts_with(opening)) && !lower.starts_with("y a-t-") {
        return true;
    }
    let words = tokens(question);
    let content = words.iter().filter(|token| token.content).count();
    let named = words.iter().skip(1).any(|token| token.capital && token.content);
    let plain: Vec<String> = words.iter().map(|token| question[token.range.clone()].to_lowercase()).collect();
    let backward = (0..words.len()).any(|at| points_back(&words, &plain, at));
    (backward && (!named || content <= 3)) || content <= 1 && !named
}

/// Whether a word stands for something said before. It does not in "is there a cap", "gibt es", "y a-t-il", "is it allowed
/// to sublet", "the clause that limits", "within one year".
fn points_back(words: &[Token], plain: &[String], at: usize) -> bool {
    let word = plain[at].as_str();
    if !BACKWARD.contains(&word) {
        return false;
    }
    let before = at.checked_sub(1).map_or("", |before| plain[before].as_str());
    let after = plain.get(at + 1).map_or("", String::as_str);
    let follows_content = at > 0 && words[at - 1].content;
    let expletive = |with: &[&str]| {
        TO_BE.contains(&before) && plain.get(at + 2).is_some_and(|word| with.contains(&word.as_str()))
    };
    match word {
        "there" => !TO_BE.contains(&before) && !TO_BE.contains(&after),
        "it" => !expletive(&["to", "that", "if"]),
        "es" => before != "gibt" && after != "gibt",
        "y" => after != "a",
        "il" => {
            after != "y" && !plain[..at].ends_with(&["y", "a", "t"].map(str::to_owned)) && !expletive(&["de"])
        }
        // "The clause that limits", but not "who signed that contract".
        "that" => {
            let noun = follows_content && at > 1 && ARTICLES.contains(&plain[at - 2].as_str());
            !noun || after.is_empty()
        }
        // A number, but not in "which one" and "the second one".
        "one" => {
            let counts = words.get(at + 1).is_some_and(|next| next.content);
            !counts || follows_content || POINTERS.contains(&before)
        }
        _ => true,
    }
}

const ARTICLES: [&str; 5] = ["the", "a", "an", "any", "every"];
const POINTERS: [&str; 7] = ["which", "this", "that", "the", "first", "second", "other"];
const TO_BE: [&str; 9] = ["is", "are", "was", "were", "be", "been", "will", "shall", "est"];

/// The question as it reads without the conversation, or `None` where it already stands alone.
///
/// The model rewrites only a question that points back, and its rewriting is kept only if it adds nothing
/// that nobody said; otherwise the subject of the turn before is put beside the question.
///
/// # Errors
/// Fails when the generator does.
pub fn standalone_question(
    history: &[Turn],
    question: &str,
    generator: &dyn Generator,
) -> Result<Option<String>, Error> {
    let Some(last) = history.last() else { return Ok(None) };
    if !leans_on_history(question) {
        return Ok(None);
    }
    let answer: String = last.answer.chars().take(300).collect();
    let instruction = format!(
        "Earlier question: {}\nAnswer: {}\nFollow-up: {}\n\nWrite the follow-up as one complete question that can \
         be understood alone. Replace words like it, they or that by what they stand for. Write only the question.",
        last.question, answer, question
    );
    let prompt = prompt::plain(&instruction, 60);
    let reply = generator.generate(&prompt, &mut |_| std::ops::ControlFlow::Continue(()))?;
    let rewritten = reply.text.trim().lines().next().unwrap_or("").trim().trim_matches('"').to_owned();
    if keeps_to_what_was_said(&rewritten, question, last) {
        return Ok(Some(rewritten));
    }
    Ok(Some(format!("{} ({})", question.trim(), last.question.trim())))
}

fn keeps_to_what_was_said(rewritten: &str, question: &str, last: &Turn) -> bool {
    let own = content_stems(question);
    let stems = content_stems(rewritten);
    let mut said: BTreeSet<String> = own.clone();
    said.extend(content_stems(&last.question));
    said.extend(content_stems(&last.answer));
    let invented = stems.difference(&said).count();
    let kept = own.intersection(&stems).count();
    !stems.is_empty()
        && rewritten.len() < 400
        && kept * 2 >= own.len()
        && invented * 4 <= stems.len()
        && !leans_on_history(rewritten)
}

/// Cosine below which a question that stands alone is taken to open a new subject.
const NEW_SUBJECT: f32 = 0.25;

/// Whether a question leaves the subject of the conversation, so that its history is better left out.
///
/// # Errors
/// Fails when the embedder does.
pub fn changes_topic(history: &[Turn], question: &str, embedder: &dyn Embedder) -> Result<bool, Error> {
    let Some(last) = history.last() else { return Ok(false) };
    if leans_on_history(question) {
        return Ok(false);
    }
    let before = embedder.query(&last.question)?;
    Ok(dot(&before, &embedder.query(question)?) < NEW_SUBJECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_that_lean() {
        for question in [
            "And the deposit?",
            "When was it signed?",
            "Why?",
            "What about Anna?",
            "Who are they?",
            "Which one?",
            "Does that include the garden?",
            "Is it allowed?",
            "Who else signed that?",
            "Who lives there?",
            "Who signed that contract?",
            "Does the second one expire earlier?",
            "When did the other party sign?",
            "Wann endet es?",
            "Quand finit-il ?",
        ] {
            assert!(leans_on_history(question), "{question}");
        }
        for question in [
            "When was the lease of Mill Lane signed?",
            "How high is the monthly rent?",
            "Who is Anna?",
            "Is there a cap on the Consultant's liability?",
            "Is it allowed to sublet the flat?",
            "Which clauses are there on noise?",
            "Which is the clause that limits liability?",
            "What must be paid within one year?",
            "Gibt es eine Obergrenze für die Haftung?",
            "Y a-t-il une limite pour la caution du bail ?",
            "Est-il permis de sous-louer un appartement ?",
        ] {
            assert!(!leans_on_history(question), "{question}");
        }
    }
}
