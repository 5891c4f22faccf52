//! Web pages as Safari saves them (webarchive): a property list with the page, its frames and all that it loads.

use carrel_corpus::{Locator, Outcome};
use plist::{Dictionary, Value};

use super::{Draft, Reading, Source, html};

/// How deep frames may stand in frames.
const NESTING: usize = 8;

/// Reads the page and its frames; styles and pictures are no documents.
pub(super) fn read(source: &Source) -> Reading {
    let damaged = || Outcome::Failed { reason: "damaged web archive".into() };
    let archive = Value::from_reader(std::io::Cursor::new(source.bytes)).map_err(|_| damaged())?;
    let archive = archive.as_dictionary().ok_or_else(damaged)?;
    let mut draft = source.draft();
    push(source, archive, None, 0, &mut draft).ok_or_else(damaged)?;
    Ok(draft)
}

/// Adds the page of an archive and then its frames. `part` names the frame that it is.
fn push(
    source: &Source,
    archive: &Dictionary,
    part: Option<&str>,
    depth: usize,
    draft: &mut Draft,
) -> Option<()> {
    let main = archive.get("WebMainResource")?.as_dictionary()?;
    let bytes = main.get("WebResourceData")?.as_data()?;
    let said = |key: &str| main.get(key).and_then(Value::as_string).unwrap_or_default();
    let encoding = encoding_rs::Encoding::for_label(said("WebResourceTextEncodingName").as_bytes());
    let text = match encoding {
        Some(encoding) => encoding.decode(bytes).0.into_owned(),
        None => html::decode_page(bytes),
    };
    match said("WebResourceMIMEType") {
        "text/html" | "application/xhtml+xml" | "" => html::push_page(&text, part, draft),
        kind if kind.starts_with("text/") => {
            let locator = part.map_or(Locator::Whole, |name| Locator::Part { name: name.to_owned() });
            draft.paragraph(locator, &text);
        }
        // Such as a PDF that was shown in the window.
        _ => {
            let address = said("WebResourceURL");
            let name = address.rsplit('/').find(|name| !name.is_empty()).unwrap_or("page");
            source.member(draft, name, bytes);
        }
    }
    draft.link(said("WebResourceURL"));
    let frames = archive.get("WebSubframeArchives").and_then(Value::as_array);
    for (number, frame) in (1..).zip(frames.into_iter().flatten()) {
        let name = part.map_or(format!("frame {number}"), |part| format!("{part}.{number}"));
        let read = frame.as_dictionary().filter(|_| depth < NESTING);
        if read.and_then(|frame| push(source, frame, Some(&name), depth + 1, draft)).is_none() {
            draft.lack(format!("{name}: damaged"));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};
    use plist::{Dictionary, Value};

    fn archive(html: &str, frames: Vec<Value>) -> Value {
        let main = [
            ("WebResourceData", Value::Data(html.as_bytes().to_vec())),
            ("WebResourceMIMEType", Value::String("text/html".into())),
            ("WebResourceTextEncodingName", Value::String("UTF-8".into())),
            ("WebResourceURL", Value::String("https://a.example/".into())),
        ];
        let main: Dictionary = main.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let parts =
            [("WebMainResource", Value::Dictionary(main)), ("WebSubframeArchives", Value::Array(frames))];
        Value::Dictionary(parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    #[test]
    fn the_page_and_its_frames_are_read() {
        let frame = archive("<p>Inside.</p>", Vec::new());
        let page =
            archive("<title>Lease</title><h1>Rent</h1><p>Größe</p>", vec![frame, Value::Boolean(true)]);
        let (mut binary, mut xml) = (Vec::new(), Vec::new());
        page.to_writer_binary(&mut binary).expect("writes to memory");
        page.to_writer_xml(&mut xml).expect("writes to memory");
        for bytes in [binary, xml] {
            let document = read("a.webarchive", &bytes);
            assert_eq!(
                (document.title.as_str(), document.media_type.as_str()),
                ("Lease", "application/x-webarchive")
            );
            assert_eq!(
                outline(&document),
                "partly read (frame 2: damaged)\nHeading(1) @ Rent: Rent\nParagraph @ Rent: Größe\n\
                 Paragraph @ frame 1: Inside.\nParagraph @ links: https://a.example/"
            );
        }
    }
}
