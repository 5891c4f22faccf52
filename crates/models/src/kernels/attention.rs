//! Attention over one page of the key-value cache.
//!
//! The cache is cut into pages of [`PAGE`] positions. Attention over a page gives a partial result; partial
//! results are merged in the order of the pages. So the same float operations are done for a query whatever
//! it was batched with and however the pages were spread over threads (the recurrence is that of
//! FlashAttention, Dao et al. 2022).
//!
//! Keys of a page lie as `[position / 16][dimension][position % 16]` so that lanes are positions, values as
//! `[position][dimension]` so that lanes are dimensions; both in half precision.

#![expect(clippy::needless_range_loop, reason = "several arrays are walked in step")]

use super::isa::Kernel;
use super::lanes::Lanes;
use super::math;

/// Positions of a page.
pub(crate) const PAGE: usize = 256;

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

/// Attention of up to four queries that share a head of the cache.
pub(crate) struct Attend<'a> {
    /// `PAGE * dimension` half floats each.
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
        assert!(self.keys.len() >= PAGE * self.dimension && self.values.len() >= PAGE * self.dimension);
        // SAFETY: the page is whole; queries are the caller's.
        unsafe {
            let mut rest = self.queries;
            while let Some((four, after)) = rest.split_first_chunk::<4>() {
                self.together::<L, 4>(four);
                rest = after;
            }
            match rest {
                [a] => self.together::<L, 1>(&[*a]),
                [a, b] => self.together::<L, 2>(&[*a, *b]),
                [a, b, c] => self.together::<L, 3>(&[*a, *b, *c]),
                _ => {}
            }
        }
    }
}

impl Attend<'_> {
    #[inline(always)]
    unsafe fn together<L: Lanes, const M: usize>(&self, queries: &[Query; M]) {
        let from = queries.iter().map(|query| query.from).min().unwrap_or(0);
        let to = queries.iter().map(|query| query.to).max().unwrap_or(0).min(PAGE);
        let mut weights = [[0.0f32; PAGE]; M];
        // SAFETY: `from..to` is within the page.
        unsafe {
            self.scores::<L, M>(queries, from, to, &mut weights);
            for (query, weights) in queries.iter().zip(&mut weights) {
                let (largest, sum) = soften::<L>(query, from, to, weights);
                *query.out.add(self.dimension) = largest;
                *query.out.add(self.dimension + 1) = sum;
            }
            self.weigh::<L, M>(queries, from, to, &weights);
        }
    }

    /// Scores of the blocks of sixteen positions that overlap `from..to`; minus infinity for what a query does
    /// not see.
    #[inline(always)]
    unsafe fn scores<L: Lanes, const M: usize>(
        &self,
        queries: &[Query; M],
        from: usize,
        to: usize,
        scores: &mut [[f32; PAGE]; M],
    ) {
        // SAFETY: blocks are within the page, dimensions within the query.
        unsafe {
            for block in from / 16..to.div_ceil(16) {
                let keys = self.keys.as_ptr().add(block * 16 * self.dimension);
                let mut sums = [L::splat(0.0); M];
                for at in 0..self.dimension {
                    let key = L::load_f16(keys.add(at * 16));
                    for m in 0..M {
                        sums[m] = L::fma(key, L::splat(*queries[m].query.add(at)), sums[m]);
                    }
                }
                for m in 0..M {
                    if self.cap > 0.0 {
                        let cap = L::splat(self.cap);
                        sums[m] = L::mul(cap, math::tanh::<L>(L::div(sums[m], cap)));
                    }
                    let scores = &mut scores[m][block * 16..block * 16 + 16];
                    L::store(scores.as_mut_ptr(), sums[m]);
                    hide(&queries[m], block * 16, scores, f32::NEG_INFINITY);
                }
            }
        }
    }

    /// Sums of the values by weight.
    #[inline(always)]
    unsafe fn weigh<L: Lanes, const M: usize>(
        &self,
        queries: &[Query; M],
        from: usize,
        to: usize,
        weights: &[[f32; PAGE]; M],
    ) {
        // SAFETY: positions are within the page, dimensions within the results.
        unsafe {
            for at in (0..self.dimension).step_by(16) {
                let mut sums = [L::splat(0.0); M];
                for position in from..to {
                    let value = L::load_f16(self.values.as_ptr().add(position * self.dimension + at));
                    for m in 0..M {
                        sums[m] = L::fma(value, L::splat(weights[m][position]), sums[m]);
                    }
                }
                for m in 0..M {
                    L::store(queries[m].out.add(at), sums[m]);
                }
            }
        }
    }
}

/// Overwrites the lanes of a block that the query does not see.
#[inline(always)]
fn hide(query: &Query, start: usize, block: &mut [f32], with: f32) {
    if query.from > start || query.to < start + 16 {
        for (lane, value) in block.iter_mut().enumerate() {
            if !(query.from..query.to).contains(&(start + lane)) {
                *value = with;
            }
        }
    }
}

/// Turns scores into `e^(score - largest)`; returns the largest and the sum.
///
/// # Safety
/// `from..to` is within the page; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn soften<L: Lanes>(query: &Query, from: usize, to: usize, scores: &mut [f32; PAGE]) -> (f32, f32) {
    // SAFETY: the caller's.
    unsafe {
        let blocks = from / 16..to.div_ceil(16);
        let mut largest = L::splat(f32::NEG_INFINITY);
        for block in blocks.clone() {
            largest = L::max(largest, L::load(scores.as_ptr().add(block * 16)));
        }
        let largest = L::largest(largest);
        let mut sum = L::splat(0.0);
        for block in blocks {
            let scores = &mut scores[block * 16..block * 16 + 16];
            let weights = math::exp::<L>(L::sub(L::load(scores.as_ptr()), L::splat(largest)));
            L::store(scores.as_mut_ptr(), weights);
            hide(query, block * 16, scores, 0.0);
            sum = L::add(sum, L::load(scores.as_ptr()));
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

/// Writes keys and values of one position of a head into its page.
pub(crate) fn store_position(slot: usize, key: &[f32], value: &[f32], keys: &mut [u16], values: &mut [u16]) {
    let dimension = key.len();
    let block = slot / 16 * 16 * dimension + slot % 16;
    for (at, &element) in key.iter().enumerate() {
        keys[block + at * 16] = half::f16::from_f32(element).to_bits();
    }
    for (to, &element) in values[slot * dimension..].iter_mut().zip(value) {
        *to = half::f16::from_f32(element).to_bits();
    }
}
