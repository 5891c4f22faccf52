//! Characters for codes that the ordinary way gives none for: what stands in a font's `ToUnicode` map in an unusual
//! form, what its character collection says, and what the embedded program's own `cmap` table says of its glyphs.

use std::collections::HashMap;

use hayro_cmap::{BfString, CMap, CMapName, CidFamily};
use hayro_syntax::object::{Array, Dict, Name, Stream, String as PdfString};

/// Most entries read of one map.
const ENTRIES: usize = 200_000;

/// The other sources of one font.
#[derive(Default)]
pub(super) struct Fallback {
    to_unicode: HashMap<u32, String>,
    collection: Option<Collection>,
    /// Characters of the glyphs of an embedded TrueType program.
    glyphs: HashMap<u32, char>,
    /// Whether the codes are characters themselves: those of a composite font that is mapped to glyphs by a table.
    plain: bool,
    /// Whether the font is not embedded and is one of those whose glyphs stand in the order of [`core_glyph`].
    core: bool,
}

struct Collection {
    encoding: Option<CMap>,
    to_unicode: CMap,
}

impl Fallback {
    pub fn new(dict: &Dict) -> Fallback {
        let composite = dict.get::<Name>(b"Subtype").is_some_and(|kind| kind.as_str() == "Type0");
        let descendant = match composite {
            true => dict.get::<Array>(b"DescendantFonts").and_then(|fonts| fonts.iter::<Dict>().next()),
            false => Some(dict.clone()),
        };
        let to_unicode = dict.get::<Stream>(b"ToUnicode").and_then(|stream| stream.decoded_data().ok());
        let program = descendant
            .as_ref()
            .and_then(|font| font.get::<Dict>(b"FontDescriptor"))
            .and_then(|descriptor| {
                [b"FontFile2".as_slice(), b"FontFile3"].iter().find_map(|key| descriptor.get::<Stream>(key))
            })
            .and_then(|stream| stream.decoded_data().ok());
        let identity =
            dict.get::<Name>(b"Encoding").is_some_and(|name| name.as_str().starts_with("Identity"));
        // A table from codes to glyphs: the codes are characters then.
        let plain =
            composite && descendant.as_ref().is_some_and(|font| font.get::<Stream>(b"CIDToGIDMap").is_some());
        let core = composite && identity && !plain && descendant.as_ref().is_some_and(is_core);
        Fallback {
            core,
            to_unicode: to_unicode.map(|text| parse_to_unicode(&text)).unwrap_or_default(),
            collection: descendant.as_ref().filter(|_| composite).and_then(|font| Collection::of(dict, font)),
            glyphs: program.and_then(|program| glyph_characters(&program)).unwrap_or_default(),
            plain,
        }
    }

    /// The characters of a code that shows the glyph `glyph`.
    pub fn text(&self, code: u32, glyph: u32) -> Option<String> {
        if let Some(text) = self.to_unicode.get(&code) {
            return Some(text.clone());
        }
        let of_core = || core_glyph(code).filter(|_| self.core).map(String::from);
        let of_collection = self.collection.as_ref().and_then(|collection| collection.text(code));
        let of_glyph = || self.glyphs.get(&glyph).filter(|_| glyph != 0).map(char::to_string);
        let of_code = || char::from_u32(code).filter(|c| self.plain && c.is_alphanumeric()).map(String::from);
        of_collection.or_else(of_glyph).or_else(of_core).or_else(of_code)
    }
}

/// Whether a composite font stands for a TrueType font that came with Windows, by glyph numbers, without being embedded.
fn is_core(descendant: &Dict) -> bool {
    const CORE: [&str; 7] =
        ["arial", "timesnewroman", "couriernew", "verdana", "tahoma", "georgia", "trebuchet"];
    let name = descendant.get::<Name>(b"BaseFont");
    let name = name.map(|name| name.as_str().to_lowercase().replace([' ', '-'], "")).unwrap_or_default();
    let embedded = descendant.get::<Dict>(b"FontDescriptor").is_some_and(|descriptor| {
        [b"FontFile".as_slice(), b"FontFile2", b"FontFile3"].iter().any(|key| descriptor.contains_key(key))
    });
    let numbered = descendant.get::<Name>(b"Subtype").is_some_and(|kind| kind.as_str() == "CIDFontType2");
    numbered && !embedded && CORE.iter().any(|core| name.starts_with(core))
}

/// The character of a glyph in the order of the standard Macintosh glyphs (OpenType, `post` table), which those fonts
/// follow but for the no-break space, which they leave out.
fn core_glyph(glyph: u32) -> Option<char> {
    let byte = match glyph {
        3..=97 => glyph + 29,
        98..=171 => glyph + 30,
        172..=224 => glyph + 31,
        _ => return None,
    };
    let byte = u8::try_from(byte).ok()?;
    encoding_rs::MACINTOSH.decode_without_bom_handling(&[byte]).0.chars().next()
}

impl Collection {
    fn of(dict: &Dict, descendant: &Dict) -> Option<Collection> {
        let named =
            dict.get::<Name>(b"Encoding").map(|name| CMapName::from_bytes(name.as_ref()).to_bytes().to_vec());
        let encoding = match named.as_deref() {
            Some(b"Identity-H" | b"Identity-V") | None => None,
            Some(name) => hayro_cmap::load_embedded(CMapName::from_bytes(name))
                .and_then(|data| CMap::parse(data, hayro_cmap::load_embedded)),
        };
        let stated = encoding.as_ref().and_then(|cmap| cmap.metadata().character_collection.clone());
        let family = stated.map(|collection| collection.family).or_else(|| {
            let info = descendant.get::<Dict>(b"CIDSystemInfo")?;
            let text = |key: &[u8]| info.get::<PdfString>(key).map(|text| text.to_vec());
            Some(CidFamily::from_registry_ordering(&text(b"Registry")?, &text(b"Ordering")?))
        })?;
        let to_unicode =
            CMap::parse(hayro_cmap::load_embedded(family.ucs2_cmap()?)?, hayro_cmap::load_embedded)?;
        Some(Collection { encoding, to_unicode })
    }

    fn text(&self, code: u32) -> Option<String> {
        let cid = match &self.encoding {
            Some(encoding) => (1..=4).find_map(|length| encoding.lookup_cid_code(code, length))?,
            None => code,
        };
        match self.to_unicode.lookup_bf_string(cid)? {
            BfString::Char(c) => Some(c.to_string()),
            BfString::String(text) => Some(text),
        }
    }
}

/// Reads the `bfchar` and `bfrange` sections of a `ToUnicode` map, whatever else is in it.
fn parse_to_unicode(bytes: &[u8]) -> HashMap<u32, String> {
    let mut map = HashMap::new();
    let mut pending: Vec<Token> = Vec::new();
    let mut tokens = Tokens { bytes, at: 0 };
    while let Some(token) = tokens.next() {
        match token {
            Token::Word("beginbfchar" | "beginbfrange") => pending.clear(),
            Token::Word("endbfchar") => {
                for pair in pending.chunks_exact(2) {
                    if let [Token::Hex(code), Token::Hex(text)] = pair {
                        map.insert(number(code), utf16(text, 0));
                    }
                }
                pending.clear();
            }
            Token::Word("endbfrange") => {
                ranges(&pending, &mut map);
                pending.clear();
            }
            token if pending.len() < ENTRIES => pending.push(token),
            _ => {}
        }
        if map.len() > ENTRIES {
            break;
        }
    }
    map
}

fn ranges(tokens: &[Token], map: &mut HashMap<u32, String>) {
    let mut rest = tokens;
    while let [Token::Hex(first), Token::Hex(last), tail @ ..] = rest {
        let (first, last) = (number(first), number(last).min(number(first).saturating_add(0xFFFF)));
        match tail {
            [Token::Hex(text), tail @ ..] => {
                for code in first..=last {
                    map.insert(code, utf16(text, code - first));
                }
                rest = tail;
            }
            [Token::Word("["), tail @ ..] => {
                let texts = tail.iter().take_while(|token| matches!(token, Token::Hex(_))).count();
                for (code, text) in (first..=last).zip(&tail[..texts]) {
                    if let Token::Hex(text) = text {
                        map.insert(code, utf16(text, 0));
                    }
                }
                rest = tail.get(texts + 1..).unwrap_or(&[]);
            }
            _ => return,
        }
    }
}

enum Token<'a> {
    Hex(Vec<u8>),
    Word(&'a str),
}

struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            match byte {
                b'<' if self.bytes.get(self.at + 1) != Some(&b'<') => return Some(self.hex()),
                b'[' | b']' => {
                    self.at += 1;
                    return Some(Token::Word(if byte == b'[' { "[" } else { "]" }));
                }
                byte if byte.is_ascii_alphabetic() => {
                    let start = self.at;
                    while self.bytes.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
                        self.at += 1;
                    }
                    return Some(Token::Word(std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or("")));
                }
                _ => self.at += 1,
            }
        }
    }

    fn hex(&mut self) -> Token<'a> {
        let start = self.at + 1;
        let length =
            self.bytes[start..].iter().position(|&byte| byte == b'>').unwrap_or(self.bytes.len() - start);
        self.at = start + length;
        let digits: Vec<u8> = self.bytes[start..start + length]
            .iter()
            .filter_map(|&byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .take(512)
            .collect();
        Token::Hex(digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect())
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// UTF-16 with `offset` added to its last unit.
fn utf16(bytes: &[u8], offset: u32) -> String {
    let mut units: Vec<u16> = match bytes {
        [one] => vec![u16::from(*one)],
        _ => bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect(),
    };
    if let Some(last) = units.last_mut() {
        *last = last.wrapping_add(offset as u16);
    }
    String::from_utf16_lossy(&units).replace(['\0', '\u{fffd}'], "")
}

/// The characters of the glyphs of a TrueType program, by its `cmap` table (OpenType, formats 4 and 12).
fn glyph_characters(program: &[u8]) -> Option<HashMap<u32, char>> {
    let tables = usize::from(short(program, 4)?);
    let table = (0..tables.min(64)).find_map(|table| {
        let entry = 12 + 16 * table;
        (program.get(entry..entry + 4)? == b"cmap").then(|| long(program, entry + 8))?
    })? as usize;
    let mut map = HashMap::new();
    for subtable in 0..usize::from(short(program, table + 2)?).min(32) {
        let entry = table + 4 + 8 * subtable;
        let (platform, encoding) = (short(program, entry)?, short(program, entry + 2)?);
        if platform == 0 || (platform == 3 && matches!(encoding, 1 | 10)) {
            let at = table + long(program, entry + 4)? as usize;
            match short(program, at)? {
                4 => read_segments(program, at, &mut map),
                12 => read_groups(program, at, &mut map),
                _ => None,
            };
        }
    }
    Some(map)
}

fn read_segments(program: &[u8], at: usize, map: &mut HashMap<u32, char>) -> Option<()> {
    let segments = usize::from(short(program, at + 6)?) / 2;
    let (ends, starts) = (at + 14, at + 16 + 2 * segments);
    let (deltas, offsets) = (starts + 2 * segments, starts + 4 * segments);
    for segment in 0..segments {
        let (start, end) = (short(program, starts + 2 * segment)?, short(program, ends + 2 * segment)?);
        let delta = short(program, deltas + 2 * segment)?;
        let offset = usize::from(short(program, offsets + 2 * segment)?);
        for code in start..=end {
            let glyph = match offset {
                0 => code.wrapping_add(delta),
                offset => {
                    let place = offsets + 2 * segment + offset + 2 * usize::from(code - start);
                    short(program, place)
                        .filter(|glyph| *glyph != 0)
                        .map_or(0, |glyph| glyph.wrapping_add(delta))
                }
            };
            if let Some(c) = char::from_u32(u32::from(code)).filter(|_| glyph != 0 && code != 0xFFFF) {
                map.entry(u32::from(glyph)).or_insert(c);
            }
        }
    }
    Some(())
}

fn read_groups(program: &[u8], at: usize, map: &mut HashMap<u32, char>) -> Option<()> {
    for group in 0..long(program, at + 12)?.min(65_536) as usize {
        let entry = at + 16 + 12 * group;
        let (start, end, glyph) =
            (long(program, entry)?, long(program, entry + 4)?, long(program, entry + 8)?);
        for code in start..=end.min(start.saturating_add(0xFFFF)) {
            if let Some(c) = char::from_u32(code) {
                map.entry(glyph.saturating_add(code - start)).or_insert(c);
            }
        }
        if map.len() > ENTRIES {
            break;
        }
    }
    Some(())
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_in_every_form() {
        let map = parse_to_unicode(
            b"/CIDInit 1 begincodespacerange <00> <FF> endcodespacerange 2 beginbfchar <01> <0041> <02><00660069> endbfchar\n\
              2 beginbfrange <10> <12> <0061> <20> <21> [<0391> <0392>] endbfrange",
        );
        let text = |code: u32| map.get(&code).map(String::as_str);
        assert_eq!((text(1), text(2), text(0x12), text(0x21)), (Some("A"), Some("fi"), Some("c"), Some("Β")));
    }

    #[test]
    fn glyphs_get_their_characters_from_the_program() {
        let mut program = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        program.extend_from_slice(b"cmap\0\0\0\0\0\0\0\x1c\0\0\0\0");
        program.extend_from_slice(&[0, 0, 0, 1, 0, 3, 0, 1, 0, 0, 0, 12]);
        // Format 4: codes 65 to 66 are glyphs 5 and 6, then the closing segment.
        for unit in [4u16, 32, 0, 4, 0, 0, 0, 66, 0xFFFF, 0, 65, 0xFFFF, 0xFFC4, 1, 0, 0] {
            program.extend_from_slice(&unit.to_be_bytes());
        }
        let map = glyph_characters(&program).expect("a table");
        assert_eq!((map.get(&5), map.get(&6)), (Some(&'A'), Some(&'B')));
    }
}
