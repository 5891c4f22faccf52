//! BM25 over tantivy's postings, with our own constants and statistics, of a chunk inside of its document.
//!
//! A question about one of many documents has words that tell which one is meant (a party of a contract, a title) and
//! words that tell which place in it. Scored alike, the first kind leads to the chunks that repeat the name. So a
//! chunk's score has two parts: BM25 of its whole document among documents, and BM25 of the chunk, in which a word
//! that the rest of the document has throughout counts for less. A document of one chunk is weighed as ever.
//!
//! tantivy fixes k1 = 1.2 and b = 0.75 and counts deleted chunks into its statistics, so that scores would depend
//! on when segments were merged. Here a term's postings are read whole, term at a time, into one score per chunk:
//! the same chunks give the same scores, however the index came to hold them.

use std::collections::HashMap;

use tantivy::postings::BlockSegmentPostings;
use tantivy::query::{EnableScoring, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, SegmentReader, TERMINATED, Term};

use super::Fields;
use super::terms::{FieldOf, Group};
use crate::live::Live;
use crate::{Error, Result};

/// Okapi BM25 (Robertson and Zaragoza, 2009) with the constants of Anserini's baselines.
const K1: f32 = 0.9;
const B: f32 = 0.4;
/// The same of whole documents, in which a word is repeated more often before that says nothing new.
const DOCUMENT_K1: f32 = 3.0;
const DOCUMENT_B: f32 = 0.75;
/// Weight of the document's score beside the chunk's.
const DOCUMENT: f32 = 0.5;
/// How much of a word's weight in a chunk goes by its document, and how much by the library.
const WITHIN: f32 = 0.5;
/// How many chunks of a document weigh as much as the library in telling how surprising a word is in it.
const PRIOR: f32 = 20.0;

/// A chunk that is gone, or not in the live table.
pub(crate) const DEAD: u32 = u32::MAX;

/// What ranking needs of a segment beside its postings.
pub(crate) struct Segment {
    /// For each of the segment's documents its slot in the live table, or [`DEAD`].
    pub(crate) slots: Vec<u32>,
}

/// Collection statistics: they change only with what is published.
#[derive(Default)]
pub(crate) struct Statistics {
    /// Live chunks.
    chunks: f32,
    /// Documents that have any.
    documents: f32,
    /// For each document how many live chunks it has.
    shares: Vec<f32>,
    exact: Norms,
    stems: Norms,
}

/// What BM25 sets a frequency against: by slot and by document, of one field.
#[derive(Default)]
struct Norms {
    chunks: Vec<f32>,
    documents: Vec<f32>,
}

impl Statistics {
    /// `owners` gives for each slot the place of its document, of which there are `documents`.
    pub(crate) fn of(
        searcher: &Searcher,
        segments: &[Segment],
        fields: Fields,
        owners: &[u32],
        documents: usize,
    ) -> Result<Statistics> {
        let mut shares = vec![0.0; documents];
        let live = segments.iter().flat_map(|segment| &segment.slots).filter(|slot| **slot != DEAD);
        for slot in live {
            shares[owners[*slot as usize] as usize] += 1.0;
        }
        let chunks = shares.iter().sum();
        let filled = shares.iter().filter(|share| **share > 0.0).count() as f32;
        let norms = |field| Norms::of(searcher, segments, field, owners, &shares);
        let (exact, stems) = (norms(fields.exact)?, norms(fields.stems)?);
        Ok(Statistics { chunks, documents: filled, shares, exact, stems })
    }

    /// What a phrase counts for that so many chunks hold: as much as one more word.
    pub(crate) fn weight(&self, holding: usize) -> f32 {
        emphasise(-((holding as f32 + 0.5) / (self.chunks + 1.0)).ln())
    }
}

impl Norms {
    fn of(
        searcher: &Searcher,
        segments: &[Segment],
        field: Field,
        owners: &[u32],
        shares: &[f32],
    ) -> Result<Norms> {
        let (mut chunks, mut documents) = (vec![0.0; owners.len()], vec![0.0; shares.len()]);
        for (reader, segment) in searcher.segment_readers().iter().zip(segments) {
            let norms = reader.get_fieldnorms_reader(field).map_err(Error::keywords)?;
            for (document, slot) in segment.slots.iter().enumerate().filter(|(_, slot)| **slot != DEAD) {
                let length = norms.fieldnorm(document as u32) as f32;
                chunks[*slot as usize] = length;
                documents[owners[*slot as usize] as usize] += length;
            }
        }
        let total: f64 = documents.iter().map(|length| f64::from(*length)).sum();
        let mean = |count: usize| if count > 0 { (total / count as f64).max(1.0) as f32 } else { 1.0 };
        let live = shares.iter().sum::<f32>() as usize;
        let (chunk, document) = (mean(live), mean(shares.iter().filter(|share| **share > 0.0).count()));
        for length in &mut chunks {
            *length = K1 * (1.0 - B + B * *length / chunk);
        }
        for length in &mut documents {
            *length = DOCUMENT_K1 * (1.0 - DOCUMENT_B + DOCUMENT_B * *length / document);
        }
        Ok(Norms { chunks, documents })
    }
}

/// A document as far as the scoring of a group has come.
#[derive(Clone, Copy, Default)]
struct Document {
    score: f32,
    /// How often it has the word, and in how many chunks.
    frequency: u32,
    chunks: u32,
    /// What the word counts for in one of its chunks.
    surprise: f32,
    /// Weight of the words that it has at all.
    held: f32,
    /// Number of the last group of which it says a word, from 1.
    said: usize,
}

/// What the words count for that a document's file is called by.
#[derive(Clone, Copy, Default)]
struct Called {
    weight: f32,
    /// Whether one of them is more than a number.
    by_word: bool,
}

/// What the words of a question find.
pub(crate) struct Scores {
    /// The score of every live chunk that has any of the words, by slot. Unordered.
    pub(crate) chunks: Vec<(u32, f32)>,
    /// What a chunk would score that had all of the words without end, those included that no chunk has.
    pub(crate) most: f32,
    /// For each document the share of the words that it has, by their weight.
    pub(crate) shares: Vec<f32>,
}

/// Sets rare words further apart from common ones: to the power of 1.25.
fn emphasise(weight: f32) -> f32 {
    weight * weight.max(0.0).sqrt().sqrt()
}

/// Scores every live chunk that has any of the terms.
pub(crate) fn scores(live: &Live, fields: Fields, groups: &[Group]) -> Result<Scores> {
    let Live { searcher, segments, statistics, owners, names, .. } = live;
    let (mut most, mut all) = (0.0, 0.0);
    let mut totals = vec![0f32; owners.len()];
    let mut counts = vec![0u32; owners.len()];
    let mut documents = vec![Document::default(); statistics.shares.len()];
    let (mut matched, mut touched) = (Vec::new(), Vec::new());
    let mut called: HashMap<u32, Called> = HashMap::new();
    for (number, group) in (1..).zip(groups) {
        let (field, norms) = match group.field {
            FieldOf::Exact => (fields.exact, &statistics.exact),
            FieldOf::Stems => (fields.stems, &statistics.stems),
        };
        matched.clear();
        for (reader, segment) in searcher.segment_readers().iter().zip(segments) {
            count(reader, segment, field, &group.terms, &mut counts, &mut matched)?;
        }
        touched.clear();
        for slot in &matched {
            let place = owners[*slot as usize];
            let document = &mut documents[place as usize];
            if document.chunks == 0 {
                touched.push(place);
            }
            document.chunks += 1;
            document.frequency += counts[*slot as usize];
        }
        let rarity = |of: f32, all: f32| (1.0 + (all - of + 0.5) / (of + 0.5)).ln();
        let share = (matched.len() as f32 + 0.5) / (statistics.chunks + 1.0);
        let among_chunks = -share.ln();
        let documents_with = touched.len() as f32;
        let among_documents = (DOCUMENT_K1 + 1.0)
            * DOCUMENT
            * group.weight
            * emphasise(rarity(documents_with, statistics.documents));
        if !matched.is_empty() || group.field == FieldOf::Stems {
            most += among_documents + group.weight * emphasise(among_chunks) * (K1 + 1.0);
            all += among_documents;
        }
        for place in &touched {
            let document = &mut documents[*place as usize];
            let frequency = document.frequency as f32;
            document.held += among_documents;
            document.said = number;
            document.score += among_documents * frequency / (frequency + norms.documents[*place as usize]);
            // How likely the document's other chunks make the word, seen from any one that has it.
            let others = statistics.shares[*place as usize] - 1.0;
            let within = match others > 0.0 {
                true => ((others + PRIOR) / ((document.chunks - 1) as f32 + PRIOR * share)).ln(),
                false => among_chunks,
            };
            let surprise = emphasise(WITHIN * within + (1.0 - WITHIN) * among_chunks);
            document.surprise = group.weight * surprise * (K1 + 1.0);
            (document.frequency, document.chunks) = (0, 0);
        }
        // A quarterly report is told from the others by its file's name alone: what it says, all of them say. A word tells as much
        // as few files are called by it, less what it tells already where it is said.
        if group.field == FieldOf::Stems {
            let mut places = names.holding(&group.terms);
            places.retain(|place| statistics.shares[*place as usize] > 0.0);
            let telling = rarity(places.len() as f32, statistics.documents).min(among_chunks);
            let weight = (K1 + 1.0) * group.weight * emphasise(telling);
            if !places.is_empty() {
                most += (weight - among_documents).max(0.0);
            }
            let has_letter =
                |term: &Term| term.value().as_str().is_some_and(|text| text.contains(char::is_alphabetic));
            let is_word = group.terms.iter().any(has_letter);
            for place in places {
                let says = documents[place as usize].said == number;
                let called = called.entry(place).or_default();
                called.weight += (weight - if says { among_documents } else { 0.0 }).max(0.0);
                called.by_word |= is_word;
            }
        }
        for slot in &matched {
            let at = *slot as usize;
            let frequency = std::mem::take(&mut counts[at]) as f32;
            totals[at] +=
                documents[owners[at] as usize].surprise * frequency / (frequency + norms.chunks[at]);
        }
    }
    let found = (0..).zip(totals).filter(|(_, score)| *score > 0.0);
    // A number alone names no file.
    for (place, called) in called.iter().filter(|(_, called)| called.by_word) {
        documents[*place as usize].score += called.weight;
    }
    let whole = |(slot, score): (u32, f32)| (slot, score + documents[owners[slot as usize] as usize].score);
    let shares = documents.iter().map(|document| document.held / f32::max(all, 1e-6)).collect();
    Ok(Scores { chunks: found.map(whole).collect(), most, shares })
}

/// Adds up how often live chunks have any of the terms, by slot; appends the slots of those that have.
fn count(
    reader: &SegmentReader,
    segment: &Segment,
    field: Field,
    terms: &[Term],
    counts: &mut [u32],
    matched: &mut Vec<u32>,
) -> Result<()> {
    let index = reader.inverted_index(field).map_err(Error::keywords)?;
    for term in terms {
        let postings =
            index.read_block_postings(term, IndexRecordOption::WithFreqs).map_err(Error::keywords)?;
        let Some(mut postings) = postings else { continue };
        each_posting(&mut postings, |document, frequency| {
            let slot = segment.slots[document as usize];
            if slot != DEAD {
                let count = &mut counts[slot as usize];
                if *count == 0 {
                    matched.push(slot);
                }
                *count += frequency;
            }
        });
    }
    Ok(())
}

fn each_posting(postings: &mut BlockSegmentPostings, mut sink: impl FnMut(u32, u32)) {
    while postings.block_len() > 0 {
        for (document, frequency) in postings.docs().iter().zip(postings.freqs()) {
            sink(*document, *frequency);
        }
        postings.advance();
    }
}

/// The slots of the live chunks that hold the phrase.
pub(crate) fn holding(
    searcher: &Searcher,
    segments: &[Segment],
    phrase: Vec<(usize, Term)>,
) -> Result<Vec<u32>> {
    let query: Box<dyn Query> = match phrase.as_slice() {
        [] => return Ok(Vec::new()),
        [(_, term)] => Box::new(TermQuery::new(term.clone(), IndexRecordOption::Basic)),
        _ => Box::new(PhraseQuery::new_with_offset(phrase)),
    };
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher)).map_err(Error::keywords)?;
    let mut found = Vec::new();
    for (reader, segment) in searcher.segment_readers().iter().zip(segments) {
        let mut scorer = weight.scorer(reader, 1.0).map_err(Error::keywords)?;
        let mut document = scorer.doc();
        while document != TERMINATED {
            found.push(segment.slots[document as usize]);
            document = scorer.advance();
        }
    }
    found.retain(|slot| *slot != DEAD);
    Ok(found)
}
