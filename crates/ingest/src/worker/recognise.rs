//! Text recognition for scanned pages and images, by Tesseract and poppler's `pdftoppm` where they are installed.
//!
//! Both run as processes of their own, started by the parent because workers can start nothing: without network,
//! with limited memory and time, fed through pipes so that no page is ever written to a disk.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use carrel_corpus::{Block, BlockKind, Document, Locator, Outcome};

use crate::Limits;
use crate::extract::{Draft, UNRECOGNISED, ranges};

/// Resolution at which pages are drawn, in dots per inch: what Tesseract is made for.
const RESOLUTION: &str = "300";
/// Time for all pages of a file, as a multiple of the time for one file.
const PATIENCE: u32 = 6;
/// Memory of one of the processes.
const MEMORY: u64 = 2 << 30;

/// Which of the programs that text recognition needs are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognition {
    /// Languages of Tesseract, empty where it is not installed.
    pub languages: Vec<String>,
    /// Whether pages of a PDF can be drawn.
    pub pages: bool,
}

/// Looks for the programs, once.
pub fn recognition() -> &'static Recognition {
    static FOUND: OnceLock<Recognition> = OnceLock::new();
    FOUND.get_or_init(|| {
        let run = |program: &str, argument: &str| {
            Command::new(program)
                .arg(argument)
                .stdin(Stdio::null())
                .output()
                .ok()
                .filter(|out| out.status.success())
        };
        let listed =
            run("tesseract", "--list-langs").map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
        let languages = listed.iter().flat_map(|text| text.lines().skip(1));
        let languages = languages.map(str::trim).filter(|name| !name.is_empty() && *name != "osd");
        Recognition {
            languages: languages.map(str::to_owned).collect(),
            pages: run("pdftoppm", "-v").is_some(),
        }
    })
}

/// Fills in what a worker could only see as images.
pub(super) fn complete(document: Document, file: &File, limits: &Limits) -> Document {
    let found = recognition();
    let Some(pages) = scanned_pages(&document) else { return document };
    if found.languages.is_empty() || (!found.pages && document.media_type == "application/pdf") {
        return document;
    }
    let deadline = Instant::now() + limits.wall * PATIENCE;
    match document.media_type.starts_with("image/") {
        true => match recognise_image(file, deadline) {
            Some(text) => rebuilt(document, vec![(Locator::Whole, text)], &[], limits),
            None => document,
        },
        false => {
            let mut texts = Vec::new();
            let mut left = Vec::new();
            for page in pages {
                let number = u32::try_from(page).unwrap_or(u32::MAX);
                match recognise_page(file, page, deadline) {
                    Some(text) => texts.push((Locator::Pages { first: number, last: number }, text)),
                    None => left.push(page),
                }
            }
            rebuilt(document, texts, &left, limits)
        }
    }
}

/// The pages that the outcome names as scanned; for a file that is nothing else, all of them.
fn scanned_pages(document: &Document) -> Option<Vec<usize>> {
    match &document.outcome {
        Outcome::Unsupported { kind } if kind.ends_with(UNRECOGNISED) => {
            Some((1..=document.pages.unwrap_or(1) as usize).collect())
        }
        Outcome::PartlyRead { missing } => {
            let part = missing.split("; ").find(|part| part.contains("no text (scanned"))?;
            let list = part.trim_start_matches("pages ").trim_start_matches("page ").split(':').next()?;
            let mut pages = Vec::new();
            for range in list.split(", ") {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                pages.extend(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?);
            }
            Some(pages)
        }
        _ => None,
    }
}

/// The document with the recognised texts in their places; `left` are pages for which there was no time.
fn rebuilt(document: Document, texts: Vec<(Locator, String)>, left: &[usize], limits: &Limits) -> Document {
    let mut parts: Vec<(u32, BlockKind, Locator, String)> = Vec::new();
    let page = |locator: &Locator| locator.first_page().unwrap_or(0);
    for Block { kind, span, locator } in &document.blocks {
        parts.push((page(locator), *kind, locator.clone(), span.of(&document.text).to_owned()));
    }
    for (locator, text) in texts {
        for paragraph in text.split("\n\n") {
            let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            parts.push((page(&locator), BlockKind::Paragraph, locator.clone(), paragraph));
        }
    }
    parts.sort_by_key(|(page, ..)| *page);
    let mut draft = Draft::new(limits.text_bytes);
    for (_, kind, locator, text) in &parts {
        draft.push(*kind, locator.clone(), text);
    }
    if let Outcome::PartlyRead { missing } = &document.outcome {
        // The parts of the outcome are separated by `; `, which also stands inside the one that is settled now.
        let others = missing.replace(&format!("({UNRECOGNISED})"), "(scanned)");
        others
            .split("; ")
            .filter(|part| !part.contains("no text (scanned)"))
            .for_each(|part| draft.lack(part));
    }
    if !left.is_empty() {
        draft.lack(format!("pages {}: text recognition failed or took too long", ranges(left)));
    }
    let Document { title, media_type, pages, date, members, .. } = document;
    draft.title = Some(title);
    draft.pages = pages;
    draft.date = date;
    draft.date_from_text();
    for (name, member) in members {
        draft.take_member(name, member);
    }
    draft.finish(media_type)
}

fn recognise_image(file: &File, deadline: Instant) -> Option<String> {
    let mut input = file.try_clone().ok()?;
    std::io::Seek::rewind(&mut input).ok()?;
    finished(tesseract(Stdio::from(input))?, deadline)
}

fn recognise_page(file: &File, page: usize, deadline: Instant) -> Option<String> {
    if Instant::now() >= deadline {
        return None;
    }
    let mut input = file.try_clone().ok()?;
    std::io::Seek::rewind(&mut input).ok()?;
    let page = page.to_string();
    let mut command = Command::new("pdftoppm");
    command.args(["-r", RESOLUTION, "-gray", "-f", &page, "-l", &page, "-"]);
    let mut drawing = shut_in(command.stdin(Stdio::from(input)).stdout(Stdio::piped())).spawn().ok()?;
    let raster = drawing.stdout.take()?;
    let text = tesseract(Stdio::from(raster)).and_then(|child| finished(child, deadline));
    let _ = drawing.kill();
    let _ = drawing.wait();
    text
}

fn tesseract(input: Stdio) -> Option<Child> {
    let languages = &recognition().languages;
    let languages = languages.iter().take(4).cloned().collect::<Vec<_>>().join("+");
    let mut command = Command::new("tesseract");
    command.args(["stdin", "stdout", "-l", &languages, "--dpi", RESOLUTION]).env("OMP_THREAD_LIMIT", "1");
    shut_in(command.stdin(input).stdout(Stdio::piped())).spawn().ok()
}

/// No network, no files written, and limited memory for a process that reads what nobody has checked.
fn shut_in(command: &mut Command) -> &mut Command {
    command.stderr(Stdio::null());
    #[cfg(target_os = "linux")]
    let filter = super::lock::no_network();
    let limits = move || {
        super::lock::limit_memory(MEMORY)?;
        #[cfg(target_os = "linux")]
        if let Some(filter) = &filter {
            seccompiler::apply_filter(filter).map_err(std::io::Error::other)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made: `setrlimit`, `prctl` and `seccomp`; the filter was
    // built before.
    unsafe { command.pre_exec(limits) }
}

/// What the process wrote, or `None` where it failed or took too long.
fn finished(mut child: Child, deadline: Instant) -> Option<String> {
    let stdout = child.stdout.take()?;
    let reading = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stdout.take(16 << 20).read_to_end(&mut text);
        text
    });
    let mut status = None;
    while status.is_none() && Instant::now() < deadline {
        status = child.try_wait().ok()?;
        if status.is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    let text = reading.join().ok()?;
    status.filter(std::process::ExitStatus::success)?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(outcome: Outcome) -> Document {
        Document { pages: Some(4), ..Document::unread("application/pdf", outcome) }
    }

    #[test]
    fn scanned_pages_are_taken_from_the_outcome() {
        let missing = "pages 2, 4-5: no text (scanned; install tesseract); page 6: damaged".to_owned();
        assert_eq!(scanned_pages(&document(Outcome::PartlyRead { missing })), Some(vec![2, 4, 5]));
        let kind = UNRECOGNISED.to_owned();
        assert_eq!(scanned_pages(&document(Outcome::Unsupported { kind })), Some(vec![1, 2, 3, 4]));
        assert_eq!(scanned_pages(&document(Outcome::Indexed)), None);
    }

    #[test]
    fn recognised_pages_take_their_place() {
        let missing = "page 2: no text (scanned; install tesseract); page 3: damaged".to_owned();
        let mut draft = Draft::new(1000);
        let page = |page| Locator::Pages { first: page, last: page };
        draft.paragraph(page(1), "one");
        draft.paragraph(page(4), "four");
        let mut read = draft.finish("application/pdf".into());
        read.outcome = Outcome::PartlyRead { missing };
        let whole = rebuilt(read, vec![(page(2), "two\nlines\n\nmore".into())], &[], &Limits::STANDARD);
        assert_eq!(whole.text, "one\n\ntwo lines\n\nmore\n\nfour");
        assert_eq!(whole.outcome.to_string(), "partly read (page 3: damaged)");
    }
}
