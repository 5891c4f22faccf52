//! Hybrid search: keywords and vectors over the same published state, fused, without repetition.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use carrel_corpus::{DocumentId, Passage};
use rusqlite::Transaction;

use crate::catalog::{Catalog, passages};
use crate::filter::Conditions;
use crate::fusion::{self, Candidate};
use crate::keywords::Keywords;
use crate::keywords::{rank, terms};
use crate::live::{Allowed, Live};
use crate::query::{ParsedQuery, parse_query};
use crate::similar::Likeness;
use crate::vectors::Vectors;
use crate::{Filter, Result};

/// What to search for, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What was typed; see [`parse_query`](crate::parse_query) for its operators.
    pub text: String,
    /// The vector of the query's words by the library's embedder; without one the search is by keywords.
    pub vector: Option<Vec<f32>>,
    pub filter: Filter,
    pub limit: usize,
    pub ranking: Ranking,
    /// Whether a passage must hold the quoted phrases of `text`. Quotation marks in a question often quote no document,
    /// or one of two that are asked about: without this, a phrase counts as one more word of the question.
    pub strict_phrases: bool,
    /// At most this many passages of one document.
    pub per_document: Option<usize>,
    /// Whether of passages with the same text only the best is given, or the newest where versions differ in date.
    pub collapse_duplicates: bool,
}

/// By what passages are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ranking {
    #[default]
    Hybrid,
    Keywords,
    Vectors,
}

/// How many of each side's best are looked at by the fusion.
pub(crate) const DEPTH: usize = 200;
/// With an approximate index, a scope of up to this many chunks is compared exactly.
const EXACT_SCOPE: usize = 5_000;

/// Both sides of a search.
pub(crate) struct Stores<'s> {
    pub(crate) catalog: &'s Catalog,
    pub(crate) keywords: &'s Keywords,
    pub(crate) vectors: &'s Vectors,
}

/// The candidates for `query`, best first, with the chunks that they are.
pub(crate) fn candidates(stores: &Stores, live: &Live, query: &Query) -> Result<Vec<(i64, Candidate)>> {
    let parsed = parse_query(&query.text);
    let Some(filter) = narrowed(&query.filter, &parsed) else { return Ok(Vec::new()) };
    let conditions = Conditions::new(&filter, &parsed.files);
    let mut allowed = live.allowed(|document| conditions.allow(document));
    let holding = |text: &str| {
        rank::holding(&live.searcher, &live.segments, terms::phrase(text, stores.keywords.fields))
    };
    let phrases: Vec<Vec<u32>> =
        parsed.phrases.iter().map(|phrase| holding(phrase)).collect::<Result<_>>()?;
    if query.strict_phrases {
        phrases.iter().for_each(|slots| allowed.require(slots));
    }
    for excluded in &parsed.excluded {
        allowed.exclude(&holding(excluded)?);
    }
    let restricted = !parsed.excluded.is_empty() || query.strict_phrases && !phrases.is_empty();

    let by_keywords = || -> Result<(Vec<(u32, f32)>, f32)> {
        if query.ranking == Ranking::Vectors {
            return Ok((Vec::new(), 0.0));
        }
        let languages: Vec<&str> = live.languages.iter().map(String::as_str).collect();
        let fields = stores.keywords.fields;
        let groups = terms::groups(&parsed.words, &languages, fields);
        let scores = rank::scores(live, fields, &groups)?;
        let (mut found, mut most) = (scores.chunks, scores.most);
        for slots in phrases.iter().filter(|slots| !slots.is_empty() && !query.strict_phrases) {
            let weight = live.statistics.weight(slots.len());
            let held: HashSet<u32> = slots.iter().copied().collect();
            found.iter_mut().filter(|(slot, _)| held.contains(slot)).for_each(|(_, score)| *score += weight);
            most += weight;
        }
        found.retain(|(slot, _)| allowed.allows(*slot));
        Ok((found, most))
    };
    let by_vectors = || match &query.vector {
        Some(vector) if query.ranking != Ranking::Keywords => {
            let everything = conditions.is_everything() && !restricted;
            nearest(stores, live, &allowed, vector, query.limit, everything, restricted)
        }
        _ => Ok(Vec::new()),
    };
    // Postings keep one core busy, rows of vectors the memory.
    let (by_keywords, by_vectors) = rayon::join(by_keywords, by_vectors);
    let ((by_keywords, most), by_vectors) = (by_keywords?, by_vectors?);
    let depth = DEPTH.max(query.limit.saturating_mul(2));
    let mut found = fusion::candidates(by_keywords, by_vectors, live.slots(), depth);
    if let (Ranking::Hybrid, Some(vector)) = (query.ranking, &query.vector) {
        compare(stores, live, vector, &mut found)?;
    }
    fusion::score(&mut found, most);
    sort(live, &mut found);
    Ok(found.into_iter().map(|candidate| (live.chunk(candidate.slot), candidate)).collect())
}

/// How much of a name's words, by their weight, a document must have to be meant by it.
const MEANT: f32 = 0.6;
/// What a document may have less than the one with most, and be meant too: versions and amendments share their names.
const MEANT_TOO: f32 = 0.08;
/// A name that so many documents answer to names none.
const MEANT_AT_MOST: usize = 5;

/// The documents that a question means when it calls them by `name`: those with nearly all of its words. None where no
/// document has them, or too many.
pub(crate) fn meant(stores: &Stores, live: &Live, name: &str, filter: &Filter) -> Result<Vec<DocumentId>> {
    let conditions = Conditions::new(filter, &[]);
    let languages: Vec<&str> = live.languages.iter().map(String::as_str).collect();
    let fields = stores.keywords.fields;
    let groups = terms::groups(&parse_query(name).words, &languages, fields);
    let scores = rank::scores(live, fields, &groups)?;
    let allowed =
        live.documents.iter().zip(&scores.shares).filter(|(document, _)| conditions.allow(document));
    let most = allowed.clone().map(|(_, share)| *share).fold(0.0, f32::max);
    let near = allowed.filter(|(_, share)| most >= MEANT && **share >= most - MEANT_TOO);
    let found: Vec<DocumentId> = near.map(|(document, _)| DocumentId(document.id)).collect();
    Ok(if found.len() <= MEANT_AT_MOST { found } else { Vec::new() })
}

/// The filter with what the query's operators add to it; `None` where no type of document meets both.
fn narrowed(filter: &Filter, parsed: &ParsedQuery) -> Option<Filter> {
    let mut filter = filter.clone();
    if filter.types.is_empty() {
        filter.types = parsed.types.clone();
    } else if !parsed.types.is_empty() {
        filter.types.retain(|kind| parsed.types.contains(kind));
        if filter.types.is_empty() {
            return None;
        }
    }
    filter.after = filter.after.max(parsed.after);
    filter.before = match (filter.before, parsed.before) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Some(filter)
}

fn nearest(
    stores: &Stores,
    live: &Live,
    allowed: &Allowed,
    vector: &[f32],
    limit: usize,
    everything: bool,
    restricted: bool,
) -> Result<Vec<(u32, f32)>> {
    let mut found = live.matrix.scan(vector, |slot| allowed.allows(slot));
    if live.is_whole {
        return Ok(found);
    }
    let scope = || (0..live.slots()).filter(|slot| allowed.allows(*slot));
    let size = if everything { live.slots() as usize } else { scope().count() };
    if !everything && size <= EXACT_SCOPE {
        let chunks = scope().map(|slot| live.chunk(slot));
        let similarities = stores.catalog.read(|tx| passages::similarities(tx, chunks, vector))?;
        return Ok(similarities.into_iter().filter_map(|(chunk, s)| Some((live.slot(chunk)?, s))).collect());
    }
    let documents = (!everything).then(|| live.allowed_documents(allowed));
    let wanted = DEPTH.max(limit.saturating_mul(2)) * if restricted { 4 } else { 1 };
    let share = size as f64 / f64::from(live.slots().max(1));
    let indexed = stores.catalog.read(|tx| stores.vectors.nearest(tx, vector, wanted, share, documents))?;
    let known: HashSet<u32> = found.iter().map(|(slot, _)| *slot).collect();
    let indexed = indexed.into_iter().filter_map(|(chunk, s)| Some((live.slot(chunk.0)?, s)));
    found.extend(indexed.filter(|(slot, _)| allowed.allows(*slot) && !known.contains(slot)));
    Ok(found)
}

/// An approximate index names only its best: what words found is compared too, so that both sides judge it.
fn compare(stores: &Stores, live: &Live, vector: &[f32], found: &mut [Candidate]) -> Result<()> {
    if live.is_whole {
        return Ok(());
    }
    let missing = found.iter().filter(|candidate| candidate.similarity.is_none());
    let chunks = missing.map(|candidate| live.chunk(candidate.slot));
    let similarities = stores.catalog.read(|tx| passages::similarities(tx, chunks, vector))?;
    for candidate in found.iter_mut().filter(|candidate| candidate.similarity.is_none()) {
        candidate.similarity = similarities.get(&live.chunk(candidate.slot)).copied();
    }
    Ok(())
}

/// Best first; equal ones by path and place, so that the order does not depend on the order of ingestion.
fn sort(live: &Live, found: &mut [Candidate]) {
    let path = |candidate: &Candidate| live.document(candidate.slot).map(|document| document.path.as_str());
    found.sort_by(|a, b| match b.score.partial_cmp(&a.score) {
        None | Some(Ordering::Equal) => path(a).cmp(&path(b)).then(a.slot.cmp(&b.slot)),
        Some(order) => order,
    });
}

/// The first `limit` candidates as passages, without duplicates and under the cap per document.
pub(crate) fn passages(
    tx: &Transaction,
    query: &Query,
    candidates: Vec<(i64, Candidate)>,
) -> Result<Vec<Passage>> {
    let mut taken: Vec<Passage> = Vec::new();
    let mut likenesses: Vec<Likeness> = Vec::new();
    let mut of_document: HashMap<DocumentId, usize> = HashMap::new();
    for (chunk, candidate) in candidates {
        if taken.len() >= query.limit {
            break;
        }
        let Some(mut passage) = passages::one(tx, chunk)? else { continue };
        (passage.score, passage.bm25, passage.similarity) =
            (candidate.score, candidate.bm25, candidate.similarity);
        let count = of_document.entry(passage.document).or_default();
        if query.per_document.is_some_and(|cap| *count >= cap) {
            continue;
        }
        if query.collapse_duplicates {
            let likeness = Likeness::of(&passage.text);
            if let Some(same) = likenesses.iter().position(|other| other.is_same(&likeness)) {
                // Versions of one text: the newest speaks for all, at the place of the best.
                if passage.date > taken[same].date {
                    (passage.score, *count) = (taken[same].score, *count + 1);
                    let former = std::mem::replace(&mut taken[same], passage);
                    of_document.entry(former.document).and_modify(|count| *count -= 1);
                    likenesses[same] = likeness;
                }
                continue;
            }
            likenesses.push(likeness);
        }
        *count += 1;
        taken.push(passage);
    }
    Ok(taken)
}
