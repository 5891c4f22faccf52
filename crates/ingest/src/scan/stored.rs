//! Paths as the catalog keeps them: UTF-8 text, from which the file can be opened again whatever its name is.
//!
//! A name that is valid UTF-8 is kept as it is. In any other, each byte that is not part of a character becomes
//! U+FFFD and a percent escape (`caf\u{FFFD}%E9.txt`), which a person can read and [`path_from_stored`] undoes.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const MARK: char = '\u{FFFD}';

/// The text under which the catalog keeps `path`. Different paths have different texts.
pub fn stored_from_path(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains(MARK)
    {
        return text.to_owned();
    }
    let mut stored = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(MARK) {
            stored.push_str(&rest[..at]);
            rest = &rest[at + MARK.len_utf8()..];
            // A name may hold the mark itself: it is escaped where it would read as an escape.
            match escape(rest) {
                Some(_) => MARK.to_string().bytes().for_each(|byte| push_escape(&mut stored, byte)),
                None => stored.push(MARK),
            }
        }
        stored.push_str(rest);
        chunk.invalid().iter().for_each(|byte| push_escape(&mut stored, *byte));
    }
    stored
}

/// The path that [`stored_from_path`] made `stored` from.
pub fn path_from_stored(stored: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(stored.len());
    let mut rest = stored;
    while let Some(at) = rest.find(MARK) {
        let after = &rest[at + MARK.len_utf8()..];
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        match escape(after) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.extend_from_slice(MARK.to_string().as_bytes());
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    PathBuf::from(OsString::from_vec(bytes))
}

fn push_escape(stored: &mut String, byte: u8) {
    stored.push(MARK);
    stored.push_str(&format!("%{byte:02X}"));
}

/// The byte that `text` begins with in escaped form: `%E9`.
fn escape(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%')?.get(..2)?;
    let upper = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    upper.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn check(bytes: &[u8], stored: &str) {
        let path = Path::new(OsStr::from_bytes(bytes));
        assert_eq!(stored_from_path(path), stored);
        assert_eq!(path_from_stored(stored), path);
    }

    #[test]
    fn valid_names_are_kept_and_others_escaped() {
        check("/a/Zürich 100%.txt".as_bytes(), "/a/Zürich 100%.txt");
        check(b"/a/M%C3%BCller%25.pdf", "/a/M%C3%BCller%25.pdf");
        check(b"/a/caf\xE9.txt", "/a/caf\u{FFFD}%E9.txt");
        check("/a/\u{FFFD}.txt".as_bytes(), "/a/\u{FFFD}.txt");
        check("/a/\u{FFFD}%E9.txt".as_bytes(), "/a/\u{FFFD}%EF\u{FFFD}%BF\u{FFFD}%BD%E9.txt");
    }

    #[test]
    fn every_name_comes_back_and_no_two_meet() {
        let mut state = 7u64;
        let mut seen = std::collections::HashMap::new();
        let alphabet: [&[u8]; 8] =
            [b"a", b"%", b"E9", "\u{FFFD}".as_bytes(), b"\xE9", b"\xEF\xBF", b"\xBD", b"/"];
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..6 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                bytes.extend_from_slice(alphabet[(state >> 61) as usize]);
            }
            let stored = stored_from_path(Path::new(OsStr::from_bytes(&bytes)));
            assert_eq!(path_from_stored(&stored).as_os_str().as_bytes(), bytes);
            let former = seen.insert(stored, bytes.clone());
            assert!(former.is_none_or(|former| former == bytes));
        }
    }
}
