//! Prompt lookup: guessing the next tokens from what has been read already.
//!
//! Answers about documents repeat what is in the prompt. Where the last few tokens occurred before, what
//! followed them then is a guess at what follows now; one pass through the network checks all of it, at little
//! more than the cost of one token, since the weights are read once. Only what plain greedy decoding would have
//! chosen is kept, and the logits of a batch are the same bits as those of single steps, so the result
//! is exactly that of plain greedy decoding. (Prompt lookup decoding, Saxena 2023.)

use std::collections::HashMap;

/// Lengths of the context that is looked up; the longest that has occurred before wins.
const LONGEST: usize = 6;
const SHORTEST: usize = 2;

/// Most tokens that are guessed at a time.
const MOST: usize = 12;

/// Remembers where token sequences ended, and how well its guesses have done.
///
/// It adapts: guesses grow while they are right and shrink while they are wrong, and after a run of bad ones it
/// says nothing for a while, so that text which repeats nothing costs next to nothing.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    tokens: Vec<u32>,
    /// Hash of a sequence to the place after its last occurrence.
    places: HashMap<u64, usize>,
    guess: usize,
    misses: u32,
    /// Tokens to go by before the next guess.
    rest: usize,
}

/// What a sequence is remembered by.
fn key(sequence: &[u32]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ sequence.len() as u64;
    sequence.iter().fold(start, |hash, &token| {
        (hash ^ u64::from(token)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

impl Lookup {
    /// A lookup over what has been read so far.
    pub fn new(tokens: &[u32]) -> Lookup {
        let mut lookup = Lookup { guess: 4, ..Lookup::default() };
        tokens.iter().for_each(|&token| lookup.push(token));
        lookup
    }

    /// A further token has been read or written.
    pub fn push(&mut self, token: u32) {
        // Sequences that end before this token are known from now on, not those that end with it.
        let end = self.tokens.len();
        for length in SHORTEST..=LONGEST.min(end) {
            self.places.insert(key(&self.tokens[end - length..]), end);
        }
        self.tokens.push(token);
        self.rest = self.rest.saturating_sub(1);
    }

    /// Tokens that may come next; none where nothing has been seen before or guessing does not pay.
    pub fn guess(&self) -> &[u32] {
        let end = self.tokens.len();
        if self.rest > 0 {
            return &[];
        }
        let lengths = (SHORTEST..=LONGEST.min(end)).rev();
        for length in lengths.skip_while(|&length| length > end) {
            let context = &self.tokens[end - length..];
            let Some(&place) = self.places.get(&key(context)) else { continue };
            if place >= length && self.tokens[place - length..place] == *context {
                let guess = if length < 3 { self.guess.min(3) } else { self.guess };
                return &self.tokens[place..end.min(place + guess)];
            }
        }
        &[]
    }

    /// Tells how many of a guess of `guessed` tokens were right.
    pub fn learn(&mut self, guessed: usize, right: usize) {
        if guessed == 0 {
            return;
        }
        if right == guessed {
            self.guess = (self.guess + 4).min(MOST);
        } else {
            self.guess = (right + 2).clamp(2, MOST);
        }
        // A wrong guess costs a part of a step; after several in a row they come ever more rarely.
        self.misses = if right == 0 { self.misses + 1 } else { 0 };
        self.rest = if self.misses >= 2 { 8 << self.misses.min(6) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_before_is_guessed() {
        let mut lookup = Lookup::new(&[1, 2, 3, 4, 5, 6, 9, 2, 3]);
        assert_eq!(lookup.guess(), [4, 5, 6]);
        lookup.push(4);
        assert_eq!(lookup.guess(), [5, 6, 9, 2]);
        lookup.push(7);
        assert!(lookup.guess().is_empty());
    }

    #[test]
    fn the_latest_occurrence_counts() {
        let lookup = Lookup::new(&[1, 2, 3, 0, 1, 2, 4, 0, 1, 2]);
        assert_eq!(lookup.guess()[0], 4);
    }

    #[test]
    fn guesses_grow_when_right_and_pause_when_wrong() {
        let tokens: Vec<u32> = (0..40).chain(0..20).collect();
        let mut lookup = Lookup::new(&tokens);
        assert_eq!(lookup.guess().len(), 4);
        lookup.learn(4, 4);
        lookup.learn(8, 8);
        assert_eq!(lookup.guess().len(), 12);
        for _ in 0..3 {
            lookup.learn(2, 0);
        }
        assert!(lookup.guess().is_empty());
        (100..200).for_each(|token| lookup.push(token));
        (0..20).for_each(|token| lookup.push(token));
        assert_eq!(lookup.guess().len(), 2);
    }
}
