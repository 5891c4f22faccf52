//! Where sentences end, in running text, lists, tables and scripts without spaces.
//!
//! Unicode's sentence rules (UAX #29) end a sentence at every line feed and after every abbreviation, which
//! is wrong for the two texts that matter here: lines of a PDF page, and an answer that a model is writing.

use std::ops::Range;

use carrel_corpus::MONTHS;

use super::lexicon::is_stopword;

/// What a single line feed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// Lines of a document may be wrapped: a line feed ends a sentence only where the lines look separate.
    Wrapped,
    /// Every line feed ends a sentence, as in what a model writes.
    Lines,
}

/// Sentences longer than this are cut at semicolons, so that a contract's page-long sentence can be cited in parts.
const LONG: usize = 400;

/// The sentences of `text` without the white space around them, in order.
pub(crate) fn sentences(text: &str, wrapping: Wrapping) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if at < start {
            continue;
        }
        let after = at + c.len_utf8();
        let end = match c {
            '\n' if line_ends_sentence(text, start, at, wrapping) => Some(at),
            '.' | '!' | '?' | '…' | '؟' | '।' => terminator(text, start, at, after),
            '。' | '！' | '？' => Some(after + closers(&text[after..])),
            ';' if at - start > LONG / 2 && text[after..].starts_with(char::is_whitespace) => {
                (sentence_is_long(text, start)).then_some(after)
            }
            _ => None,
        };
        if let Some(end) = end {
            push(text, start..end, &mut found);
            start = end;
        }
    }
    push(text, start..text.len(), &mut found);
    found
}

fn push(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = &text[range.clone()];
    let trimmed = part.trim();
    if trimmed.chars().any(char::is_alphanumeric) {
        let start = range.start + (part.len() - part.trim_start().len());
        found.push(start..start + trimmed.len());
    } else if let Some(last) = found.last_mut()
        && !trimmed.is_empty()
        && !text[last.end..range.start].contains('\n')
        && !part[..part.len() - part.trim_start().len()].contains('\n')
    {
        // Loose punctuation belongs to the sentence before it.
        last.end = range.start + part.trim_end().len();
    }
}

/// Looks only a little way ahead: enough to know that a cut is worth while.
fn sentence_is_long(text: &str, start: usize) -> bool {
    let rest = &text[start..];
    let end = rest.find(". ").or_else(|| rest.find("\n\n")).unwrap_or(rest.len());
    end > LONG
}

fn closers(rest: &str) -> usize {
    rest.chars().take_while(|c| "\"')]}”’»」』*".contains(*c)).map(char::len_utf8).sum()
}

/// Where the sentence ends that may end at the punctuation `text[at..after]`.
fn terminator(text: &str, start: usize, at: usize, after: usize) -> Option<usize> {
    let end = after + closers(&text[after..]);
    let rest = &text[end..];
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let next = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{a0}']).chars().next();
    if next.is_some_and(char::is_lowercase) {
        return None;
    }
    if &text[at..after] == "." {
        let opens =
            rest.trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_lowercase();
        let closed = match abbreviation(&text[start..at]) {
            Abbreviation::No if is_ordinal(&text[start..at], &opens) => false,
            Abbreviation::No => !is_list_marker(&text[start..at]),
            Abbreviation::Opens => false,
            // `Birch Ltd. The rent` ends a sentence, `Birch Ltd. Company` does not.
            Abbreviation::Closes => rest.is_empty() || is_stopword(&opens),
        };
        return closed.then_some(end);
    }
    Some(end)
}

/// What a word before a full stop is.
enum Abbreviation {
    No,
    /// Belongs to the word behind it (`Dr.`, `No.`).
    Opens,
    /// Belongs to the word before it (`Ltd.`, `U.S.`).
    Closes,
}

fn is_list_marker(before: &str) -> bool {
    let before = before.trim();
    !before.is_empty() && before.len() <= 3 && before.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a number with a full stop belongs to the word behind it, as in `31. Dezember`.
fn is_ordinal(before: &str, behind: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or("");
    let number = (1..=2).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    number && (MONTHS.iter().any(|(name, _)| *name == behind) || behind.starts_with("jahrhundert"))
}

const OPENING: [&str; 34] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "vs", "no", "nos", "art", "sec", "fig", "vol", "pp", "p", "e.g",
    "i.e", "cf", "approx", "gen", "rev", "hon", "lt", "col", "sgt", "capt", "bzw", "z.b", "d.h", "nr", "abs",
    "ca", "sra", "av",
];
const CLOSING: [&str; 10] = ["jr", "sr", "etc", "inc", "ltd", "co", "corp", "al", "dept", "est"];

fn abbreviation(before: &str) -> Abbreviation {
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or("");
    let lower = word.to_lowercase();
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let dotted = word.contains('.')
        && word.split('.').all(|part| part.chars().count() <= 2)
        && word.chars().all(|c| c.is_alphabetic() || c == '.');
    if OPENING.contains(&lower.as_str()) {
        Abbreviation::Opens
    } else if initial || dotted || CLOSING.contains(&lower.as_str()) {
        Abbreviation::Closes
    } else {
        Abbreviation::No
    }
}

fn line_ends_sentence(text: &str, start: usize, at: usize, wrapping: Wrapping) -> bool {
    if wrapping == Wrapping::Lines {
        return true;
    }
    let line_start = text[..at].rfind('\n').map_or(0, |before| before + 1).max(start);
    let line = text[line_start..at].trim();
    let rest = &text[at + 1..];
    let next = rest.split('\n').next().unwrap_or("").trim();
    if line.is_empty() || next.is_empty() || begins_item(next) || begins_item(line) {
        return next.is_empty()
            || begins_item(next)
            || line.starts_with('#')
            || line.contains(" | ")
            || line.starts_with('|');
    }
    let lower = next.chars().next().is_some_and(char::is_lowercase);
    let label = |line: &str| line.find(": ").is_some_and(|at| at < 30 && !line[..at].contains(". "));
    let length = line.chars().count();
    // Nobody wraps lines that long: in such a text a line is a paragraph.
    length > 160 || !lower && (length < 50 || label(next) && label(line))
}

/// Whether a line opens a list item, a table row, a heading or a quotation.
fn begins_item(line: &str) -> bool {
    let numbered = || {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        (1..=3).contains(&digits)
            && matches!(line.as_bytes().get(digits), Some(b'.' | b')'))
            && matches!(line.as_bytes().get(digits + 1), None | Some(b' '))
    };
    line.starts_with(['|', '#', '•', '·', '–', '>'])
        || line.starts_with("- ")
        || line.starts_with("* ")
        || line.contains(" | ")
        || (line.starts_with('(') && line.find(')').is_some_and(|at| at <= 5))
        || numbered()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wrapping: Wrapping, expected: &[&str]) {
        let found: Vec<&str> = sentences(text, wrapping).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn running_text() {
        check(
            "Dr. Smith paid $5.50 to Acme Inc. in the U.S. on May 1 for Birch Ltd. He left! \"Why?\" No one knew.",
            Wrapping::Wrapped,
            &[
                "Dr. Smith paid $5.50 to Acme Inc. in the U.S. on May 1 for Birch Ltd.",
                "He left!",
                "\"Why?\"",
                "No one knew.",
            ],
        );
        check(
            "Er gilt bis zum 31. Dezember 2026. Im 19. Jahrhundert war das anders. Es sind 12. Niemand weiß es.",
            Wrapping::Wrapped,
            &[
                "Er gilt bis zum 31. Dezember 2026.",
                "Im 19. Jahrhundert war das anders.",
                "Es sind 12.",
                "Niemand weiß es.",
            ],
        );
        check("The cat sat . It slept .", Wrapping::Wrapped, &["The cat sat .", "It slept ."]);
        check("租金每月一千。押金两千！", Wrapping::Wrapped, &["租金每月一千。", "押金两千！"]);
    }

    #[test]
    fn wrapped_lines_are_joined_and_items_are_not() {
        check(
            "The tenant shall pay the rent on the first day of\neach month. Late\npayments bear interest.",
            Wrapping::Wrapped,
            &[
                "The tenant shall pay the rent on the first day of\neach month.",
                "Late\npayments bear interest.",
            ],
        );
        check(
            "Duties:\n- pay rent\n- keep quiet",
            Wrapping::Wrapped,
            &["Duties:", "- pay rent", "- keep quiet"],
        );
        check("| a | b |\n| 1 | 2 |", Wrapping::Wrapped, &["| a | b |", "| 1 | 2 |"]);
        check("Subject: Rent\nFrom: Ann", Wrapping::Wrapped, &["Subject: Rent", "From: Ann"]);
    }

    #[test]
    fn what_a_model_writes() {
        check(
            "1. The rent is 900.\n2. It is due monthly.\n\nDone",
            Wrapping::Lines,
            &["1. The rent is 900.", "2. It is due monthly.", "Done"],
        );
    }

    #[test]
    fn page_long_sentences_are_cut_at_semicolons() {
        let clause = "the party shall ".repeat(16);
        let text = format!("{clause}pay; {clause}deliver; {clause}inform");
        assert_eq!(sentences(&text, Wrapping::Wrapped).len(), 3);
    }
}
