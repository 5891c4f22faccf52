//! The measures: nDCG with binary gains, recall, reciprocal rank, coverage of gold spans, and SQuAD's way of
//! comparing short answers.

use std::collections::{HashMap, HashSet};

use carrel_corpus::Span;

/// nDCG at `depth` of a ranking of distinct names: gain 1 for a relevant one, discount log2(rank + 1).
pub fn ndcg(ranking: &[&str], relevant: &HashSet<&str>, depth: usize) -> f64 {
    let discount = |at: usize| 1.0 / ((at + 2) as f64).log2();
    let found = ranking.iter().take(depth).enumerate().filter(|(_, name)| relevant.contains(*name));
    let gain: f64 = found.map(|(at, _)| discount(at)).sum();
    let ideal: f64 = (0..relevant.len().min(depth)).map(discount).sum();
    if ideal == 0.0 { 0.0 } else { gain / ideal }
}

/// Share of the relevant ones among the first `depth`.
pub fn recall(ranking: &[&str], relevant: &HashSet<&str>, depth: usize) -> f64 {
    let found = ranking.iter().take(depth).filter(|name| relevant.contains(*name)).count();
    if relevant.is_empty() { 0.0 } else { found as f64 / relevant.len() as f64 }
}

/// One over the rank of the first relevant one; 0 when there is none.
pub fn reciprocal_rank(ranking: &[&str], relevant: &HashSet<&str>) -> f64 {
    ranking.iter().position(|name| relevant.contains(name)).map_or(0.0, |at| 1.0 / (at + 1) as f64)
}

/// Share of the bytes of `gold` that lie in at least one of `spans`.
pub fn covered(gold: Span, spans: &[Span]) -> f64 {
    let mut inside: Vec<(usize, usize)> = spans
        .iter()
        .filter(|span| span.overlaps(gold))
        .map(|span| (span.start.max(gold.start), span.end.min(gold.end)))
        .collect();
    inside.sort_unstable();
    let (mut total, mut reached) = (0, gold.start);
    for (start, end) in inside {
        total += end.saturating_sub(start.max(reached));
        reached = reached.max(end);
    }
    if gold.is_empty() { 0.0 } else { total as f64 / gold.len() as f64 }
}

/// As SQuAD compares answers: lower case, no punctuation, no articles, single spaces. Within a number, points stay
/// and the commas of thousands go.
pub fn normalise(text: &str) -> String {
    let characters: Vec<char> = text.to_lowercase().chars().collect();
    let digit = |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(char::is_ascii_digit);
    let mut plain = String::with_capacity(text.len());
    for (at, &character) in characters.iter().enumerate() {
        let in_number = digit(at.checked_sub(1)) && digit(Some(at + 1));
        match character {
            ',' if in_number => {}
            '.' if in_number => plain.push('.'),
            character if character.is_alphanumeric() => plain.push(character),
            _ => plain.push(' '),
        }
    }
    let words = plain.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the"));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether the normalised `answer` stands in the normalised `text`, as whole words where words are separated.
pub fn contains(text: &str, answer: &str) -> bool {
    let (text, answer) = (normalise(text), normalise(answer));
    if answer.is_empty() {
        return false;
    }
    if answer.chars().any(is_unspaced) {
        let squeeze = |text: &str| text.replace(' ', "");
        return squeeze(&text).contains(&squeeze(&answer));
    }
    format!(" {text} ").contains(&format!(" {answer} "))
}

/// F1 of the words that both have.
pub fn token_f1(text: &str, answer: &str) -> f64 {
    let (text, answer) = (tokens(text), tokens(answer));
    let mut wanted: HashMap<&str, usize> = HashMap::new();
    for token in &answer {
        *wanted.entry(token).or_default() += 1;
    }
    let mut common = 0;
    for token in &text {
        if let Some(left) = wanted.get_mut(token.as_str()).filter(|left| **left > 0) {
            *left -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    let (precision, recall) =
        (f64::from(common) / text.len() as f64, f64::from(common) / answer.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

/// Words; in scripts without spaces, characters.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in normalise(text).split(' ').filter(|word| !word.is_empty()) {
        match word.chars().any(is_unspaced) {
            true => tokens.extend(word.chars().map(String::from)),
            false => tokens.push(word.to_owned()),
        }
    }
    tokens
}

/// Whether the character belongs to a script that writes without spaces between words.
fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// Mean of what was counted; none when nothing was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    pub fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rankings_are_judged_as_trec_does() {
        let relevant = HashSet::from(["a", "b"]);
        let ranking = ["x", "a", "y", "b"];
        let ideal = 1.0 + 1.0 / 3f64.log2();
        let gain = 1.0 / 3f64.log2() + 1.0 / 5f64.log2();
        assert!((ndcg(&ranking, &relevant, 10) - gain / ideal).abs() < 1e-12);
        assert_eq!(recall(&ranking, &relevant, 2), 0.5);
        assert_eq!(reciprocal_rank(&ranking, &relevant), 0.5);
        assert_eq!(reciprocal_rank(&["x"], &relevant), 0.0);
    }

    #[test]
    fn overlapping_chunks_cover_a_span_once() {
        let gold = Span::new(10, 20);
        assert_eq!(covered(gold, &[Span::new(0, 15), Span::new(12, 18)]), 0.8);
        assert_eq!(covered(gold, &[Span::new(20, 30)]), 0.0);
        assert_eq!(covered(gold, &[Span::new(0, 40), Span::new(5, 11)]), 1.0);
    }

    #[test]
    fn answers_are_compared_by_words() {
        assert!(contains("The rent is $2,099.00 a month.", "$2099.00"));
        assert!(contains("He was born in Ulm.", "the Ulm"));
        assert!(!contains("Christmas is in December", "is in Dec"));
        assert!(contains("答案是三百零八。", "三百零八"));
        assert_eq!(token_f1("the big cat", "a big cat"), 1.0);
        assert_eq!(token_f1("cat dog", "cat"), 2.0 / 3.0);
        assert_eq!(token_f1("", "cat"), 0.0);
    }
}
