//! Finds, for a sentence that a model wrote, the sentences of the passages that say it.
//!
//! The model's own `[2]` is only a hint: small models number at random. Citations are found from the words, and
//! a citation never points outside the passages of the prompt.

use std::collections::BTreeSet;
use std::ops::Range;

use carrel_corpus::{Citation, DocumentId, Embedder, Passage, Support};

use crate::Error;
use crate::evidence::{Evidence, denied, subject};
use crate::facts::{Fact, Found, facts, is_date, names, stated};
use crate::support::{Features, THRESHOLD, probability};
use crate::text::{ANTONYMS, dot, tokens};
use crate::words::{content_stems, content_words};

/// The verdict on one claim.
pub(crate) struct Checked {
    pub support: Support,
    pub citations: Vec<Citation>,
    /// Probability of support by the best stretch.
    pub score: f32,
    /// Weighted share of the question's words in the claim or around its evidence, to tell a stray sentence.
    pub relevance: f32,
    pub features: Features,
}

/// A stretch of consecutive sentences of one passage.
#[derive(Clone, Debug, PartialEq)]
struct Stretch {
    sentences: Range<usize>,
    features: Features,
    score: f32,
}

/// A claim in the form in which it is compared.
struct Claim {
    stems: BTreeSet<String>,
    new: BTreeSet<String>,
    pairs: Vec<(String, String)>,
    facts: Vec<Found>,
    names: BTreeSet<String>,
    /// The name that it begins with.
    leads: Option<String>,
    /// Names in the claim before, where this one begins with a pronoun for one of them.
    subject: BTreeSet<String>,
    /// The documents that the claim before was found in, where this one begins with a pronoun.
    from: BTreeSet<DocumentId>,
    denied: BTreeSet<String>,
    vector: Vec<f32>,
    /// So short that it is read together with the question.
    fragment: bool,
}

pub(crate) struct Aligner<'a> {
    evidence: Evidence<'a>,
    embedder: &'a dyn Embedder,
    question: String,
    question_stems: BTreeSet<String>,
    question_facts: Vec<Found>,
    /// Words that the question writes with a capital, but for its first.
    question_names: BTreeSet<String>,
    /// Names in the claim that was checked last.
    subject: BTreeSet<String>,
    /// The documents that the last supported claim was found in.
    found_in: BTreeSet<DocumentId>,
}

/// Sentences whose vectors are compared with a claim's; more only where words alone find nothing.
const CANDIDATES: usize = 8;
/// How much of the claim's words a candidate must hold for the words to be trusted to find the evidence.
const TELLING: f32 = 0.35;
/// A share of words that is all of them.
const WHOLE: f32 = 0.999;
/// What a longer stretch must gain to be preferred to a shorter one.
const GAIN: f32 = 0.08;
/// What it counts for the evidence of a bare phrase that it speaks of the question: a title may hold the phrase alone.
const ANSWERS: f32 = 0.2;
/// A claim of fewer words is read together with the question that it answers.
pub(crate) const FRAGMENT: usize = 8;

impl<'a> Aligner<'a> {
    pub fn new(passages: &'a [Passage], question: &str, embedder: &'a dyn Embedder) -> Aligner<'a> {
        Aligner {
            evidence: Evidence::new(passages),
            embedder,
            question: question.to_owned(),
            question_stems: content_stems(question),
            question_facts: facts(question),
            question_names: tokens(question)
                .into_iter()
                .skip(1)
                .filter(|token| token.capital && token.content)
                .map(|token| token.stem)
                .collect(),
            subject: BTreeSet::new(),
            found_in: BTreeSet::new(),
        }
    }

    /// Checks one sentence. `hints` are the passage numbers that the model wrote behind it.
    pub fn check(&mut self, sentence: &str, hints: &[usize]) -> Result<Checked, Error> {
        let bare = without_list_marker(sentence);
        if says_nothing(bare) {
            return Ok(Checked::nothing());
        }
        let claim = self.read(bare)?;
        let candidates = self.candidates(&claim);
        self.evidence.embed(&candidates, self.embedder)?;
        let Some(best) = self.best(&claim, &candidates, hints) else {
            return Ok(Checked { support: Support::Unsupported, ..Checked::nothing() });
        };
        let stretches = self.complete(&claim, best, &candidates);
        let features = self.features(&claim, &stretches);
        let score = probability(&features);
        let supported = score >= THRESHOLD
            && !features.fails_to_the_letter()
            && !claim.echoes_beyond(&features)
            && !self.is_told_of_another(&claim, &stretches);
        if supported {
            let documents = stretches.iter().map(|stretch| self.document(stretch.sentences.start));
            self.found_in = documents.collect();
        }
        Ok(Checked {
            support: if supported { Support::Supported } else { Support::Unsupported },
            citations: if supported { self.citations(&stretches) } else { Vec::new() },
            score,
            relevance: self.relevance(&claim, &features),
            features,
        })
    }

    fn read(&mut self, text: &str) -> Result<Claim, Error> {
        let words = tokens(text);
        let fragment = words.len() < FRAGMENT && !self.question.is_empty();
        let found = facts(text);
        let content = content_words(text, &found);
        let whole = if fragment { format!("{} {text}", self.question) } else { text.to_owned() };
        let vector = self.embedder.passages(&[&whole])?.pop().unwrap_or_default();
        let stems: BTreeSet<String> = content.iter().cloned().collect();
        let new: BTreeSet<String> = stems.difference(&self.question_stems).cloned().collect();
        let named = if self.evidence.capitals_are_common {
            BTreeSet::new()
        } else {
            names(text, |stem| self.evidence.named.contains(stem))
        };
        let (before, from) = match begins_with_pronoun(text) {
            true => (self.subject.clone(), self.found_in.clone()),
            false => (BTreeSet::new(), BTreeSet::new()),
        };
        let leads = match self.evidence.capitals_are_common {
            true => None,
            false => {
                subject(text, |stem| self.evidence.named.contains(stem) || self.question_names.contains(stem))
            }
        };
        if !named.is_empty() {
            self.subject.clone_from(&named);
        }
        // A claim that says more than a number may have counted it, as in `its two parties are Acme and Birch`.
        let says_more = words.iter().any(|token| {
            let figure = found.iter().any(|fact| fact.holds(&token.range));
            token.content && !figure && !self.question_stems.contains(&token.stem)
        });
        let counted = |fact: &Fact| says_more && matches!(fact, Fact::Number { small_word: true, .. });
        let facts = found
            .iter()
            .filter(|found| !stated(&found.fact, &self.question_facts) && !counted(&found.fact))
            .cloned()
            .collect();
        Ok(Claim {
            // A bare "yes" stands for what was asked.
            stems: if stems.is_empty() { self.question_stems.clone() } else { stems },
            new,
            pairs: content.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
            facts,
            names: named.difference(&self.question_stems).cloned().collect(),
            leads,
            subject: before,
            from,
            denied: denied(text),
            vector,
            fragment,
        })
    }

    /// The citable sentences that share most with the claim; all of them where no one shares enough.
    fn candidates(&self, claim: &Claim) -> Vec<usize> {
        let mut ranked: Vec<(f32, usize)> = (0..self.evidence.sentences.len())
            .filter(|&index| self.evidence.sentences[index].citable)
            .map(|index| (self.lexical(claim, index), index))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if ranked.first().is_some_and(|best| best.0 >= TELLING) {
            ranked.truncate(CANDIDATES);
        }
        ranked.into_iter().map(|(_, index)| index).collect()
    }

    fn lexical(&self, claim: &Claim, index: usize) -> f32 {
        let sentence = &self.evidence.sentences[index];
        let weights = &self.evidence.weights;
        let held = |stem: &str| sentence.stems.contains(stem);
        let all = weights.coverage(claim.stems.iter(), held).unwrap_or(0.0);
        let new = weights.coverage(claim.new.iter(), held).unwrap_or(all);
        let asked = weights.coverage(self.question_stems.iter(), held).unwrap_or(0.0);
        0.6 * new + 0.3 * all + 0.1 * asked
    }

    /// The shortest stretch around a candidate that carries the claim best.
    fn best(&self, claim: &Claim, candidates: &[usize], hints: &[usize]) -> Option<Stretch> {
        let mut best: Option<(f32, Stretch)> = None;
        for &index in candidates {
            for sentences in self.stretches(index) {
                let length = sentences.len();
                let stretch = self.stretch(claim, sentences);
                let hinted = hints.contains(&(self.evidence.sentences[index].passage + 1));
                let letter = if stretch.features.fails_to_the_letter() { 0.3 } else { 0.0 };
                let value =
                    stretch.score + if hinted { 0.02 } else { 0.0 } - letter - GAIN * (length - 1) as f32
                        + 0.15 * stretch.features.question
                        + if claim.fragment { ANSWERS * self.says_of_question(claim, index) } else { 0.0 };
                if best.as_ref().is_none_or(|(held, _)| value > *held + 1e-6) {
                    best = Some((value, stretch));
                }
            }
        }
        best.map(|(_, stretch)| stretch)
    }

    /// Runs of up to three citable sentences of one passage that begin or end with `index`.
    fn stretches(&self, index: usize) -> Vec<Range<usize>> {
        let inside = self.evidence.surroundings[self.evidence.sentences[index].passage].sentences.clone();
        [index..index + 1, index..index + 2, index.wrapping_sub(1)..index + 1, index..index + 3]
            .into_iter()
            .filter(|range| range.start >= inside.start && range.end <= inside.end && range.start < range.end)
            .filter(|range| range.clone().all(|at| self.evidence.sentences[at].citable))
            .collect()
    }

    fn stretch(&self, claim: &Claim, sentences: Range<usize>) -> Stretch {
        let mut stretch = Stretch { sentences, features: Features::default(), score: 0.0 };
        stretch.features = self.features(claim, std::slice::from_ref(&stretch));
        stretch.score = probability(&stretch.features);
        stretch
    }

    /// Adds a second stretch where the first leaves something to the letter, or much of the words, open.
    fn complete(&self, claim: &Claim, best: Stretch, candidates: &[usize]) -> Vec<Stretch> {
        let held = best.features;
        if held.new_words > 0.75 && !held.fails_to_the_letter() {
            return vec![best];
        }
        let mut added: Option<(f32, Stretch)> = None;
        for &index in candidates {
            let elsewhere = self.document(index) != self.document(best.sentences.start);
            if best.sentences.contains(&index) || elsewhere && !self.names_of(claim, index) {
                continue;
            }
            let second = self.stretch(claim, index..index + 1);
            let both = self.features(claim, &[best.clone(), second.clone()]);
            let repaired = held.fails_to_the_letter() && !both.fails_to_the_letter();
            let gain = both.new_words - held.new_words;
            if (repaired && gain > 0.0 || gain > 0.2) && added.as_ref().is_none_or(|(most, _)| gain > *most) {
                added = Some((gain, second));
            }
        }
        std::iter::once(best).chain(added.map(|(_, second)| second)).collect()
    }

    fn document(&self, sentence: usize) -> DocumentId {
        self.evidence.passages[self.evidence.sentences[sentence].passage].document
    }

    /// Whether a sentence speaks of something that the claim names, and first of what the claim begins with. One of another
    /// document has to.
    fn names_of(&self, claim: &Claim, index: usize) -> bool {
        let sentence = &self.evidence.sentences[index];
        let named = |stem: &String| self.evidence.named.contains(stem) && sentence.stems.contains(stem);
        let header = &self.evidence.surroundings[sentence.passage].header;
        let led = |lead: &String| sentence.stems.contains(lead) || header.contains(lead);
        claim.leads.as_ref().is_none_or(led)
            && (self.evidence.capitals_are_common || claim.stems.iter().any(named))
    }

    /// Whether the sentence that carries most of the claim begins with another name and is silent on the one that the claim
    /// begins with: it says the same of something else.
    fn of_another(&self, claim: &Claim, indices: &[usize]) -> bool {
        let Some(leads) = &claim.leads else { return false };
        let Some(most) = self.carrier(claim, indices) else { return false };
        let sentence = &self.evidence.sentences[most];
        let header = &self.evidence.surroundings[sentence.passage].header;
        let other = subject(self.evidence.text(most), |stem| self.evidence.named.contains(stem));
        !sentence.stems.contains(leads)
            && !header.contains(leads)
            && other.is_some_and(|other| !claim.stems.contains(&other))
    }

    /// The sentence that carries most of the claim.
    fn carrier(&self, claim: &Claim, indices: &[usize]) -> Option<usize> {
        let carried = |index: usize| {
            let held = |stem: &str| self.evidence.sentences[index].stems.contains(stem);
            self.evidence.weights.coverage(claim.new.iter(), held).unwrap_or(0.0)
        };
        indices.iter().copied().max_by(|&a, &b| carried(a).total_cmp(&carried(b)))
    }

    fn features(&self, claim: &Claim, stretches: &[Stretch]) -> Features {
        let indices: Vec<usize> = stretches.iter().flat_map(|stretch| stretch.sentences.clone()).collect();
        let all = |index: &usize| &self.evidence.sentences[*index];
        let weights = &self.evidence.weights;
        let held = |stem: &str| indices.iter().any(|index| all(index).stems.contains(stem));
        let around: Vec<&crate::evidence::Surroundings> =
            indices.iter().map(|index| &self.evidence.surroundings[all(index).passage]).collect();
        let labelled = |stem: &str| indices.iter().any(|&index| self.evidence.labelled(index, stem));
        let near =
            |stem: &str| held(stem) || labelled(stem) || around.iter().any(|near| near.header.contains(stem));
        let words = weights.coverage(claim.stems.iter(), near).unwrap_or(0.0);
        let pairs =
            claim.pairs.iter().filter(|pair| indices.iter().any(|i| all(i).pairs.contains(pair))).count();
        let similarity = indices
            .iter()
            .filter_map(|&index| self.evidence.vector(index))
            .map(|vector| dot(vector, &claim.vector))
            .fold(0.0, f32::max);
        // A page says once when what it tells of was, unless the sentence has another date of its own.
        let single = claim.facts.iter().filter(|found| is_date(&found.fact)).count() == 1;
        let carrier = single.then(|| self.carrier(claim, &indices)).flatten();
        let dated_otherwise = |date: &Found| {
            let other = |own: &Found| is_date(&own.fact) && !stated(&own.fact, std::slice::from_ref(date));
            let own = carrier.map_or(&[][..], |carrier| &self.evidence.sentences[carrier].facts);
            !stated(&date.fact, own) && own.iter().any(other)
        };
        let stated_here = |found: &Found| {
            let here = indices.iter().any(|index| stated(&found.fact, &all(index).facts));
            if !is_date(&found.fact) {
                return here;
            }
            (here || around.iter().any(|near| stated(&found.fact, &near.facts))) && !dated_otherwise(found)
        };
        let name_here = |stem: &String| around.iter().any(|near| near.all.contains(stem));
        Features {
            words,
            new_words: weights.coverage(claim.new.iter(), held).unwrap_or(words),
            pairs: if claim.pairs.is_empty() { words } else { pairs as f32 / claim.pairs.len() as f32 },
            similarity,
            question: self.asked(&indices),
            denied: self.denied(claim, &indices),
            antonym: self.opposed(claim, &held),
            fact_missing: !claim.facts.iter().all(stated_here),
            name_missing: !claim.names.iter().all(name_here)
                || !claim.subject.is_empty() && !claim.subject.iter().any(name_here)
                || !claim.from.is_empty()
                    && !indices.iter().all(|&index| claim.from.contains(&self.document(index)))
                || self.of_another(claim, &indices),
        }
    }

    /// Share of the question's words around the stretch.
    fn asked(&self, indices: &[usize]) -> f32 {
        let near = |stem: &str| indices.iter().any(|&index| self.is_near(index, stem));
        self.evidence.weights.coverage(self.question_stems.iter(), near).unwrap_or(0.0)
    }

    /// Whether a word is in a sentence, in its neighbours or its headings.
    fn is_near(&self, index: usize, stem: &str) -> bool {
        let surroundings = &self.evidence.surroundings[self.evidence.sentences[index].passage];
        let first = index.saturating_sub(1).max(surroundings.sentences.start);
        let last = (index + 2).min(surroundings.sentences.end);
        surroundings.header.contains(stem)
            || self.evidence.labelled(index, stem)
            || self.evidence.sentences[first..last].iter().any(|s| s.stems.contains(stem))
    }

    /// Whether a claim repeats several words of the question of which none is anywhere around its evidence: that the
    /// Consultant's liability ends after 30 days is not said by fees that are capped at 30 days.
    fn is_told_of_another(&self, claim: &Claim, stretches: &[Stretch]) -> bool {
        let repeated: Vec<&String> = claim.stems.intersection(&self.question_stems).collect();
        let mut indices = stretches.iter().flat_map(|stretch| stretch.sentences.clone());
        repeated.len() >= 2 && !indices.any(|index| repeated.iter().any(|stem| self.is_near(index, stem)))
    }

    /// Share of the question's words, beside those of the claim, in one sentence.
    fn says_of_question(&self, claim: &Claim, index: usize) -> f32 {
        let others = self.question_stems.difference(&claim.stems);
        let held = |stem: &str| {
            self.evidence.sentences[index].stems.contains(stem) || self.evidence.labelled(index, stem)
        };
        self.evidence.weights.coverage(others, held).unwrap_or(0.0)
    }

    /// Whether a word that one of the two denies is said by the other.
    fn denied(&self, claim: &Claim, indices: &[usize]) -> bool {
        indices.iter().map(|&index| &self.evidence.sentences[index]).any(|sentence| {
            let denies = |stem: &String| claim.stems.contains(stem) && !claim.denied.contains(stem);
            let denied = |stem: &String| sentence.stems.contains(stem) && !sentence.denied.contains(stem);
            sentence.denied.iter().any(denies) || claim.denied.iter().any(denied)
        })
    }

    fn opposed(&self, claim: &Claim, held: &impl Fn(&str) -> bool) -> bool {
        let says = |stem: &str| claim.stems.contains(stem);
        ANTONYMS.iter().any(|(a, b)| {
            let crossed = |x: &str, y: &str| says(x) && !says(y) && held(y) && !held(x);
            crossed(a, b) || crossed(b, a)
        })
    }

    fn relevance(&self, claim: &Claim, features: &Features) -> f32 {
        let said = |stem: &str| claim.stems.contains(stem);
        let own = self.evidence.weights.coverage(self.question_stems.iter(), said).unwrap_or(1.0);
        own.max(if features.new_words > 0.3 { features.question } else { 0.0 })
    }

    fn citations(&self, stretches: &[Stretch]) -> Vec<Citation> {
        stretches.iter().map(|stretch| self.evidence.citation(stretch.sentences.clone())).collect()
    }
}

impl Claim {
    /// Whether it repeats words of the question that are not where its evidence is, and says nothing else: that the tenant
    /// may keep a dog is not said by what the tenant keeps in repair.
    fn echoes_beyond(&self, features: &Features) -> bool {
        self.new.is_empty() && features.words < WHOLE
    }
}

impl Checked {
    fn nothing() -> Checked {
        Checked {
            support: Support::NotAClaim,
            citations: Vec::new(),
            score: 0.0,
            relevance: 0.0,
            features: Features::default(),
        }
    }
}

fn without_list_marker(sentence: &str) -> &str {
    let trimmed = sentence.trim_start_matches(|c: char| "-*•·–#> ".contains(c));
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    match trimmed.as_bytes().get(digits) {
        Some(b'.' | b')') if (1..=2).contains(&digits) && trimmed[digits + 1..].starts_with(' ') => {
            trimmed[digits + 1..].trim_start()
        }
        _ => trimmed,
    }
}

/// Words that stand for what was named in the sentence before.
const PRONOUNS: [&str; 22] = [
    "he", "she", "it", "they", "his", "her", "its", "their", "er", "sie", "es", "sein", "ihr", "ihre", "él",
    "ella", "ellos", "su", "il", "elle", "ils", "elles",
];

fn begins_with_pronoun(sentence: &str) -> bool {
    let first = sentence.split(|c: char| !c.is_alphabetic()).next().unwrap_or("").to_lowercase();
    PRONOUNS.contains(&first.as_str())
}

/// Openings of sentences that state nothing.
const PLEASANTRIES: [&str; 18] = [
    "here is",
    "here are",
    "here's",
    "sure",
    "certainly",
    "of course",
    "based on the passage",
    "based on the document",
    "based on the information provided",
    "according to the passages",
    "according to the documents",
    "i hope",
    "let me know",
    "please let me",
    "thank you",
    "you're welcome",
    "the answer is as follows",
    "in summary:",
];

/// Whether there is nothing in the sentence that could be checked.
fn says_nothing(sentence: &str) -> bool {
    let lower = sentence.trim().to_lowercase();
    if lower.chars().all(|c| !c.is_alphanumeric()) {
        return true;
    }
    let lead_in =
        lower.ends_with(':') && lower.split_whitespace().count() <= 14 && facts(sentence).is_empty();
    let pleasant = PLEASANTRIES.iter().any(|opening| lower.starts_with(opening))
        && lower.split_whitespace().count() <= 12
        && (lower.ends_with([':', '!']) || content_stems(sentence).len() <= 3);
    lead_in || pleasant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{Counting, passage};

    #[test]
    fn a_date_of_another_sentence_is_not_that_of_one_with_its_own() {
        let lease = "This lease is made on 1 March 2021. The term is ten years from 1 April 2021. \
                     The rent for the year 2021 is due on 1 May. The keys of the mill were handed over.";
        let passages = [passage(1, "lease.txt", 0, lease)];
        let support = |claim: &str| Aligner::new(&passages, "", &Counting).check(claim, &[]).unwrap().support;
        assert_eq!(support("The term of ten years is from 1 March 2021."), Support::Unsupported);
        assert_eq!(support("The term of ten years is from 1 April 2021."), Support::Supported);
        assert_eq!(support("The rent for the year is due on 1 May 2021."), Support::Supported);
        assert_eq!(support("The keys of the mill were handed over on 1 April 2021."), Support::Supported);
    }

    #[test]
    fn a_subject_that_stands_nowhere_near_is_not_what_is_told_of() {
        let contract = "The total is capped at 30 days unless both agree otherwise in writing.";
        let liability = "The Consultant's liability is limited to 150,000 pounds.";
        let passages = [passage(1, "a.txt", 0, contract), passage(1, "a.txt", 200, liability)];
        let support = |question: &str, claim: &str| {
            Aligner::new(&passages, question, &Counting).check(claim, &[]).unwrap().support
        };
        let ends = "The Consultant's liability ends after 30 days unless both agree otherwise in writing.";
        assert_eq!(support("When does the Consultant's liability end?", ends), Support::Unsupported);
        let capped = "The total is capped at 30 days unless both agree otherwise in writing.";
        assert_eq!(support("At how many days is the total capped?", capped), Support::Supported);
        let bound = "The amount is capped at 30 days unless both agree otherwise in writing.";
        assert_eq!(support("What bounds the amount?", bound), Support::Supported);
    }

    #[test]
    fn a_question_that_is_only_said_back_is_not_supported_by_something_like_it() {
        let lease = "The tenant may keep a cat under the lease. The rent is due in March.";
        let passages = [passage(1, "lease.txt", 0, lease)];
        let support = |question: &str, claim: &str| {
            Aligner::new(&passages, question, &Counting).check(claim, &[]).unwrap().support
        };
        let (cat, dog) = ("May the tenant keep a cat?", "May the tenant keep a dog under the lease?");
        assert_eq!(support(cat, "The tenant may keep a cat."), Support::Supported);
        assert_eq!(support(dog, "The tenant may keep a dog under the lease."), Support::Unsupported);
    }

    #[test]
    fn a_number_that_is_the_whole_answer_stands_in_the_text() {
        let library =
            "Loans pay 8% of it. The library of the school comprises nearly 80 libraries in two towns.";
        let passages = [passage(1, "library.txt", 0, library)];
        let support = |claim: &str| {
            let question = "How many libraries make up the library of the school?";
            Aligner::new(&passages, question, &Counting).check(claim, &[]).unwrap().support
        };
        assert_eq!(support("Eight."), Support::Unsupported);
        assert_eq!(support("Eight libraries make up the library of the school."), Support::Unsupported);
        assert_eq!(support("80"), Support::Supported);
        assert_eq!(support("Two"), Support::Supported);
    }
}
