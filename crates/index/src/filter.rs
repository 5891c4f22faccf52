//! Which documents a search may look at.

use std::collections::HashSet;

use carrel_corpus::DocumentId;

use crate::catalog::delta::FilteredDocument;
use crate::catalog::folders::is_under;

/// Restricts a search to some documents. Every condition that is set must hold; the default lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only documents in any of these folders, given as paths.
    pub folders: Vec<String>,
    /// Only documents of any of these types: a media type (`application/pdf`), its first part (`text`), or a file
    /// name extension (`pdf`).
    pub types: Vec<String>,
    /// Only documents whose path matches: `*` stands for any characters, `?` for one, case does not matter. A pattern
    /// without `/` is matched with the file name, and without `*` and `?` anywhere in it.
    pub path: Option<String>,
    /// Only documents dated at or after this time, in seconds since the Unix epoch.
    pub after: Option<i64>,
    /// Only documents dated before this time.
    pub before: Option<i64>,
    /// Only these documents, and their members, if there are any here.
    pub documents: Vec<DocumentId>,
    /// None of these documents.
    pub exclude: Vec<DocumentId>,
}

/// A filter made ready to be asked about many documents.
pub(crate) struct Conditions<'a> {
    filter: &'a Filter,
    patterns: Vec<String>,
    only: HashSet<i64>,
    not: HashSet<i64>,
}

impl<'a> Conditions<'a> {
    /// `files` are further path patterns, all of which must match.
    pub(crate) fn new(filter: &'a Filter, files: &[String]) -> Conditions<'a> {
        Conditions {
            filter,
            patterns: filter.path.iter().chain(files).map(|pattern| pattern.to_lowercase()).collect(),
            only: filter.documents.iter().map(|document| document.0).collect(),
            not: filter.exclude.iter().map(|document| document.0).collect(),
        }
    }

    pub(crate) fn is_everything(&self) -> bool {
        *self.filter == Filter::default() && self.patterns.is_empty()
    }

    pub(crate) fn allow(&self, document: &FilteredDocument) -> bool {
        let Filter { folders, types, after, before, .. } = self.filter;
        (self.only.is_empty() || self.only.contains(&document.id))
            && !self.not.contains(&document.id)
            && after.is_none_or(|after| document.date >= after)
            && before.is_none_or(|before| document.date < before)
            && (folders.is_empty() || folders.iter().any(|folder| is_under(&document.path, folder)))
            && (types.is_empty()
                || types.iter().any(|kind| is_type(kind, &document.path, &document.media_type)))
            && self.patterns.iter().all(|pattern| matches_path(pattern, &document.path.to_lowercase()))
    }
}

fn is_type(kind: &str, path: &str, media_type: &str) -> bool {
    let kind = kind.trim_start_matches('.').to_ascii_lowercase();
    let extension = file_name(path).rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    media_type.eq_ignore_ascii_case(&kind)
        || media_type.split('/').next().is_some_and(|family| family.eq_ignore_ascii_case(&kind))
        || extension.is_some_and(|extension| extension == kind)
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Both in lower case.
fn matches_path(pattern: &str, path: &str) -> bool {
    match (pattern.contains('/'), pattern.contains(['*', '?'])) {
        (true, _) => glob(pattern, path),
        (false, true) => glob(pattern, file_name(path)),
        (false, false) => file_name(path).contains(pattern),
    }
}

/// `*` stands for any run of characters and `?` for one. Goes back at most to the last `*`.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str, media_type: &str, date: i64) -> FilteredDocument {
        FilteredDocument {
            id: 1,
            path: path.into(),
            media_type: media_type.into(),
            language: String::new(),
            date,
        }
    }

    #[test]
    fn every_condition_must_hold() {
        let lease = document("/desk/2024/Lease v2.pdf", "application/pdf", 100);
        let allows = |filter: Filter| Conditions::new(&filter, &[]).allow(&lease);
        assert!(allows(Filter::default()));
        assert!(allows(Filter { folders: vec!["/desk".into()], ..Filter::default() }));
        assert!(!allows(Filter { folders: vec!["/des".into()], ..Filter::default() }));
        for (kind, held) in
            [("pdf", true), (".PDF", true), ("application/pdf", true), ("text", false), ("application", true)]
        {
            assert_eq!(allows(Filter { types: vec![kind.into()], ..Filter::default() }), held, "{kind}");
        }
        for (path, held) in [
            ("lease", true),
            ("lease*.pdf", true),
            ("lease", true),
            ("*.docx", false),
            ("*/2024/*", true),
            ("lease ?2.pdf", true),
            ("v2", true),
            ("2024", false),
        ] {
            assert_eq!(allows(Filter { path: Some(path.into()), ..Filter::default() }), held, "{path}");
        }
        assert!(allows(Filter { after: Some(100), before: Some(101), ..Filter::default() }));
        assert!(!allows(Filter { before: Some(100), ..Filter::default() }));
        assert!(!allows(Filter { exclude: vec![DocumentId(1)], ..Filter::default() }));
        assert!(!allows(Filter { documents: vec![DocumentId(2)], ..Filter::default() }));
    }

    #[test]
    fn globs_with_many_stars_end_soon() {
        assert!(!glob(&"*a".repeat(40), &"a".repeat(39).replace('a', "ab")));
        assert!(glob("a*b*c", "a-b-b-c"));
        assert!(glob("**", ""));
    }
}
