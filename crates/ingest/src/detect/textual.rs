//! Plain text: whether bytes are text at all, in which encoding, and what kind of text.

use super::names::by_extension;
use super::{Kind, find};

/// How much of a text is looked at to tell what it is.
const SAMPLE: usize = 64 << 10;

/// The kind of text, or `None` for bytes that are no text.
pub(super) fn detect(name: &str, bytes: &[u8]) -> Option<Kind> {
    let mut sample = &bytes[..bytes.len().min(SAMPLE)];
    let wide = sample.starts_with(b"\xFF\xFE") || sample.starts_with(b"\xFE\xFF");
    if wide && sample.len() % 2 == 1 {
        sample = &sample[..sample.len() - 1];
    }
    let text = decode_sample(sample)?;
    let body = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n', '\u{c}']);
    if body.trim_matches(['\0', ' ', '\r', '\n', '\t']).is_empty() {
        return Some(Kind::Empty).filter(|_| bytes.len() <= SAMPLE);
    }
    Some(by_content(name, body))
}

fn by_content(name: &str, body: &str) -> Kind {
    if let Some(kind) = markup(body) {
        return kind;
    }
    let named = by_extension(name);
    if is_mailbox(body) {
        return Kind::Mailbox;
    }
    if let Some(kind) = mail(body)
        && !matches!(named, Some(Kind::Code(_) | Kind::Markdown | Kind::Data(_)))
    {
        return kind;
    }
    match named {
        Some(Kind::Csv(assumed)) => Kind::Csv(delimiter(body).unwrap_or(assumed)),
        Some(Kind::Notebook) if !body.starts_with('{') => Kind::Text,
        Some(Kind::Html) => Kind::Html,
        Some(kind) => kind,
        None if body.starts_with('{') && body.contains("\"nbformat\"") => Kind::Notebook,
        None if is_json(body) => Kind::Data("application/json"),
        None if body.starts_with("#!") => Kind::Code("shell"),
        None if body.starts_with("\\documentclass") => Kind::Tex,
        None => Kind::Text,
    }
}

fn markup(body: &str) -> Option<Kind> {
    if body.starts_with('<') {
        let head = head_lowercase(body, 4096);
        if head.starts_with("<?xml") || head.starts_with("<!--") || head.starts_with("<!doctype") {
            if head.contains("<html") || head.contains("<!doctype html") {
                return Some(Kind::Html);
            }
            if head.contains("office:document") && head.contains("office:mimetype") {
                return Some(Kind::FlatOpenDocument);
            }
            if head.contains("<plist") && head.contains("webmainresource") {
                return Some(Kind::WebArchive);
            }
            if head.contains("<fictionbook") {
                return Some(Kind::FictionBook);
            }
            if head.starts_with("<?xml") || head.starts_with("<!doctype") {
                return Some(Kind::Xml);
            }
        }
        const TAGS: [&str; 9] =
            ["<html", "<head", "<body", "<title", "<table", "<div", "<p>", "<h1", "<script"];
        if TAGS.iter().any(|tag| head.starts_with(tag)) {
            return Some(Kind::Html);
        }
        if head.starts_with("<!--") && TAGS.iter().any(|tag| head.contains(tag)) {
            return Some(Kind::Html);
        }
        return looks_like_xml(body).then_some(Kind::Xml);
    }
    None
}

fn head_lowercase(body: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(body.len())).rev().find(|&at| body.is_char_boundary(at)).unwrap_or(0);
    body[..end].to_ascii_lowercase()
}

fn looks_like_xml(body: &str) -> bool {
    let name: String = body[1..].chars().take_while(|c| c.is_alphanumeric() || "_:-.".contains(*c)).collect();
    !name.is_empty()
        && body.trim_end().ends_with('>')
        && (body.contains(&format!("</{name}")) || body.contains("/>"))
}

fn is_json(body: &str) -> bool {
    match body.as_bytes().first() {
        Some(b'{') => body[1..].trim_start().starts_with(['"', '}']),
        Some(b'[') => body[1..].trim_start().starts_with(['{', '[', '"', ']']),
        _ => false,
    }
}

fn is_mailbox(body: &str) -> bool {
    let Some((first, rest)) = body.split_once('\n') else { return false };
    let Some(sender) = first.strip_prefix("From ") else { return false };
    sender.split_whitespace().count() >= 3 && rest.lines().take(40).any(|line| header(line).is_some())
}

/// A mail message begins with header lines, at least two of which are ones that only mail has.
fn mail(body: &str) -> Option<Kind> {
    const KNOWN: [&str; 22] = [
        "from",
        "to",
        "subject",
        "date",
        "received",
        "return-path",
        "message-id",
        "mime-version",
        "delivered-to",
        "content-type",
        "cc",
        "reply-to",
        "sender",
        "x-mailer",
        "in-reply-to",
        "references",
        "envelope-to",
        "snapshot-content-location",
        "bcc",
        "content-transfer-encoding",
        "dkim-signature",
        "x-from",
    ];
    let mut known = 0;
    let mut page = false;
    for line in body.lines().take(100) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some(field) = header(line) else {
            if known == 0 || !line.starts_with('>') {
                break;
            }
            continue;
        };
        let field = field.to_ascii_lowercase();
        known += usize::from(KNOWN.contains(&field.as_str()) || field.starts_with("x-"));
        page |= field == "snapshot-content-location" || line.contains("multipart/related");
    }
    let page = page && !body.lines().take(60).any(|line| line.to_ascii_lowercase().starts_with("received:"));
    let page = page && body.contains("text/html") && body.to_ascii_lowercase().contains("content-location:");
    (known >= 2).then_some(if page { Kind::Mhtml } else { Kind::Mail })
}

/// The name of a header field, where the line is one.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    plain.then_some(name)
}

/// The delimiter that splits the first lines into most often the same number of cells.
fn delimiter(body: &str) -> Option<u8> {
    let lines: Vec<&str> = body.lines().filter(|line| !line.trim().is_empty()).take(20).collect();
    let score = |delimiter: u8| {
        let counts: Vec<usize> = lines.iter().map(|line| cells(line, delimiter)).collect();
        let first = *counts.first()?;
        let same = counts.iter().filter(|&&count| count == first).count();
        (first > 0).then_some((same, first))
    };
    [b',', b'\t', b';', b'|'].into_iter().filter_map(|d| Some((score(d)?, d))).max().map(|(_, d)| d)
}

/// How often `delimiter` stands in `line` outside quotes.
fn cells(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    line.bytes()
        .filter(|&byte| {
            quoted ^= byte == b'"';
            !quoted && byte == delimiter
        })
        .count()
}

/// The whole of a text file in its encoding, without a byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    guess(bytes).decode_without_bom_handling(bytes).0.into_owned()
}

/// The encoding that text without a byte order mark looks like.
pub(crate) fn guess(bytes: &[u8]) -> &'static encoding_rs::Encoding {
    wide_encoding(bytes).unwrap_or_else(|| legacy_encoding(bytes))
}

fn legacy_encoding(bytes: &[u8]) -> &'static encoding_rs::Encoding {
    let mut detector = chardetng::EncodingDetector::new();
    detector.feed(&bytes[..bytes.len().min(1 << 20)], true);
    detector.guess(None, true)
}

/// UTF-16 without a mark: in any script with ASCII white space in it, one of the two bytes is often zero.
fn wide_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let sample = &bytes[..bytes.len().min(4096) & !1];
    if sample.len() < 4 {
        return None;
    }
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), sample.len() / 2);
    if odd * 10 >= half * 3 && even * 20 <= half {
        return Some(encoding_rs::UTF_16LE);
    }
    (even * 10 >= half * 3 && odd * 20 <= half).then_some(encoding_rs::UTF_16BE)
}

/// The beginning of a text, or `None` where the bytes are none: too many control characters, or what no encoding
/// makes sense of.
fn decode_sample(sample: &[u8]) -> Option<String> {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(sample) {
        return Some(encoding.decode_without_bom_handling(&sample[mark..]).0.into_owned());
    }
    if let Some(encoding) = wide_encoding(sample) {
        let text = encoding.decode_without_bom_handling(&sample[..sample.len() & !1]).0.into_owned();
        return is_prose(&text).then_some(text);
    }
    if find(sample, b"\0\0\0\0").is_some() && !sample.iter().all(|&byte| byte == 0) {
        return None;
    }
    let controls =
        sample.iter().filter(|&&b| b < 9 || (14..27).contains(&b) || (28..32).contains(&b)).count();
    if controls * 100 > sample.len() * 2 {
        return None;
    }
    match std::str::from_utf8(sample) {
        Ok(text) => Some(text.to_owned()),
        Err(error) if error.error_len().is_none() => {
            Some(String::from_utf8_lossy(&sample[..error.valid_up_to()]).into_owned())
        }
        Err(_) => {
            let (text, _, broken) = legacy_encoding(sample).decode(sample);
            (!broken || is_prose(&text)).then(|| text.into_owned()).filter(|text| is_prose(text))
        }
    }
}

/// Whether decoded text is mostly letters, digits, punctuation and white space.
fn is_prose(text: &str) -> bool {
    let mut total = 0usize;
    let mut odd = 0usize;
    for c in text.chars().take(8192) {
        total += 1;
        let control = c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}');
        odd += usize::from(control || c == '\u{fffd}' || ('\u{e000}'..='\u{f8ff}').contains(&c));
    }
    total > 0 && odd * 50 <= total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_recognised() {
        let text = "Die Größe der Fläche beträgt zwölf Quadratmeter, sagte der Prüfer.";
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&wide), text);
        assert_eq!(decode(&[b"\xFF\xFE".as_slice(), b"h\0i\0"].concat()), "hi");
        assert_eq!(decode(&encoding_rs::WINDOWS_1252.encode(text).0), text);
        let russian = "Договор аренды нежилого помещения заключён между сторонами в городе Москве.";
        assert_eq!(decode(&encoding_rs::WINDOWS_1251.encode(russian).0), russian);
        let japanese = "本契約は、甲と乙との間で締結される賃貸借契約である。";
        assert_eq!(decode(&encoding_rs::SHIFT_JIS.encode(japanese).0), japanese);
    }

    #[test]
    fn delimiters_are_counted_outside_quotes() {
        assert_eq!(delimiter("a;\"b,c,d\"\n1;2\n"), Some(b';'));
        assert_eq!(delimiter("a\tb\n1\t2"), Some(b'\t'));
        assert_eq!(delimiter("one\ntwo"), None);
    }
}
