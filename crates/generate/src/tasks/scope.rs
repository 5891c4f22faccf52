//! Recognises questions that only a visit to every document can answer.

use std::sync::LazyLock;

use regex::Regex;

/// What is wanted of all documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    List,
    Count,
}

/// A question about every document of the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    pub wanted: Wanted,
    /// What a document must say, without the words that ask for all of them: `a non-compete clause`.
    pub text: String,
    /// Whether the documents that do **not** say it are wanted.
    pub lacking: bool,
}

/// What documents are called.
const NOUNS: &str = "documents?|files?|contracts?|agreements?|leases?|invoices?|letters?|e-?mails?|mails?|messages?|\
reports?|papers?|polic(?:y|ies)|notes|minutes|articles?|stud(?:y|ies)|abstracts?|offers?|orders?|receipts?|\
statements?|records?|forms?|cases?|filings?|permits?|licen[cs]es?|dokumente?|dateien|vertr[äa]ge?|rechnungen|briefe|\
documentos?|contratos?|archivos|contrats?|fichiers";

/// `source` with `NOUNS` in it replaced by what documents are called.
pub(crate) fn pattern(source: &str) -> Regex {
    // The sources are literals.
    Regex::new(&source.replace("NOUNS", NOUNS)).unwrap_or_else(|error| panic!("{error}"))
}

static LIST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:please\s+)?(?:list|show|find|name|enumerate|give)\s+(?:me\s+)?(?:all|every|each)(?:\s+of)?(?:\s+(?:the|these|those|my|our))?\s+(?:\w+\s+){0,2}?(?:NOUNS)\b\s*(?P<rest>.*)$",
    )
});
static WHICH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:in\s+)?(?:which|what|welche[rs]?|qué|cuáles?|quels?)\s+(?:of\s+(?:the|these|those|my|our|all)\s+|der\s+|dieser\s+|de\s+(?:los|estos)\s+)?(?:\w+\s+)?(?P<noun>NOUNS)\b\s*(?P<rest>.+)$",
    )
});
static COUNT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:in\s+)?(?:how\s+many|wie\s+viele|cuántos|combien\s+de)\s+(?:of\s+(?:the|these|those|my|our|all)\s+|der\s+|dieser\s+)?(?:\w+\s+){0,2}?(?:NOUNS)\b\s*(?P<rest>.*)$",
    )
});
static LACKING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:that\s+|which\s+|who\s+)?(?:lacks?|lacking|without|omits?|miss(?:es|ing)?|ohne|sin|sans|(?:do|does|did|has|have|is|are)\s*(?:not|n['’]t)\b(?:\s+(?:have|contain|include|mention|provide(?:\s+for)?|say|state))?|(?:have|has|contain|contains|with)\s+no|enthalten\s+keine?n?)\s+(?P<rest>.+)$",
    )
});
static HAVING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:that|which|who|where|in\s+which|for\s+which)?\s*(?:(?:do|does|did)\s+)?(?:there\s+(?:is|are)\s+|have|has|having|contain(?:s|ing)?|include(?:s)?|including|with|mention(?:s|ing)?|provide(?:s)?\s+for|enthalten|haben|tienen|contiennent|ont)?\s+(?P<rest>.+)$",
    )
});

/// Recognises `list every …`, `which of these … have …`, `how many …`, `which … lack …`; `None` for any question
/// that a few passages can answer.
pub fn asks_for_all(question: &str) -> Option<Criterion> {
    let question = question.trim().trim_end_matches(['?', '.', '!']).trim();
    let (wanted, captures) = if let Some(captures) = COUNT.captures(question) {
        (Wanted::Count, captures)
    } else if let Some(captures) = LIST.captures(question) {
        (Wanted::List, captures)
    } else {
        let captures = WHICH.captures(question)?;
        let plural = captures["noun"].to_lowercase().ends_with(['s', 'e', 'n']);
        let of = question.to_lowercase().contains(" of ");
        if !plural && !of {
            return None;
        }
        (Wanted::List, captures)
    };
    let rest = captures["rest"].trim();
    if rest.is_empty() {
        return None;
    }
    if let Some(lacking) = LACKING.captures(rest) {
        return Some(Criterion { wanted, text: lacking["rest"].trim().to_owned(), lacking: true });
    }
    let padded = format!(" {rest}");
    let text = HAVING.captures(padded.trim_start()).map_or(rest, |having| {
        let at = having.name("rest").map_or(0, |rest| rest.start());
        padded.trim_start()[at..].trim()
    });
    Some(Criterion { wanted, text: text.to_owned(), lacking: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, expected: Option<(Wanted, &str, bool)>) {
        let found = asks_for_all(question);
        let found = found.as_ref().map(|c| (c.wanted, c.text.as_str(), c.lacking));
        assert_eq!(found, expected, "{question}");
    }

    #[test]
    fn questions_for_all_are_recognised() {
        use Wanted::{Count, List};
        check(
            "Which of these contracts have a non-compete clause?",
            Some((List, "a non-compete clause", false)),
        );
        check("List every contract with a cap on liability.", Some((List, "a cap on liability", false)));
        check("How many agreements contain audit rights?", Some((Count, "audit rights", false)));
        check("Which leases lack a break clause?", Some((List, "a break clause", true)));
        check("Which contracts do not have an insurance clause?", Some((List, "an insurance clause", true)));
        check("List all invoices from Birch Ltd", Some((List, "from Birch Ltd", false)));
        check("Welche Verträge enthalten eine Kündigungsfrist?", Some((List, "eine Kündigungsfrist", false)));
    }

    #[test]
    fn others_are_not() {
        for question in
            ["When is the rent due?", "Which contract was signed in May?", "How many dogs are allowed?"]
        {
            check(question, None);
        }
    }
}
