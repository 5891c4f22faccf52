//! What a question says of itself: which document it is about (`Under the lease with Anna Holm, may I keep a dog?`), and
//! that it asks, where it only names a thing (`The date of the lease`).

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::tasks::pattern;
use crate::text::{Wrapping, sentences};

/// A question that names a document, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<'q> {
    /// What the document is called.
    pub document: &'q str,
    /// What is asked of it.
    pub asked: Cow<'q, str>,
}

/// A sentence that only points at a document.
static POINTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:please\s+)?(?:consider|regarding|concerning|about|look\s+at|take|read|in|under|see|betrachte|zu[mr]?|laut|considera|según|selon|concernant)\s+(?P<name>(?s:.)*\b(?:NOUNS)\b(?s:.)*)$",
    )
});
/// A question behind such a beginning. What is asked begins behind a comma.
static BEGINS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:in|under|according\s+to|as\s+per|per|pursuant\s+to|within|for|regarding|laut|gemäß|nach|im|según|en|selon|dans)\s+(?P<name>[^?]*?\b(?:NOUNS)\b[^?]*?),\s+(?P<asked>(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|does|do|did|can|could|may|might|must|shall|should|will|would|has|have|had|was|wer|wann|wie|welche[rs]?|darf|kann|muss|ist|sind|gibt|qué|quién|cuándo|cuál|puede|es|hay|qui|quand|quel(?:le)?|peut|est)\b(?s:.)*)$",
    )
});
/// A question that ends with what its document is about or between whom.
static ENDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?P<asked>[^?]{8,}?)\s+(?:in|under|of|by|according\s+to)\s+(?P<name>(?:the|our|my|this)\s+(?:[\w&'-]+\s+){0,6}(?:NOUNS)\s+(?:between|with|dated)\s+[^?]+)\?$",
    )
});

/// The document that a question names and what it asks of it; `None` where it names none, as most do.
pub fn setting(question: &str) -> Option<Setting<'_>> {
    let question = question.trim();
    if let Some(captures) = BEGINS.captures(question) {
        let (name, asked) = (captures.name("name")?, captures.name("asked")?);
        return Some(Setting { document: name.as_str().trim(), asked: asked.as_str().trim().into() });
    }
    if let Some(captures) = ENDS.captures(question) {
        let (name, asked) = (captures.name("name")?, captures.name("asked")?);
        let asked = format!("{}?", asked.as_str().trim()).into();
        return Some(Setting { document: name.as_str().trim(), asked });
    }
    let parts = sentences(question, Wrapping::Lines);
    let [first, second, ..] = parts.as_slice() else { return None };
    let name = POINTS.captures(&question[first.clone()])?.name("name")?.as_str();
    (!name.contains('?')).then(|| Setting { document: name.trim(), asked: question[second.start..].into() })
}

/// A thing that is named, with no verb of its own: `the date when the lease begins`, but not `the rent for May was paid`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    const SOURCE: &str = r"(?i)^the\s+(?:[\w'-]+\s+){1,4}?(?:(?:of|on|at|for|from|under|between|by|to)\s(?P<of>[^.?!]*)|(?:when|where)\s[^.?!]*)$";
    // The source is the literal above.
    Regex::new(SOURCE).unwrap_or_else(|error| panic!("{error}"))
});

/// What makes a statement of a thing.
const VERBS: &str = "is are was were has have had does did can could may might must shall should will would";

/// A question whose last sentence only names what is wanted, as one that asks for it; any other as it is. A small model goes
/// on with a phrase, and answers a question.
pub fn as_question(question: &str) -> Cow<'_, str> {
    let Some(last) = sentences(question, Wrapping::Lines).pop() else { return question.into() };
    let (before, thing) = (&question[..last.start], &question[last]);
    let Some(named) = NAMED.captures(thing) else { return question.into() };
    let of = named.name("of").map_or("", |of| of.as_str()).to_lowercase();
    if of.split_whitespace().any(|word| VERBS.split_whitespace().any(|verb| verb == word)) {
        return question.into();
    }
    format!("{before}What is the{}?", &thing["the".len()..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_asked_for() {
        for (named, asked) in [
            ("The date of the contract", "What is the date of the contract?"),
            (
                "Consider the lease with Anna Holm. The date when the lease is signed",
                "Consider the lease with Anna Holm. What is the date when the lease is signed?",
            ),
        ] {
            assert_eq!(as_question(named), asked);
        }
        for asked in [
            "The date of the contract?",
            "The rent for May was paid",
            "The date of the contract.",
            "notice period",
            "The tenant",
        ] {
            assert_eq!(as_question(asked), asked);
        }
    }

    fn check(question: &str, expected: Option<(&str, &str)>) {
        let found = setting(question).map(|setting| (setting.document, setting.asked.into_owned()));
        let expected = expected.map(|(document, asked)| (document, asked.to_owned()));
        assert_eq!(found, expected, "{question}");
    }

    #[test]
    fn a_document_that_is_named_is_told_from_what_is_asked_of_it() {
        check(
            "Consider the Reseller Agreement between Alba Imaging Ltd and Birch GmbH. Which law governs it?",
            Some((
                "the Reseller Agreement between Alba Imaging Ltd and Birch GmbH.",
                "Which law governs it?",
            )),
        );
        check(
            "Under the lease with Holm, Berg and Sons, may the tenant keep a dog?",
            Some(("the lease with Holm, Berg and Sons", "may the tenant keep a dog?")),
        );
        check(
            "Who may end the agreement early in the lease between Holm and Berg?",
            Some(("the lease between Holm and Berg", "Who may end the agreement early?")),
        );
    }

    #[test]
    fn others_name_none() {
        for question in [
            "When is the rent due?",
            "In 1999, who was the president?",
            "In which contract is a cap agreed?",
            "The lease began in May. When does it end?",
            "How many parties signed the contract?",
        ] {
            check(question, None);
        }
    }
}
