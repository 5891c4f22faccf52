//! BM25 over tantivy's postings, with our own constants and statistics.
//!
//! tantivy fixes k1 = 1.2 and b = 0.75 and counts deleted chunks into its statistics, so that scores would depend
//! on when segments were merged. Here a term's postings are read whole, term at a time, into one score per chunk:
//! the same chunks give the same scores, however the index came to hold them.

use tantivy::postings::BlockSegmentPostings;
use tantivy::query::{EnableScoring, PhraseQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, SegmentReader, TERMINATED, Term};

use super::Fields;
use super::terms::{FieldOf, Group};
use crate::{Error, Result};

/// Okapi BM25 (Robertson and Zaragoza, 2009) with the constants of Anserini's baselines.
const K1: f32 = 0.9;
const B: f32 = 0.4;

/// A chunk that is gone, or not in the live table.
pub(crate) const DEAD: u32 = u32::MAX;

/// What ranking needs of a segment beside its postings.
pub(crate) struct Segment {
    /// For each of the segment's documents its slot in the live table, or [`DEAD`].
    pub(crate) slots: Vec<u32>,
}

struct Lengths {
    chunks: f32,
    exact: f32,
    stems: f32,
}

/// Sum of the lengths of live chunks in each field.
fn lengths(searcher: &Searcher, segments: &[Segment], fields: Fields) -> Result<Lengths> {
    let mut total = Lengths { chunks: 0.0, exact: 0.0, stems: 0.0 };
    let (mut exact, mut stems, mut chunks) = (0u64, 0u64, 0u64);
    for (reader, segment) in searcher.segment_readers().iter().zip(segments) {
        let exact_norms = reader.get_fieldnorms_reader(fields.exact).map_err(Error::keywords)?;
        let stem_norms = reader.get_fieldnorms_reader(fields.stems).map_err(Error::keywords)?;
        for (document, _) in segment.slots.iter().enumerate().filter(|(_, slot)| **slot != DEAD) {
            exact += u64::from(exact_norms.fieldnorm(document as u32));
            stems += u64::from(stem_norms.fieldnorm(document as u32));
            chunks += 1;
        }
    }
    (total.chunks, total.exact, total.stems) = (chunks as f32, exact as f32, stems as f32);
    Ok(total)
}

/// Collection statistics: they change only with what is published.
#[derive(Clone, Copy, Default)]
pub(crate) struct Statistics {
    chunks: f32,
    mean_exact: f32,
    mean_stems: f32,
}

impl Statistics {
    pub(crate) fn of(searcher: &Searcher, segments: &[Segment], fields: Fields) -> Result<Statistics> {
        let Lengths { chunks, exact, stems } = lengths(searcher, segments, fields)?;
        let mean = |total: f32| if chunks > 0.0 { (total / chunks).max(1.0) } else { 1.0 };
        Ok(Statistics { chunks, mean_exact: mean(exact), mean_stems: mean(stems) })
    }
}

/// The BM25 score of every live chunk that has any of the terms, with its slot. Unordered.
pub(crate) fn scores(
    searcher: &Searcher,
    segments: &[Segment],
    fields: Fields,
    statistics: Statistics,
    groups: &[Group],
) -> Result<Vec<(u32, f32)>> {
    let readers = searcher.segment_readers();
    let mut totals: Vec<Vec<f32>> = segments.iter().map(|segment| vec![0.0; segment.slots.len()]).collect();
    let mut counts: Vec<Vec<u32>> = segments.iter().map(|segment| vec![0; segment.slots.len()]).collect();
    for group in groups {
        let (field, mean) = match group.field {
            FieldOf::Exact => (fields.exact, statistics.mean_exact),
            FieldOf::Stems => (fields.stems, statistics.mean_stems),
        };
        let mut matched: Vec<Vec<u32>> = Vec::with_capacity(segments.len());
        for ((reader, segment), counts) in readers.iter().zip(segments).zip(&mut counts) {
            matched.push(count(reader, segment, &group.terms, counts)?);
        }
        let found = matched.iter().map(Vec::len).sum::<usize>() as f32;
        let idf = (1.0 + (statistics.chunks - found + 0.5) / (found + 0.5)).ln();
        let weight = group.weight * idf * (K1 + 1.0);
        for (segment, matched) in matched.iter().enumerate().filter(|(_, matched)| !matched.is_empty()) {
            let norms = readers[segment].get_fieldnorms_reader(field).map_err(Error::keywords)?;
            for document in matched {
                let at = *document as usize;
                let frequency = std::mem::take(&mut counts[segment][at]) as f32;
                let length = norms.fieldnorm(*document) as f32 / mean;
                totals[segment][at] += weight * frequency / (frequency + K1 * (1.0 - B + B * length));
            }
        }
    }
    let slots = segments.iter().flat_map(|segment| segment.slots.iter().copied());
    Ok(slots.zip(totals.into_iter().flatten()).filter(|(_, score)| *score > 0.0).collect())
}

/// Adds up how often live documents have any of the terms; gives those that have.
fn count(reader: &SegmentReader, segment: &Segment, terms: &[Term], counts: &mut [u32]) -> Result<Vec<u32>> {
    let mut matched = Vec::new();
    for term in terms {
        let index = reader.inverted_index(term.field()).map_err(Error::keywords)?;
        let postings =
            index.read_block_postings(term, IndexRecordOption::WithFreqs).map_err(Error::keywords)?;
        let Some(mut postings) = postings else { continue };
        each_posting(&mut postings, |document, frequency| {
            let at = document as usize;
            if segment.slots[at] != DEAD {
                if counts[at] == 0 {
                    matched.push(document);
                }
                counts[at] += frequency;
            }
        });
    }
    Ok(matched)
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
