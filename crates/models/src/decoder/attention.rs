//! Attention of a batch over the cache: which pages, which queries, on which thread.
//!
//! All ways to spread the work end in the same partial results, merged in the order of the pages.

use super::Decoder;
use super::forward::AttentionBuffers;
use super::state::{Page, State};
use crate::kernels::attention::{Attend, Merge, MergeInto, PAGE, Query, partial_len};
use crate::kernels::pool::SharedRows;

/// Up to so many positions, the pages of the cache are spread over threads; above, the queries are.
const FEW: usize = 16;

/// Positions whose queries are worked at together where there are many.
const TILE: usize = 8;

/// What is the same for all queries of a layer.
struct Task<'a> {
    decoder: &'a Decoder,
    pages: &'a [std::sync::Arc<Page>],
    layer: usize,
    /// Position of the batch's first query.
    start: usize,
    queries: &'a [f32],
}

/// Attention of the batch's rows from `first` on.
pub(super) fn attend(
    decoder: &Decoder,
    state: &State,
    buffers: AttentionBuffers<'_>,
    layer: usize,
    start: usize,
    first: usize,
) {
    let architecture = &decoder.architecture;
    let width = architecture.heads * architecture.head_dimension;
    let rows = buffers.queries.len() / width;
    let task = Task { decoder, pages: state.pages(), layer, start, queries: buffers.queries };
    let out = SharedRows::new(buffers.out, architecture.head_dimension);
    if rows - first <= FEW {
        task.by_page(first..rows, buffers.partials, &out);
    } else {
        let tiles = (rows - first).div_ceil(TILE);
        decoder.pool.run(tiles * architecture.kv_heads, &|unit| {
            // The last tiles see most, and are begun first.
            let (tile, head) = (tiles - 1 - unit / architecture.kv_heads, unit % architecture.kv_heads);
            let tile = first + tile * TILE..rows.min(first + (tile + 1) * TILE);
            task.by_tile(head, tile, &out);
        });
    }
}

impl Task<'_> {
    /// Positions that the query at `row` of the batch sees.
    fn sees(&self, row: usize) -> std::ops::Range<usize> {
        let end = self.start + row + 1;
        match self.decoder.architecture.layer_kinds[self.layer].window {
            Some(window) => end.saturating_sub(window)..end,
            None => 0..end,
        }
    }

    fn group(&self) -> usize {
        self.decoder.architecture.heads / self.decoder.architecture.kv_heads
    }

    /// The query of a head, `member` of the heads that share head `head` of the cache.
    fn query(&self, row: usize, head: usize, member: usize) -> *const f32 {
        let architecture = &self.decoder.architecture;
        let index = row * architecture.heads + head * self.group() + member;
        self.queries[index * architecture.head_dimension..].as_ptr()
    }

    /// Partial results of one page for the queries in `rows`, to `out(row, member)`.
    fn page(
        &self,
        page: usize,
        head: usize,
        rows: std::ops::Range<usize>,
        out: impl Fn(usize, usize) -> *mut f32,
    ) {
        let decoder = self.decoder;
        let (keys, values) = self.pages[page].head(decoder.shape(), self.layer, head);
        let mut list = Vec::with_capacity(rows.len() * self.group());
        for row in rows {
            let sees = self.sees(row);
            let from = sees.start.max(page * PAGE);
            let to = sees.end.min((page + 1) * PAGE);
            for member in (0..self.group()).filter(|_| from < to) {
                let query = self.query(row, head, member);
                let (from, to) = (from - page * PAGE, to - page * PAGE);
                list.push(Query { query, from, to, out: out(row, member) });
            }
        }
        let attend = Attend {
            cache: decoder.options.cache,
            keys,
            values,
            dimension: decoder.architecture.head_dimension,
            cap: decoder.architecture.attention_cap,
            queries: &list,
        };
        // SAFETY: an `Isa` in use is available; queries and results are whole and nobody else's, and every
        // query sees part of the page.
        unsafe { decoder.isa.run(attend) }
    }

    /// Few queries: every page of every head is a unit of work.
    fn by_page(&self, rows: std::ops::Range<usize>, partials: &mut Vec<f32>, out: &SharedRows) {
        let architecture = &self.decoder.architecture;
        let (heads, group) = (architecture.heads, self.group());
        let part = partial_len(architecture.head_dimension);
        let pages = self.sees(rows.start).start / PAGE..self.pages.len();
        let first = rows.start;
        partials.resize(rows.len() * heads * pages.len() * part, 0.0);
        let shared = SharedRows::new(partials, part);
        let place = |row: usize, head: usize, page: usize| {
            ((row - first) * heads + head) * pages.len() + page - pages.start
        };
        self.decoder.pool.run(pages.len() * architecture.kv_heads, &|unit| {
            let (page, head) = (pages.start + unit / architecture.kv_heads, unit % architecture.kv_heads);
            self.page(page, head, rows.clone(), |row, member| {
                let index = place(row, head * group + member, page);
                // SAFETY: each partial result is written by one unit.
                unsafe { shared.rows(index..index + 1) }.as_mut_ptr()
            });
        });
        for row in rows.clone() {
            let sees = self.sees(row);
            let seen = sees.start / PAGE..(sees.end - 1) / PAGE + 1;
            for head in 0..heads {
                let index = place(row, head, seen.start);
                // SAFETY: the units are done; only this thread is at work.
                unsafe {
                    let parts = shared.rows(index..index + seen.len());
                    let out = out.rows(row * heads + head..row * heads + head + 1);
                    self.decoder.isa.run(Merge { parts, out });
                }
            }
        }
    }

    /// Many queries: a tile of them walks over the pages of one head.
    fn by_tile(&self, head: usize, rows: std::ops::Range<usize>, out: &SharedRows) {
        let architecture = &self.decoder.architecture;
        let (heads, group, dimension) = (architecture.heads, self.group(), architecture.head_dimension);
        let part = partial_len(dimension);
        let mut totals = vec![0.0; rows.len() * group * part];
        let mut fresh = vec![0.0; rows.len() * group * part];
        let first_page = self.sees(rows.start).start / PAGE;
        let last_page = (self.sees(rows.end - 1).end - 1) / PAGE;
        let place = |row: usize, member: usize| ((row - rows.start) * group + member) * part;
        for page in first_page..=last_page {
            let shared = SharedRows::new(&mut fresh, part);
            self.page(page, head, rows.clone(), |row, member| {
                let index = place(row, member) / part;
                // SAFETY: the results are this unit's own, each written once.
                unsafe { shared.rows(index..index + 1) }.as_mut_ptr()
            });
            for row in rows.clone() {
                let sees = self.sees(row);
                let seen = sees.start / PAGE..=(sees.end - 1) / PAGE;
                for member in (0..group).filter(|_| seen.contains(&page)) {
                    let range = place(row, member)..place(row, member) + part;
                    let (total, part) = (&mut totals[range.clone()], &fresh[range]);
                    if page == *seen.start() {
                        total.copy_from_slice(part);
                    } else {
                        // SAFETY: an `Isa` in use is available.
                        unsafe { self.decoder.isa.run(MergeInto { dimension, total, part }) }
                    }
                }
            }
        }
        for row in rows.clone() {
            for member in 0..group {
                let index = row * heads + head * group + member;
                let parts = &mut totals[place(row, member)..place(row, member) + part];
                // SAFETY: an `Isa` in use is available; no other unit writes this head of this row.
                unsafe { self.decoder.isa.run(Merge { parts, out: out.rows(index..index + 1) }) }
            }
        }
    }
}
