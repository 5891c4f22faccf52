//! RTF as a stream of tokens.

use std::borrow::Cow;

pub(super) enum Token<'a> {
    Open,
    Close,
    /// `\*`
    Optional,
    /// A control word or symbol with its number.
    Word(&'a str, Option<i32>),
    /// Text in the encoding that is in force.
    Bytes(Cow<'a, [u8]>),
    /// A character given by its code; half of a pair without the other half is U+FFFD.
    Unicode(char),
    /// Half of a surrogate pair. Never leaves the iterator.
    Half(u16),
}

pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many characters after `\u` repeat it for old readers, by group.
    repeats: Vec<usize>,
    /// Characters still to be left out after a `\u`.
    skip: usize,
    /// First half of a surrogate pair.
    high: Option<u16>,
    /// What comes after the sign for a half that has no other.
    queued: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    pub fn new(bytes: &'a [u8]) -> Tokens<'a> {
        Tokens { bytes, at: 0, repeats: vec![1], skip: 0, high: None, queued: None }
    }

    /// The token of a control word or symbol; `Some(None)` for one that is none, `None` at the end.
    fn control(&mut self) -> Option<Option<Token<'a>>> {
        let first = *self.bytes.get(self.at)?;
        if !first.is_ascii_alphabetic() {
            self.at += 1;
            return self.symbol(first);
        }
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
            self.at += 1;
        }
        let word = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or("");
        let digits = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let value =
            std::str::from_utf8(&self.bytes[digits..self.at]).ok().and_then(|digits| digits.parse().ok());
        if self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        match (word, value) {
            ("u", Some(code)) => self.unicode(code),
            ("uc", Some(count)) => {
                if let Some(last) = self.repeats.last_mut() {
                    *last = usize::try_from(count).unwrap_or(1);
                }
                Some(None)
            }
            ("bin", Some(length)) => {
                self.at = self.at.saturating_add(usize::try_from(length).unwrap_or(0)).min(self.bytes.len());
                Some(None)
            }
            _ => Some(Some(Token::Word(word, value))),
        }
    }

    fn symbol(&mut self, symbol: u8) -> Option<Option<Token<'a>>> {
        match symbol {
            b'\'' => {
                let code =
                    self.bytes.get(self.at..self.at + 2).and_then(|code| std::str::from_utf8(code).ok());
                let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
                if byte.is_some() {
                    self.at += 2;
                }
                if self.skip > 0 {
                    self.skip -= 1;
                    return Some(None);
                }
                match byte {
                    Some(byte) => Some(Some(Token::Bytes(Cow::Owned(vec![byte])))),
                    None => Some(None),
                }
            }
            b'*' => Some(Some(Token::Optional)),
            b'~' => Some(Some(Token::Word("~", None))),
            b'_' => Some(Some(Token::Word("_", None))),
            b'\n' | b'\r' => Some(Some(Token::Word("par", None))),
            b'{' | b'}' | b'\\' => Some(Some(Token::Bytes(Cow::Owned(vec![symbol])))),
            _ => Some(None),
        }
    }

    fn unicode(&mut self, code: i32) -> Option<Option<Token<'a>>> {
        self.skip = self.repeats.last().copied().unwrap_or(1);
        let unit = if code < 0 { code + 65_536 } else { code };
        let c = match u16::try_from(unit) {
            Ok(unit @ 0xD800..=0xDFFF) => return Some(Some(Token::Half(unit))),
            _ => u32::try_from(unit).ok().and_then(char::from_u32),
        };
        // Symbol fonts stand in the private area at their byte codes.
        match c {
            Some(c) if ('\u{f020}'..='\u{f0ff}').contains(&c) => {
                Some(char::from_u32(u32::from(c) - 0xF000).map(Token::Unicode))
            }
            Some(c) => Some(Some(Token::Unicode(c))),
            None => Some(None),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    /// Joins the halves of surrogate pairs.
    fn next(&mut self) -> Option<Token<'a>> {
        const LOST: Token = Token::Unicode(char::REPLACEMENT_CHARACTER);
        loop {
            let token = self.queued.take().or_else(|| self.step());
            match (token, self.high.take()) {
                (Some(Token::Half(high @ 0xD800..=0xDBFF)), before) => {
                    self.high = Some(high);
                    if before.is_some() {
                        return Some(LOST);
                    }
                }
                (Some(Token::Half(low)), before) => {
                    let pair = before.and_then(|high| char::decode_utf16([high, low]).next()?.ok());
                    return Some(pair.map_or(LOST, Token::Unicode));
                }
                (token @ (Some(Token::Bytes(_) | Token::Unicode(_)) | None), Some(_)) => {
                    self.queued = token;
                    return Some(LOST);
                }
                // What stands between the halves of a pair does not part them.
                (token, high) => {
                    self.high = high;
                    return token;
                }
            }
        }
    }
}

impl<'a> Tokens<'a> {
    fn step(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            match byte {
                b'{' => {
                    self.at += 1;
                    self.skip = 0;
                    let repeat = self.repeats.last().copied().unwrap_or(1);
                    self.repeats.push(repeat);
                    return Some(Token::Open);
                }
                b'}' => {
                    self.at += 1;
                    self.skip = 0;
                    if self.repeats.len() > 1 {
                        self.repeats.pop();
                    }
                    return Some(Token::Close);
                }
                b'\\' => {
                    self.at += 1;
                    if let Some(token) = self.control()? {
                        return Some(token);
                    }
                }
                b'\r' | b'\n' | 0 => self.at += 1,
                _ if self.skip > 0 => {
                    self.skip -= 1;
                    self.at += 1;
                }
                _ => {
                    let start = self.at;
                    while self
                        .bytes
                        .get(self.at)
                        .is_some_and(|b| !matches!(b, b'{' | b'}' | b'\\' | b'\r' | b'\n' | 0))
                    {
                        self.at += 1;
                    }
                    return Some(Token::Bytes(Cow::Borrowed(&self.bytes[start..self.at])));
                }
            }
        }
    }
}
