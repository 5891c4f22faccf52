//! What a file is, by its content. The name only breaks ties between kinds of plain text, which nothing in the
//! content tells apart for certain (a `.csv` of one column, a `.py` of one comment).

mod container;
mod names;
mod textual;

pub(crate) use textual::{decode, guess};

/// A kind of file, as fine as the readers need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Empty,
    Pdf,
    Docx,
    Pptx,
    /// A workbook of any Excel or OpenDocument format.
    Sheets,
    /// Text document or presentation in a zip package.
    OpenDocument,
    /// The same as a single XML file.
    FlatOpenDocument,
    Doc,
    Ppt,
    Publisher,
    /// An office file inside an encrypted package.
    EncryptedOffice,
    Rtf,
    Html,
    Epub,
    FictionBook,
    Xps,
    Mail,
    /// A web page saved as a mail message.
    Mhtml,
    /// The same as a property list.
    WebArchive,
    Mailbox,
    OutlookMessage,
    /// Comma-separated values and the like, with their delimiter.
    Csv(u8),
    /// A table of dBase or FoxPro.
    DBase,
    Markdown,
    Restructured,
    Org,
    Tex,
    Notebook,
    /// Source code in the named language.
    Code(&'static str),
    /// JSON, YAML, TOML and other structured text, by media type.
    Data(&'static str),
    Xml,
    Text,
    Zip,
    Tar,
    Gzip,
    Zlib,
    Zstd,
    /// A raster image, by media type.
    Image(String),
    /// Something there is no reader for, by media type.
    Other(String),
}

impl Kind {
    /// Whether its text may say of which day it is. A message has its date in its head, and the rows of a table have each its own.
    pub fn is_prose(&self) -> bool {
        use Kind::*;
        matches!(
            self,
            Pdf | Docx
                | OpenDocument
                | FlatOpenDocument
                | Doc
                | Rtf
                | Html
                | Xps
                | Markdown
                | Restructured
                | Org
                | Tex
                | Text
        )
    }

    pub fn media_type(&self) -> String {
        match self {
            Kind::Empty => "application/x-empty",
            Kind::Pdf => "application/pdf",
            Kind::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Kind::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Kind::Sheets => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Kind::OpenDocument | Kind::FlatOpenDocument => "application/vnd.oasis.opendocument.text",
            Kind::Doc => "application/msword",
            Kind::Ppt => "application/vnd.ms-powerpoint",
            Kind::Publisher => "application/vnd.ms-publisher",
            Kind::EncryptedOffice => "application/vnd.ms-office",
            Kind::Rtf => "application/rtf",
            Kind::Html => "text/html",
            Kind::Epub => "application/epub+zip",
            Kind::FictionBook => "application/x-fictionbook+xml",
            Kind::Xps => "application/vnd.ms-xpsdocument",
            Kind::Mail => "message/rfc822",
            Kind::Mhtml => "multipart/related",
            Kind::WebArchive => "application/x-webarchive",
            Kind::Mailbox => "application/mbox",
            Kind::OutlookMessage => "application/vnd.ms-outlook",
            Kind::DBase => "application/x-dbf",
            Kind::Csv(b'\t') => "text/tab-separated-values",
            Kind::Csv(_) => "text/csv",
            Kind::Markdown => "text/markdown",
            Kind::Restructured => "text/x-rst",
            Kind::Org => "text/x-org",
            Kind::Tex => "text/x-tex",
            Kind::Notebook => "application/x-ipynb+json",
            Kind::Code(language) => return format!("text/x-{language}"),
            Kind::Data(media_type) => media_type,
            Kind::Xml => "application/xml",
            Kind::Text => "text/plain",
            Kind::Zip => "application/zip",
            Kind::Tar => "application/x-tar",
            Kind::Gzip => "application/gzip",
            Kind::Zlib => "application/zlib",
            Kind::Zstd => "application/zstd",
            Kind::Image(media_type) | Kind::Other(media_type) => media_type,
        }
        .to_owned()
    }
}

/// Finds what `bytes` are; `name` is the file's name.
pub(crate) fn detect(name: &str, bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return Kind::Empty;
    }
    if let Some(kind) = by_signature(bytes) {
        return kind;
    }
    match textual::detect(name, bytes) {
        Some(kind) => kind,
        None => by_library(bytes),
    }
}

fn by_signature(bytes: &[u8]) -> Option<Kind> {
    let head = &bytes[..bytes.len().min(1024)];
    let starts = |signature: &[u8]| bytes.starts_with(signature);
    if find(head, b"%PDF-").is_some() {
        return Some(Kind::Pdf);
    }
    // A file whose header is garbled still has the end of one.
    if starts(b"%") && find(&bytes[bytes.len().saturating_sub(1024)..], b"startxref").is_some() {
        return Some(Kind::Pdf);
    }
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") || starts(b"PK00PK\x03\x04") {
        return Some(container::zip(bytes));
    }
    if starts(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Some(container::compound(bytes));
    }
    if starts(b"{\\rtf") || starts(b"\xEF\xBB\xBF{\\rtf") {
        return Some(Kind::Rtf);
    }
    if starts(b"\x1F\x8B") {
        return Some(Kind::Gzip);
    }
    if starts(b"\x28\xB5\x2F\xFD") {
        return Some(Kind::Zstd);
    }
    // Other property lists are settings.
    if starts(b"bplist0") && find(bytes, b"WebMainResource").is_some() {
        return Some(Kind::WebArchive);
    }
    if crate::extract::is_table(bytes) {
        return Some(Kind::DBase);
    }
    if bytes.len() > 262 && &bytes[257..262] == b"ustar" {
        return Some(Kind::Tar);
    }
    // BIFF 2 to 4: a worksheet that stands alone, without a compound file round it.
    if starts(b"\x09\x00\x04\x00") || starts(b"\x09\x02\x06\x00") || starts(b"\x09\x04\x06\x00") {
        return Some(Kind::Other("application/vnd.ms-excel; version=4".into()));
    }
    if bytes.len() > 2
        && bytes[0] == 0x78
        && (u16::from(bytes[0]) << 8 | u16::from(bytes[1])).is_multiple_of(31)
    {
        let known = matches!(bytes[1], 0x01 | 0x5E | 0x9C | 0xDA);
        return known.then_some(Kind::Zlib).filter(|_| !bytes[2..].iter().take(64).all(u8::is_ascii_graphic));
    }
    None
}

/// Names what none of our readers knows, for the ledger.
fn by_library(bytes: &[u8]) -> Kind {
    let format = file_format::FileFormat::from_bytes(bytes);
    let media_type = format.media_type().to_owned();
    match format.kind() {
        file_format::Kind::Image => Kind::Image(media_type),
        _ => Kind::Other(media_type),
    }
}

/// Where `needle` first stands in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, bytes: &[u8], expected: Kind) {
        assert_eq!(detect(name, bytes), expected, "{name}");
    }

    #[test]
    fn content_decides_whatever_the_name() {
        check("notes.txt", b"%PDF-1.4\n", Kind::Pdf);
        check("garbled", b"%\xff\xfe\n1 0 obj\n<<>>\nendobj\nstartxref\n9\n%%EOF", Kind::Pdf);
        check("report.pdf", b"{\\rtf1 hello}", Kind::Rtf);
        check("data.bin", b"<!DOCTYPE html><p>x", Kind::Html);
        check("letter", b"From: a@b.c\r\nTo: d@e.f\r\nSubject: x\r\n\r\nhello", Kind::Mail);
        check("picture.doc", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Kind::Image("image/png".into()));
        check("x", b"", Kind::Empty);
    }

    #[test]
    fn the_name_breaks_ties_between_kinds_of_text() {
        check("a.md", b"plain words", Kind::Markdown);
        check("a.py", b"plain words", Kind::Code("python"));
        check("a.txt", b"plain words", Kind::Text);
        check("a.csv", b"name;age\nAda;36\nBob;40\n", Kind::Csv(b';'));
        check(
            "a.txt",
            "Größe".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice(),
            Kind::Text,
        );
    }

    #[test]
    fn binary_is_not_text() {
        let noise: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2654435761) >> 13) as u8).collect();
        assert!(matches!(detect("a.txt", &noise), Kind::Other(_)));
    }
}
