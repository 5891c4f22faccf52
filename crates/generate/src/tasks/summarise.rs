//! Summarises documents of any length: each section by the model, its sentences checked, the most telling ones kept.
//!
//! Nothing is written over summaries again: what is chosen for the end is what was checked against the text.

use carrel_corpus::{Answer, Claim, Coverage, DocumentId, Embedder, Generator, Passage, Span, Support};

use super::{Reader, Source, Visited, Watcher, renumber};
use crate::align::Aligner;
use crate::language::says_absent;
use crate::stream::Reply;
use crate::text::dot;
use crate::{Error, Stats, prompt};

#[derive(Clone, Debug, PartialEq)]
pub struct SummaryConfig {
    /// Tokens of document text in one section.
    pub section_tokens: usize,
    /// Tokens that the model may write about one section.
    pub point_tokens: usize,
    /// Points of the finished summary.
    pub points: usize,
}

impl Default for SummaryConfig {
    fn default() -> SummaryConfig {
        SummaryConfig { section_tokens: 900, point_tokens: 90, points: 8 }
    }
}

/// What one section of a document says.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionPoints {
    pub document: DocumentId,
    /// Place of the section in its document, from 0.
    pub section: usize,
    /// Supported sentences.
    pub points: Vec<Claim>,
}

/// The state of the task: the sections done so far. Store it to go on later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summarised {
    pub sections: Vec<SectionPoints>,
    /// Sections of all the documents; 0 before the first call.
    pub total: usize,
    pub stats: Stats,
}

/// Summarises `documents`, reading the sections that are not done yet. Broken off by `watch`, it gives the summary of
/// what was read so far, with a note that says so, and leaves in `state` what it has done.
///
/// # Errors
/// Fails when a network or the reader does; `state` keeps the sections done before.
pub fn summarise(
    documents: &[Source],
    coverage: Coverage,
    config: &SummaryConfig,
    state: &mut Summarised,
    read: &mut Reader,
    (generator, embedder): (&dyn Generator, &dyn Embedder),
    watch: &mut Watcher,
) -> Result<Answer, Error> {
    let mut sections: Vec<(&Source, usize, Vec<Passage>)> = Vec::new();
    for source in documents {
        let parts = cut(read(source.document, None)?, config.section_tokens, generator).into_iter();
        sections.extend(parts.enumerate().map(|(at, part)| (source, at, part)));
    }
    state.total = sections.len();
    for (source, section, passages) in &sections {
        let document = source.document;
        if state.sections.iter().any(|done| (done.document, done.section) == (document, *section)) {
            continue;
        }
        let points = points_of(passages, config, (generator, embedder), &mut state.stats)?;
        state.sections.push(SectionPoints { document, section: *section, points });
        let seen = Visited { done: state.sections.len(), total: state.total, path: &source.path };
        if watch(seen).is_break() {
            break;
        }
    }
    let done = |(source, section, _): &(&Source, usize, Vec<Passage>)| {
        state.sections.iter().find(|done| (done.document, done.section) == (source.document, *section))
    };
    let points: Vec<&Claim> = sections.iter().filter_map(done).flat_map(|done| &done.points).collect();
    let all: Vec<Passage> = sections.iter().flat_map(|(_, _, section)| section).cloned().collect();
    let mut answer = finish(&points, &all, coverage, config, embedder)?;
    if state.sections.len() < state.total {
        answer.notes.push(format!("broken off after {} of {} sections", state.sections.len(), state.total));
    }
    Ok(answer)
}

/// Runs of passages of at most `budget` tokens; a passage that overlaps the one before it counts only once.
fn cut(passages: Vec<Passage>, budget: usize, generator: &dyn Generator) -> Vec<Vec<Passage>> {
    let mut sections: Vec<Vec<Passage>> = Vec::new();
    let mut left = 0;
    for passage in passages {
        let cost = generator.count_tokens(&passage.text);
        match sections.last_mut().filter(|_| cost <= left) {
            Some(section) => section.push(passage),
            None => {
                sections.push(vec![passage]);
                left = budget;
            }
        }
        left = left.saturating_sub(cost);
    }
    sections
}

fn points_of(
    section: &[Passage],
    config: &SummaryConfig,
    (generator, embedder): (&dyn Generator, &dyn Embedder),
    stats: &mut Stats,
) -> Result<Vec<Claim>, Error> {
    let text: Vec<&str> = section.iter().map(|passage| passage.text.as_str()).collect();
    let asked = "Write the two most important points of this text as two short sentences with its own words, names and \
                 numbers. Write nothing else.";
    let prompt = prompt::task(asked, &text.join("\n"), config.point_tokens);
    let generation = generator.generate(&prompt, &mut |_| std::ops::ControlFlow::Continue(()))?;
    stats.add(&generation);
    let mut reply = Reply::default();
    reply.push(&generation.text);
    reply.rest();
    let mut aligner = Aligner::new(section, "", embedder);
    let mut points = Vec::new();
    for finished in reply.finished(true) {
        let sentence =
            reply.text[finished.range].trim_start_matches(|c: char| "-*•0123456789.) ".contains(c));
        let checked = aligner.check(sentence, &[])?;
        if checked.support == Support::Supported && !says_absent(sentence) {
            let span = Span::new(0, sentence.len());
            let (text, citations) = (sentence.to_owned(), checked.citations);
            points.push(Claim { span, text, support: Support::Supported, citations });
        }
    }
    Ok(points)
}

/// Keeps the points that stand for most of the others, each unlike those kept before it, in the order of the text.
fn finish(
    points: &[&Claim],
    passages: &[Passage],
    coverage: Coverage,
    config: &SummaryConfig,
    embedder: &dyn Embedder,
) -> Result<Answer, Error> {
    let texts: Vec<&str> = points.iter().map(|point| point.text.as_str()).collect();
    let vectors = if texts.is_empty() { Vec::new() } else { embedder.passages(&texts)? };
    let central: Vec<f32> = vectors
        .iter()
        .map(|own| vectors.iter().map(|other| dot(own, other)).sum::<f32>() / vectors.len() as f32)
        .collect();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < config.points {
        let value = |index: usize| {
            let nearest = chosen.iter().map(|&held| dot(&vectors[held], &vectors[index])).fold(0.0, f32::max);
            (central[index] - nearest, nearest)
        };
        let next = (0..points.len())
            .filter(|index| !chosen.contains(index) && value(*index).1 < 0.9)
            .max_by(|&a, &b| value(a).0.total_cmp(&value(b).0).then(b.cmp(&a)));
        match next {
            Some(index) => chosen.push(index),
            None => break,
        }
    }
    chosen.sort_unstable();
    let mut text = String::new();
    let mut claims: Vec<Claim> = Vec::new();
    for index in chosen {
        let point = points[index];
        text.push_str(if text.is_empty() { "- " } else { "\n- " });
        let span = Span::new(text.len(), text.len() + point.text.len());
        text.push_str(&point.text);
        claims.push(Claim { span, ..point.clone() });
    }
    let passages = renumber(&mut claims, passages);
    Ok(Answer {
        refused: claims.is_empty(),
        nearest: None,
        text,
        claims,
        passages,
        notes: Vec::new(),
        coverage,
    })
}
