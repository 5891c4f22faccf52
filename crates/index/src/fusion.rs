//! Two ranked sides into one.

/// A chunk that either side found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) slot: u32,
    pub(crate) score: f32,
    pub(crate) bm25: Option<f32>,
    pub(crate) similarity: Option<f32>,
}

/// Fuses the scores of both sides, of which each side's best `depth` are candidates. Unordered.
pub(crate) fn fuse(keywords: Vec<(u32, f32)>, vectors: Vec<(u32, f32)>, depth: usize) -> Vec<Candidate> {
    use std::collections::BTreeMap;
    let mut slots: BTreeMap<u32, Candidate> = BTreeMap::new();
    let best = |side: &[(u32, f32)]| {
        let mut side = side.to_vec();
        side.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        side.truncate(depth);
        side
    };
    for (slot, _) in best(&keywords).into_iter().chain(best(&vectors)) {
        slots.insert(slot, Candidate { slot, score: 0.0, bm25: None, similarity: None });
    }
    let top = keywords.iter().map(|(_, s)| *s).fold(0.0, f32::max);
    for (slot, score) in keywords {
        if let Some(candidate) = slots.get_mut(&slot) {
            candidate.bm25 = Some(score);
        }
    }
    for (slot, score) in vectors {
        if let Some(candidate) = slots.get_mut(&slot) {
            candidate.similarity = Some(score);
        }
    }
    for candidate in slots.values_mut() {
        candidate.score = candidate.bm25.unwrap_or(0.0) / top.max(1e-6) + candidate.similarity.unwrap_or(0.0);
    }
    slots.into_values().collect()
}
