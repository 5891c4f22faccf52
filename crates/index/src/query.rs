//! What a person types into the search box. Anything can be typed: what is not an operator is a word.

/// A query taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedQuery {
    /// What to look for, the words of phrases among it, without the operators. This is what is to be embedded.
    pub words: String,
    /// Stretches that a passage must hold word for word (`"notice period"`).
    pub phrases: Vec<String>,
    /// Words and phrases that a passage must not hold (`-draft`, `-"first draft"`).
    pub excluded: Vec<String>,
    /// Path patterns (`file:lease*`), all of which must match.
    pub files: Vec<String>,
    /// Types (`type:pdf`), any of which must match.
    pub types: Vec<String>,
    /// `after:2024-03-01`, in seconds since the Unix epoch; `2024` and `2024-03` are their first days.
    pub after: Option<i64>,
    /// `before:2024`.
    pub before: Option<i64>,
}

/// Takes a query apart. Total: a quotation mark without a partner, an operator without a value and a date that is none
/// are words.
pub fn parse_query(query: &str) -> ParsedQuery {
    let mut parsed = ParsedQuery::default();
    let mut words: Vec<&str> = Vec::new();
    let mut rest = query;
    let mut at_start = true;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            at_start = true;
        } else if let Some((phrase, after)) = quoted(rest).filter(|_| at_start) {
            parsed.phrases.push(phrase.to_owned());
            words.push(phrase);
            rest = after;
        } else if let Some((excluded, after)) = exclusion(rest).filter(|_| at_start) {
            parsed.excluded.push(excluded.to_owned());
            rest = after;
        } else if let Some(after) = parsed.operator(rest).filter(|_| at_start) {
            rest = after;
        } else {
            let (word, after) = cut(rest);
            words.push(word);
            rest = after;
            at_start = false;
        }
    }
    parsed.words = words.join(" ");
    parsed
}

/// The leading quoted phrase and what follows it. Typographic quotation marks count.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let open = text.chars().next()?;
    let close = match open {
        '"' => ['"', '"', '"'],
        '“' | '„' | '”' => ['”', '“', '"'],
        '«' => ['»', '»', '»'],
        '「' => ['」', '」', '」'],
        _ => return None,
    };
    let inner = &text[open.len_utf8()..];
    let end = inner.find(close)?;
    let phrase = inner[..end].trim();
    let after = &inner[end + inner[end..].chars().next()?.len_utf8()..];
    // An inch mark after a number, or a quotation mark inside a word, begins no phrase.
    (!phrase.is_empty() && phrase.contains(char::is_alphanumeric)).then_some((phrase, after))
}

fn exclusion(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('-')?;
    match quoted(text) {
        Some(found) => Some(found),
        // `-5` is a number and `--` a dash.
        None if text.starts_with(char::is_alphabetic) => Some(cut(text)),
        None => None,
    }
}

fn cut(text: &str) -> (&str, &str) {
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

impl ParsedQuery {
    /// Takes in a leading `name:value` and gives what follows it.
    fn operator<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let (name, value) = text.split_once(':').filter(|(name, _)| name.len() <= 6)?;
        let (value, after) = quoted(value).unwrap_or_else(|| cut(value));
        if value.is_empty() {
            return None;
        }
        match name.to_ascii_lowercase().as_str() {
            "file" => self.files.push(value.to_owned()),
            "type" => self.types.push(value.to_owned()),
            "after" => self.after = Some(date(value)?),
            "before" => self.before = Some(date(value)?),
            _ => return None,
        }
        Some(after)
    }
}

/// Midnight (UTC) of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, in seconds since the Unix epoch.
fn date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ['-', '/', '.']);
    let year: i64 = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month: i64 = parts.next().map_or(Ok(1), str::parse).ok()?;
    let day: i64 = parts.next().map_or(Ok(1), str::parse).ok()?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days_from_civil(year, month, day) * 86_400)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, *chrono-Compatible Low-Level Date Algorithms*).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str) -> ParsedQuery {
        parse_query(query)
    }

    #[test]
    fn operators_are_taken_out_of_the_words() {
        let query =
            parsed("notice \"three months\" -draft file:lease* type:pdf after:2024-03-01 before:2025");
        assert_eq!(query.words, "notice three months");
        assert_eq!(query.phrases, ["three months"]);
        assert_eq!(query.excluded, ["draft"]);
        assert_eq!(query.files, ["lease*"]);
        assert_eq!(query.types, ["pdf"]);
        assert_eq!(query.after, Some(1_709_251_200));
        assert_eq!(query.before, Some(1_735_689_600));
    }

    #[test]
    fn what_is_no_operator_is_a_word() {
        for plain in [
            "state-of-the-art",
            "is it -5 degrees",
            "a 5\" nail",
            "an \"open quotation",
            "http://example.org",
            "after: the war",
            "after:lunch",
            "-",
            "file:",
            "note: see below",
        ] {
            assert_eq!(parsed(plain), ParsedQuery { words: plain.into(), ..ParsedQuery::default() });
        }
        assert_eq!(parsed("").words, "");
        assert_eq!(parsed("\"\" x").words, "\"\" x");
    }

    #[test]
    fn quotation_marks_of_other_languages_count() {
        assert_eq!(parsed("„drei Monate“ Frist").phrases, ["drei Monate"]);
        assert_eq!(parsed("-«projet final» loyer").excluded, ["projet final"]);
        assert_eq!(parsed("file:\"my lease\" rent").files, ["my lease"]);
    }

    #[test]
    fn days_count_from_the_epoch() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(days_from_civil(1969, 12, 31), -1);
    }
}
