//! From a file's bytes to a [`Document`]: the type is found from the content, and one reader per format fills a
//! [`Draft`](draft::Draft).
//!
//! Reading is total: whatever the bytes are, a document with an outcome comes back. A reader that panics costs the
//! file or member it was reading; what only the operating system can stop (memory, time, stack) is the business of
//! the [worker process](crate::Workers).

mod archive;
mod csv;
mod dated;
mod dates;
mod dbase;
mod draft;
mod ebook;
mod fields;
mod html;
mod legacy;
mod locked;
mod mail;
mod markup;
mod notebook;
mod office;
mod opendocument;
mod pdf;
mod rtf;
mod sheets;
mod slides;
mod source;
mod text;
mod webarchive;
mod word;
mod xml;

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use carrel_corpus::{Document, Outcome};

use crate::detect::{Kind, detect};
use crate::limits::readable_bytes;
use crate::{Limits, Password};
pub(crate) use dbase::is_table;
pub(crate) use draft::Draft;
pub(crate) use pdf::ranges;

/// Reads a file in this process.
///
/// Never fails and never panics; but a hostile file can take any amount of memory and time, so that only tests and
/// workers call it.
pub fn extract(path: &Path, limits: &Limits) -> Document {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let read = File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(limits.file_bytes.saturating_add(1)).read_to_end(&mut bytes).map(|_| bytes)
    });
    match read {
        Ok(bytes) => extract_bytes(&name, &bytes, &[], limits),
        Err(error) => unread(Outcome::Failed { reason: open_failure(&error) }),
    }
}

/// Reads the content of a file that is called `name`. Where something in it is encrypted, `passwords` are tried.
pub(crate) fn extract_bytes(name: &str, bytes: &[u8], passwords: &[Password], limits: &Limits) -> Document {
    if bytes.len() as u64 > limits.file_bytes {
        let limit = format!("over {}", readable_bytes(limits.file_bytes));
        return unread(Outcome::TooLarge { limit });
    }
    let budget = Budget { text: Cell::new(limits.text_bytes), members: Cell::new(limits.members) };
    Source { name, bytes, passwords, depth: 0, limits, budget: &budget }.read()
}

/// What the outcome of a file or page says that is only an image.
pub(crate) const UNRECOGNISED: &str = "scanned; install tesseract";

/// Why a file could not be opened or read, in words for the ledger.
pub(crate) fn open_failure(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "the file is gone".into(),
        std::io::ErrorKind::PermissionDenied => "no permission to read it".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        kind => format!("could not be read: {kind}"),
    }
}

fn unread(outcome: Outcome) -> Document {
    Document::unread("application/octet-stream", outcome)
}

/// The name without its last extension.
pub(crate) fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// What is left of the limits for one file and all of its members together.
pub(crate) struct Budget {
    pub text: Cell<usize>,
    pub members: Cell<usize>,
}

/// A file or a member of one, about to be read.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub name: &'a str,
    pub bytes: &'a [u8],
    pub passwords: &'a [Password],
    pub depth: usize,
    pub limits: &'a Limits,
    pub budget: &'a Budget,
}

/// What a reader gives: a draft, or the outcome of a file that holds nothing to read.
pub(crate) type Reading = Result<Draft, Outcome>;

impl<'a> Source<'a> {
    /// Reads the source as what its content says it is, decrypted where a password opens it.
    fn read(&self) -> Document {
        let kind = detect(self.name, self.bytes);
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| locked::open(self, &kind)));
        match opened.ok().flatten() {
            Some(bytes) => Source { bytes: &bytes, ..*self }.read_kind(detect(self.name, &bytes)),
            None => self.read_kind(kind),
        }
    }

    fn read_kind(&self, kind: Kind) -> Document {
        let media_type = kind.media_type();
        let before = self.budget.text.get();
        let reading = std::panic::catch_unwind(AssertUnwindSafe(|| self.read_as(&kind)));
        match reading {
            Ok(Ok(mut draft)) => {
                if kind.is_prose() {
                    draft.date = dated::named(self.name).or(draft.date);
                    draft.date_from_text();
                }
                draft.finish(media_type)
            }
            Ok(Err(outcome)) => Document::unread(media_type, outcome),
            Err(_) => {
                self.budget.text.set(before);
                let reason = "damaged, or not as its format wants it".to_owned();
                Document::unread(media_type, Outcome::Failed { reason })
            }
        }
    }

    fn read_as(&self, kind: &Kind) -> Reading {
        match kind {
            Kind::Empty => Err(Outcome::Empty),
            Kind::Pdf => pdf::read(self),
            Kind::Docx => word::read(self),
            Kind::Pptx => slides::read(self),
            Kind::Sheets => sheets::read(self),
            Kind::OpenDocument => opendocument::read(self),
            Kind::FlatOpenDocument => opendocument::read_flat(self),
            Kind::Doc | Kind::Ppt => legacy::read(self),
            Kind::Publisher => legacy::read_publisher(self),
            Kind::EncryptedOffice => Err(Outcome::Encrypted),
            Kind::Rtf => rtf::read(self),
            Kind::Html => html::read(self),
            Kind::Epub => ebook::read(self),
            Kind::FictionBook => ebook::read_fiction_book(self),
            Kind::Xps => office::read_xps(self),
            Kind::Mail => mail::read(self),
            Kind::Mhtml => mail::read_page(self),
            Kind::WebArchive => webarchive::read(self),
            Kind::Mailbox => mail::read_mailbox(self),
            Kind::OutlookMessage => mail::read_outlook(self),
            Kind::Csv(delimiter) => csv::read(self, *delimiter),
            Kind::DBase => dbase::read(self),
            Kind::Markdown => markup::read_markdown(self),
            Kind::Restructured => markup::read_restructured(self),
            Kind::Org => markup::read_org(self),
            Kind::Tex => markup::read_tex(self),
            Kind::Notebook => notebook::read(self),
            Kind::Code(_) => source::read(self),
            Kind::Data(_) => source::read_data(self),
            Kind::Xml => xml::read(self),
            Kind::Text => text::read(self),
            Kind::Zip => archive::read_zip(self),
            Kind::Tar => archive::read_tar(self),
            Kind::Gzip => archive::read_gzip(self),
            Kind::Zlib => archive::read_zlib(self),
            Kind::Zstd => archive::read_zstd(self),
            Kind::Image(media_type) => {
                Err(Outcome::Unsupported { kind: format!("{media_type}; {UNRECOGNISED}") })
            }
            Kind::Other(media_type) => Err(Outcome::Unsupported { kind: media_type.clone() }),
        }
    }

    /// An empty draft with this source's budget.
    pub fn draft(&self) -> Draft {
        Draft::new(self.budget.text.get())
    }

    /// Reads a member of this container into `draft`, unless that would go over a limit.
    ///
    /// Returns whether more members may follow.
    pub fn member(&self, draft: &mut Draft, name: &str, bytes: &[u8]) -> bool {
        let name = safe_name(name);
        if self.budget.members.get() == 0 {
            draft.lack(format!("members after the first {}", self.limits.members));
            return false;
        }
        if self.depth >= self.limits.depth {
            draft.lack(format!("{name}: more than {} containers deep", self.limits.depth));
            return true;
        }
        self.budget.members.set(self.budget.members.get() - 1);
        self.budget.text.set(draft.room());
        let member = Source { name: &name, bytes, depth: self.depth + 1, ..*self };
        let document = member.read();
        draft.take_member(name.clone(), document);
        true
    }
}

/// A member's name as a relative path without `..`, drive letters or control characters: it is shown, and may be
/// joined to its container's path, but can never climb out of it.
pub(crate) fn safe_name(name: &str) -> String {
    let parts: Vec<String> = name
        .split(['/', '\\'])
        .map(|part| part.chars().filter(|c| !c.is_control()).take(200).collect::<String>())
        .filter(|part| !matches!(part.trim(), "" | "." | ".."))
        .collect();
    match parts.is_empty() {
        true => "unnamed".to_owned(),
        false => parts.join("/"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads bytes as a file of that name, with the standard limits.
    pub fn read(name: &str, bytes: &[u8]) -> Document {
        read_with(name, bytes, &[])
    }

    /// The same with passwords at hand.
    pub fn read_with(name: &str, bytes: &[u8], passwords: &[Password]) -> Document {
        let limits = Limits::STANDARD;
        let budget = Budget { text: Cell::new(limits.text_bytes), members: Cell::new(limits.members) };
        Source { name, bytes, passwords, depth: 0, limits: &limits, budget: &budget }.read()
    }

    /// The blocks as `kind @ locator: text`, one a line.
    pub fn outline(document: &Document) -> String {
        let mut lines = vec![document.outcome.to_string()];
        for block in &document.blocks {
            let text = block.span.of(&document.text).replace('\n', "\\n");
            lines.push(format!("{:?} @ {}: {text}", block.kind, block.locator));
        }
        lines.join("\n")
    }

    #[test]
    fn a_member_name_stays_inside_its_container() {
        assert_eq!(safe_name("../../etc/passwd"), "etc/passwd");
        assert_eq!(safe_name("C:\\a\\b.txt"), "C:/a/b.txt");
        assert_eq!(safe_name("//"), "unnamed");
    }

    #[test]
    fn a_missing_file_says_so() {
        let document = extract(Path::new("no/such/file.txt"), &Limits::STANDARD);
        assert_eq!(document.outcome, Outcome::Failed { reason: "the file is gone".into() });
    }

    #[test]
    fn a_file_over_the_limit_is_named_as_such() {
        let path = std::env::temp_dir().join(format!("carrel-extract-{}", std::process::id()));
        std::fs::write(&path, vec![b'a'; 3000]).expect("a file in the temporary folder");
        let limits = Limits { file_bytes: 2048, ..Limits::STANDARD };
        let document = extract(&path, &limits);
        std::fs::remove_file(&path).expect("removes its own file");
        assert_eq!(document.outcome.to_string(), "too large (over 2 KB)");
    }
}
