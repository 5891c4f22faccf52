//! Attention over one page of the key-value cache.
//!
//! The cache is cut into pages of [`PAGE`] positions. Attention over a page gives a partial result; partial
//! results are merged in the order of the pages. So the same float operations are done for a query whatever
//! it was batched with and however the pages were spread over threads (the recurrence is that of
//! FlashAttention, Dao et al. 2022).
//!
//! How keys and values lie in a page is said in [`cells`](super::cells).

#![expect(clippy::needless_range_loop, reason = "several arrays are walked in step")]

use std::mem::MaybeUninit;

use super::cells::{Bytes, CacheType, Cells, GROUP, Halves};
use super::isa::Kernel;
use super::lanes::Lanes;
use super::math;

/// Positions of a page.
pub(crate) const PAGE: usize = 256;

/// Groups of values that memory is asked for before they are worked at. Of keys it is those worked at next, and after the
/// last of them the first values, which lie behind them.
const AHEAD: usize = 4;
/// Queries that have so much to do with each group that the next has come by then.
const MANY: usize = 8;

/// One query's view of a page, and where its partial result goes.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    /// The head's `dimension` floats, already scaled.
    pub query: *const f32,
    /// Positions of the page that it sees: `from..to`, not empty.
    pub from: usize,
    pub to: usize,
    /// [`partial_len`] floats: weighted sum of values, largest score, sum of weights.
    pub out: *mut f32,
}

// SAFETY: pointers into buffers that the one who started the work owns until it is done; queries of different
// units of work write different places.
unsafe impl Send for Query {}
// SAFETY: as above.
unsafe impl Sync for Query {}

/// Floats of a partial result, a multiple of 16.
pub(crate) const fn partial_len(dimension: usize) -> usize {
    dimension + 16
}

/// Attention of queries that share a head of the cache.
pub(crate) struct Attend<'a> {
    pub cache: CacheType,
    /// The head's planes of the page.
    pub keys: &'a [u16],
    pub values: &'a [u16],
    /// A multiple of 16.
    pub dimension: usize,
    /// Scores become `cap * tanh(score / cap)`; none for 0.
    pub cap: f32,
    pub queries: &'a [Query],
}

impl Kernel for Attend<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let words = PAGE * self.cache.words(self.dimension);
        assert!(self.keys.len() >= words && self.values.len() >= words);
        // SAFETY: the page is whole; queries are the caller's.
        unsafe {
            match self.cache {
                CacheType::F16 => self.all::<L, Halves>(),
                CacheType::Q8 => self.all::<L, Bytes>(),
            }
        }
    }
}

/// Scores, and then weights, of a page's positions for one query; only those of blocks that are seen are set.
type Weights = [MaybeUninit<f32>; PAGE];

impl Attend<'_> {
    #[inline(always)]
    unsafe fn all<L: Lanes, C: Cells>(&self) {
        // SAFETY: the caller's.
        unsafe {
            let mut rest = self.queries;
            while let Some((eight, after)) = rest.split_first_chunk::<8>().filter(|_| L::WIDE) {
                self.together::<L, C, 8>(eight);
                rest = after;
            }
            while let Some((four, after)) = rest.split_first_chunk::<4>() {
                // Six and seven, the groups of common models, go over the page once.
                if L::WIDE
                    && let [a, b] = after
                {
                    return self.together::<L, C, 6>(&[four[0], four[1], four[2], four[3], *a, *b]);
                }
                if L::WIDE
                    && let [a, b, c] = after
                {
                    return self.together::<L, C, 7>(&[four[0], four[1], four[2], four[3], *a, *b, *c]);
                }
                self.together::<L, C, 4>(four);
                rest = after;
            }
            match rest {
                [a] => self.together::<L, C, 1>(&[*a]),
                [a, b] => self.together::<L, C, 2>(&[*a, *b]),
                [a, b, c] => self.together::<L, C, 3>(&[*a, *b, *c]),
                _ => {}
            }
        }
    }

    #[inline(always)]
    unsafe fn together<L: Lanes, C: Cells, const M: usize>(&self, queries: &[Query; M]) {
        let from = queries.iter().map(|query| query.from).min().unwrap_or(0);
        let to = queries.iter().map(|query| query.to).max().unwrap_or(0).min(PAGE);
        let mut weights: [Weights; M] = [[MaybeUninit::uninit(); PAGE]; M];
        let mut scaled: [Weights; M] = [[MaybeUninit::uninit(); PAGE]; M];
        // SAFETY: `from..to` is within the page; `scores` and `scale` set what the others read.
        unsafe {
            self.scores::<L, C, M>(queries, from, to, &mut weights);
            for (query, weights) in queries.iter().zip(&mut weights) {
                let (largest, sum) = soften::<L>(query, from, to, weights.as_mut_ptr().cast());
                *query.out.add(self.dimension) = largest;
                *query.out.add(self.dimension + 1) = sum;
            }
            let mut at = 0;
            while at < self.dimension {
                if C::SCALED && at.is_multiple_of(C::BLOCK) {
                    self.scale::<L, C, M>(at / C::BLOCK, from..to, &weights, &mut scaled);
                }
                let weights = if C::SCALED { &scaled } else { &weights };
                if L::WIDE && at + 32 <= self.dimension {
                    self.weigh::<L, C, M, 2>(queries, at, from..to, weights);
                    at += 32;
                } else {
                    self.weigh::<L, C, M, 1>(queries, at, from..to, weights);
                    at += 16;
                }
            }
        }
    }

    /// Scores of the blocks of sixteen positions that overlap `from..to`; minus infinity for what a query does
    /// not see.
    #[inline(always)]
    unsafe fn scores<L: Lanes, C: Cells, const M: usize>(
        &self,
        queries: &[Query; M],
        from: usize,
        to: usize,
        scores: &mut [Weights; M],
    ) {
        let (mut block, last) = (from / 16, to.div_ceil(16));
        // SAFETY: blocks are within the page.
        unsafe {
            while L::WIDE && block + 2 <= last {
                self.score_blocks::<L, C, M, 2>(queries, block, scores);
                block += 2;
            }
            while block < last {
                self.score_blocks::<L, C, M, 1>(queries, block, scores);
                block += 1;
            }
        }
    }

    /// Scores of `B` blocks. Each sum goes over the dimensions in order; several are worked at in turn, so that
    /// none waits for itself.
    #[inline(always)]
    unsafe fn score_blocks<L: Lanes, C: Cells, const M: usize, const B: usize>(
        &self,
        queries: &[Query; M],
        first: usize,
        scores: &mut [Weights; M],
    ) {
        // SAFETY: blocks are within the page, dimensions within the query.
        unsafe {
            let words = GROUP * C::TYPE.words(self.dimension);
            let keys = self.keys.as_ptr().add(first * words);
            let mut sums = [[L::splat(0.0); B]; M];
            let mut start = 0;
            while start < self.dimension {
                let end = self.dimension.min(start.saturating_add(C::BLOCK));
                let mut factor = [L::splat(1.0); B];
                for b in 0..B {
                    factor[b] = C::factors::<L>(keys.add(b * words), self.dimension, start / C::BLOCK);
                }
                for at in start..end {
                    let mut key = [L::splat(0.0); B];
                    for b in 0..B {
                        let group = keys.add(b * words);
                        key[b] = C::load::<L>(group, at * GROUP);
                        if M < MANY {
                            L::prefetch(C::place(group.wrapping_add(B * words), at * GROUP));
                        }
                        if C::SCALED {
                            key[b] = L::mul(key[b], factor[b]);
                        }
                    }
                    for m in 0..M {
                        let query = L::splat(*queries[m].query.add(at));
                        for b in 0..B {
                            sums[m][b] = L::fma(key[b], query, sums[m][b]);
                        }
                    }
                }
                start = end;
            }
            for m in 0..M {
                for b in 0..B {
                    let start = (first + b) * 16;
                    if self.cap > 0.0 {
                        let cap = L::splat(self.cap);
                        sums[m][b] = L::mul(cap, math::tanh::<L>(L::div(sums[m][b], cap)));
                    }
                    let scores = scores[m].as_mut_ptr().cast::<f32>().add(start);
                    L::store(scores, sums[m][b]);
                    hide(&queries[m], start, scores, f32::NEG_INFINITY);
                }
            }
        }
    }

    /// Weights times the factors of one block of the values.
    #[inline(always)]
    unsafe fn scale<L: Lanes, C: Cells, const M: usize>(
        &self,
        block: usize,
        seen: std::ops::Range<usize>,
        weights: &[Weights; M],
        scaled: &mut [Weights; M],
    ) {
        // SAFETY: groups are within the page; weights are set for all of a group that is seen in part.
        unsafe {
            for group in seen.start / GROUP..seen.end.div_ceil(GROUP) {
                let values = self.values.as_ptr().add(group * GROUP * C::TYPE.words(self.dimension));
                let factors = C::factors::<L>(values, self.dimension, block);
                for m in 0..M {
                    let weights = L::load(weights[m].as_ptr().cast::<f32>().add(group * GROUP));
                    let to = scaled[m].as_mut_ptr().cast::<f32>().add(group * GROUP);
                    L::store(to, L::mul(weights, factors));
                }
            }
        }
    }

    /// Sums of `N * 16` columns of the values, from column `at` on, by weight.
    #[inline(always)]
    unsafe fn weigh<L: Lanes, C: Cells, const M: usize, const N: usize>(
        &self,
        queries: &[Query; M],
        at: usize,
        seen: std::ops::Range<usize>,
        weights: &[Weights; M],
    ) {
        // SAFETY: positions are within the page, columns within the results.
        unsafe {
            let words = GROUP * C::TYPE.words(self.dimension);
            let mut sums = [[L::splat(0.0); N]; M];
            for position in seen {
                let group = self.values.as_ptr().add(position / GROUP * words);
                let mut value = [L::splat(0.0); N];
                let first = position % GROUP * self.dimension + at;
                if M < MANY {
                    L::prefetch(C::place(group.wrapping_add(AHEAD * words), first));
                }
                for c in 0..N {
                    value[c] = C::load::<L>(group, first + c * 16);
                }
                for m in 0..M {
                    let weight = L::splat(*weights[m].as_ptr().cast::<f32>().add(position));
                    for c in 0..N {
                        sums[m][c] = L::fma(value[c], weight, sums[m][c]);
                    }
                }
            }
            for m in 0..M {
                for c in 0..N {
                    L::store(queries[m].out.add(at + c * 16), sums[m][c]);
                }
            }
        }
    }
}

/// Overwrites the lanes of a block of sixteen that the query does not see.
///
/// # Safety
/// The block can be written.
#[inline(always)]
unsafe fn hide(query: &Query, start: usize, block: *mut f32, with: f32) {
    if query.from > start || query.to < start + 16 {
        for lane in (0..16).filter(|lane| !(query.from..query.to).contains(&(start + lane))) {
            // SAFETY: the caller's.
            unsafe { *block.add(lane) = with };
        }
    }
}

/// Turns scores into `e^(score - largest)`; returns the largest and the sum.
///
/// # Safety
/// `from..to` is within the page, and the blocks that it overlaps are set; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn soften<L: Lanes>(query: &Query, from: usize, to: usize, scores: *mut f32) -> (f32, f32) {
    // SAFETY: the caller's.
    unsafe {
        let blocks = from / 16..to.div_ceil(16);
        let mut largest = L::splat(f32::NEG_INFINITY);
        for block in blocks.clone() {
            largest = L::max(largest, L::load(scores.add(block * 16)));
        }
        let largest = L::largest(largest);
        let mut sum = L::splat(0.0);
        for block in blocks {
            let scores = scores.add(block * 16);
            L::store(scores, math::exp::<L>(L::sub(L::load(scores), L::splat(largest))));
            hide(query, block * 16, scores, 0.0);
            sum = L::add(sum, L::load(scores));
        }
        (largest, L::sum(sum))
    }
}

/// Merges the partial results of one query, in the order of the pages, and divides by the weights' sum.
pub(crate) struct Merge<'a> {
    /// One or more partial results one after the other.
    pub parts: &'a mut [f32],
    pub out: &'a mut [f32],
}

impl Kernel for Merge<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let dimension = self.out.len();
        let (total, parts) = self.parts.split_at_mut(partial_len(dimension));
        // SAFETY: parts have `partial_len` floats.
        unsafe {
            for part in parts.chunks_exact(partial_len(dimension)) {
                merge::<L>(dimension, total, part);
            }
            finish::<L>(total, self.out);
        }
    }
}

/// Adds a further partial result to `total`.
pub(crate) struct MergeInto<'a> {
    pub dimension: usize,
    pub total: &'a mut [f32],
    pub part: &'a [f32],
}

impl Kernel for MergeInto<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        assert!(
            self.total.len() >= partial_len(self.dimension) && self.part.len() >= partial_len(self.dimension)
        );
        // SAFETY: both have `partial_len` floats.
        unsafe { merge::<L>(self.dimension, self.total, self.part) }
    }
}

/// # Safety
/// Both have `partial_len(dimension)` floats; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn merge<L: Lanes>(dimension: usize, total: &mut [f32], part: &[f32]) {
    // SAFETY: the caller's.
    unsafe {
        let largest = if total[dimension] > part[dimension] { total[dimension] } else { part[dimension] };
        let old = math::exp::<L>(L::splat(total[dimension] - largest));
        let new = math::exp::<L>(L::splat(part[dimension] - largest));
        for at in (0..dimension).step_by(16) {
            let kept = L::mul(L::load(total.as_ptr().add(at)), old);
            L::store(total.as_mut_ptr().add(at), L::fma(L::load(part.as_ptr().add(at)), new, kept));
        }
        let sum = L::lanes(old)[0] * total[dimension + 1] + L::lanes(new)[0] * part[dimension + 1];
        total[dimension] = largest;
        total[dimension + 1] = sum;
    }
}

/// # Safety
/// `total` has `partial_len(out.len())` floats; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn finish<L: Lanes>(total: &[f32], out: &mut [f32]) {
    let dimension = out.len();
    // SAFETY: the caller's.
    unsafe {
        let scale = L::splat(1.0 / total[dimension + 1]);
        for at in (0..dimension).step_by(16) {
            L::store(out.as_mut_ptr().add(at), L::mul(L::load(total.as_ptr().add(at)), scale));
        }
    }
}
