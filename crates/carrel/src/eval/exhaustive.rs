//! Questions about every document, measured on sets that ask the same about each.
//!
//! Questions of one `category` are the same question about different documents, each about its `scope`. Documents whose
//! question is answerable are those to be found; all others are not.

use std::collections::{BTreeMap, BTreeSet};

use carrel_generate::tasks::{Criterion, Signs, Verdict};
use serde::Serialize;
use sha1_smol::Sha1;

use super::{Error, Library, Question, Set, Watch, gold};
use crate::library::Scope;

/// Which questions are asked.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Only these categories; all when empty.
    pub categories: Vec<String>,
    /// Only so many, the first by the SHA-1 of their name.
    pub limit: Option<usize>,
    /// Asks with the name of the category alone, without its explanation.
    pub by_name: bool,
}

/// How well the documents of every question were found.
#[derive(Clone, Debug, Serialize)]
pub struct ExhaustiveScores {
    pub set: String,
    pub documents: usize,
    pub questions: Vec<QuestionScores>,
    /// Over the verdicts of all questions together.
    pub recall: Option<f64>,
    pub precision: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct QuestionScores {
    pub category: String,
    /// What each document was looked through for.
    pub criterion: String,
    pub visited: usize,
    /// Documents that the set says meet it, and how many of these were found among all that were.
    pub right: usize,
    pub found: usize,
    pub found_right: usize,
    pub seconds: f64,
    pub each: Vec<Judged>,
}

/// A visit to one document.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    pub doc: String,
    pub right: bool,
    pub probability: f32,
    pub near: f32,
    pub states: f32,
    pub answers: f32,
    pub quote: Option<String>,
}

pub fn measure(
    library: &Library,
    set: &Set,
    selection: &Selection,
    watch: Watch<'_>,
) -> Result<ExhaustiveScores, Error> {
    let located = gold::Located::new(library, set, &[])?;
    let mut scores = ExhaustiveScores {
        set: set.name.clone(),
        documents: 0,
        questions: Vec::new(),
        recall: None,
        precision: None,
    };
    let asked = asked(set, selection);
    if asked.is_empty() {
        return Err(Error::NoCategories);
    }
    for (category, questions) in asked {
        let right: BTreeSet<&str> = questions
            .iter()
            .filter(|question| question.is_answerable())
            .filter_map(|question| question.scope.as_deref())
            .collect();
        let text = match selection.by_name {
            true => category.clone(),
            false => format!("{category}: {}", common_ending(&questions)),
        };
        let criterion = Criterion::of(&text);
        let began = std::time::Instant::now();
        let mut stopped = false;
        let visit = library.visit_for(&text, criterion, &Scope::default(), &mut |visited| {
            let step = watch(&category, visited.done, visited.total);
            stopped |= step.is_break();
            step
        })?;
        if stopped {
            return Err(Error::Stopped);
        }
        let judged = visit.found.rows.iter().map(|row| {
            let doc = located.name(row.document);
            let signs = row.signs.unwrap_or(Signs::default());
            Judged {
                right: right.contains(doc),
                doc: doc.to_owned(),
                probability: row.probability,
                near: signs.near,
                states: signs.states,
                answers: signs.answers,
                quote: row.evidence.as_ref().map(|evidence| evidence.quote.clone()),
            }
        });
        let each: Vec<Judged> = judged.collect();
        let found = |row: &&carrel_generate::tasks::Row| row.verdict == Verdict::Meets;
        let found_right = |row: &&carrel_generate::tasks::Row| right.contains(located.name(row.document));
        scores.documents = visit.total;
        scores.questions.push(QuestionScores {
            category,
            criterion: text,
            visited: visit.found.rows.len(),
            right: right.len(),
            found: visit.found.rows.iter().filter(found).count(),
            found_right: visit.found.rows.iter().filter(found).filter(found_right).count(),
            seconds: began.elapsed().as_secs_f64(),
            each,
        });
    }
    let sum = |of: fn(&QuestionScores) -> usize| scores.questions.iter().map(of).sum::<usize>();
    let (right, found) = (sum(|q| q.right), sum(|q| q.found));
    scores.recall = share(sum(|q| q.found_right), right);
    scores.precision = share(sum(|q| q.found_right), found);
    Ok(scores)
}

pub fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The categories that are asked about, each with its questions.
fn asked<'a>(set: &'a Set, selection: &Selection) -> Vec<(String, Vec<&'a Question>)> {
    let mut by_category: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for question in &set.questions {
        if let (Some(category), Some(_)) = (&question.category, &question.scope) {
            by_category.entry(category).or_default().push(question);
        }
    }
    let chosen = |name: &str| {
        selection.categories.is_empty()
            || selection.categories.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let mut asked: Vec<(String, Vec<&Question>)> = by_category
        .into_iter()
        .filter(|(name, _)| chosen(name))
        .map(|(name, questions)| (name.to_owned(), questions))
        .collect();
    if let Some(limit) = selection.limit {
        asked.sort_by_cached_key(|(name, _)| Sha1::from(name).digest().bytes());
        asked.truncate(limit);
    }
    asked
}

/// The sentences with which all of the questions end: what is asked, without the document that it is asked about.
fn common_ending<'a>(questions: &[&'a Question]) -> &'a str {
    let Some((first, others)) = questions.split_first() else { return "" };
    let text = first.question.as_str();
    let shared = others.iter().map(|other| {
        let same = text.chars().rev().zip(other.question.chars().rev()).take_while(|(a, b)| a == b);
        same.map(|(c, _)| c.len_utf8()).sum::<usize>()
    });
    let shared = &text[text.len() - shared.min().unwrap_or(text.len())..];
    // The first sentence may be shared only in part.
    match shared.len() == text.len() {
        true => text.rsplit_once(". ").map_or(text, |(_, last)| last),
        false => shared.split_once(". ").map_or(shared, |(_, whole)| whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_every_document_is_what_the_questions_share() {
        let question = |text: &str| Question { question: text.into(), ..Question::default() };
        let (a, b) = (
            question("Consider the lease of A, Inc. Is there a pledge? This includes liens."),
            question("Consider the lease of Bell, Inc. Is there a pledge? This includes liens."),
        );
        assert_eq!(common_ending(&[&a, &b]), "Is there a pledge? This includes liens.");
        assert_eq!(
            common_ending(&[&question("Consider the lease of A. Is there a pledge?")]),
            "Is there a pledge?"
        );
    }
}
