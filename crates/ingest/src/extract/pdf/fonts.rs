//! Fonts of a PDF as far as text needs them: from the codes of a string to characters and advances.

mod fallback;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use hayro_cmap::BfString;
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontQuery, FontResolverFn};
use hayro_syntax::object::{Dict, Name};
use unicode_normalization::UnicodeNormalization;

use fallback::Fallback;

/// The fonts of a document, each loaded once.
pub(super) struct Fonts<'a> {
    cache: FontCache<'a>,
    programs: FontResolverFn,
    cmaps: CMapResolverFn,
    /// By where the font's dictionary stands in the file.
    faces: RefCell<Faces<'a>>,
}

/// `None` for a font that cannot be used.
type Faces<'a> = HashMap<(usize, usize), Option<Rc<Face<'a>>>>;

impl<'a> Fonts<'a> {
    pub fn new() -> Fonts<'a> {
        let standard = |query: &FontQuery| {
            Some(match query {
                FontQuery::Standard(font) => font.get_font_data(),
                FontQuery::Fallback(query) => query.pick_standard_font().get_font_data(),
            })
        };
        Fonts {
            cache: FontCache::new(),
            programs: Arc::new(standard),
            cmaps: Arc::new(hayro_cmap::load_embedded),
            faces: RefCell::default(),
        }
    }

    /// The face of a font dictionary; `None` for one that is damaged.
    pub fn face(&self, dict: &Dict<'a>) -> Option<Rc<Face<'a>>> {
        let data = dict.data();
        let key = (data.as_ptr() as usize, data.len());
        if let Some(face) = self.faces.borrow().get(&key) {
            return face.clone();
        }
        let face =
            self.cache.font(dict, &self.programs, &self.cmaps).map(|font| Rc::new(Face::new(font, dict)));
        self.faces.borrow_mut().insert(key, face.clone());
        face
    }
}

/// What a code means.
#[derive(Clone)]
pub(super) struct Code {
    /// Its characters; empty where the font does not tell.
    pub text: Rc<str>,
    /// Advance along the line in text space, for a font size of 1.
    pub advance: f32,
    /// Where the glyph begins relative to the current point, for vertical writing.
    pub shift: f32,
}

/// A font with the codes that were used so far.
pub(super) struct Face<'a> {
    font: Font<'a>,
    dict: Dict<'a>,
    fallback: OnceCell<Fallback>,
    pub bold: bool,
    pub vertical: bool,
    bytes: RefCell<Vec<Option<Code>>>,
    wide: RefCell<HashMap<u32, Code>>,
}

impl<'a> Face<'a> {
    fn new(font: Font<'a>, dict: &Dict<'a>) -> Face<'a> {
        let name =
            dict.get::<Name>(b"BaseFont").map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
        let bold = ["bold", "black", "heavy", "demi"].iter().any(|weight| name.contains(weight));
        let vertical = !font.is_horizontal();
        let dict = dict.clone();
        let fallback = OnceCell::new();
        Face {
            font,
            dict,
            fallback,
            bold,
            vertical,
            bytes: RefCell::new(vec![None; 256]),
            wide: RefCell::default(),
        }
    }

    /// Calls `each` with every code of a string, its number and its length in bytes.
    pub fn codes(&self, string: &[u8], mut each: impl FnMut(&Code, u32, usize)) {
        let mut at = 0;
        while at < string.len() {
            let (code, length) = self.font.read_code(string, at);
            at += length.max(1);
            if code < 256 && length == 1 {
                let known = self.bytes.borrow()[code as usize].clone();
                let meaning = known.unwrap_or_else(|| {
                    let meaning = self.look_up(code);
                    self.bytes.borrow_mut()[code as usize] = Some(meaning.clone());
                    meaning
                });
                each(&meaning, code, length);
            } else {
                let known = self.wide.borrow().get(&code).cloned();
                let meaning = known.unwrap_or_else(|| {
                    let meaning = self.look_up(code);
                    self.wide.borrow_mut().insert(code, meaning.clone());
                    meaning
                });
                each(&meaning, code, length);
            }
        }
    }

    fn look_up(&self, code: u32) -> Code {
        let glyph = self.font.map_code(code);
        let unicode = match self.font.glyph(glyph, code) {
            FontGlyph::Outline(glyph) => glyph.as_unicode(),
            FontGlyph::Type3(glyph) => glyph.as_unicode(),
        };
        let known = match unicode {
            Some(BfString::Char('\0')) | None => None,
            Some(BfString::Char(c)) => Some(c.to_string()),
            Some(BfString::String(text)) => Some(text),
        };
        let other = || self.fallback.get_or_init(|| Fallback::new(&self.dict)).text(code, glyph.to_u32());
        let text = known.or_else(other).map(|text| readable(&text)).unwrap_or_default();
        let advance = self.font.code_advance(code);
        let shift = self.font.origin_displacement(code);
        let along = if self.vertical { advance.y } else { advance.x };
        let finite = |value: f64| if value.is_finite() { (value / 1000.0) as f32 } else { 0.0 };
        Code { text: text.into(), advance: finite(along), shift: finite(shift.x) }
    }
}

/// Ligatures and presentation forms as the letters they stand for, without control characters.
fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{a0}' | '\t' => out.push(' '),
            '\u{f0b7}' => out.push('•'),
            '\u{ad}' => out.push('-'),
            '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' => out.extend(std::iter::once(c).nfkc()),
            c if c.is_control() || c == '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn ligatures_are_letters() {
        assert_eq!(super::readable("of\u{fb01}ce\u{0}"), "office");
        assert_eq!(super::readable("\u{fefb}"), "لا");
    }
}
