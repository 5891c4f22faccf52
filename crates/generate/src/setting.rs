//! What a question says of itself: which document it is about (`Under the lease with Anna Holm, may I keep a dog?`), that it
//! asks, where it only names a thing (`The date of the lease`) or orders it (`Find the rent`), and how it wants to be answered
//! (`If there are several, give all`). Or that it is several (`Who is the landlord and when does the lease end?`).

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::facts::{facts, stated};
use crate::tasks::pattern;
use crate::text::{Wrapping, sentences};
use crate::words::content_stems;

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
    pattern(
        r"(?i)^the\s+(?:[\w'-]+\s+){1,4}?(?:(?:of|on|at|for|from|under|between|by|to)\s(?P<of>[^.?!]*)|(?:when|where)\s[^.?!]*)$",
    )
});

/// A thing that is ordered: `find the rent of Unit 7`.
static ORDERED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:please\s+)?(?:find|give|tell|show|state|name|identify|extract|get|look\s+up|determine|provide|return)\s+(?:me\s+|us\s+)?(?P<thing>the\s+[^?!]+?)[.?!]*$",
    )
});

/// A sentence that says how to answer: `If multiple, record all values.`, `Answer in one sentence.`
static MANNER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:if\s+(?:there\s+(?:is|are)\s+)?(?:multiple|several|many|none|unknown|more\s+than\s+one|not\s+(?:found|known|stated))\b|(?:please\s+)?(?:answer|reply|respond|keep|format|be)\b)[^?]*$",
    )
});

/// What makes a statement of a thing.
const VERBS: &str = "is are was were has have had does did can could may might must shall should will would";

/// A question whose last sentence only names or orders what is wanted, as one that asks for it; any other as it is. A small
/// model goes on with a phrase, and answers a question.
pub fn as_question(question: &str) -> Cow<'_, str> {
    let asked = without_manner(question);
    let Some(last) = sentences(asked, Wrapping::Lines).pop() else { return question.into() };
    let (before, rest) = (&question[..last.start], &question[last.end..]);
    let Some(thing) = wanted(&question[last]) else { return question.into() };
    let verb = if is_plural(thing) { "are" } else { "is" };
    format!("{before}What {verb} the{}?{rest}", &thing["the".len()..]).into()
}

/// The thing that a sentence only names or orders.
fn wanted(sentence: &str) -> Option<&str> {
    if let Some(ordered) = ORDERED.captures(sentence) {
        return ordered.name("thing").map(|thing| thing.as_str());
    }
    let of = NAMED.captures(sentence)?.name("of").map_or("", |of| of.as_str()).to_lowercase();
    let states = of.split_whitespace().any(|word| VERBS.split_whitespace().any(|verb| verb == word));
    (!states).then_some(sentence)
}

/// Whether a thing is several, by the last word before what is said of it: `the names of the parties`.
fn is_plural(thing: &str) -> bool {
    const BEHIND: &str = "of on at for from under between by to in with when where who that which";
    let head = thing
        .split_whitespace()
        .take_while(|word| BEHIND.split_whitespace().all(|behind| behind != *word))
        .last();
    head.is_some_and(|head| head.ends_with('s') && !["ss", "us", "is"].iter().any(|one| head.ends_with(one)))
}

/// A question without the sentences at its end that only say how to answer. No document says anything like them, so they
/// are for the model that writes, not for search or for judging what was written.
pub fn without_manner(question: &str) -> &str {
    let parts = sentences(question, Wrapping::Lines);
    let Some(kept) = parts.iter().rposition(|part| !MANNER.is_match(&question[part.clone()])) else {
        return question;
    };
    let last = &question[parts[kept].clone()];
    if last.ends_with('?') || wanted(last).is_some() { &question[..parts[kept].end] } else { question }
}

/// Where a further question begins.
static FURTHER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:\?\s+(?:and\s+|und\s+|y\s+|et\s+)?|,?\s+(?:and|und|y|et)\s+)(?P<next>(?:who|whom|whose|what|which|when|where|why|how|wer|wem|welche[rns]?|wann|wo|warum|wie|qué|quién|cuándo|cuál|dónde|cómo|qui|quel(?:le)?s?|quand|où)\b)",
    )
});
/// What makes a question of what stands before a further one: `the lease between Holm and which company` is one.
static ASKS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:who|whom|whose|what|which|when|where|why|how|wer|wem|was|welche[rns]?|wann|wo|warum|wie|qué|quién|cuándo|cuál|dónde|cómo|qui|quel(?:le)?s?|quand|où)\b",
    )
});

/// Words of a question that can be answered by itself: `When does it end`, but not the `when` of `who did what and when`.
const LEAST_WORDS: usize = 3;

/// The questions that are put as one; a single one as it is.
pub(crate) fn parts(question: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for further in FURTHER.captures_iter(question) {
        let (Some(end), Some(next)) = (further.get(0), further.name("next")) else { continue };
        parts.push(question[from..end.start()].trim());
        from = next.start();
    }
    parts.push(question[from..].trim());
    match parts.iter().all(|part| part.split_whitespace().count() >= LEAST_WORDS && ASKS.is_match(part)) {
        true => parts,
        false => vec![question],
    }
}

/// Words of a question that one place may answer in part: it compares, asks for the most of something, or for several things.
static WIDE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:or|than|both|most|least|first|last|best|worst|(?:high|low|larg|small|long|short|lat|earli|new|old|cheap|great|bigg|few)est|(?:what|which)\s+(?:are|were)|list|oder|beide[nrs]?|(?:höch|niedrig|größ|klein|läng|kürz|neue|ält|er|letz|meis|wenig)e?s?te[nrs]?|sind|ambos|ambas|más|menos|mayor|menor|primer[oa]?|últim[oa]|cuáles|ou|les\s+deux|plus|moins|premi(?:er|ère)|derni(?:er|ère)|quel(?:le)?s)\b|最|哪些|还是|أكثر|أقل|самы[йхе]|или",
    )
});

/// Whether one sentence of one place can be all of the answer, as far as the question's words tell.
pub(crate) fn is_narrow(question: &str) -> bool {
    parts(question).len() == 1 && !WIDE.is_match(question)
}

/// What asks for the day of a document itself.
static ITS_DAY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:date|day|datum|fecha)\s+(?:of|when|on\s+which|that|des|der|del?|du)\s+(?:\w+\s+){0,4}?(?:NOUNS)\b|\beffective\s+date\b|^(?:when|wann|cuándo|quand)\s+(?:was|were|is|did|wurde|se|a)\s+[^?]{3,80}?\b(?:signed|dated|made|entered\s+into|concluded|executed|written|issued|unterzeichnet|unterschrieben|geschlossen|ausgestellt|firmó|firmado|signé)\b",
    )
});

/// Whether a question asks for the day of a document, which stands where the document begins.
pub fn asks_for_its_day(question: &str) -> bool {
    ITS_DAY.is_match(question)
}

/// What asks to be told how or why, or all about something.
static EXPLAIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:how\s+(?:is|are|was|were|do|does|did|has|have|can|could|may|must|should|will|would|to)|why|explain|describe|summar\w*|difference|happen(?:s|ed)?|warum|wieso|weshalb|wie\s+(?:ist|sind|war|wird|werden|kann|muss|soll|funktioniert)|erkläre?|beschreibe?|unterschied|cómo|por\s+qué|explica|diferencia|comment|pourquoi|expliquer?|différence)\b|为什么|如何|怎么|区别|كيف|لماذا|как\b|почему",
    )
});

/// What asks for more than one of something: `which medicines were stopped`, but not `what falls due`.
static SEVERAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(?:what|which|qué|quels|quelles)\s+(?:\w+\s+)?\w{2,}[a-hj-rtv-z]s\s+(?:are|were|is|was|do|does|did|have|has|had|can|could|may|must|shall|should|will|would|son|eran|fueron|sont|étaient|ont)\b|^\W*welche\s+\w+(?:en|er|e|s)\s+(?:sind|waren|haben|hatten|werden|wurden|können|müssen|sollen)\b",
    )
});

/// Whether one sentence is an answer as far as the question's words tell, so that several may be one too many.
pub(crate) fn is_brief(question: &str) -> bool {
    is_narrow(question) && !EXPLAIN.is_match(question) && !SEVERAL.is_match(question)
}

/// Whether a reply says nothing but words of the question: `A city` to `What type of city is it?` A choice is made in its words.
pub(crate) fn is_said_again(question: &str, reply: &str) -> bool {
    let (said, given) = (content_stems(reply), facts(question));
    is_narrow(question)
        && !said.is_empty()
        && said.is_subset(&content_stems(question))
        && facts(reply).iter().all(|found| stated(&found.fact, &given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_a_document_may_be_asked_for() {
        for question in [
            "What is the date of the contract?",
            "When was the lease of Unit 7 signed?",
            "What is the date when the agreement is effective?",
        ] {
            assert!(asks_for_its_day(question), "{question}");
        }
        for question in ["When is the rent due?", "What is the date of birth of Anna Holm?"] {
            assert!(!asks_for_its_day(question), "{question}");
        }
    }

    #[test]
    fn several_are_asked_for_by_a_plural() {
        for question in [
            "Which medicines was she discharged on?",
            "What new alarms were set?",
            "Welche Fristen sind einzuhalten?",
            "¿Qué medidas son exigidas?",
        ] {
            assert!(!is_brief(question), "{question}");
        }
        for question in [
            "What falls due when an instalment is late?",
            "Which medicine was stopped?",
            "What was the rent?",
            "Which law governs the lease?",
            "What does the tenant pay?",
        ] {
            assert!(is_brief(question), "{question}");
        }
    }

    #[test]
    fn the_words_of_the_question_are_no_answer() {
        let again = |question: &str, reply: &str| is_said_again(question, reply);
        assert!(again("What type of city has Warsaw been?", "A city."));
        assert!(again("What country did Saudi Arabia invade in 1979?", "Saudi Arabia"));
        assert!(!again("What type of city has Warsaw been?", "A capital city."));
        assert!(!again("When was the city of 1,200 houses built?", "In 1596."));
        assert!(!again("How many keys has the tenant?", "The tenant has four keys."));
        assert!(!again("Which is older, the lease or the amendment?", "The lease"));
        assert!(!again("What type of city has Warsaw been?", "No."));
    }

    #[test]
    fn what_compares_or_asks_for_several_things_is_wide() {
        for narrow in [
            "How high is the monthly rent?",
            "When does the lease of Unit 7 end?",
            "Who pays for the interest of the loan?",
            "Wie hoch ist die Miete?",
            "¿Cuándo termina el contrato?",
        ] {
            assert!(is_narrow(narrow), "{narrow}");
        }
        for wide in [
            "Who is the landlord and when does the lease end?",
            "Which lease ends first?",
            "Is the rent of Unit 7 higher than that of Unit 8?",
            "Which is older, the lease or the amendment?",
            "What are the duties of the tenant?",
            "Welche Miete ist die höchste?",
            "Wann endet der älteste Vertrag?",
            "Was sind die Pflichten des Mieters?",
            "¿Cuáles son las obligaciones del inquilino?",
            "Quelles sont les obligations du locataire ?",
            "最早的合同是哪一份？",
        ] {
            assert!(!is_narrow(wide), "{wide}");
        }
    }

    #[test]
    fn what_wants_to_be_told_more_than_a_fact_is_not_brief() {
        for brief in
            ["How much notice does the tenant give?", "When is the rent due?", "Wie hoch ist die Miete?"]
        {
            assert!(is_brief(brief), "{brief}");
        }
        for longer in [
            "How does the auction work?",
            "Why was the mill sold?",
            "What is the difference between a lease and a licence?",
            "What happens after the term?",
            "Warum wurde die Mühle verkauft?",
            "Who is the landlord and when does the lease end?",
        ] {
            assert!(!is_brief(longer), "{longer}");
        }
    }

    #[test]
    fn what_is_named_is_asked_for() {
        for (named, asked) in [
            ("The date of the contract", "What is the date of the contract?"),
            (
                "Consider the lease with Anna Holm. The date when the lease is signed",
                "Consider the lease with Anna Holm. What is the date when the lease is signed?",
            ),
            ("Find the rent of Unit 7", "What is the rent of Unit 7?"),
            ("Please give me the names of the parties.", "What are the names of the parties?"),
            (
                "Find the $ value paid to Birch? If multiple, record all $ values paid.",
                "What is the $ value paid to Birch? If multiple, record all $ values paid.",
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
            "Show that the rent was paid",
            "Find every lease with a deposit",
        ] {
            assert_eq!(as_question(asked), asked);
        }
    }

    #[test]
    fn how_to_answer_is_told_from_what_is_asked() {
        for (question, asked) in [
            ("What is the rent? Answer in one sentence.", "What is the rent?"),
            ("Who signed? If there are several, name all. Be brief.", "Who signed?"),
            ("Find the rent of Unit 7. Answer in one sentence.", "Find the rent of Unit 7."),
            ("Consider the lease of Unit 7. Keep the rent in mind.", ""),
            ("Who signed the lease? Quote the clause on termination.", ""),
            ("What is the rent? If there is a discount, how high is it?", ""),
            ("The tenant gave notice. When does the lease end?", ""),
            ("What is the rent? The lease began in May.", ""),
            ("List the rents of all units.", ""),
        ] {
            assert_eq!(without_manner(question), if asked.is_empty() { question } else { asked });
        }
    }

    #[test]
    fn questions_that_are_put_as_one_are_told_apart() {
        for (question, expected) in [
            (
                "Who is the landlord and when does the lease end?",
                &["Who is the landlord", "when does the lease end?"][..],
            ),
            ("What is the rent? How high is the deposit?", &["What is the rent", "How high is the deposit?"]),
            ("Who paid what and when?", &["Who paid what and when?"]),
            (
                "The lease between Anna Holm and which company has ended?",
                &["The lease between Anna Holm and which company has ended?"],
            ),
            (
                "Which firm was founded in 1984 and was sold in 1990?",
                &["Which firm was founded in 1984 and was sold in 1990?"],
            ),
            ("Who are the landlord and the tenant?", &["Who are the landlord and the tenant?"]),
        ] {
            assert_eq!(parts(question), expected);
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
