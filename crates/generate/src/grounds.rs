//! What speaks for an answer once it is written, and whether that carries it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, PoisonError};

use carrel_corpus::{Citation, Claim, Embedder, Generator, Span, Support};

use crate::Error;
use crate::answerable::{Strength, lacks_date, lacks_denial, lacks_sum};
use crate::evidence::{Evidence, Sentence, is_row};
use crate::facts::{Fact, Found, facts, is_date, stated};
use crate::prompt::{YesNo, absence, asking};
use crate::setting::{is_brief, parts};
use crate::text::dot;
use crate::words::content_stems;

/// What speaks for an answer once it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grounds {
    /// Of what was found.
    pub(crate) strength: Strength,
    /// Probability of support of the best sentence.
    pub(crate) support: f32,
    pub(crate) look: SecondLook,
    /// Whether the answer is a sentence of a document, since the model wrote none that is as well grounded.
    pub(crate) quoted: bool,
    /// Whether the model wrote, with all passages before it, that it found no answer.
    pub(crate) absent: bool,
    /// How much likelier, in nats, the evidence makes the two tokens of the question that it makes likelier least. One who reads of the
    /// highest form does not ask for the lowest.
    pub(crate) expected: f32,
}

/// What the model makes of an answer when it sees nothing but its evidence. While it writes it has many passages before it and
/// takes what is near for what is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SecondLook {
    /// How near the evidence is to the question: the greater cosine of the sentence and of its passage. Another passage that is
    /// nearer says nothing for this one.
    pub near: f32,
    /// How unlikely it finds it, in nats, that the text around the evidence holds no answer, when it is to write one.
    pub found: f32,
    /// How much likelier it finds yes than no, in nats and beside [`NOTHING`], where it is asked whether the evidence alone
    /// says what the answer says to the question, beside examples of near misses.
    pub right: f32,
    /// Whether a date is asked for and neither the answer nor its evidence holds one.
    pub dateless: bool,
    /// Whether the question denies something and the evidence nothing.
    pub undenied: bool,
    /// Whether it asks for what only all rows of a table tell and the evidence is one of them.
    pub unsummed: bool,
}

impl SecondLook {
    /// Of two answers to one question, the one with more is likelier to answer it.
    fn weight(&self) -> f32 {
        let lacks = [(self.dateless, DATELESS), (self.undenied, UNDENIED), (self.unsummed, UNSUMMED)];
        let lacks: f32 = lacks.iter().filter(|(lacks, _)| *lacks).map(|(_, weight)| weight).sum();
        FOUND * self.found + RIGHT * self.right + lacks
    }
}

/// What a model says of a text and a question that say nothing is what it is inclined to say of any (Zhao et al., "Calibrate
/// Before Use", 2021).
pub(crate) const NOTHING: &str = "N/A";

/// Bytes of the evidence of sentences that are looked at together.
const TOGETHER: usize = 1_000;
/// Bytes of a passage on either side of the evidence.
const AROUND: usize = 300;

/// Looks again at answers to one question, each beside nothing but its evidence.
pub(crate) struct Judge<'a> {
    /// What is asked, where it is several questions each of them.
    asked: Vec<&'a str>,
    evidence: &'a Evidence<'a>,
    generator: &'a dyn Generator,
    embedder: &'a dyn Embedder,
    /// Vectors of what is asked, by itself and with the documents that it names.
    queries: Vec<Vec<f32>>,
    /// What the generator makes of [`NOTHING`].
    inclined: f32,
    /// What was asked already of text around evidence.
    asked_around: Vec<Around<'a>>,
    looked: Vec<(Told, SecondLook)>,
}

/// What a supported sentence tells, or several, and the stretch of a passage that they rest on.
#[derive(Debug, PartialEq)]
struct Told {
    text: String,
    passage: usize,
    range: Range<usize>,
}

/// A stretch of a passage, and [`SecondLook::found`] of it.
struct Around<'a> {
    passage: usize,
    range: Range<usize>,
    question: &'a str,
    found: f32,
}

impl<'a> Judge<'a> {
    /// `question` is `asked` with the documents that it names.
    pub fn new(
        asked: &'a str,
        question: &str,
        evidence: &'a Evidence<'a>,
        generator: &'a dyn Generator,
        embedder: &'a dyn Embedder,
    ) -> Result<Self, Error> {
        let nothing = YesNo::near_miss(NOTHING, NOTHING, NOTHING);
        let inclined = inclination(&nothing, generator)?;
        let parts = parts(asked);
        // A title page is near to the name of its document, and a sentence to one of two questions.
        let texts: BTreeSet<&str> = parts.iter().copied().chain([asked, question]).collect();
        let queries = texts.into_iter().map(|text| embedder.query(text)).collect::<Result<_, _>>()?;
        Ok(Judge {
            asked: parts,
            evidence,
            generator,
            embedder,
            queries,
            inclined,
            asked_around: Vec::new(),
            looked: Vec::new(),
        })
    }

    /// The first sentence that is supported; `None` where none is. Where the question wants more than one, those that stand near it
    /// are taken together with it: an item of a list does not answer what all of them do.
    fn told(&self, claims: &[Claim]) -> Option<Told> {
        let wants_more = !self.asked.iter().all(|asked| is_brief(asked));
        let mut told: Option<Told> = None;
        for claim in claims.iter().filter(|claim| claim.support == Support::Supported) {
            let Some((passage, range)) = claim.citations.iter().find_map(|citation| self.place(citation))
            else {
                continue;
            };
            let Some(known) = &mut told else {
                told = Some(Told { text: claim.text.clone(), passage, range });
                continue;
            };
            let both = known.range.start.min(range.start)..known.range.end.max(range.end);
            if wants_more && known.passage == passage && both.len() <= TOGETHER {
                known.text = format!("{} {}", known.text, claim.text);
                known.range = both;
            }
        }
        told
    }

    /// Where a citation stands: the number of its passage, and the bytes of that passage's text.
    fn place(&self, citation: &Citation) -> Option<(usize, Range<usize>)> {
        let passages = self.evidence.passages;
        let number = passages.iter().position(|passage| passage.chunk == citation.chunk)?;
        let start = citation.span.start - passages[number].span.start;
        Some((number, start..start + citation.quote.len()))
    }

    /// Evidence as the model is shown it by itself: below its title and headings, and the names of its columns.
    fn alone(&self, told: &Told) -> String {
        let Told { passage, range, .. } = told;
        let labels = labels(self.evidence, *passage, range.start);
        format!("{}\n{labels}{}", self.evidence.name(*passage), self.quote(told))
    }

    fn quote(&self, told: &Told) -> &'a str {
        &self.evidence.passages[told.passage].text[told.range.clone()]
    }

    /// Looks at what is [`told`](Self::told); `None` where nothing is.
    fn look(&mut self, claims: &[Claim]) -> Result<Option<SecondLook>, Error> {
        let Some(told) = self.told(claims) else { return Ok(None) };
        if let Some((_, look)) = self.looked.iter().find(|(known, _)| *known == told) {
            return Ok(Some(*look));
        }
        let (quote, passage) = (self.quote(&told), &self.evidence.passages[told.passage]);
        let said = format!("{} {quote}", told.text);
        let question = self.answered(&said);
        let found = self.found(told.passage, told.range.clone(), question)?;
        let alone = self.alone(&told);
        let right = YesNo::near_miss(&alone, question, &told.text).log_odds(self.generator)?;
        let dateless = lacks_date(question, &said);
        let undenied = lacks_denial(question, quote);
        let near = self.near(quote, passage.similarity)?;
        let labels = labels(self.evidence, told.passage, told.range.start);
        let unsummed = lacks_sum(question, quote, &labels);
        let look = SecondLook { near, found, right: right - self.inclined, dateless, undenied, unsummed };
        self.looked.push((told, look));
        Ok(Some(look))
    }

    /// [`SecondLook::found`] of the text around a sentence of a passage. What holds other evidence with the text around it is not
    /// read again for each sentence of it: reading is what a look costs.
    fn found(&mut self, passage: usize, sentence: Range<usize>, question: &'a str) -> Result<f32, Error> {
        let holds = |around: &&Around| {
            let Around { range, .. } = around;
            around.passage == passage
                && around.question == question
                && range.start <= sentence.start
                && sentence.end <= range.end
        };
        if let Some(around) = self.asked_around.iter().find(holds) {
            return Ok(around.found);
        }
        let text = &self.evidence.passages[passage].text;
        let from = text.floor_char_boundary(sentence.start.saturating_sub(AROUND));
        let to = text.ceil_char_boundary(sentence.end + AROUND);
        let name = self.evidence.name(passage);
        let labels = if from > 0 { labels(self.evidence, passage, sentence.start) } else { String::new() };
        let around = format!("{name}\n{labels}{}", &text[from..to]);
        let found = -absence(&around, question, self.generator)?;
        self.asked_around.push(Around { passage, range: from..to, question, found });
        Ok(found)
    }

    /// How near a sentence is to what is asked, or its passage, where that is nearer.
    fn near(&self, sentence: &str, passage: Option<f32>) -> Result<f32, Error> {
        let own = self.embedder.passages(&[sentence])?.pop().unwrap_or_default();
        Ok(self.queries.iter().map(|query| dot(&own, query)).chain(passage).fold(0.0, f32::max))
    }

    /// Whether what was written is one sentence, and its grounds leave no room for doubt.
    pub fn is_sure(&mut self, claims: &[Claim], grounds: &mut Grounds) -> Result<bool, Error> {
        let [_] = claims else { return Ok(false) };
        let Some(look) = self.look(claims)? else { return Ok(false) };
        grounds.look = look;
        if !grounds.are_sure() {
            return Ok(false);
        }
        grounds.expected = self.expected(claims)?;
        Ok(grounds.suffice())
    }

    /// Puts in the place of `claims` a sentence of the documents that is better grounded, where what the model wrote leaves room
    /// for doubt. False where nothing is supported.
    pub fn choose(
        &mut self,
        claims: &mut Vec<Claim>,
        near: &mut dyn Iterator<Item = Claim>,
        grounds: &mut Grounds,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<bool, Error> {
        let mut best = self.look(claims)?;
        grounds.look = best.unwrap_or_default();
        // One sentence cannot say what several do, unless one is asked for.
        let supported = claims.iter().filter(|claim| claim.support == Support::Supported).count();
        let brief = self.asked.iter().all(|asked| is_brief(asked));
        if best.is_some() && (supported > 1 && !brief || grounds.are_sure()) {
            grounds.expected = self.expected(claims)?;
            return Ok(true);
        }
        let written = claims.iter().find(|claim| claim.support == Support::Supported).cloned();
        for quoted in near {
            // A reader who leaves keeps what there is.
            if go_on().is_break() {
                break;
            }
            // Which of two dates it is, is asked in the same words.
            let rival = written.as_ref().and_then(|written| rival(&self.asked, written, &quoted));
            let Some(other) = self.look(std::slice::from_ref(rival.as_ref().unwrap_or(&quoted)))? else {
                continue;
            };
            let ahead = if grounds.quoted || rival.is_some() { 0.0 } else { AHEAD };
            if best.is_none_or(|best| other.weight() > best.weight() + ahead) {
                (*claims, best, grounds.look, grounds.quoted) = (vec![quoted], Some(other), other, true);
            }
        }
        grounds.expected = self.expected(claims)?;
        Ok(best.is_some())
    }

    /// [`Grounds::expected`] of what is [`told`](Self::told).
    fn expected(&self, claims: &[Claim]) -> Result<f32, Error> {
        let Some(told) = self.told(claims) else { return Ok(0.0) };
        let question = self.answered(&format!("{} {}", told.text, self.quote(&told)));
        let known = asking(&self.alone(&told), &told.text, question, self.generator)?;
        let unknown = asking(NOTHING, NOTHING, question, self.generator)?;
        let mut gained: Vec<f32> =
            known.iter().zip(&unknown).map(|(known, unknown)| known - unknown).collect();
        gained.sort_by(f32::total_cmp);
        gained.truncate(2);
        Ok(gained.iter().sum::<f32>() / gained.len().max(1) as f32)
    }

    /// Of several questions, the one that has most words in common with an answer.
    fn answered(&self, answer: &str) -> &'a str {
        let said = content_stems(answer);
        let common = |asked: &str| content_stems(asked).intersection(&said).count();
        // Of those alike the first: the last of the greatest is found.
        self.asked.iter().rev().copied().max_by_key(|asked| common(asked)).unwrap_or_default()
    }
}

/// What was written with the date or number of a sentence that has another one, as the claim of that sentence. `None` where
/// it is not one that stands against one.
fn rival(asked: &[&str], written: &Claim, quoted: &Claim) -> Option<Claim> {
    let given: Vec<Found> = asked.iter().flat_map(|asked| facts(asked)).collect();
    // `Ten years from 1 April` has one date.
    let only = |text: &str| {
        let mut new = facts(text);
        new.retain(|found| !stated(&found.fact, &given));
        if new.iter().any(|found| is_date(&found.fact)) {
            new.retain(|found| is_date(&found.fact));
        }
        new.pop().filter(|_| new.is_empty())
    };
    let (own, other) = (only(&written.text)?, only(&quoted.text)?);
    let alike = match (&own.fact, &other.fact) {
        (Fact::Number { unit, .. }, Fact::Number { unit: measure, .. }) => unit == measure,
        (own, other) => is_date(own) && is_date(other),
    };
    if !alike || stated(&own.fact, std::slice::from_ref(&other)) {
        return None;
    }
    let (before, after) = (&written.text[..own.range.start], &written.text[own.range.end..]);
    let text = format!("{before}{}{after}", &quoted.text[other.range]);
    Some(Claim { text, ..quoted.clone() })
}

/// What stands above a sentence and says what it is about, a line each: the heading of its paragraph, and of a row what the table
/// says that its cells are.
fn labels(evidence: &Evidence, passage: usize, start: usize) -> String {
    let mut own = evidence.surroundings[passage].sentences.clone();
    let first = own.start;
    let Some(sentence) = own.find(|&sentence| evidence.sentences[sentence].range.start == start) else {
        return String::new();
    };
    let context = evidence.passages[passage].context.trim();
    let Sentence { header, heading, .. } = &evidence.sentences[sentence];
    // The first row of a table that began in another passage is none of names.
    let header = header.filter(|&header| header > first || context.is_empty());
    let header = match header {
        Some(header) => evidence.text(header),
        None if is_row(evidence.text(sentence)) => context,
        None => "",
    };
    let heading = heading.map_or("", |heading| evidence.text(heading));
    [heading, header].iter().filter(|label| !label.is_empty()).map(|label| format!("{label}\n")).collect()
}

/// What the model says of [`NOTHING`], asked the same way. It is the same every time, so each model is asked once.
pub(crate) fn inclination(nothing: &YesNo, generator: &dyn Generator) -> Result<f32, Error> {
    static KNOWN: Mutex<BTreeMap<(String, String), f32>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (generator.id().to_owned(), nothing.rules().to_owned());
    if let Some(&inclined) = known().get(&key) {
        return Ok(inclined);
    }
    let inclined = nothing.log_odds(generator)?;
    known().insert(key, inclined);
    Ok(inclined)
}

/// A sentence of a document as an answer.
pub(crate) fn quotation(evidence: &Evidence, sentence: usize) -> Claim {
    let citation = evidence.citation(sentence..sentence + 1);
    let text = citation.quote.split_whitespace().collect::<Vec<_>>().join(" ");
    let span = Span::new(0, text.len());
    Claim { span, text, support: Support::Supported, citations: vec![citation] }
}

// Fitted by `tests/scripts/calibrate_refusal.py` with Qwen2.5-Coder-1.5B to 45 questions each of squad2 and clapnq and the first and
// second of every four of `tests/eval/folder`, and drawn towards what 247 others of the first two gave. Their passages are about one
// thing each, and near to a question or not; in a folder of letters and procedures what the model makes of the evidence tells more.
// Refused of those without an answer: squad2 15 of 24, clapnq 19 of 29, folder 33 of 35, and 28 of 33 that were not fitted to; of
// those with one 3 of 21, 3 of 16, 14 of 64 and 15 of 65.
const NEAR: f32 = 2.5;
const FOUND: f32 = 0.3;
const RIGHT: f32 = 0.8;
const ABSENT: f32 = -1.0;
const EXPECTED: f32 = 0.45;
/// Not fitted: what keeps a sentence without a date from answering a question for one, unless it says much else.
const DATELESS: f32 = -1.0;
/// Of 1,565 questions of squad2 with an answer the nearest sentence of the right paragraph denies nothing that is denied in 2, of
/// 1,969 without one that of any paragraph in 216.
const UNDENIED: f32 = -2.0;
/// Not fitted: no row alone is the most or the sum of all.
const UNSUMMED: f32 = -3.0;
/// An answer whose grounds weigh less is refused.
const BAR: f32 = 1.15;
/// Where an answer's grounds weigh as much, before it is looked at what one would expect, it is right nearly always.
const SURE: f32 = 2.7;
/// How much better grounded a sentence of the documents must be than what the model wrote, which says what was asked. Not where
/// both are put in the same words.
const AHEAD: f32 = 1.0;

impl Grounds {
    /// Whether they carry an answer.
    pub(crate) fn suffice(&self) -> bool {
        self.weight() >= BAR
    }

    /// Whether no other sentence needs to be looked at.
    fn are_sure(&self) -> bool {
        self.weight() >= SURE
    }

    fn weight(&self) -> f32 {
        let absent = if self.absent { ABSENT } else { 0.0 };
        NEAR * self.look.near + self.look.weight() + absent + EXPECTED * self.expected
    }

    /// All of them, as the script reads them.
    pub fn row(&self) -> [f32; 16] {
        let [quoted, absent] = [self.quoted, self.absent].map(|so| f32::from(u8::from(so)));
        let [a, b, c, d, e, f, g, h, i] = self.strength.row();
        let SecondLook { near, found, right, .. } = self.look;
        [a, b, c, d, e, f, g, h, i, self.support, near, found, right, quoted, absent, self.expected]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{Counting, Script, passage};
    use carrel_corpus::Passage;

    #[test]
    fn two_dates_stand_against_each_other_in_the_same_words() {
        let claim = |text: &str| Claim {
            span: Span::new(0, text.len()),
            text: text.to_owned(),
            support: Support::Supported,
            citations: Vec::new(),
        };
        let written = claim("The term of the lease of Unit 7 begins on 1 March 2021.");
        let put = |quoted: &str| {
            let asked = "When does the term of the lease of Unit 7 begin?";
            rival(&[asked], &written, &claim(quoted)).map(|rival| rival.text)
        };
        let begins = "The term of the lease of Unit 7 begins on 1 April 2021.";
        assert_eq!(put("The term is ten years from 1 April 2021.").as_deref(), Some(begins));
        for other in [
            "This lease is made on 1 March 2021.",
            "It runs from 1 April 2021 to 31 March 2031.",
            "The deposit is £9,450.",
            "The tenant has 4 keys.",
            "Unit 7 is on the ground floor.",
        ] {
            assert_eq!(put(other), None, "{other}");
        }
        let rent = rival(&["What is the rent?"], &claim("£3,150"), &claim("The deposit is £9,450."));
        assert_eq!(rent.unwrap().text, "£9,450");
        assert_eq!(rival(&["What is the rent?"], &claim("£3,150"), &claim("It has 9,450 bricks.")), None);
    }

    #[test]
    fn a_row_is_read_with_the_names_of_its_columns() {
        let text = "Hotels.\n\n| hotel | capacity |\n|---|---|\n| Alba | 120 |\n| Birch | 80 |\n\nThe end.";
        let tables = [passage(1, "hotels.md", 0, text)];
        let table = Evidence::new(&tables);
        let at = |words: &str| text.find(words).unwrap();
        assert_eq!(labels(&table, 0, at("| Birch")), "| hotel | capacity |\n");
        for elsewhere in ["| hotel", "Hotels", "The end"] {
            assert_eq!(labels(&table, 0, at(elsewhere)), "", "{elsewhere}");
        }
        let continued = [Passage {
            context: "| hotel | capacity |".to_owned(),
            ..passage(1, "hotels.md", 0, "| Birch | 80 |\n| Cedar | 60 |")
        }];
        let continued = Evidence::new(&continued);
        for row in ["| Birch", "| Cedar"] {
            let start = continued.passages[0].text.find(row).unwrap();
            assert_eq!(labels(&continued, 0, start), "| hotel | capacity |\n", "{row}");
        }
    }

    #[test]
    fn the_items_of_a_list_are_looked_at_together_where_more_than_one_is_asked_for() {
        let text = "Medicines\n- bisoprolol in the morning\n- apixaban twice a day\n\nShe walks.";
        let passages = [passage(1, "letter.txt", 0, text), passage(2, "rota.txt", 0, "Apixaban is kept.")];
        let evidence = Evidence::new(&passages);
        let model = Script::of(&[]).finding(true);
        let at = |words: &str| {
            let found = (0..evidence.sentences.len()).find(|&at| evidence.text(at).contains(words)).unwrap();
            quotation(&evidence, found)
        };
        let claims = [at("bisoprolol"), at("apixaban"), at("kept")];
        let told = |question: &str| {
            let judge = Judge::new(question, question, &evidence, &model, &Counting).unwrap();
            let told = judge.told(&claims).unwrap();
            (judge.quote(&told).to_owned(), judge.alone(&told))
        };
        let (quote, alone) = told("Explain which medicines she takes.");
        assert_eq!(quote, "- bisoprolol in the morning\n- apixaban twice a day");
        assert!(alone.ends_with(&format!("Medicines\n{quote}")), "{alone}");
        assert_eq!(told("When does she take it?").0, "- bisoprolol in the morning");
    }

    #[test]
    fn another_passage_that_is_near_says_nothing_for_an_answer() {
        let gauges = "The guarantee of the tide gauges is void.";
        let secrets =
            Passage { similarity: Some(0.1), ..passage(2, "nda.txt", 0, "It ends after three years.") };
        let passages = [passage(1, "gauges.txt", 0, gauges), secrets];
        let evidence = Evidence::new(&passages);
        let model = Script::of(&[]).finding(true);
        let question = "How long is the guarantee of the tide gauges?";
        let mut judge = Judge::new(question, question, &evidence, &model, &Counting).unwrap();
        let mut near = |sentence| judge.look(&[quotation(&evidence, sentence)]).unwrap().unwrap().near;
        assert!(near(0) > 0.7, "{}", near(0));
        assert_eq!(near(1), 0.1);
    }

    #[test]
    fn a_stretch_of_text_is_read_once_for_all_its_sentences() {
        let far = "Nothing else is said here of gauges at all. ".repeat(20);
        let text = format!("The guarantee is void. The gauges are new. {far}The guarantee ends.");
        let passages = [passage(1, "gauges.txt", 0, &text), passage(2, "buoys.txt", 0, "The buoys are old.")];
        let evidence = Evidence::new(&passages);
        let model = Script::of(&[]).finding(true);
        let question = "How long is the guarantee?";
        let mut judge = Judge::new(question, question, &evidence, &model, &Counting).unwrap();
        let sentence =
            |words: &str| (0..evidence.sentences.len()).find(|&index| evidence.text(index) == words).unwrap();
        for (words, stretches) in [
            ("The guarantee is void.", 1),
            ("The gauges are new.", 1),
            ("The guarantee ends.", 2),
            ("The buoys are old.", 3),
        ] {
            judge.look(&[quotation(&evidence, sentence(words))]).unwrap();
            assert_eq!(judge.asked_around.len(), stretches, "{words}");
        }
    }
}
