//! Two ranked sides into one.

/// A chunk that either side found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) slot: u32,
    pub(crate) score: f32,
    pub(crate) bm25: Option<f32>,
    pub(crate) similarity: Option<f32>,
}

/// Each side's best `depth`, with what the other side has of them. Unordered, and without scores yet.
pub(crate) fn candidates(
    keywords: Vec<(u32, f32)>,
    vectors: Vec<(u32, f32)>,
    slots: u32,
    depth: usize,
) -> Vec<Candidate> {
    const NONE: u32 = u32::MAX;
    let mut places = vec![NONE; slots as usize];
    let mut found = Vec::with_capacity(2 * depth);
    for (slot, _) in best(&keywords, depth).into_iter().chain(best(&vectors, depth)) {
        if places[slot as usize] == NONE {
            places[slot as usize] = found.len() as u32;
            found.push(Candidate { slot, score: 0.0, bm25: None, similarity: None });
        }
    }
    for (slot, score) in keywords {
        if let Some(candidate) = found.get_mut(places[slot as usize] as usize) {
            candidate.bm25 = Some(score);
        }
    }
    for (slot, score) in vectors {
        if let Some(candidate) = found.get_mut(places[slot as usize] as usize) {
            candidate.similarity = Some(score);
        }
    }
    found
}

/// The `depth` highest, of equal ones the first slots.
fn best(side: &[(u32, f32)], depth: usize) -> Vec<(u32, f32)> {
    let mut side = side.to_vec();
    if depth < side.len() {
        side.select_nth_unstable_by(depth, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        side.truncate(depth);
    }
    side
}

/// Weight of a similarity of 1 beside a chunk that has every word of the question.
const SIMILARITY: f32 = 0.5;

/// Scores the candidates by both sides. `most` is the keyword score of a chunk that has every word.
///
/// Each side has as much of a say as it is sure of itself. Of keywords that is the share of the question that the
/// best chunk has, squared: it is high when a few telling words are found together, and low for a claim in other
/// words than the text's. A similarity says little until it is high, hence its fourth power.
/// Ranks alone (reciprocal rank fusion) would forget all of that.
pub(crate) fn score(found: &mut [Candidate], most: f32) {
    let top = found.iter().filter_map(|candidate| candidate.bm25).fold(0.0, f32::max);
    // What has no vector yet is taken for an average hit by keywords, neither ahead nor behind for that.
    let both = found.iter().filter(|candidate| candidate.bm25.is_some());
    let (sum, count) = both
        .filter_map(|candidate| candidate.similarity)
        .fold((0.0, 0), |(sum, count), similarity| (sum + similarity, count + 1));
    let usual = if count > 0 { sum / count as f32 } else { 0.0 };
    let most = most.max(1e-6);
    for candidate in found {
        let keywords = candidate.bm25.unwrap_or(0.0) / most * (top / most);
        let similarity = candidate.similarity.unwrap_or(usual);
        candidate.score = keywords + SIMILARITY * similarity * similarity.abs().powi(3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(keywords: &[(u32, f32)], vectors: &[(u32, f32)], depth: usize) -> Vec<u32> {
        let mut found = candidates(keywords.to_vec(), vectors.to_vec(), 9, depth);
        score(&mut found, 8.0);
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.into_iter().map(|candidate| candidate.slot).collect()
    }

    #[test]
    fn each_side_names_its_best_and_both_judge_them() {
        let keywords = [(0, 4.0), (1, 3.9), (2, 1.0), (3, 0.5)];
        let vectors = [(0, 0.1), (1, 0.7), (2, 0.2), (3, 0.3), (4, 0.6)];
        assert_eq!(ranked(&keywords, &vectors, 1), [1, 0]);
        assert_eq!(ranked(&keywords, &vectors, 2), [1, 0, 4]);
        assert_eq!(ranked(&keywords, &vectors, 9), [1, 0, 4, 2, 3]);
        assert_eq!(ranked(&keywords, &[], 3), [0, 1, 2]);
        assert_eq!(ranked(&[], &vectors, 9), [1, 4, 3, 2, 0]);
    }

    #[test]
    fn what_has_no_vector_yet_is_not_behind_for_that() {
        let keywords = [(0, 4.0), (1, 3.6), (2, 2.0)];
        assert_eq!(ranked(&keywords, &[(1, 0.6), (2, 0.6)], 9), [0, 1, 2]);
    }
}
