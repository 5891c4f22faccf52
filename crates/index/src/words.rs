//! From text to what is looked up: words in every script, identifiers whole and in parts, and stems by language.
//!
//! Two fields are made of a text. *Exact* holds the words as they stand, folded to lower case without accents, with
//! their positions; Chinese and Japanese are cut into pairs of characters there, so that a phrase is any run of
//! characters. *Stems* holds what ranking goes by: stems in the document's language, dictionary words for Chinese,
//! Japanese, Thai and their like, pairs of syllables for Korean.

use std::borrow::Cow;

use icu_segmenter::options::WordBreakInvariantOptions;
use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed};
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longest token in bytes; what is longer is no word that a person would type.
const LONGEST: usize = 128;

/// What a token is looked up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word, or a part of a compound. In both fields.
    Word,
    /// An identifier with its connectors (`EX-10.38`, `2024-03-01`, `a@b.org`). Exact field only.
    Whole,
    /// A pair of characters of a script without spaces. Exact field only, except for Korean.
    Pair,
    /// A dictionary word of a script without spaces. Stems field only.
    Segment,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Lower case, compatibility forms resolved, accents kept: what a stemmer wants.
    pub(crate) lower: String,
    /// Without accents.
    pub(crate) folded: String,
    pub(crate) position: usize,
}

/// A script as far as it decides how words are found and stemmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Tamil,
    Armenian,
    /// Han and Kana: no spaces, and pairs of characters mean something.
    Cjk,
    Hangul,
    Other,
}

/// The tokens of `text` in order. Several may share a position: a compound and its parts.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokenizer = Tokenizer { tokens: Vec::with_capacity(text.len() / 5), position: 0 };
    let atoms = atoms(text);
    let mut at = 0;
    while at < atoms.len() {
        let end = at + run_length(text, &atoms[at..]);
        tokenizer.run(text, &atoms[at..end]);
        at = end;
    }
    tokenizer.tokens
}

/// A word's byte range.
type Atom = (usize, usize);

const SEGMENTER: fn() -> WordSegmenterBorrowed<'static> =
    || WordSegmenter::new_auto(WordBreakInvariantOptions::default());

fn atoms(text: &str) -> Vec<Atom> {
    let mut atoms = Vec::with_capacity(text.len() / 5);
    let mut start = 0;
    for (end, kind) in SEGMENTER().segment_str(text).iter_with_word_type() {
        if kind.is_word_like() {
            atoms.push((start, end));
        }
        start = end;
    }
    atoms
}

/// How many of the leading atoms stand in one run: joined by single connectors, or of one script without spaces.
fn run_length(text: &str, atoms: &[Atom]) -> usize {
    let cjk = |atom: &Atom| script(&text[atom.0..atom.1]) == Script::Cjk;
    let joined = |pair: &[Atom]| {
        let between = &text[pair[0].1..pair[1].0];
        match (cjk(&pair[0]), cjk(&pair[1])) {
            (true, true) => between.is_empty(),
            (false, false) => is_connector(between),
            _ => false,
        }
    };
    1 + atoms.windows(2).take_while(|pair| joined(pair)).count()
}

fn is_connector(between: &str) -> bool {
    matches!(between, "-" | "_" | "." | "/" | "@" | ":" | "#" | "&" | "+" | "\\" | "\u{2010}" | "\u{2011}")
}

struct Tokenizer {
    tokens: Vec<Token>,
    position: usize,
}

impl Tokenizer {
    fn run(&mut self, text: &str, atoms: &[Atom]) {
        let (Some(first), Some(last)) = (atoms.first(), atoms.last()) else { return };
        let whole = &text[first.0..last.1];
        if script(whole) == Script::Cjk {
            return self.cjk(text, atoms, whole);
        }
        if atoms.len() > 1 && whole.len() <= LONGEST && is_identifier(whole) {
            let lower = lower(whole);
            self.push(Kind::Whole, lower, self.position);
        }
        for (start, end) in atoms {
            self.atom(&text[*start..*end]);
        }
    }

    /// One word by Unicode's rules, which keep `don't`, `3.14`, `example.com` and `AB_123` together.
    fn atom(&mut self, atom: &str) {
        let position = self.position;
        let lower = lower(atom);
        if script(atom) == Script::Hangul {
            self.hangul(lower);
        } else if is_number(&lower) {
            let plain: String = lower.chars().filter(|c| !matches!(c, ',' | '\u{66c}')).collect();
            if plain != lower {
                self.push(Kind::Whole, lower, position);
            }
            self.push(Kind::Word, plain, position);
        } else if lower.contains(['.', '_', ':', '·']) {
            let parts: Vec<String> = lower
                .split(['.', '_', ':', '·'])
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect();
            self.push(Kind::Whole, lower, position);
            for (offset, part) in parts.into_iter().enumerate() {
                self.position = position + offset;
                self.push(Kind::Word, part, position + offset);
            }
        } else {
            let word = match lower.contains(['\'', '\u{2019}']) {
                true => without_apostrophe(&lower),
                false => lower,
            };
            self.push(Kind::Word, word, position);
            for part in camel_parts(atom) {
                self.push(Kind::Word, part.to_lowercase(), position);
            }
        }
        self.position += 1;
    }

    fn cjk(&mut self, text: &str, atoms: &[Atom], whole: &str) {
        let start = self.position;
        let characters: Vec<char> = lower(whole).chars().collect();
        match characters.as_slice() {
            [one] => self.push(Kind::Pair, one.to_string(), start),
            _ => {
                for (offset, pair) in characters.windows(2).enumerate() {
                    self.push(Kind::Pair, pair.iter().collect(), start + offset);
                }
            }
        }
        for (offset, (from, to)) in atoms.iter().enumerate() {
            self.push(Kind::Segment, lower(&text[*from..*to]), start + offset);
        }
        self.position = start + characters.len().max(atoms.len());
    }

    fn hangul(&mut self, word: String) {
        let syllables: Vec<char> = word.chars().collect();
        for pair in syllables.windows(2) {
            self.push(Kind::Segment, pair.iter().collect(), self.position);
        }
        if syllables.len() == 1 {
            self.push(Kind::Segment, word.clone(), self.position);
        }
        self.push(Kind::Pair, word, self.position);
    }

    fn push(&mut self, kind: Kind, lower: String, position: usize) {
        if !lower.is_empty() && lower.len() <= LONGEST {
            self.tokens.push(Token { kind, folded: fold(&lower).into_owned(), lower, position });
        }
    }
}

/// A compound is an identifier when it holds a digit or is an address: `EX-10.38`, `a@b.org`, not `well-known`.
fn is_identifier(compound: &str) -> bool {
    compound.contains(|c: char| c.is_numeric() || c == '@' || c == '_')
}

fn is_number(word: &str) -> bool {
    word.starts_with(char::is_numeric)
        && word.chars().all(|c| c.is_numeric() || matches!(c, '.' | ',' | '\u{66b}' | '\u{66c}'))
}

/// `john's` is `john`, `l'homme` is `homme`, `don't` is `dont`.
fn without_apostrophe(word: &str) -> String {
    let parts: Vec<&str> = word.split(['\'', '\u{2019}']).collect();
    match parts.as_slice() {
        [stem, "s"] => (*stem).to_owned(),
        [article, noun] if article.chars().count() <= 4 && noun.chars().count() >= 3 => (*noun).to_owned(),
        _ => parts.concat(),
    }
}

/// The parts of `getUserName`, where there is more than one.
fn camel_parts(word: &str) -> Vec<&str> {
    let mut cuts: Vec<usize> = word
        .char_indices()
        .zip(word.chars().skip(1))
        .filter(|((_, a), b)| a.is_lowercase() && b.is_uppercase())
        .map(|((at, a), _)| at + a.len_utf8())
        .collect();
    if cuts.is_empty() {
        return Vec::new();
    }
    cuts.push(word.len());
    let mut start = 0;
    let parts = cuts.into_iter().map(|cut| {
        let part = &word[start..cut];
        start = cut;
        part
    });
    parts.filter(|part| part.len() > 1).collect()
}

/// Lower case with compatibility forms resolved (full-width letters, ligatures); accents kept.
fn lower(word: &str) -> String {
    match word.is_ascii() {
        true => word.to_ascii_lowercase(),
        false => word.nfkc().flat_map(char::to_lowercase).nfkc().filter(|c| !is_ignorable(*c)).collect(),
    }
}

fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{640}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Without accents and other combining marks, except in scripts where a mark is a vowel of its own.
pub(crate) fn fold(lower: &str) -> Cow<'_, str> {
    if lower.is_ascii() || script(lower) == Script::Other {
        return Cow::Borrowed(lower);
    }
    Cow::Owned(
        lower
            .nfkd()
            .filter(|c| !is_combining_mark(*c) || matches!(c, '\u{3099}' | '\u{309a}'))
            .flat_map(|c| match c {
                'ß' => ['s', 's'],
                'ø' => ['o', '\0'],
                'ł' => ['l', '\0'],
                'đ' => ['d', '\0'],
                'ı' => ['i', '\0'],
                c => [c, '\0'],
            })
            .filter(|c| *c != '\0')
            .nfc()
            .collect(),
    )
}

/// Of the first letter.
fn script(word: &str) -> Script {
    let Some(letter) = word.chars().find(|c| c.is_alphabetic()) else { return Script::Latin };
    match letter as u32 {
        0x0041..=0x024F | 0x1E00..=0x1EFF | 0xFF21..=0xFF5A => Script::Latin,
        0x0370..=0x03FF | 0x1F00..=0x1FFF => Script::Greek,
        0x0400..=0x052F => Script::Cyrillic,
        0x0530..=0x058F => Script::Armenian,
        0x0600..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF => Script::Arabic,
        0x0B80..=0x0BFF => Script::Tamil,
        0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7AF => Script::Hangul,
        0x2E80..=0x2FDF
        | 0x3005..=0x3007
        | 0x3040..=0x30FF
        | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF
        | 0xFF66..=0xFF9F
        | 0x20000..=0x3134F => Script::Cjk,
        _ => Script::Other,
    }
}

/// The language of a text as an ISO 639-3 code; English where it cannot be told and the script allows it.
pub(crate) fn language(text: &str) -> &'static str {
    let mut end = text.len().min(6_000);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match whatlang::detect(&text[..end]) {
        Some(found) if found.is_reliable() || found.script() != whatlang::Script::Latin => {
            found.lang().code()
        }
        _ => "eng",
    }
}

/// The stemmer of a language and the script that it is for.
fn stemmer(language: &str) -> Option<(Algorithm, Script)> {
    use Script::{Arabic, Cyrillic, Greek, Latin, Tamil};
    Some(match language {
        "eng" => (Algorithm::English, Latin),
        "deu" => (Algorithm::German, Latin),
        "fra" => (Algorithm::French, Latin),
        "spa" => (Algorithm::Spanish, Latin),
        "ita" => (Algorithm::Italian, Latin),
        "por" => (Algorithm::Portuguese, Latin),
        "nld" => (Algorithm::Dutch, Latin),
        "dan" => (Algorithm::Danish, Latin),
        "nob" => (Algorithm::Norwegian, Latin),
        "swe" => (Algorithm::Swedish, Latin),
        "fin" => (Algorithm::Finnish, Latin),
        "hun" => (Algorithm::Hungarian, Latin),
        "ron" => (Algorithm::Romanian, Latin),
        "tur" => (Algorithm::Turkish, Latin),
        "rus" | "ukr" | "bel" | "bul" | "mkd" | "srp" => (Algorithm::Russian, Cyrillic),
        "ell" => (Algorithm::Greek, Greek),
        "ara" | "pes" | "urd" => (Algorithm::Arabic, Arabic),
        "tam" => (Algorithm::Tamil, Tamil),
        _ => return None,
    })
}

/// What stands for words of a script inside a document of another.
fn default_language(script: Script) -> &'static str {
    match script {
        Script::Latin => "eng",
        Script::Cyrillic => "rus",
        Script::Greek => "ell",
        Script::Arabic => "ara",
        Script::Tamil => "tam",
        _ => "",
    }
}

/// Whether words of `script` in a document of `language` are words of that language, as far as scripts can tell.
fn writes(language: &str, script: Script) -> bool {
    match stemmer(language) {
        Some((_, own)) => own == script,
        // Languages without a stemmer: those that are written in Latin letters must not be stemmed as English.
        None => {
            script == Script::Latin
                && matches!(
                    language,
                    "pol"
                        | "ces"
                        | "slk"
                        | "hrv"
                        | "slv"
                        | "cat"
                        | "vie"
                        | "ind"
                        | "jav"
                        | "lat"
                        | "epo"
                        | "est"
                        | "lav"
                        | "lit"
                        | "aze"
                        | "uzb"
                        | "tuk"
                        | "tgl"
                        | "sna"
                        | "zul"
                        | "afr"
                        | "cym"
                )
        }
    }
}

/// The term that `token` is in the stems field of a document in `language`.
///
/// A stem carries its language, so that stems of different languages that happen to look alike never meet.
pub(crate) fn stem(token: &Token, language: &str) -> String {
    let script = script(&token.lower);
    let language = if writes(language, script) { language } else { default_language(script) };
    match stemmer(language) {
        Some((algorithm, _)) if token.kind == Kind::Word && token.lower.contains(char::is_alphabetic) => {
            let stem = Stemmer::create(algorithm).stem(&token.lower).into_owned();
            format!("{language}:{}", fold(&stem))
        }
        _ => token.folded.clone(),
    }
}

impl Kind {
    pub(crate) fn is_exact(self) -> bool {
        self != Kind::Segment
    }

    pub(crate) fn is_stemmed(self) -> bool {
        matches!(self, Kind::Word | Kind::Segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, exact: &str, stems: &str) {
        let tokens = tokens(text);
        let join = |words: Vec<String>| words.join(" ");
        let language = language(text);
        let found = join(tokens.iter().filter(|t| t.kind.is_exact()).map(|t| t.folded.clone()).collect());
        assert_eq!(found, exact, "exact field of {text:?}");
        let found = join(tokens.iter().filter(|t| t.kind.is_stemmed()).map(|t| stem(t, language)).collect());
        assert_eq!(found, stems, "stems of {text:?}");
    }

    #[test]
    fn identifiers_are_whole_and_in_parts() {
        check("see EX-10.38", "see ex-10.38 ex 10.38", "eng:see eng:ex 10.38");
        check("on 2024-03-01", "on 2024-03-01 2024 03 01", "eng:on 2024 03 01");
        check("AB_123", "ab_123 ab 123", "eng:ab 123");
        check(
            "anna@example.org",
            "anna@example.org anna example.org example org",
            "eng:anna eng:exampl eng:org",
        );
        check("$1,000.50", "1,000.50 1000.50", "1000.50");
        check("getUserName", "getusername get user name", "eng:getusernam eng:get eng:user eng:name");
    }

    #[test]
    fn words_lose_case_accents_and_endings() {
        check("John's Café", "john cafe", "eng:john eng:cafe");
        check("The tenants are running", "the tenants are running", "eng:the eng:tenant eng:are eng:run");
        let text = "Der Mieter zahlt die Miete für die Wohnungen am dritten Werktag eines jeden Monats";
        assert_eq!(language(text), "deu");
        let wohnung = tokens("Wohnungen");
        assert_eq!(stem(&wohnung[0], "deu"), "deu:wohnung");
    }

    #[test]
    fn scripts_without_spaces_are_found_by_pairs_and_by_words() {
        check("北京大学", "北京 京大 大学", "北京 大学");
        let thai = tokens("ภาษาไทยง่าย");
        assert!(thai.len() > 1, "Thai is cut into words: {}", thai.len());
        check("한국어", "한국어", "한국 국어");
    }

    #[test]
    fn any_text_has_tokens() {
        for text in ["", "\u{301}", "-", "a-", "-1", "'", "'s", "_", "…", "\u{1F600}", "a\u{0}b"] {
            tokens(text);
        }
    }
}
