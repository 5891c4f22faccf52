//! Whether the passages can answer the question at all, judged before the model writes a word.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use carrel_corpus::{Embedder, Passage};
use regex::Regex;

use crate::Error;
use crate::align::FRAGMENT;
use crate::evidence::{Evidence, denied, is_row};
use crate::facts::{Fact, Found, Unit, facts, names, stated};
use crate::language::{Language, language};
use crate::support::logistic;
use crate::tasks::pattern;
use crate::text::{ANTONYMS, NEGATIONS, PRIVATIONS, dot, stem, tokens};
use crate::words::content_stems;

/// How strongly retrieval bears on a question. All from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Strength {
    /// Weighted share of the question's words that the best single sentence holds.
    pub sentence: f32,
    /// The same over the best sentence with its neighbours and headings.
    pub stretch: f32,
    /// The same over the best whole passage.
    pub passage: f32,
    /// Cosine between question and best sentence.
    pub similarity: f32,
    /// Share of the question's names and figures that no passage holds.
    pub missing: f32,
    /// Share of the question's names and figures that the best stretch does not hold.
    pub far: f32,
    /// Weight of the heaviest word of the question that the best passage does not hold, against the heaviest of all.
    pub heaviest: f32,
    /// 1 where the question asks for a number, a date or a name and the best stretch holds none that is new.
    pub untyped: f32,
    /// 1 where a word of the question is denied, or meets its opposite, in the best stretch.
    pub opposed: f32,
}

impl Strength {
    /// All of them, in the order of the constants below.
    pub fn row(&self) -> [f32; 9] {
        [
            self.sentence,
            self.stretch,
            self.passage,
            self.similarity,
            self.missing,
            self.far,
            self.heaviest,
            self.untyped,
            self.opposed,
        ]
    }
}

const BIAS: f32 = -2.2;
const FACTORS: [f32; 9] = [0.5, 2.0, 1.5, 3.0, -2.0, -0.5, -0.5, -0.7, -0.7];

/// Probability that the passages hold the answer.
pub(crate) fn probability(strength: &Strength) -> f32 {
    logistic(BIAS + strength.row().iter().zip(FACTORS).map(|(feature, factor)| feature * factor).sum::<f32>())
}

/// The strength, and the whole sentences that are nearest to the question, nearest first; of a question for a date, a number
/// or a person the nearest one, and then those that hold one.
pub(crate) fn strength(
    question: &str,
    evidence: &mut Evidence,
    embedder: &dyn Embedder,
) -> Result<(Strength, Vec<usize>), Error> {
    let asked = content_stems(question);
    let query = embedder.query(question)?;
    let mut ranked = ranked(&asked, evidence);
    let (kind, given) = (Kind::asked(question), facts(question));
    let holds = |candidate: &Candidate, evidence: &Evidence| {
        let own = candidate.sentence..candidate.sentence + 1;
        kind.is_some_and(|kind| kind.is_in(own, &given, &asked, evidence))
    };
    let further = ranked.split_off(ranked.len().min(CANDIDATES)).into_iter();
    let further: Vec<Candidate> =
        further.filter(|candidate| holds(candidate, evidence)).take(FURTHER).collect();
    let best: Vec<usize> = ranked.iter().chain(&further).map(|candidate| candidate.sentence).collect();
    evidence.embed(&best, embedder)?;
    let near = |candidate: &Candidate| {
        evidence.vector(candidate.sentence).map_or(0.0, |vector| dot(vector, &query).max(0.0))
    };
    let nearer = |a: &&Candidate, b: &&Candidate| {
        let value = |candidate: &Candidate| candidate.stretch + near(candidate);
        value(a).total_cmp(&value(b)).then(b.sentence.cmp(&a.sentence))
    };
    let Some(chosen) = ranked.iter().max_by(nearer) else {
        return Ok((Strength::default(), Vec::new()));
    };
    let whole = |candidate: &&Candidate| tokens(evidence.text(candidate.sentence)).len() >= FRAGMENT;
    let mut nearest: Vec<&Candidate> = ranked.iter().chain(&further).filter(whole).collect();
    nearest.sort_by(|a, b| nearer(b, a));
    // Behind the nearest, those that hold what is asked for come first.
    if let Some((_, others)) = nearest.split_first_mut() {
        others.sort_by_cached_key(|other| !holds(other, evidence));
    }
    let nearest = nearest.into_iter().map(|candidate| candidate.sentence).collect();
    let around = &evidence.surroundings[evidence.sentences[chosen.sentence].passage];
    let coverage = |held: &BTreeSet<String>| {
        evidence.weights.coverage(asked.iter(), |stem| held.contains(stem)).unwrap_or(0.0)
    };
    let passages = evidence.surroundings.iter().map(|around| coverage(&around.all));
    let strength = Strength {
        sentence: ranked.iter().map(|c| coverage(&evidence.sentences[c.sentence].stems)).fold(0.0, f32::max),
        stretch: chosen.stretch,
        passage: passages.fold(0.0, f32::max),
        similarity: ranked
            .iter()
            .map(near)
            .chain(evidence.passages.iter().filter_map(|passage: &Passage| passage.similarity))
            .fold(0.0, f32::max),
        missing: missing(question, evidence, 0..evidence.sentences.len()),
        far: missing(question, evidence, chosen.window.clone()),
        heaviest: heaviest(&asked, evidence, &around.all),
        untyped: f32::from(u8::from(
            kind.is_some_and(|kind| !kind.is_in(chosen.window.clone(), &given, &asked, evidence)),
        )),
        opposed: f32::from(u8::from(opposed(question, &asked, evidence, chosen.window.clone()))),
    };
    Ok((strength, nearest))
}

/// Sentences whose vectors are compared with the question's.
const CANDIDATES: usize = 12;
/// Others that hold what is asked for: a contract says `made on 4 May` to whoever asks for its date.
const FURTHER: usize = 3;

/// A sentence with its neighbours.
struct Candidate {
    sentence: usize,
    window: Range<usize>,
    stretch: f32,
}

/// Citable sentences by how much of the question stands around them.
fn ranked(asked: &BTreeSet<String>, evidence: &Evidence) -> Vec<Candidate> {
    let mut ranked = Vec::new();
    for around in &evidence.surroundings {
        for sentence in around.sentences.clone().filter(|&index| evidence.sentences[index].citable) {
            let window = sentence.saturating_sub(1).max(around.sentences.start)
                ..(sentence + 2).min(around.sentences.end);
            let near = &evidence.sentences[window.clone()];
            let held = |stem: &str| {
                near.iter().any(|s| s.stems.contains(stem))
                    || around.header.contains(stem)
                    || evidence.labelled(sentence, stem)
            };
            let stretch = evidence.weights.coverage(asked.iter(), held).unwrap_or(0.0);
            ranked.push(Candidate { sentence, window, stretch });
        }
    }
    ranked.sort_by(|a, b| b.stretch.total_cmp(&a.stretch).then(a.sentence.cmp(&b.sentence)));
    ranked
}

/// Share of the question's names and figures that occur neither in these sentences nor around them.
fn missing(question: &str, evidence: &Evidence, sentences: Range<usize>) -> f32 {
    let named = names(question, |stem| evidence.named.contains(stem));
    let figures = facts(question);
    let all = named.len() + figures.len();
    if all == 0 {
        return 0.0;
    }
    let held = &evidence.sentences[sentences];
    let header = |stem: &String| {
        held.iter().any(|sentence| evidence.surroundings[sentence.passage].header.contains(stem))
    };
    let absent_names =
        named.iter().filter(|stem| !held.iter().any(|s| s.stems.contains(*stem)) && !header(stem)).count();
    let absent_figures =
        figures.iter().filter(|found| !held.iter().any(|s| stated(&found.fact, &s.facts))).count();
    (absent_names + absent_figures) as f32 / all as f32
}

fn heaviest(asked: &BTreeSet<String>, evidence: &Evidence, held: &BTreeSet<String>) -> f32 {
    let weight = |stem: &&String| evidence.weights.weight(stem);
    let most = asked.iter().map(|stem| weight(&stem)).fold(0.0, f32::max);
    let absent =
        asked.iter().filter(|stem| !held.contains(*stem)).map(|stem| weight(&stem)).fold(0.0, f32::max);
    if most > 0.0 { absent / most } else { 0.0 }
}

/// The kind of thing that a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    /// A day or a year.
    Date,
    /// A date, or how long after something.
    Time,
    Person,
}

static KINDS: LazyLock<[(Kind, Regex); 4]> = LazyLock::new(|| {
    [
        (Kind::Number, pattern(r"(?i)how many|how much|what percent|wie viele|wieviel|cuánt|combien")),
        (
            Kind::Date,
            pattern(
                r"(?i)\b(?:what|which|welche[mnrs]?|qué|cuál|quelle)\s+(?:(?:is|was|are|were|ist|war|es|est)\s+)?(?:(?:the|das|la)\s+)?(?:\w+\s+){0,2}(?:date|year|datum|jahr|fecha|año|année)s?(?:\s*[?.,]|\s*$|\s+(?:of|on|in|at|from|by|that|when|did|do|does|is|was|were|are|will|shall|must|can|has|had|des|der|de|du|wurde|hat|fue|a)\b)",
            ),
        ),
        (
            Kind::Time,
            pattern(
                r"(?i)(?:^|[,;:.?!]\s+|\band\s+|\bund\s+)(?:since\s+|until\s+|by\s+|seit\s+|bis\s+)?(?:when|wann|cuándo|quand)\b",
            ),
        ),
        (Kind::Person, pattern(r"(?i)^(?:who|wer)\s|\swho\s")),
    ]
});

impl Kind {
    /// `None` where the words do not tell it.
    fn asked(question: &str) -> Option<Kind> {
        KINDS.iter().find(|(_, words)| words.is_match(question)).map(|(kind, _)| *kind)
    }

    /// Whether the sentences hold one that the question, which tells `given` and has the words `asked`, does not itself name.
    fn is_in(
        self,
        mut sentences: Range<usize>,
        given: &[Found],
        asked: &BTreeSet<String>,
        evidence: &Evidence,
    ) -> bool {
        let named = |index| names(evidence.text(index), |stem| evidence.named.contains(stem));
        sentences.any(|index| match self {
            Kind::Person => named(index).iter().any(|stem| !asked.contains(stem)),
            _ => self.is_told(&evidence.sentences[index].facts, given),
        })
    }

    /// Whether one of the facts is of the kind, and none of those `given`. No fact tells a person.
    fn is_told(self, told: &[Found], given: &[Found]) -> bool {
        told.iter().filter(|found| !stated(&found.fact, given)).any(|found| match self {
            Kind::Number => matches!(found.fact, Fact::Number { .. }),
            Kind::Date => is_day_or_year(&found.fact),
            Kind::Time => true,
            Kind::Person => false,
        })
    }
}

static HONOURED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Herrn?|Frau|Monsieur|Madame|Mme|Señora?|Sra?|Signora?)\.?\s+(?:\p{Lu}[\p{L}’'-]*\.?\s+)*(\p{Lu}\p{L}+)",
    )
});
static IN_FULL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|\s)\p{Lu}\p{L}+(?:\s+(?:\p{Lu}\.|\p{Lu}\p{L}+))*\s+(\p{Lu}\p{L}+)"));

/// A person, company or place that a question names.
#[derive(Debug, PartialEq)]
pub(crate) struct Named {
    /// As it is written, with its title.
    pub name: String,
    /// Of the last word of the name, which is never left out.
    pub stem: String,
    /// Whether it is surely a person: `Mr Brandvold`.
    pub honoured: bool,
}

/// Who a question names by a title, or in full: one that is of nobody else.
pub(crate) fn named(question: &str) -> Vec<Named> {
    let found = |form: &Regex, honoured: bool| -> Vec<Named> {
        let named = |captures: regex::Captures<'_>| Named {
            name: captures[0].trim().to_owned(),
            stem: stem(&captures[1].to_lowercase()),
            honoured,
        };
        form.captures_iter(question).map(named).collect()
    };
    let mut all = found(&HONOURED, true);
    // In German every noun has a capital.
    if language(question) != Language::German {
        let dates = facts(question);
        let is_date = |named: &Named| {
            dates.iter().any(|date| stem(&question[date.range.clone()].to_lowercase()).contains(&named.stem))
        };
        let mut in_full = found(&IN_FULL, false);
        in_full.retain(|named| {
            !is_date(named)
                && named.stem.len() > 2
                && all.iter().all(|known: &Named| known.stem != named.stem)
        });
        all.extend(in_full);
    }
    all
}

/// Whether a question asks for a date that the text does not hold.
pub(crate) fn lacks_date(question: &str, text: &str) -> bool {
    Kind::asked(question) == Some(Kind::Date) && !Kind::Date.is_told(&facts(text), &facts(question))
}

/// A word that denies, and what follows it where it sets a bound (`no later than`) or counts (`No. 5`).
static ASKED_NOT: LazyLock<Regex> = LazyLock::new(|| {
    const BOUND: &str = r"\.?\s*\d|\s+(?:only|just|merely|later|earlier|sooner|more|less|fewer|longer|exceed\w*|nur|später|mehr|weniger|länger|s[oó]lo|más|menos|seulement|plus|moins)\b";
    pattern(&format!(r"(?i)(?:\b(?:{})\b|n['’]t\b)({BOUND})?", NEGATIONS.join("|")))
});
/// Whatever a text may deny with: `the pump fails`, `gloves are excluded`, `unpaid`.
static DENIAL: LazyLock<Regex> = LazyLock::new(|| {
    const EXCLUSIONS: &str = r"except\w*|unless|rather|instead|other\s+than|lack\w*|fail\w*|refus\w*|den(?:y|ie[sd]|ying)|prohibit\w*|forb(?:id|ad)\w*|bann(?:ed|ing)|exclu\w*|exempt\w*|prevent\w*|avoid\w*|stop\w*|ceas\w*|absen\w*|nichts|niemand|außer\w*|ausgenommen|ausgeschlossen|verboten|untersagt|entf[aä]ll\w*|fehl\w*|verweiger\w*|statt|nada|nadie|excepto|salvo|prohib\w*|falt\w*|carec\w*|rien|sauf|hormis|interdi\w*|senza|tranne|eccetto|sem|exceto|zonder|behalve";
    const AFFIXES: &str = "un(?:[a-bf-hj-su-z]|c[a-km-z]|d[a-df-z]|e|i[mn]|t[a-hj-z])[a-z]{3,}|[a-z]{3,}less";
    let words = [NEGATIONS.as_slice(), PRIVATIONS.as_slice()].concat().join("|");
    pattern(&format!(r"(?i)\b(?:{words}|{EXCLUSIONS}|{AFFIXES})\b|n['’]t\b"))
});

/// Whether a question denies something and the text denies nothing: what is covered does not tell what is not. A row of a table
/// may deny by an empty cell.
pub(crate) fn lacks_denial(question: &str, text: &str) -> bool {
    // In Portuguese, `no` is `in the`.
    let none = |found: &str| found.eq_ignore_ascii_case("no") && language(question) == Language::Portuguese;
    let denies = ASKED_NOT.captures_iter(question).any(|found| found.get(1).is_none() && !none(&found[0]));
    denies && !is_row(text) && !DENIAL.is_match(text)
}

/// What is told by all rows of a table together: a sum, an average, the end of an order.
static OVER_ROWS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:most|least|fewest|totals?|sum|averages?|the\s+mean|mean\s+of|median|difference|maximum|minimum|(?:high|low|larg|bigg|small|great|long|short|tall|cheap|fast|slow|heavi|rich|poor|near|deep|strong|weak)est|summe|insgesamt|durchschnitt\w*|unterschied|differenz|meisten|wenigsten|höchste\w*|niedrigste\w*|größte\w*|kleinste\w*|suma|promedio|diferencia|máxim[oa]|mínim[oa]|mayor|menor|somme|moyenne|différence)\b|最|总|合计|平均",
    )
});

/// Whether a question asks for what all rows of a table tell together, and the text is some of them below the names of their columns
/// and none says that it is so.
pub(crate) fn lacks_sum(question: &str, rows: &str, labels: &str) -> bool {
    OVER_ROWS.is_match(question)
        && rows.lines().all(is_row)
        && !OVER_ROWS.is_match(rows)
        && !OVER_ROWS.is_match(labels)
}

fn is_day_or_year(fact: &Fact) -> bool {
    match fact {
        Fact::Date { .. } => true,
        Fact::Number { value, unit, .. } => {
            *unit == Unit::Plain && value.fract() == 0.0 && (1_000.0..2_200.0).contains(value)
        }
    }
}

/// Whether the sentences deny a word of the question, or hold its opposite instead of it.
fn opposed(question: &str, asked: &BTreeSet<String>, evidence: &Evidence, sentences: Range<usize>) -> bool {
    let held = &evidence.sentences[sentences];
    let own_denied = denied(question);
    let says = |stem: &str| held.iter().any(|sentence| sentence.stems.contains(stem));
    let mine: BTreeSet<String> = tokens(question).into_iter().map(|token| token.stem).collect();
    let crossed = |a: &str, b: &str| mine.contains(a) && !mine.contains(b) && says(b) && !says(a);
    ANTONYMS.iter().any(|(a, b)| crossed(a, b) || crossed(b, a))
        || held.iter().flat_map(|s| &s.denied).any(|stem| asked.contains(stem) && !own_denied.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{Counting, passage};

    #[test]
    fn the_kind_of_thing_is_read_from_the_question() {
        for (question, kind) in [
            ("How many instruments are delivered?", Some(Kind::Number)),
            ("What is the date when the contract is effective?", Some(Kind::Date)),
            ("On what date does the term expire?", Some(Kind::Date)),
            ("When is the deposit returned?", Some(Kind::Time)),
            ("Who is the tenant and when does the lease end?", Some(Kind::Time)),
            ("Who signed the lease?", Some(Kind::Person)),
            ("What suffered when the mill closed?", None),
            ("Which law governs the lease?", None),
        ] {
            assert_eq!(Kind::asked(question), kind, "{question}");
        }
    }

    #[test]
    fn a_text_may_lack_the_date_that_is_asked_for() {
        let date = "What is the date of the lease?";
        assert!(!lacks_date(date, "Made on 4 May 2021.") && !lacks_date(date, "Made in 2021."));
        assert!(lacks_date(date, "It ends thirty (30) days after the date of a notice."));
        assert!(lacks_date("What date in 2021 is it?", "The lease of 2021."));
        assert!(!lacks_date("When does the lease end?", "When the mill is sold."));
        assert!(!lacks_date("What is the year end bonus?", "A tenth of the pay."));
    }

    #[test]
    fn a_text_may_deny_nothing_where_something_denied_is_asked_for() {
        let asked = "What damage is not covered?";
        for text in
            ["Fire and storm are covered.", "The cover begins on 1 May.", "Under the policy, fire is."]
        {
            assert!(lacks_denial(asked, text), "{text}");
        }
        for text in [
            "Floods aren’t covered.",
            "Floods are excluded.",
            "No cover is given for floods.",
            "Floods are uninsured.",
            "It covers all but careless damage.",
            "Flood | 0 | 12",
        ] {
            assert!(!lacks_denial(asked, text), "{text}");
        }
        let positive = "Fire is covered within 30 days.";
        for bound in [
            "What is covered?",
            "What is covered for no more than 30 days?",
            "What must be sent no later than 30 days after a fire?",
            "What does form No. 5 cover?",
        ] {
            assert!(!lacks_denial(bound, positive), "{bound}");
        }
        assert!(lacks_denial("Welche Schäden sind nicht versichert?", "Feuer und Sturm sind versichert."));
        assert!(!lacks_denial("Welche Schäden sind nicht versichert?", "Ausgeschlossen sind Flutschäden."));
        let covered = "A apólice cobre incêndios.";
        assert!(!lacks_denial("O que está coberto no seguro da empresa?", covered));
        assert!(lacks_denial("O que não está coberto no seguro da empresa?", covered));
    }

    #[test]
    fn a_row_alone_does_not_tell_what_all_rows_do() {
        let (rows, labels) = ("Alda | 12", "Ship | Tons");
        for (question, lacks) in [
            ("Which ship has the most tons?", true),
            ("What is the total tonnage?", true),
            ("Wie groß ist der Unterschied?", true),
            ("How many tons has the Alda?", false),
            ("What interest do the guests take in it?", false),
        ] {
            assert_eq!(lacks_sum(question, rows, labels), lacks, "{question}");
        }
        let asked = "What is the total tonnage?";
        assert!(!lacks_sum(asked, "Total | 40", labels) && !lacks_sum(asked, rows, "Ship | Total tons"));
        assert!(!lacks_sum(asked, "All of them hold 40 tons.", labels));
    }

    #[test]
    fn of_near_sentences_those_that_hold_what_is_asked_for_come_first() {
        let text = "This lease of the old mill has a date that is the date of the lease. \
                    The lease of the mill has a term that no date of the lease of the mill ends. \
                    All of them were here on 4 May 2021 and signed with both hands.";
        let passages = [passage(1, "lease.txt", 0, text)];
        let nearest = |question: &str| {
            let mut evidence = Evidence::new(&passages);
            strength(question, &mut evidence, &Counting).unwrap().1
        };
        assert_eq!(nearest("What is the date of the lease of the mill?")[1], 2);
        assert_ne!(nearest("Is there a date of the lease of the mill?")[1], 2);
    }

    #[test]
    fn who_is_named_is_known_by_the_last_name() {
        let stems = |question: &str| -> Vec<(String, bool)> {
            named(question).into_iter().map(|named| (named.stem, named.honoured)).collect()
        };
        let one = |stem: &str, honoured| vec![(stem.to_owned(), honoured)];
        assert_eq!(stems("When should Mr Brandvold have an X-ray?"), one("brandvold", true));
        assert_eq!(stems("What did Anke Vogel write on 4 November?"), one("vogel", false));
        assert_eq!(stems("Was schreibt Frau Dr. Petra Holm der Bank?"), one("holm", true));
        assert_eq!(stems("When is the rent of Unit 7 due in March?"), []);
    }
}
