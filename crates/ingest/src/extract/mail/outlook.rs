//! Outlook messages (msg): properties in an OLE compound file ([MS-OXMSG]), with the body as text, HTML or compressed
//! RTF ([MS-OXRTFCP]), which may itself wrap the HTML ([MS-OXRTFEX]).

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use carrel_corpus::{Locator, Outcome};

use super::super::draft::one_line;
use super::super::{Draft, Reading, Source, dates, html, legacy, office, rtf};
use super::{NESTING, push_plain};
use crate::detect::decode;

/// Property tags of [MS-OXPROPS], without their types.
const CLASS: u16 = 0x001A;
const SUBJECT: u16 = 0x0037;
const SENT: u16 = 0x0039;
const SENDER: u16 = 0x0C1A;
const SENDER_ADDRESS: u16 = 0x0C1F;
const SENDER_SMTP: u16 = 0x5D01;
const CC: u16 = 0x0E03;
const TO: u16 = 0x0E04;
const DELIVERED: u16 = 0x0E06;
const BODY: u16 = 0x1000;
const RTF: u16 = 0x1009;
const HTML: u16 = 0x1013;
const ATTACHMENT: u16 = 0x3701;
const SHORT_NAME: u16 = 0x3704;
const LONG_NAME: u16 = 0x3707;
const DISPLAY_NAME: u16 = 0x3001;
const CODEPAGE: u16 = 0x3FFD;

type Compound<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

/// Reads a message with its attachments.
pub(in super::super) fn read(source: &Source) -> Reading {
    let mut file = cfb::CompoundFile::open(Cursor::new(source.bytes))
        .map_err(|_| Outcome::Failed { reason: "damaged message".into() })?;
    let mut draft = source.draft();
    push_message(source, &mut file, Path::new("/"), None, 0, &mut draft);
    Ok(draft)
}

fn push_message(
    source: &Source,
    file: &mut Compound,
    storage: &Path,
    within: Option<&str>,
    depth: usize,
    draft: &mut Draft,
) {
    let fixed = fixed_properties(file, storage, if depth == 0 { 32 } else { 24 });
    let number = |tag: u16| fixed.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
    let encoding =
        number(CODEPAGE).and_then(|page| codepage(page as u32)).unwrap_or(encoding_rs::WINDOWS_1252);
    let mut text = |tag: u16| string(file, storage, tag, encoding);
    let subject = text(SUBJECT).unwrap_or_default();
    let date = number(SENT).or(number(DELIVERED)).and_then(dates::windows);
    let sender = text(SENDER).unwrap_or_default();
    let address = text(SENDER_SMTP).or_else(|| text(SENDER_ADDRESS)).filter(|address| address.contains('@'));
    let from = match address {
        Some(address) if address != sender => format!("{sender} <{address}>"),
        _ => sender,
    };
    let mut head = String::new();
    for (name, value) in [
        ("From", from),
        ("To", text(TO).unwrap_or_default()),
        ("Cc", text(CC).unwrap_or_default()),
        ("Date", date.map(dates::text).unwrap_or_default()),
        ("Subject", subject.clone()),
    ] {
        if !value.trim().is_empty() {
            head.push_str(&format!("{name}: {}\n", one_line(&value)));
        }
    }
    if depth == 0 {
        draft.title = Some(subject);
        draft.date = date;
    }
    let part = |name: &str| within.map_or(name.to_owned(), |within| format!("{within}: {name}"));
    draft.paragraph(Locator::Part { name: part("headers") }, &head);
    push_body(file, storage, encoding, &part("body"), draft);
    draft.paragraph(Locator::Part { name: part("details") }, &details(file, storage, encoding).join("\n"));
    for attachment in attachments(file, storage) {
        if !push_attachment(source, file, &attachment, encoding, within, depth, draft) {
            return;
        }
    }
}

fn push_body(
    file: &mut Compound,
    storage: &Path,
    encoding: &'static encoding_rs::Encoding,
    part: &str,
    draft: &mut Draft,
) {
    let plain = string(file, storage, BODY, encoding).unwrap_or_default();
    let page = match binary(file, storage, HTML) {
        Some(bytes) => Some(decode_html(&bytes, encoding)),
        None => string(file, storage, HTML, encoding),
    };
    let mut body = Draft::new(draft.room());
    if let Some(page) = page {
        html::push_page(&page, Some(part), &mut body);
    } else if let Some(packed) = binary(file, storage, RTF)
        && let Some(unpacked) = decompress(&packed)
        && plain.trim().is_empty()
    {
        match rtf::wrapped_html(&unpacked) {
            Some(page) => html::push_page(&page, Some(part), &mut body),
            // Objects are attachments of the message, and only pictured here.
            None => {
                rtf::push(&unpacked, &Locator::Part { name: part.to_owned() }, &mut body);
            }
        }
    }
    let words = |text: &str| text.split_whitespace().count();
    if words(&plain) > words(body.text()) * 2 {
        push_plain(&plain, &Locator::Part { name: part.to_owned() }, draft);
    } else {
        body.title = None;
        draft.append(body);
    }
}

/// What a contact, an appointment or a task says in fields of its own, and the keywords of any message.
fn details(file: &mut Compound, storage: &Path, encoding: &'static encoding_rs::Encoding) -> Vec<String> {
    let class = string(file, storage, CLASS, encoding).unwrap_or_default();
    let fields = ["IPM.Contact", "IPM.Appointment", "IPM.Task", "IPM.Schedule"]
        .iter()
        .any(|kind| class.starts_with(kind));
    let Ok(entries) = file.read_storage(storage) else { return Vec::new() };
    let names: Vec<String> =
        entries.filter(|entry| entry.is_stream()).map(|entry| entry.name().to_owned()).collect();
    let mut found: Vec<String> = Vec::new();
    for name in names {
        let Some((tag, kind)) = name.strip_prefix("__substg1.0_").and_then(|rest| rest.split_at_checked(4))
        else {
            continue;
        };
        let named = tag.starts_with('8');
        let (wide, many) = (kind.starts_with("001F") || kind.starts_with("101F-"), kind.starts_with("101F-"));
        // 3A00 to 3A5F are the names, numbers and addresses of a person ([MS-OXOCNTC]).
        let field = fields && (named || tag.starts_with("3A")) || named && many;
        if !wide || !field {
            continue;
        }
        let bytes = stream(file, &storage.join(&name)).unwrap_or_default();
        let text = encoding_rs::UTF_16LE.decode_without_bom_handling(&bytes).0;
        let text = one_line(text.trim_end_matches('\0'));
        let internal = text.starts_with("/o=") || text.starts_with("IPM.") || text.contains('{');
        if text.chars().count() > 2 && !internal && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

fn decode_html(bytes: &[u8], encoding: &'static encoding_rs::Encoding) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) if bytes.starts_with(b"\xFF\xFE") => decode(bytes),
        Err(_) => encoding.decode(bytes).0.into_owned(),
    }
}

fn attachments(file: &Compound, storage: &Path) -> Vec<PathBuf> {
    let Ok(entries) = file.read_storage(storage) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.is_storage() && entry.name().starts_with("__attach_version1.0_"))
        .map(|entry| entry.path().to_owned())
        .collect();
    found.sort();
    found
}

/// Returns whether more members may follow.
fn push_attachment(
    source: &Source,
    file: &mut Compound,
    storage: &Path,
    encoding: &'static encoding_rs::Encoding,
    within: Option<&str>,
    depth: usize,
    draft: &mut Draft,
) -> bool {
    let name =
        [LONG_NAME, SHORT_NAME, DISPLAY_NAME].iter().find_map(|tag| string(file, storage, *tag, encoding));
    let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "attachment".into());
    let inner = storage.join(format!("__substg1.0_{ATTACHMENT:04X}000D"));
    if file.is_storage(&inner) {
        if depth < NESTING && file.exists(inner.join("__properties_version1.0")) {
            let within = within.map_or(name.clone(), |within| format!("{within}: {name}"));
            push_message(source, file, &inner, Some(&within), depth + 1, draft);
            return true;
        }
        let object = legacy::storage_file(file, &inner);
        return object.is_none_or(|bytes| office::embedded(source, draft, &name, &bytes));
    }
    let Some(bytes) = binary(file, storage, ATTACHMENT) else { return true };
    let name = within.map_or(name.clone(), |within| format!("{}/{name}", within.replace(": ", "/")));
    source.member(draft, &name, &bytes)
}

fn stream(file: &mut Compound, path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let stream = file.open_stream(path).ok()?;
    stream.take(256 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A string property, as UTF-16 or in the code page of the message.
fn string(
    file: &mut Compound,
    storage: &Path,
    tag: u16,
    encoding: &'static encoding_rs::Encoding,
) -> Option<String> {
    let wide = stream(file, &storage.join(format!("__substg1.0_{tag:04X}001F")));
    let text = match wide {
        Some(bytes) => encoding_rs::UTF_16LE.decode_without_bom_handling(&bytes).0.into_owned(),
        None => {
            let bytes = stream(file, &storage.join(format!("__substg1.0_{tag:04X}001E")))?;
            match std::str::from_utf8(&bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => encoding.decode_without_bom_handling(&bytes).0.into_owned(),
            }
        }
    };
    Some(text.trim_end_matches('\0').to_owned())
}

fn binary(file: &mut Compound, storage: &Path, tag: u16) -> Option<Vec<u8>> {
    stream(file, &storage.join(format!("__substg1.0_{tag:04X}0102")))
}

/// The properties of fixed size: tag and value, as the low 8 bytes. `header` is what stands before the first.
fn fixed_properties(file: &mut Compound, storage: &Path, header: usize) -> Vec<(u16, u64)> {
    let bytes = stream(file, &storage.join("__properties_version1.0")).unwrap_or_default();
    let Some(entries) = bytes.get(header..) else { return Vec::new() };
    entries
        .chunks_exact(16)
        .map(|entry| {
            let mut value = [0; 8];
            value.copy_from_slice(&entry[8..16]);
            (u16::from_le_bytes([entry[2], entry[3]]), u64::from_le_bytes(value))
        })
        .collect()
}

/// The encoding of a Windows code page.
pub(in super::super) fn codepage(page: u32) -> Option<&'static encoding_rs::Encoding> {
    let label = match page {
        65001 => "utf-8".to_owned(),
        932 => "shift_jis".to_owned(),
        936 | 54936 => "gb18030".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        866 => "ibm866".to_owned(),
        874 => "windows-874".to_owned(),
        10000 => "macintosh".to_owned(),
        20866 => "koi8-r".to_owned(),
        28591..=28605 => format!("iso-8859-{}", page - 28590),
        page => format!("windows-{page}"),
    };
    encoding_rs::Encoding::for_label(label.as_bytes())
}

/// Unpacks compressed RTF ([MS-OXRTFCP]).
fn decompress(packed: &[u8]) -> Option<Vec<u8>> {
    const DICTIONARY: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \
        \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\
        \\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
    let word = |at: usize| Some(u32::from_le_bytes(packed.get(at..at + 4)?.try_into().ok()?));
    let body = packed.get(16..)?;
    if word(8)? == 0x414C_454D {
        return Some(body.to_vec());
    }
    let size = (word(4)? as usize).min(64 << 20);
    let mut window = [0u8; 4096];
    window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
    let mut at = DICTIONARY.len();
    let mut out = Vec::with_capacity(size.min(1 << 20));
    let mut bytes = body.iter().copied();
    'runs: while out.len() < size {
        let Some(control) = bytes.next() else { break };
        for bit in 0..8 {
            if control & (1 << bit) == 0 {
                let Some(byte) = bytes.next() else { break 'runs };
                window[at % 4096] = byte;
                out.push(byte);
                at += 1;
                continue;
            }
            let (Some(high), Some(low)) = (bytes.next(), bytes.next()) else { break 'runs };
            let token = usize::from(high) << 8 | usize::from(low);
            let (offset, length) = (token >> 4, (token & 15) + 2);
            if offset == at % 4096 {
                break 'runs;
            }
            for step in 0..length {
                let byte = window[(offset + step) % 4096];
                window[at % 4096] = byte;
                out.push(byte);
                at += 1;
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{outline, read};
    use super::*;
    use std::io::Write;

    #[test]
    fn properties_make_a_message() {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("in memory");
        let mut put = |path: &str, bytes: &[u8]| {
            file.create_stream(path).expect("a new stream").write_all(bytes).expect("writes to memory");
        };
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        put("/__properties_version1.0", &[0; 32]);
        put("/__substg1.0_0037001F", &wide("Rent"));
        put("/__substg1.0_0C1A001F", &wide("Ada"));
        put("/__substg1.0_1000001F", &wide("It is due."));
        put("/__substg1.0_8001101F-00000000", &wide("Urgent matters"));
        put("/__substg1.0_8002001F", &wide("not a keyword"));
        let bytes = file.into_inner().into_inner();
        assert_eq!(
            outline(&read("a.msg", &bytes)),
            "indexed\nParagraph @ headers: From: Ada\\nSubject: Rent\nParagraph @ body: It is due.\n\
             Paragraph @ details: Urgent matters"
        );
    }

    #[test]
    fn compressed_text_is_unpacked() {
        // The example of [MS-OXRTFCP] 3.1.1.
        let packed: [u8; 49] = [
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a,
            0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c,
            0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let text = decompress(&packed).expect("unpacks");
        assert_eq!(String::from_utf8_lossy(&text), "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    }
}
