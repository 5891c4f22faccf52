//! Mail: single messages (eml, msg), mailboxes (mbox) and web pages saved as messages (mhtml). The header lines that
//! a person reads come first, then the bodies; attachments are documents of their own.

mod outlook;

use std::collections::HashSet;
use std::io::BufReader;

use carrel_corpus::{BlockKind, Locator, Outcome};
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

use super::draft::one_line;
use super::{Draft, Reading, Source, dates, html};

pub(super) use outlook::{codepage, read as read_outlook};

/// How deep messages may be attached to messages inside one file; deeper ones are left out.
const NESTING: usize = 8;

/// Reads one message.
pub(super) fn read(source: &Source) -> Reading {
    let message = parse(source.bytes)?;
    let mut draft = source.draft();
    draft.title = message.subject().map(str::to_owned);
    draft.date = date(&message);
    push_message(source, &message, None, 0, &mut draft);
    Ok(draft)
}

/// Reads a mailbox. The locator names the message by its number; the attachments of message 3 are `message 3/…`.
pub(super) fn read_mailbox(source: &Source) -> Reading {
    let mut draft = source.draft();
    let messages = mail_parser::mailbox::mbox::MessageIterator::new(BufReader::new(source.bytes));
    for (position, message) in messages.enumerate() {
        let name = format!("message {}", position + 1);
        let Some(content) = message.ok().map(mail_parser::mailbox::mbox::Message::unwrap_contents) else {
            draft.lack(format!("{name}: damaged"));
            continue;
        };
        match parse(&content) {
            Ok(message) => {
                draft.date = draft.date.max(date(&message));
                let subject = message.subject().unwrap_or("(no subject)");
                draft.push(BlockKind::Heading(1), Locator::Part { name: name.clone() }, &one_line(subject));
                push_message(source, &message, Some(&name), 0, &mut draft);
            }
            Err(_) => draft.lack(format!("{name}: damaged")),
        }
    }
    Ok(draft)
}

/// Reads a web page that was saved as a message: its first page; pictures and styles are no documents.
pub(super) fn read_page(source: &Source) -> Reading {
    let message = parse(source.bytes)?;
    let mut draft = source.draft();
    draft.title = message.subject().map(str::to_owned);
    draft.date = date(&message);
    for part in &message.parts {
        match &part.body {
            PartType::Html(text) => html::push_page(text, None, &mut draft),
            PartType::Text(text) if is_plain(part) => draft.paragraph(Locator::Whole, text),
            _ => {}
        }
    }
    Ok(draft)
}

fn parse(bytes: &[u8]) -> Result<Message<'_>, Outcome> {
    MessageParser::default()
        .parse(bytes)
        .ok_or(Outcome::Failed { reason: "no message could be made out".into() })
}

fn is_plain(part: &mail_parser::MessagePart) -> bool {
    part.content_type().is_none_or(|kind| kind.ctype() == "text" && kind.subtype() != Some("css"))
}

/// Adds a message: header lines, bodies, attached messages; attachments become members.
fn push_message(source: &Source, message: &Message, within: Option<&str>, depth: usize, draft: &mut Draft) {
    let part = |name: &str| Locator::Part {
        name: within.map_or(name.to_owned(), |within| format!("{within}: {name}")),
    };
    draft.paragraph(part("headers"), &headers(message));
    push_bodies(message, &part("body"), draft);
    for (position, attachment) in message.attachments().enumerate() {
        let named = attachment.attachment_name().map(str::to_owned);
        if let PartType::Message(inner) = &attachment.body {
            let name = named.unwrap_or_else(|| format!("attached message {}", position + 1));
            if depth < NESTING {
                let within = within.map_or(name.clone(), |within| format!("{within}: {name}"));
                push_message(source, inner, Some(&within), depth + 1, draft);
            } else {
                draft.lack("messages attached more than 8 deep");
            }
            continue;
        }
        let name = named.unwrap_or_else(|| unnamed(attachment, position));
        let name = within.map_or(name.clone(), |within| format!("{}/{name}", within.replace(": ", "/")));
        if !source.member(draft, &name, attachment.contents()) {
            return;
        }
    }
}

/// The text of a message: of each part that says the same as text and as a page, the page, which has its structure;
/// the plain text is kept where the page says less.
fn push_bodies(message: &Message, locator: &Locator, draft: &mut Draft) {
    let mut done = Vec::new();
    for (text, page) in pairs(message) {
        let plain = text.and_then(|id| message.part(id));
        let rich = page.and_then(|id| message.part(id));
        if [text, page].iter().flatten().any(|id| done.contains(id)) {
            continue;
        }
        done.extend([text, page].into_iter().flatten());
        let mut body = Draft::new(draft.room());
        if let Some(PartType::Html(html)) = rich.map(|part| &part.body) {
            let name = if let Locator::Part { name } = locator { name.as_str() } else { "body" };
            html::push_page(html, Some(name), &mut body);
        }
        match plain.map(|part| &part.body) {
            Some(PartType::Text(text)) if words(text) > words(body.text()) * 2 => {
                push_plain(text, locator, draft);
            }
            plain => {
                let other =
                    plain.and_then(|body| if let PartType::Text(text) = body { Some(text) } else { None });
                let unsaid = other.filter(|text| !is_said(text, body.text()));
                body.title = None;
                draft.append(body);
                unsaid.iter().for_each(|text| push_plain(text, locator, draft));
            }
        }
    }
}

/// Text parts beside the HTML parts that stand for the same; mail-parser lists both in order.
fn pairs(message: &Message) -> Vec<(Option<u32>, Option<u32>)> {
    let longest = message.text_body.len().max(message.html_body.len());
    let at = |list: &[u32], index: usize| list.get(index).copied();
    (0..longest).map(|index| (at(&message.text_body, index), at(&message.html_body, index))).collect()
}

/// Whether a page has most of the words of the plain text beside it, as it should.
fn is_said(plain: &str, page: &str) -> bool {
    let known: HashSet<&str> = page.split_whitespace().collect();
    let said = plain.split_whitespace().filter(|word| known.contains(word)).count();
    said * 2 >= words(plain)
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Plain text in paragraphs.
fn push_plain(text: &str, locator: &Locator, draft: &mut Draft) {
    let text = text.replace("\r\n", "\n");
    for paragraph in text.split("\n\n") {
        draft.paragraph(locator.clone(), paragraph);
    }
}

fn unnamed(attachment: &mail_parser::MessagePart, position: usize) -> String {
    let extension = match attachment.content_type().map(|kind| (kind.ctype(), kind.subtype().unwrap_or(""))) {
        Some(("text", "plain")) => ".txt",
        Some(("text", "html")) => ".html",
        Some((_, "pdf")) => ".pdf",
        Some(("image", "png")) => ".png",
        Some(("image", "jpeg")) => ".jpg",
        _ => "",
    };
    format!("attachment {}{extension}", position + 1)
}

/// The header lines that a person reads, as `From: …`.
fn headers(message: &Message) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !value.trim().is_empty() {
            text.push_str(&format!("{name}: {}\n", one_line(&value)));
        }
    };
    line("From", addresses(message.from()));
    line("To", addresses(message.to()));
    line("Cc", addresses(message.cc()));
    line("Bcc", addresses(message.bcc()));
    line("Date", date(message).map(dates::text).unwrap_or_default());
    line("Subject", message.subject().unwrap_or_default().to_owned());
    text
}

fn addresses(list: Option<&Address>) -> String {
    let one = |address: &mail_parser::Addr| match (address.name(), address.address()) {
        (Some(name), Some(address)) if name != address => format!("{name} <{address}>"),
        (Some(only), _) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    };
    list.map(|list| list.iter().map(one).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

fn date(message: &Message) -> Option<i64> {
    message.date().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outline, read};

    const MESSAGE: &str = "From: Ada <ada@example.org>\r\nTo: bob@example.org\r\nSubject: Rent\r\n\
        Date: Sun, 22 Nov 2026 09:30:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Type: text/plain\r\n\r\nDear Bob,\r\n\r\nit is due.\r\n--x\r\n\
        Content-Type: text/csv; name=\"../due.csv\"\r\nContent-Disposition: attachment; filename=\"../due.csv\"\r\n\r\n\
        what,when\r\nrent,monthly\r\n--x--\r\n";

    #[test]
    fn headers_body_and_attachments_are_read() {
        let document = read("a.eml", MESSAGE.as_bytes());
        assert_eq!(document.title, "Rent");
        assert_eq!(document.date, Some(1_795_336_200));
        assert_eq!(
            outline(&document),
            "indexed\nParagraph @ headers: From: Ada <ada@example.org>\\nTo: bob@example.org\\n\
             Date: 2026-11-22 08:30 UTC\\nSubject: Rent\nParagraph @ body: Dear Bob,\nParagraph @ body: it is due."
        );
        assert_eq!(document.members[0].0, "due.csv");
        assert_eq!(document.members[0].1.text, "what | when\nrent | monthly");
    }

    #[test]
    fn a_text_that_the_page_does_not_repeat_is_read_too() {
        let message = |plain: &str| {
            format!(
                "Subject: Rent\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\
                 Content-Type: text/plain\r\n\r\n{plain}\r\n--x\r\nContent-Type: text/html\r\n\r\n\
                 <p>The rent is due today.</p>\r\n--x--\r\n"
            )
        };
        let same = read("a.eml", message("The rent is due today.").as_bytes());
        assert_eq!(same.text.matches("due").count(), 1);
        let other = read("a.eml", message("Please call the landlord").as_bytes());
        assert!(other.text.contains("due today") && other.text.contains("call the landlord"));
    }

    #[test]
    fn each_message_of_a_mailbox_is_named() {
        let mailbox = format!(
            "From ada Sun Nov 22 09:30:00 2026\r\n{MESSAGE}\r\nFrom bob Sun Nov 22 09:31:00 2026\r\nFrom: b@c.d\r\nSubject: Two\r\n\r\nsecond\r\n"
        );
        let document = read("a.mbox", mailbox.as_bytes());
        assert!(outline(&document).contains("Heading(1) @ message 2: Two"));
        assert!(outline(&document).contains("Paragraph @ message 2: body: second"));
        assert_eq!(document.members[0].0, "message 1/due.csv");
    }
}
