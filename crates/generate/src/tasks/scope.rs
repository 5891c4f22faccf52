//! Recognises questions that only a visit to every document can answer.

use std::sync::LazyLock;

use regex::Regex;

use crate::language::Language;

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
    /// What the documents are called that it is asked of; empty where it does not say.
    pub(crate) noun: String,
    /// What decides, where it is no matter of judgement.
    pub(crate) test: Option<Test>,
}

/// What a document holds or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// One of these names, or words in quotation marks, word for word.
    Names(Vec<String>),
    Date,
    /// An amount of money.
    Amount,
    Percentage,
    /// An address for e-mail.
    Address,
    /// Text in this language for the most part.
    Language(Language),
}

impl Criterion {
    /// What documents are to say, in words that are no question.
    pub fn of(text: &str) -> Criterion {
        Criterion {
            wanted: Wanted::List,
            text: text.to_owned(),
            lacking: false,
            noun: String::new(),
            test: tested(text, text),
        }
    }
}

/// What documents are called.
const NOUNS: &str = "documents?|files?|contracts?|agreements?|leases?|invoices?|letters?|e-?mails?|mails?|messages?|\
reports?|papers?|polic(?:y|ies)|notes|minutes|articles?|stud(?:y|ies)|abstracts?|offers?|orders?|receipts?|\
statements?|records?|forms?|cases?|filings?|permits?|licen[cs]es?|dokumente?|dateien|vertr[äa]ge?|rechnungen|briefe|\
documentos?|contratos?|archivos|contrats?|fichiers";

/// Plurals of them without an `s`.
const PLURALS: [&str; 6] = ["dokumente", "dateien", "verträge", "vertrage", "rechnungen", "briefe"];

/// `source` with `NOUNS` in it replaced by what documents are called.
pub(crate) fn pattern(source: &str) -> Regex {
    // The sources are literals.
    Regex::new(&source.replace("NOUNS", NOUNS)).unwrap_or_else(|error| panic!("{error}"))
}

static LIST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:please\s+)?(?:list|show|find|name|enumerate|give)\s+(?:me\s+)?(?:all|every|each)(?:\s+of)?(?:\s+(?:the|these|those|my|our))?\s+(?:\w+\s+){0,2}?(?P<noun>NOUNS)\b\s*(?P<rest>.*)$",
    )
});
static WHICH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:in\s+)?(?:which|what|welche[rs]?|qué|cuáles?|quels?)\s+(?P<of>of\s+(?:the|these|those|my|our|all)\s+|der\s+|dieser\s+|de\s+(?:los|estos)\s+)?(?:\w+\s+)?(?P<noun>NOUNS)\b\s*(?P<rest>.+)$",
    )
});
static COUNT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:in\s+)?(?:how\s+many|wie\s+viele|cuántos|combien\s+de)\s+(?:of\s+(?:the|these|those|my|our|all)\s+|der\s+|dieser\s+)?(?:\w+\s+){0,2}?(?P<noun>NOUNS)\b\s*(?P<rest>.*)$",
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

/// How a sentence goes on behind `which documents` that asks something of each.
static OF_EACH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(?:that|which|where|in\s+which|for\s+which|with|without|(?:do(?:es)?|did)\s+not|don['’]t|have|has|lacks?|contain\w*|include\w*|mentions?|
            names?|refers?\s+to|provides?\s+for|says?|states?|discuss\w*|describes?|concerns?|deals?\s+with|covers?|
            (?:are|is)\s+about|(?:(?:are|is)\s+)?(?:not\s+)?(?:written\s+)?in\s+(?:english|german|spanish|french|italian|portuguese|dutch|chinese|japanese|arabic|russian)|(?:sind|ist)\s+auf|(?:give|gives)\b|talks?\s+about|speaks?\s+of|enthalten|enthält|haben|hat|nennen|nennt|erwähnen|erwähnt|ohne|mit|
            tienen|contienen|mencionan|contiennent|mentionnent|ont)\b",
    )
});

/// `What studies have been …` asks for what the documents tell of, and not for the documents.
static OF_SOME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:has|have)\s+been\b|^(?:in\s+)?what\s+(?:\w+\s+)?(?:contracts|agreements|leases|invoices|letters|reports|papers|policies|notes|articles|studies|offers|orders|statements|records|forms|cases|permits|licen[cs]es)\b",
    )
});

/// A question that asks something of every document, in words that cannot be meant for one passage.
pub(crate) fn surely_of_all(question: &str) -> Option<Criterion> {
    let (_, _, rest) = parts(question)?;
    asks_for_all(question).filter(|_| OF_EACH.is_match(rest) && !OF_SOME.is_match(question.trim()))
}

const MENTIONS: &str = r"(?:mention(?:s|ing)?|nam(?:es?|ing)|refer(?:s|ring)?\s+to|erwähn(?:en|t)|nenn(?:en|t)|mencionan?|mentionnent)\s+";
static MENTION: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?i)\b{MENTIONS}\S")));
static VERB: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i)^{MENTIONS}")));
static OR: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s+(?:or|oder|ou|o)\s+"));

/// What documents are to hold that is found without being judged.
static HELD: LazyLock<[(Regex, Test); 4]> = LazyLock::new(|| {
    let says = r"(?:(?:mention|stat|nam|giv|contain)(?:e?s?|ing)\s+|(?:have|has)\s+)?(?:an?\s+|any\s+|some\s+|eine?n?\s+|una?\s+|une\s+)?";
    [
        (r"dates?|datum|datumsangaben?|fechas?", Test::Date),
        (
            r"amounts?(?:\s+of\s+money)?|sums?\s+of\s+money|prices?|betr(?:ag|äge)|importes?|montants?",
            Test::Amount,
        ),
        (r"percentages?|per\s?cents?|prozents(?:atz|ätze)|porcentajes?|pourcentages?", Test::Percentage),
        (r"e-?mail\s+address(?:es)?|e-?mail-?adressen?", Test::Address),
    ]
    .map(|(source, test)| {
        (pattern(&format!(r"(?i)^{says}(?:{source})(?:\s+at\s+all|\s+in\s+(?:it|them))?$")), test)
    })
});
static IN_LANGUAGE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:(?:are|is|were|was|sind|ist)\s+)?(?:written\s+|not\s+)?(?:in|auf)\s+(\p{L}+)(?:\s+verfasst|\s+geschrieben)?$",
    )
});
const LANGUAGES: [(&str, Language); 22] = [
    ("english", Language::English),
    ("englisch", Language::English),
    ("german", Language::German),
    ("deutsch", Language::German),
    ("spanish", Language::Spanish),
    ("spanisch", Language::Spanish),
    ("french", Language::French),
    ("französisch", Language::French),
    ("italian", Language::Italian),
    ("italienisch", Language::Italian),
    ("portuguese", Language::Portuguese),
    ("portugiesisch", Language::Portuguese),
    ("dutch", Language::Dutch),
    ("niederländisch", Language::Dutch),
    ("chinese", Language::Chinese),
    ("chinesisch", Language::Chinese),
    ("japanese", Language::Japanese),
    ("japanisch", Language::Japanese),
    ("arabic", Language::Arabic),
    ("arabisch", Language::Arabic),
    ("russian", Language::Russian),
    ("russisch", Language::Russian),
];

fn tested(question: &str, said: &str) -> Option<Test> {
    let said = said.trim();
    if let Some((_, test)) = HELD.iter().find(|(held, _)| held.is_match(said)) {
        return Some(test.clone());
    }
    if let Some(captures) = IN_LANGUAGE.captures(said) {
        let name = captures[1].to_lowercase();
        return LANGUAGES.iter().find(|(known, _)| *known == name).map(|(_, is)| Test::Language(*is));
    }
    let names = mentioned(question, said);
    (!names.is_empty()).then_some(Test::Names(names))
}

/// The names, or the words in quotation marks, that documents are to mention.
fn mentioned(question: &str, said: &str) -> Vec<String> {
    const MARKS: &[char] = &['"', '“', '”', '„', '«', '»'];
    let said = said.trim();
    let said = VERB.find(said).map_or(said, |verb| &said[verb.end()..]);
    let names = OR.split(said).map(|name| {
        let is_name = name
            .split_whitespace()
            .all(|word| word.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()));
        let is_quoted = name.starts_with(MARKS) && name.ends_with(MARKS);
        let bare = name.trim_matches(MARKS).trim();
        (!bare.is_empty() && (is_quoted || is_name && MENTION.is_match(question))).then(|| bare.to_owned())
    });
    names.collect::<Option<_>>().unwrap_or_default()
}

/// What is to be told of whole documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Every document of the scope.
    All,
    /// The one that the scope holds, or the one that is called so: `the contract`.
    One(String),
    Named(String),
}

static TELL: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?:summari[sz]e|sum\s+up|recap)\s+(.+)",
        r"(?:(?:give|write|make|show|provide)\s+)?(?:me\s+)?(?:an?\s+|the\s+)?(?:\w+\s+)?(?:summary|overview|synopsis|gist)\s+of\s+(.+)",
        r"what\s+(?:are|is)\s+the\s+(?:main|key|most\s+important|principal|central|essential)\s+(?:points?|contents?|takeaways?|terms|provisions|findings|statements)\s+(?:of|in)\s+(.+)",
        r"what(?:\s+is|\s+are|'s|’s)\s+(.+?)\s+about",
        r"what\s+(?:does|do)\s+(.+?)\s+say",
        r"fass\w*\s+(.+?)\s+zusammen",
        r"(?:(?:gib\s+mir|erstelle|schreib\w*)\s+)?(?:eine\s+|die\s+)?(?:\w+\s+)?zusammenfassung\s+(?:von|vom|des|der|zu|zum)\s+(.+)",
        r"worum\s+geht\s+es\s+(?:in|im|bei)\s+(.+)",
        r"résume[rz]?(?:-moi)?\s+(.+)",
        r"(?:(?:fais|faites|donne|donnez|écris)(?:-moi)?\s+)?(?:un\s+|le\s+)?résumé\s+(?:de|du|des)\s+(.+)",
        r"de\s+quoi\s+parle(?:nt)?\s+(.+)",
        r"(?:resume|resumir|resuma|resúmeme)\s+(.+)",
        r"(?:(?:haz|haga|dame|deme)(?:me)?\s+)?(?:un\s+|el\s+)?resumen\s+(?:de|del)\s+(.+)",
        r"de\s+qué\s+trata(?:n)?\s+(.+)",
    ]
    .map(|form| pattern(&format!(r"(?i)^(?:(?:please|bitte)\s+|(?:can|could|would|will)\s+you\s+)*{form}$")))
    .into()
});
static EVERYTHING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:everything|(?:all|alle|tous|todos)(?:\s+of\s+(?:it|them))?|(?:all\s+(?:of\s+)?)?(?:the|these|those|my|our|this|your)\s+(?:whole\s+|entire\s+)?(?:folder|library|documents|files|papers)|(?:the\s+)?(?:documents|files)|all\s+(?:documents|files)|alle\s+(?:dokumente|dateien)|(?:den|diesen|der|dieser|dieses|des)\s+ordners?|tous\s+les\s+(?:documents|fichiers)|ce\s+dossier|todos\s+los\s+(?:documentos|archivos)|esta\s+carpeta)$",
    )
});
static ONE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:it|this|(?:this|the)\s+(?:document|file|text|pdf|NOUNS)|(?:das|dieses|des|dem|diesem)\s+dokuments?|(?:ce|le)\s+document|(?:este|el)\s+documento)$",
    )
});
/// What asks for something of a document is no name of one.
static ASKS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:what|how|why|who|when|where|which|was|wie|warum|wer)\b|\bsa(?:y|ys|id)\s+(?:about|on)\b|\bnot$",
    )
});

/// Recognises `summarise the lease`, `what is … about?`; `None` for a question that asks for something in particular.
pub(crate) fn told(question: &str) -> Option<Told> {
    let question = question.trim().trim_end_matches(['?', '.', '!']).trim();
    let captures = TELL.iter().find_map(|form| form.captures(question))?;
    let of = captures.get(1)?.as_str().trim();
    match of {
        _ if EVERYTHING.is_match(of) => Some(Told::All),
        _ if ONE.is_match(of) => Some(Told::One(of.to_owned())),
        _ if ASKS.is_match(of) => None,
        _ => Some(Told::Named(of.to_owned())),
    }
}

static COMPARE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?:compare|vergleiche?|comparez?|compara)\s+(?P<a>.+?)\s+(?:and|with|to|against|und|mit|et|avec|y|con)\s+(?P<b>.+)",
        r"(?:what\s+(?:is|are)\s+|show\s+(?:me\s+)?|list\s+)?(?:all\s+)?(?:the\s+)?differences?\s+between\s+(?P<a>.+?)\s+and\s+(?P<b>.+)",
        r"(?:what(?:\s+has|'s|’s)?|how\s+have\s+things)\s+changed\s+(?:between|from)\s+(?P<a>.+?)\s+(?:and|to)\s+(?P<b>.+)",
        r"how\s+do(?:es)?\s+(?P<a>.+?)\s+differ\s+from\s+(?P<b>.+)",
        r"(?:was\s+ist\s+der|was\s+sind\s+die)\s+unterschiede?\s+zwischen\s+(?P<a>.+?)\s+und\s+(?P<b>.+)",
        r"(?:compare|vergleiche?)\s+(?:the\s+|these\s+|both\s+|die\s+)?(?:two\s+|beiden\s+)?(?P<both>.+)",
        r"(?:what\s+(?:is|are)\s+|show\s+(?:me\s+)?)?the\s+differences?\s+between\s+(?:the\s+)?(?:two\s+)(?P<both>.+)",
    ]
    .map(|form| pattern(&format!(r"(?i)^(?:(?:please|bitte)\s+|(?:can|could|would|will)\s+you\s+)*{form}$")))
    .into()
});

/// What documents are called, besides, when two of them are compared: words and cats are compared too.
static DOCUMENT: LazyLock<Regex> = LazyLock::new(|| {
    let words = "contract agreement lease invoice letter mail message report policy article study offer order receipt statement record form filing \
                 permit licence license amendment draft version summary summaries protocol procedure rules manual handbook plan proposal budget \
                 will deed certificate document file vertrag vertrags vertrages verträge anweisung protokoll protokolle entwurf fassung \
                 contrat contrato informe rapport";
    let words = words.split_whitespace().collect::<Vec<_>>().join("|");
    pattern(&format!(r"(?i)(?:\b(?:NOUNS)|(?:{words}))\b|\.(?:pdf|docx?|txt|md|odt|rtf|html?|eml)\b"))
});

/// Recognises `compare the lease with its amendment`, `compare the two leases`: the names of two documents, or the one of both.
pub(crate) fn compared(question: &str) -> Vec<Vec<String>> {
    let question = question.trim().trim_end_matches(['?', '.', '!']).trim();
    let names = |captures: regex::Captures<'_>| {
        let names = ["a", "b", "both"].into_iter().filter_map(|group| captures.name(group));
        names.map(|name| name.as_str().trim().to_owned()).collect()
    };
    if !DOCUMENT.is_match(question) {
        return Vec::new();
    }
    COMPARE.iter().filter_map(|form| form.captures(question)).map(names).collect()
}

/// Recognises `list every …`, `which of these … have …`, `how many …`, `which … lack …`; `None` for any question
/// that a few passages can answer.
pub fn asks_for_all(question: &str) -> Option<Criterion> {
    let (wanted, noun, rest) = parts(question)?;
    let noun = noun.to_owned();
    if let Some(lacking) = LACKING.captures(rest) {
        let text = lacking["rest"].trim().to_owned();
        return Some(Criterion { wanted, test: tested(question, &text), text, lacking: true, noun });
    }
    let padded = format!(" {rest}");
    let text = HAVING.captures(padded.trim_start()).map_or(rest, |having| {
        let at = having.name("rest").map_or(0, |rest| rest.start());
        padded.trim_start()[at..].trim()
    });
    Some(Criterion { wanted, test: tested(question, text), text: text.to_owned(), lacking: false, noun })
}

/// What is wanted of all documents, what they are called, and what is asked of each.
fn parts(question: &str) -> Option<(Wanted, &str, &str)> {
    let question = question.trim().trim_end_matches(['?', '.', '!']).trim();
    let (wanted, captures) = if let Some(captures) = COUNT.captures(question) {
        (Wanted::Count, captures)
    } else if let Some(captures) = LIST.captures(question) {
        (Wanted::List, captures)
    } else {
        let captures = WHICH.captures(question)?;
        let noun = captures["noun"].to_lowercase();
        let plural = noun.ends_with('s') || PLURALS.contains(&noun.as_str());
        if !plural && captures.name("of").is_none() {
            return None;
        }
        (Wanted::List, captures)
    };
    let rest = captures.name("rest")?.as_str().trim();
    let noun = captures.name("noun")?.as_str();
    (!rest.is_empty()).then_some((wanted, noun, rest))
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
    fn what_cannot_be_meant_for_one_passage_is_asked_of_each() {
        for of_each in [
            "Which documents mention Brandt?",
            "List all contracts with a cap",
            "How many reports contain a date?",
        ] {
            assert!(surely_of_all(of_each).is_some(), "{of_each}");
        }
        for of_one in ["What documents must a contractor bring?", "List all documents needed for a permit"] {
            assert!(surely_of_all(of_one).is_none(), "{of_one}");
        }
    }

    #[test]
    fn what_is_to_be_told_as_a_whole_is_recognised() {
        let named = |name: &str| Some(Told::Named(name.to_owned()));
        assert_eq!(told("Please summarise the lease of Unit 7."), named("the lease of Unit 7"));
        assert_eq!(told("Give me a short summary of the engagement letter"), named("the engagement letter"));
        assert_eq!(told("What are the main points of the NDA with Corvid?"), named("the NDA with Corvid"));
        assert_eq!(told("What is the sepsis protocol about?"), named("the sepsis protocol"));
        assert_eq!(told("Worum geht es im Mietvertrag?"), named("Mietvertrag"));
        assert_eq!(told("Summarize these documents"), Some(Told::All));
        assert_eq!(told("Can you sum up this contract?"), Some(Told::One("this contract".to_owned())));
        for other in
            ["What does the lease say about dogs?", "Summarise what was agreed on dyes", "What is the rent?"]
        {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_is_looked_for_word_for_word() {
        let test = |question: &str| surely_of_all(question).expect("a question for all").test;
        let names = |names: &[&str]| Some(Test::Names(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(test("Which documents mention Wexcombe Water?"), names(&["Wexcombe Water"]));
        assert_eq!(test("Which documents name Ada Holm or A. Holm?"), names(&["Ada Holm", "A. Holm"]));
        assert_eq!(test("Which contracts contain \"force majeure\"?"), names(&["force majeure"]));
        assert_eq!(test("Which policies mention a hotel?"), None);
    }

    #[test]
    fn what_can_be_found_is_not_judged() {
        let test = |question: &str| surely_of_all(question).expect("a question for all").test;
        assert_eq!(test("Which documents lack a date?"), Some(Test::Date));
        assert_eq!(test("How many letters contain an amount of money?"), Some(Test::Amount));
        assert_eq!(test("Which files have an e-mail address in them?"), Some(Test::Address));
        for question in [
            "How many documents are in German?",
            "Which documents are written in German?",
            "Which files are not in German?",
        ] {
            assert_eq!(test(question), Some(Test::Language(Language::German)), "{question}");
        }
        assert_eq!(test("Which contracts have a date of birth?"), None);
    }

    #[test]
    fn what_is_to_be_compared_is_recognised() {
        assert_eq!(compared("Compare the lease with its amendment.")[0], ["the lease", "its amendment"]);
        assert_eq!(
            compared("What changed between draft.docx and signed.pdf?"),
            [["draft.docx", "signed.pdf"]]
        );
        assert_eq!(compared("Compare the two discharge summaries"), [["discharge summaries"]]);
        assert!(compared("What is the rent of Unit 7?").is_empty());
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
