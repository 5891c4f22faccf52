//! Summarises documents of any length: each section by the model, its sentences checked, the most telling ones kept.
//!
//! Nothing is written over summaries again: what is chosen for the end is what was checked against the text. Where the text
//! does not say what the model wrote, its own sentence that the model meant stands in the place of that.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use carrel_corpus::{
    Answer, Citation, Claim, Coverage, DocumentId, Embedder, Generator, Passage, Span, Support,
};
use regex::Regex;

use super::{Reader, Source, Visited, Watcher, renumber};
use crate::align::Aligner;
use crate::calculate::overview;
use crate::evidence::{Evidence, is_row, split, without_instructions};
use crate::facts::facts;
use crate::language::{language, says_absent};
use crate::notes::instructed;
use crate::stream::Reply;
use crate::text::dot;
use crate::{Error, Stats, prompt};

#[derive(Clone, Debug, PartialEq)]
pub struct SummaryConfig {
    /// Tokens of document text in one section.
    pub section_tokens: usize,
    /// Tokens of one point.
    pub point_tokens: usize,
    /// Points of the finished summary, and of a long one: a point for each section up to these.
    pub points: usize,
    pub most_points: usize,
}

impl Default for SummaryConfig {
    fn default() -> SummaryConfig {
        SummaryConfig { section_tokens: 900, point_tokens: 45, points: 8, most_points: 30 }
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
    let mut read: Vec<(&Source, Vec<Passage>)> = documents
        .iter()
        .map(|source| Ok((source, read(source.document, None)?)))
        .collect::<Result<_, Error>>()?;
    let is_hidden = |(_, passages): &(&Source, Vec<Passage>)| passages.iter().any(|passage| passage.hidden);
    let has_hidden = read.iter().any(is_hidden);
    read.iter_mut().for_each(|(_, passages)| passages.retain(|passage| !passage.hidden));
    let tokens = |passage: &Passage| generator.count_tokens(&passage.text);
    let all: usize = read.iter().flat_map(|(_, passages)| passages).map(tokens).sum();
    // A model that reads all of a short text at once tells of its beginning.
    let section_tokens =
        (all / LEAST_SECTIONS).clamp(config.section_tokens / LEAST_SECTIONS, config.section_tokens);
    let mut sections: Vec<(&Source, usize, Vec<Passage>)> = Vec::new();
    let mut forms: BTreeMap<DocumentId, Form> = BTreeMap::new();
    for (source, passages) in read {
        let form = Form::of(&passages);
        forms.insert(source.document, form);
        let parts = match form {
            Form::Rows => vec![passages],
            Form::Sentences | Form::Lines => cut(passages, section_tokens, generator),
        };
        sections.extend(parts.into_iter().enumerate().map(|(at, part)| (source, at, part)));
    }
    state.total = sections.len();
    let most = sections.len().clamp(config.points, config.most_points);
    let of_section = most.div_ceil(sections.len().max(1)).clamp(LEAST_OF_SECTION, MOST_OF_SECTION);
    for (source, section, passages) in &sections {
        let document = source.document;
        if state.sections.iter().any(|done| (done.document, done.section) == (document, *section)) {
            continue;
        }
        let points = match forms[&document] {
            Form::Rows => overview(passages),
            form => Section::new(passages, form, embedder)?.points(
                of_section,
                config,
                generator,
                &mut state.stats,
            )?,
        };
        state.sections.push(SectionPoints { document, section: *section, points });
        let seen = Visited { done: state.sections.len(), total: state.total, path: &source.path };
        if watch(seen).is_break() {
            break;
        }
    }
    let done = |(source, section, _): &(&Source, usize, Vec<Passage>)| {
        state.sections.iter().find(|done| (done.document, done.section) == (source.document, *section))
    };
    let points: Vec<(DocumentId, &Claim)> = sections
        .iter()
        .filter_map(done)
        .flat_map(|done| done.points.iter().map(|point| (done.document, point)))
        .collect();
    let all: Vec<Passage> = sections.iter().flat_map(|(_, _, section)| section).cloned().collect();
    let mut answer = finish(&points, &all, coverage, most, embedder)?;
    for passage in &all {
        let note = || instructed(passage);
        if split(0, &passage.text).iter().any(|sentence| !sentence.citable) && !answer.notes.contains(&note())
        {
            answer.notes.push(note());
        }
    }
    if has_hidden {
        answer.notes.push(HIDDEN.to_owned());
    }
    if state.sections.len() < state.total {
        answer.notes.push(format!("broken off after {} of {} sections", state.sections.len(), state.total));
    }
    Ok(answer)
}

/// What a document is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Rows of tables: what is in them is computed, for a model would guess at it.
    Rows,
    /// Sentences that end as such; what does not is a title or a label.
    Sentences,
    /// Lines without a full stop, as in a list.
    Lines,
}

/// Share of the lines of a spreadsheet that are rows, and of the sentences of a text that end with a full stop.
const ROWS: f32 = 0.8;
const CLOSED: f32 = 0.5;

impl Form {
    fn of(passages: &[Passage]) -> Form {
        let lines = || {
            passages.iter().flat_map(|passage| passage.text.lines()).filter(|line| !line.trim().is_empty())
        };
        let rows = lines().filter(|line| is_row(line)).count();
        if rows > 1 && rows as f32 >= ROWS * lines().count() as f32 {
            return Form::Rows;
        }
        let evidence = Evidence::new(passages);
        let whole = whole(&evidence);
        let closed = whole.iter().filter(|&&at| closes(evidence.text(at))).count();
        if closed as f32 > CLOSED * whole.len() as f32 { Form::Sentences } else { Form::Lines }
    }
}

/// The sentences that can stand by themselves.
fn whole(evidence: &Evidence) -> Vec<usize> {
    let headings = evidence.headings();
    let is_whole = |&at: &usize| {
        let sentence = &evidence.sentences[at];
        sentence.citable
            && !headings.contains(&at)
            && sentence.stems.len() >= LEAST_WORDS
            && !is_row(evidence.text(at))
    };
    (0..evidence.sentences.len()).filter(is_whole).collect()
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

const HIDDEN: &str = "Text that is not visible in its file was left out.";
/// Sections that a short text is cut into.
const LEAST_SECTIONS: usize = 5;
/// Points asked for of one section.
const MOST_OF_SECTION: usize = 8;
const LEAST_OF_SECTION: usize = 2;
/// Tokens of a text for which one point is enough.
const TOKENS_OF_POINT: usize = 40;
/// Content words of a sentence that can stand by itself.
const LEAST_WORDS: usize = 3;
/// Probability of support from which a sentence of the model is kept: the text's own can stand in its place.
const SURE: f32 = 0.95;
/// Cosine from which a sentence of the text is what the model meant to say.
const MEANT: f32 = 0.5;
/// What a figure is worth, beside the nearness of a point to the others.
const FIGURE: f32 = 0.06;
/// Cosine from which two points say the same.
const SAME: f32 = 0.9;

/// Writes the points of one section.
struct Section<'a> {
    passages: &'a [Passage],
    evidence: Evidence<'a>,
    /// The sentences that can stand by themselves.
    whole: Vec<usize>,
    form: Form,
    embedder: &'a dyn Embedder,
}

impl<'a> Section<'a> {
    fn new(passages: &'a [Passage], form: Form, embedder: &'a dyn Embedder) -> Result<Section<'a>, Error> {
        let mut evidence = Evidence::new(passages);
        let mut whole = whole(&evidence);
        whole.retain(|&at| form != Form::Sentences || closes(evidence.text(at)));
        evidence.embed(&whole, embedder)?;
        Ok(Section { passages, evidence, whole, form, embedder })
    }

    /// Up to `wanted` points in the words of the model where the text says them, and else in those of the text.
    fn points(
        &self,
        wanted: usize,
        config: &SummaryConfig,
        generator: &dyn Generator,
        stats: &mut Stats,
    ) -> Result<Vec<Claim>, Error> {
        // The titles and figures of a page between pages of text tell nothing by themselves.
        if self.whole.is_empty() && self.form == Form::Sentences {
            return Ok(Vec::new());
        }
        let text: Vec<String> = self.passages.iter().map(|passage| innocent(body(&passage.text))).collect();
        let text = text.join("\n");
        let wanted = wanted.min(generator.count_tokens(&text).div_ceil(TOKENS_OF_POINT));
        let asked = format!(
            "Write the {wanted} most important points of this text in {:?}, each as one full sentence on a line of its own, with \
             the names and numbers of the text. Write nothing else.",
            language(&text)
        );
        let mut prompt = prompt::task(&asked, &text, wanted * config.point_tokens);
        // A model may leave a line empty between two points.
        prompt.stop.retain(|stop| stop != "\n\n");
        let generation = generator.generate(&prompt, &mut |_| std::ops::ControlFlow::Continue(()))?;
        stats.add(&generation);
        let mut reply = Reply::default();
        reply.push(&generation.text);
        reply.rest();
        let mut aligner = Aligner::new(self.passages, "", self.embedder);
        let mut points: Vec<Claim> = Vec::new();
        for finished in reply.finished(true) {
            let sentence = bare(&reply.text[finished.range]);
            let is_told_as_row = is_row(sentence) && !self.whole.is_empty();
            if points.len() == wanted || says_absent(sentence) || is_told_as_row || OF_TEXT.is_match(sentence)
            {
                continue;
            }
            let checked = aligner.check(sentence, &[])?;
            let is_torn = self.form == Form::Sentences && !closes(sentence);
            let is_assumed = checked.citations.iter().any(|citation| SUPPOSES.is_match(&citation.quote))
                && !SUPPOSES.is_match(sentence);
            match checked.support {
                Support::Supported if checked.score >= SURE && !is_torn && !is_assumed => {
                    points.push(point(sentence.to_owned(), checked.citations))
                }
                Support::NotAClaim => {}
                _ => points.extend(self.meant(sentence, &points)?),
            }
        }
        while points.len() < wanted.min(LEAST_OF_SECTION)
            && let Some(next) = self.telling(&points, 0)
        {
            points.push(next);
        }
        // Small models tell of what comes first.
        let rest = self.behind(&points);
        if self.whole.iter().filter(|&&at| at >= rest).count() * 4 >= self.whole.len() {
            points.extend(self.telling(&points, rest));
        }
        Ok(points)
    }

    /// The sentence of the text that the model meant when it wrote one that the text does not say.
    fn meant(&self, sentence: &str, points: &[Claim]) -> Result<Option<Claim>, Error> {
        let vector = self.embedder.passages(&[sentence])?.pop().unwrap_or_default();
        Ok(self.best(points, |at| self.evidence.vector(at).map_or(0.0, |own| dot(own, &vector)), MEANT))
    }

    /// The sentence from `first` on that is most like all the others.
    fn telling(&self, points: &[Claim], first: usize) -> Option<Claim> {
        let vectors = || self.whole.iter().filter_map(|&at| self.evidence.vector(at));
        let central = |own: &[f32]| vectors().map(|other| dot(own, other)).sum::<f32>();
        let worth = |at: usize| self.evidence.vector(at).filter(|_| at >= first).map_or(-1.0, central);
        self.best(points, worth, 0.0)
    }

    /// The sentence behind the last one that a point rests on.
    fn behind(&self, points: &[Claim]) -> usize {
        self.whole.iter().rev().find(|&&at| self.is_told(points, at)).map_or(0, |at| at + 1)
    }

    /// Whether a point rests on the sentence.
    fn is_told(&self, points: &[Claim], at: usize) -> bool {
        let own = self.evidence.citation(at..at + 1);
        let mut citations = points.iter().flat_map(|point| &point.citations);
        citations.any(|other| other.document == own.document && other.span.overlaps(own.span))
    }

    /// The sentence of the greatest worth, at least `least`, that no point rests on yet.
    fn best(&self, points: &[Claim], worth: impl Fn(usize) -> f32, least: f32) -> Option<Claim> {
        let worths = self.whole.iter().map(|&at| (worth(at), at));
        let (_, at) = worths
            .filter(|&(value, at)| value >= least && !self.is_told(points, at))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
        let text = self.evidence.text(at).split_whitespace().collect::<Vec<_>>().join(" ");
        Some(point(bare(&text).to_owned(), vec![self.evidence.citation(at..at + 1)]))
    }
}

/// Whether a sentence ends as one.
fn closes(sentence: &str) -> bool {
    sentence
        .trim_end()
        .trim_end_matches(['"', '”', '’', ')', '*', '_'])
        .ends_with(['.', '!', '?', '。', '！', '؟', ';'])
}

/// What is said only in case of something else: `If an emerging growth company, indicate by check mark`.
static SUPPOSES: LazyLock<Regex> = LazyLock::new(|| {
    // The source is a literal.
    Regex::new(r"(?i)\b(?:if|unless|whether|provided\s+that|wenn|falls|sofern|ob|si|sauf)\b")
        .unwrap_or_else(|error| panic!("{error}"))
});

/// What is said of the text, and not by it.
static OF_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    // The source is a literal.
    Regex::new(
        r"(?i)^(?:the|this|der|dieser|le|ce|el|este)\s+(?:text|section|passage|abschnitt|texte|texto)\b",
    )
    .unwrap_or_else(|error| panic!("{error}"))
});

fn point(text: String, citations: Vec<Citation>) -> Claim {
    Claim { span: Span::new(0, text.len()), text, support: Support::Supported, citations }
}

/// What a model may be shown of a text.
fn innocent(text: &str) -> String {
    without_instructions(text, &split(0, text))
}

/// A message without its head, which says nothing of what it is about.
fn body(text: &str) -> &str {
    const HEAD: [&str; 7] = ["From:", "To:", "Cc:", "Bcc:", "Date:", "Subject:", "Reply-To:"];
    let mut rest = text;
    while HEAD.iter().any(|field| rest.starts_with(field)) {
        let Some((_, below)) = rest.split_once('\n') else { return text };
        rest = below;
    }
    rest
}

/// A sentence without the mark or number of a list before it.
fn bare(sentence: &str) -> &str {
    let rest = sentence.trim_start_matches(['#', '-', '*', '•', ' ']);
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = (1..3).contains(&(rest.len() - digits.len()));
    let marked = digits.strip_prefix(['.', ')']).and_then(|behind| behind.strip_prefix(' '));
    marked.filter(|_| is_number).unwrap_or(rest).trim()
}

/// Keeps the points that stand for most of the others, each unlike those kept before it, in the order of the text. Every
/// document has one as long as there is room.
fn finish(
    points: &[(DocumentId, &Claim)],
    passages: &[Passage],
    coverage: Coverage,
    most: usize,
    embedder: &dyn Embedder,
) -> Result<Answer, Error> {
    let texts: Vec<&str> = points.iter().map(|(_, point)| point.text.as_str()).collect();
    let vectors = if texts.is_empty() { Vec::new() } else { embedder.passages(&texts)? };
    let central: Vec<f32> = vectors
        .iter()
        .map(|own| vectors.iter().map(|other| dot(own, other)).sum::<f32>() / vectors.len() as f32)
        .collect();
    // Sums and dates are what a summary is read for.
    let told: Vec<f32> = texts.iter().map(|text| FIGURE * facts(text).len().min(2) as f32).collect();
    let is_computed = |index: usize| {
        points[index].1.citations.first().is_some_and(|citation| citation.quote.lines().all(is_row))
    };
    let are_many = points.iter().any(|(document, _)| *document != points[0].0);
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < most {
        let nearest = |index: usize| {
            chosen.iter().map(|&held| dot(&vectors[held], &vectors[index])).fold(0.0, f32::max)
        };
        let is_new = |index: usize| chosen.iter().all(|&held| points[held].0 != points[index].0);
        let mut open = (0..points.len())
            .filter(|index| !chosen.contains(index) && (is_computed(*index) || nearest(*index) < SAME));
        // A document begins with what it is.
        let first = open.clone().find(|&index| is_new(index));
        // The first table of several is the one that they were made for.
        let value = |index: usize| match is_computed(index) {
            true => 1.0 - index as f32 / points.len() as f32,
            false => central[index] + told[index] - nearest(index),
        };
        let best = || open.by_ref().max_by(|&a, &b| value(a).total_cmp(&value(b)).then(b.cmp(&a)));
        let next = first.filter(|_| are_many).or_else(best);
        match next {
            Some(index) => chosen.push(index),
            None => break,
        }
    }
    chosen.sort_unstable();
    let mut text = String::new();
    let mut claims: Vec<Claim> = Vec::new();
    for index in chosen {
        let point = points[index].1;
        text.push_str(if text.is_empty() { "- " } else { "\n- " });
        // What is told of several has to say of which.
        let of = passages.iter().find(|passage| passage.document == points[index].0).filter(|_| are_many);
        text.extend(of.map(|of| format!("{}: ", of.path.rsplit('/').next().unwrap_or(&of.path))));
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
