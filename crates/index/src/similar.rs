//! Near-duplicates: passages that a person would call the same text.
//!
//! Copies of a file and versions of a contract repeat each other almost word for word, and would fill a result list with one
//! passage. Two passages are the same when most runs of three words are common to both and no number, and no
//! negation, tells them apart: an amended clause often differs in nothing else, and must stay visible.

use std::collections::{BTreeMap, HashSet};

use crate::words::{self, Kind};

/// Share of common shingles (Jaccard; Broder, 1997) from which on two passages are the same.
const SAME: f32 = 0.85;
/// Passages of fewer words are the same only if they are equal.
const SHORT: usize = 8;

/// What of a passage is compared.
pub(crate) struct Likeness {
    words: usize,
    shingles: HashSet<u64>,
    /// Numbers and negations with how often each occurs.
    telling: BTreeMap<String, usize>,
    digest: u64,
}

impl Likeness {
    pub(crate) fn of(text: &str) -> Likeness {
        let words: Vec<String> = words::tokens(text)
            .into_iter()
            .filter(|token| matches!(token.kind, Kind::Word | Kind::Pair))
            .map(|token| token.folded)
            .collect();
        let mut telling = BTreeMap::new();
        for word in words.iter().filter(|word| is_telling(word)) {
            *telling.entry(word.clone()).or_default() += 1;
        }
        let digest = |words: &[String]| {
            let mut hasher = blake3::Hasher::new();
            for word in words {
                hasher.update(word.as_bytes()).update(b" ");
            }
            let mut first = [0; 8];
            first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
            u64::from_le_bytes(first)
        };
        Likeness {
            words: words.len(),
            shingles: words.windows(3).map(digest).collect(),
            telling,
            digest: digest(&words),
        }
    }

    pub(crate) fn is_same(&self, other: &Likeness) -> bool {
        if self.digest == other.digest {
            return true;
        }
        if self.words.min(other.words) < SHORT || self.telling != other.telling {
            return false;
        }
        let common = self.shingles.intersection(&other.shingles).count();
        let either = self.shingles.len() + other.shingles.len() - common;
        common as f32 >= SAME * either as f32
    }
}

fn is_telling(word: &str) -> bool {
    word.contains(char::is_numeric)
        || matches!(
            word,
            "no" | "not"
                | "never"
                | "nor"
                | "none"
                | "without"
                | "nicht"
                | "kein"
                | "keine"
                | "nie"
                | "ohne"
                | "ne"
                | "pas"
                | "sans"
                | "jamais"
                | "sin"
                | "nunca"
                | "non"
                | "nao"
                | "niet"
                | "geen"
                | "не"
                | "нет"
                | "без"
                | "لا"
                | "غير"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAUSE: &str = "The tenant may end this lease at the end of any month by giving the landlord written notice of \
        30 days, and shall return the keys of the house on the last day of the lease in the state in which they were \
        handed over to the tenant";

    fn check(other: &str, same: bool) {
        assert_eq!(Likeness::of(CLAUSE).is_same(&Likeness::of(other)), same, "{other}");
    }

    #[test]
    fn versions_are_the_same_until_a_number_or_a_negation_differs() {
        check(CLAUSE, true);
        check(&CLAUSE.replace("of the house ", ""), true);
        check(&CLAUSE.replace("30", "60"), false);
        check(&CLAUSE.replace("shall return", "shall not return"), false);
        check(&CLAUSE[..120], false);
        check("", false);
        assert!(!Likeness::of("Page one").is_same(&Likeness::of("Page two")));
    }
}
