//! Joining neighbours, best pair first: what BPE and SentencePiece have in common.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What two neighbours may become. A higher priority is joined first, among equals the one further left.
pub(super) struct Join {
    pub(super) priority: f32,
    pub(super) token: u32,
}

/// A piece of the text: a range of bytes and the token that it is, if it is one.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) token: Option<u32>,
}

struct Candidate {
    priority: f32,
    left: usize,
    /// Bytes of both together: when either has changed since, this no longer holds.
    bytes: usize,
    token: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Candidate) -> Ordering {
        self.priority.total_cmp(&other.priority).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Candidate) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Candidate) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

const NONE: usize = usize::MAX;

/// Symbols with their neighbours. Joined ones are empty and out of the chain.
struct Chain {
    symbols: Vec<Symbol>,
    previous: Vec<usize>,
    next: Vec<usize>,
}

/// Joins symbols for as long as `join` finds something to join, and hands the rest to `emit` in order.
pub(super) fn merge(
    symbols: Vec<Symbol>,
    join: impl Fn(&Symbol, &Symbol) -> Option<Join>,
    mut emit: impl FnMut(&Symbol),
) {
    let count = symbols.len();
    let mut chain = Chain {
        symbols,
        previous: (0..count).map(|index| index.wrapping_sub(1)).collect(),
        next: (0..count).map(|index| if index + 1 < count { index + 1 } else { NONE }).collect(),
    };
    let mut heap = BinaryHeap::new();
    for left in 0..count.saturating_sub(1) {
        heap.extend(chain.candidate(left, &join));
    }
    while let Some(candidate) = heap.pop() {
        let left = candidate.left;
        let Some(right) = chain.joinable(&candidate) else { continue };
        chain.symbols[left] =
            Symbol { end: chain.symbols[right].end, token: Some(candidate.token), ..chain.symbols[left] };
        chain.symbols[right].end = chain.symbols[right].start;
        chain.next[left] = chain.next[right];
        if chain.next[left] != NONE {
            chain.previous[chain.next[left]] = left;
        }
        heap.extend(chain.candidate(left, &join));
        if chain.previous[left] != NONE {
            heap.extend(chain.candidate(chain.previous[left], &join));
        }
    }
    chain.symbols.iter().filter(|symbol| symbol.end > symbol.start).for_each(&mut emit);
}

impl Chain {
    fn candidate(&self, left: usize, join: impl Fn(&Symbol, &Symbol) -> Option<Join>) -> Option<Candidate> {
        let right = self.next[left];
        if right == NONE {
            return None;
        }
        let (first, second) = (&self.symbols[left], &self.symbols[right]);
        let Join { priority, token } = join(first, second)?;
        Some(Candidate { priority, left, bytes: second.end - first.start, token })
    }

    /// The right neighbour, where the candidate still holds.
    fn joinable(&self, candidate: &Candidate) -> Option<usize> {
        let symbol = self.symbols[candidate.left];
        let right = self.next[candidate.left];
        let holds = symbol.end > symbol.start
            && right != NONE
            && self.symbols[right].end - symbol.start == candidate.bytes;
        holds.then_some(right)
    }
}
