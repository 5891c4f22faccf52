//! Follow-up questions: whether one leans on what was said before, and what it means standing alone.

use std::collections::BTreeSet;

use carrel_corpus::{Embedder, Generator};

use crate::answerable::{Named, named};
use crate::language::says_absent;
use crate::polar::is_polar;
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

/// Turns that a follow-up may point back to, and characters of an answer.
const TURNS: usize = 3;
const ANSWER: usize = 300;

/// The question as it reads without the conversation, or `None` where it already stands alone. The turns are to be given as
/// they read alone themselves.
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
    let recent = &history[history.len().saturating_sub(TURNS)..];
    let recent: Vec<Turn> = recent.iter().map(shortened).collect();
    let reply = generator
        .generate(&prompt::alone(&recent, question), &mut |_| std::ops::ControlFlow::Continue(()))?;
    let rewritten = reply.text.trim().lines().next().unwrap_or("").trim().trim_matches('"').to_owned();
    if keeps_to_what_was_said(&rewritten, question, &recent) {
        return Ok(Some(rewritten));
    }
    let question = question.trim();
    let spelt_out = spelt_out(question, &recent).or_else(|| continued(question, &last.question));
    Ok(Some(spelt_out.unwrap_or_else(|| format!("{question} ({})", last.question.trim()))))
}

/// `Was she given apixaban?` with the person who was named last in the place of the word.
fn spelt_out(question: &str, history: &[Turn]) -> Option<String> {
    let words = tokens(question);
    let lower = |token: &Token| question[token.range.clone()].to_lowercase();
    let (at, word) = words
        .iter()
        .enumerate()
        .find(|(_, word)| ["he", "she", "him", "his", "her"].contains(&lower(word).as_str()))?;
    let pronoun = lower(word);
    let others: &[&str] = match pronoun.as_str() {
        "she" | "her" => &["Mr", "Mr.", "Herr", "Herrn", "Señor", "Sr", "Sr."],
        _ => &["Mrs", "Mrs.", "Ms", "Ms.", "Miss", "Frau", "Mme", "Madame", "Señora", "Sra", "Sra."],
    };
    let fits = |named: &Named| !others.contains(&named.name.split(' ').next().unwrap_or_default());
    let texts = history.iter().rev().flat_map(|turn| [&turn.answer, &turn.question]);
    let name = texts.into_iter().find_map(|text| named(text).into_iter().rev().find(fits))?.name;
    let owns = pronoun == "his" || pronoun == "her" && words.get(at + 1).is_some_and(|next| next.content);
    let (before, after) = (&question[..word.range.start], &question[word.range.end..]);
    Some(format!("{before}{name}{}{after}", if owns { "'s" } else { "" }))
}

/// `And for adults?` after `How high is the fee for children?`: what follows the same small word in the question before.
fn continued(question: &str, last: &str) -> Option<String> {
    const SMALL: [&str; 22] = [
        "for", "in", "at", "on", "of", "to", "with", "by", "from", "under", "für", "bei", "von", "mit",
        "nach", "im", "am", "pour", "chez", "para", "por", "con",
    ];
    let lower = question.to_lowercase();
    let opening = OPENINGS
        .iter()
        .filter(|opening| opening.ends_with(' '))
        .find(|opening| lower.starts_with(**opening))?;
    let rest = question[opening.len()..].trim_end_matches(['?', '.', '!', ' ']);
    let small = rest.split(' ').next().filter(|word| SMALL.contains(&word.to_lowercase().as_str()))?;
    let at = last.rfind(&format!(" {small} "))?;
    Some(format!("{} {rest}?", &last[..at]))
}

/// Words that ask, which a rewriting keeps.
const ASKING: [&str; 36] = [
    "who", "whom", "whose", "what", "which", "when", "where", "why", "how", "wer", "wen", "wem", "wessen",
    "was", "wann", "wo", "warum", "wieso", "weshalb", "wie", "welche", "welcher", "welches", "quién", "qué",
    "cuándo", "dónde", "cómo", "cuánto", "cuál", "qui", "quand", "où", "pourquoi", "comment", "combien",
];

/// A turn as far as it may be pointed back to. That nothing was found says nothing of the subject.
fn shortened(turn: &Turn) -> Turn {
    let answer = match says_absent(&turn.answer) {
        true => "-".to_owned(),
        false => turn.answer.chars().take(ANSWER).collect(),
    };
    Turn { question: turn.question.clone(), answer }
}

fn keeps_to_what_was_said(rewritten: &str, question: &str, history: &[Turn]) -> bool {
    let own = content_stems(question);
    let stems = content_stems(rewritten);
    let mut said: BTreeSet<String> = own.clone();
    for turn in history {
        said.extend(content_stems(&turn.question));
        said.extend(content_stems(&turn.answer));
    }
    let invented = stems.difference(&said).count();
    let kept = own.intersection(&stems).count();
    let asks = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
        words.filter(|word| ASKING.contains(&word.as_str())).collect()
    };
    // `Since when?` is not asked by `Who has been …?`, `Was he …?` not by `When was he …?`, and a German question not in English.
    let asks_the_same = match is_polar(question) {
        true => is_polar(rewritten),
        false => asks(question).is_subset(&asks(rewritten)),
    };
    !stems.is_empty()
        && asks_the_same
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
    use crate::seams::Script;

    fn check(follow_up: &str, written: &str, expected: &str) {
        let turn =
            |question: &str, answer: &str| Turn { question: question.to_owned(), answer: answer.to_owned() };
        let history = [
            turn("Why was Mrs Holm admitted?", "Mrs Holm was admitted with pneumonia."),
            turn("Who is her consultant?", "The documents do not say."),
        ];
        let script = Script::of(&[written]);
        let found = standalone_question(&history, follow_up, &script).expect("the seam does not fail");
        assert_eq!(found.as_deref(), Some(expected));
        let asked = &script.asked.lock().unwrap()[0].messages[1].content;
        assert!(asked.contains("pneumonia") && !asked.contains("do not say"), "{asked}");
    }

    #[test]
    fn a_rewriting_is_kept_where_it_asks_the_same() {
        check("When was she discharged?", "When was Mrs Holm discharged?", "When was Mrs Holm discharged?");
        for invented in
            ["Who is Mrs Holm?", "When did Bert Lund climb Mount Everest?", "When was she discharged?"]
        {
            check("When was she discharged?", invented, "When was Mrs Holm discharged?");
        }
        check("Was she given apixaban?", "When was Mrs Holm given apixaban?", "Was Mrs Holm given apixaban?");
        check("What are her allergies?", "Yes", "What are Mrs Holm's allergies?");
        check("Why?", "Yes", "Why? (Who is her consultant?)");
    }

    #[test]
    fn a_question_that_only_changes_its_end_is_continued() {
        let fee = "Wie hoch ist der Beitrag für Jugendliche?";
        assert_eq!(
            continued("Und für Erwachsene?", fee).as_deref(),
            Some("Wie hoch ist der Beitrag für Erwachsene?")
        );
        assert_eq!(continued("And who sent apologies?", fee), None);
    }

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
