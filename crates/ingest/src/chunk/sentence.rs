//! Finds the places where prose may be cut: sentences (Unicode's annex 29, with the usual repairs), and where one is
//! too long, lines, words and at last characters.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// The sentences of `text`, each with the white space that follows it, as byte ranges that cover all of it.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (start, piece) in text.split_sentence_bound_indices() {
        let end = start + piece.len();
        match found.last_mut() {
            Some(last) if open || piece.trim().is_empty() => last.end = end,
            _ => found.push(start..end),
        }
        let last = found.last().map_or("", |last| &text[last.clone()]);
        open = !ends_sentence(last);
    }
    found
}

/// Whether a piece of text can end here: a line break inside of a sentence, an initial or an abbreviation does not
/// end it.
fn ends_sentence(piece: &str) -> bool {
    let closing =
        |c: char| matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '）' | '〉' | '》');
    let core = piece.trim_end();
    let blank_line = piece[core.len()..].matches('\n').count() > 1;
    if blank_line || core.is_empty() {
        return true;
    }
    let core = core.trim_end_matches(closing);
    match core.chars().next_back() {
        Some('.') => !is_abbreviation(core),
        Some(last) => {
            matches!(last, '!' | '?' | '…' | ':' | ';' | '。' | '！' | '？' | '；' | '｡' | '।' | '؟' | '۔')
        }
        None => false,
    }
}

/// Whether `text` ends in a short capitalised word and a full stop: `Mr.`, `No.`, `St.`, `J.`
fn is_abbreviation(text: &str) -> bool {
    let word = text.trim_end_matches('.').rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    word.chars().count() <= 2
        && word.chars().next().is_some_and(char::is_uppercase)
        && word.chars().any(char::is_alphabetic)
}

/// Parts of `text` of at most `max` by `count`, cut at the coarsest places that make them fit: lines, then words, then
/// characters. They cover all of it.
pub(super) fn fit(text: &str, max: usize, count: &dyn Fn(&str) -> usize) -> Vec<(Range<usize>, usize)> {
    let tokens = count(text);
    if tokens <= max {
        return vec![(0..text.len(), tokens)];
    }
    let lines: Vec<Range<usize>> = ranges(text, text.split_inclusive('\n'));
    if lines.len() > 1 {
        return fill(text, &lines, max, count);
    }
    let words: Vec<Range<usize>> = ranges(text, text.split_word_bounds());
    if words.len() > 1 {
        return fill(text, &words, max, count);
    }
    // One word without end: halve it, for its length in tokens is unknown.
    let half = text.char_indices().map(|(at, _)| at).find(|at| *at >= text.len() / 2 && *at > 0);
    match half {
        None => vec![(0..text.len(), tokens)],
        Some(half) => {
            let mut parts = fit(&text[..half], max, count);
            let after = fit(&text[half..], max, count);
            parts.extend(
                after.into_iter().map(|(range, tokens)| (range.start + half..range.end + half, tokens)),
            );
            parts
        }
    }
}

fn ranges<'a>(text: &str, pieces: impl Iterator<Item = &'a str>) -> Vec<Range<usize>> {
    let mut at = 0;
    let ranges = pieces.map(|piece| {
        at += piece.len();
        at - piece.len()..at
    });
    let ranges: Vec<_> = ranges.collect();
    debug_assert_eq!(at, text.len());
    ranges
}

/// Puts consecutive pieces together as far as they fit; a piece that does not fit alone is cut further.
fn fill(
    text: &str,
    pieces: &[Range<usize>],
    max: usize,
    count: &dyn Fn(&str) -> usize,
) -> Vec<(Range<usize>, usize)> {
    let mut parts: Vec<(Range<usize>, usize)> = Vec::new();
    let mut open = false;
    for piece in pieces {
        let tokens = count(&text[piece.clone()]);
        match parts.last_mut() {
            Some((last, sum)) if open && *sum + tokens <= max => {
                last.end = piece.end;
                *sum += tokens;
            }
            _ if tokens <= max => {
                parts.push((piece.clone(), tokens));
                open = true;
            }
            _ => {
                let inner = fit(&text[piece.clone()], max, count);
                let shifted = |(range, tokens): (Range<usize>, usize)| {
                    (range.start + piece.start..range.end + piece.start, tokens)
                };
                parts.extend(inner.into_iter().map(shifted));
                open = false;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = sentences(text).into_iter().map(|range| text[range].trim_end()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn sentences_end_where_a_reader_sees_it() {
        check("Rent is due. It is paid monthly! Why?", &["Rent is due.", "It is paid monthly!", "Why?"]);
        check("Mr. J. Smith pays No. 5. He left.", &["Mr. J. Smith pays No. 5.", "He left."]);
        check("The rent is\ndue on the\nfirst. Then", &["The rent is\ndue on the\nfirst.", "Then"]);
        check("He said “go.” She went.", &["He said “go.”", "She went."]);
        check("租金每月支付。押金不退！为什么？", &["租金每月支付。", "押金不退！", "为什么？"]);
        check("यह पहला है। यह दूसरा है।", &["यह पहला है।", "यह दूसरा है।"]);
        check("A heading\n\nA text", &["A heading", "A text"]);
    }

    #[test]
    fn what_does_not_fit_is_cut_at_lines_words_and_characters() {
        let count = |text: &str| text.chars().count();
        let parts = |text: &str| -> Vec<String> {
            fit(text, 6, &count).into_iter().map(|(range, _)| text[range].to_owned()).collect()
        };
        assert_eq!(parts("ab\ncd\nef\n"), ["ab\ncd\n", "ef\n"]);
        assert_eq!(parts("one two three"), ["one ", "two ", "three"].map(String::from));
        assert_eq!(parts("ääääääää"), ["ääää", "ääää"]);
    }
}
