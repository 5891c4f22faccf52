//! Where the right answers stand in the text that the library has read.
//!
//! A set gives its places in code points of the file. Where the library's text is the file itself they are converted;
//! where it is not (a PDF, a mail), the words are looked for without regard to white space.

use std::collections::HashMap;
use std::fs;

use carrel_corpus::{DocumentId, Span};

use super::set::{Gold, Question, Set};
use super::{Error, Library};

/// A gold place in the library.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub document: DocumentId,
    /// None where only the page, or only the document, is known.
    pub span: Option<Span>,
    pub page: Option<u32>,
}

/// The gold places of every question, and the documents by name.
pub struct Located {
    names: HashMap<DocumentId, String>,
    places: HashMap<String, Vec<Place>>,
}

impl Located {
    /// Finds the places of all `questions`.
    pub fn new(library: &Library, set: &Set, questions: &[Question]) -> Result<Located, Error> {
        let mut names = HashMap::new();
        let mut documents = HashMap::new();
        for record in library.files(None)? {
            let file = record.path.split("!/").next().unwrap_or(&record.path);
            let path = carrel_ingest::path_from_stored(file);
            let name = path.strip_prefix(&set.root).unwrap_or(&path).to_string_lossy().into_owned();
            if record.container.is_none() {
                documents.insert(name.clone(), record.document);
            }
            names.insert(record.document, name);
        }
        let mut texts = Texts { library, set, documents: &documents, cache: HashMap::new() };
        let mut places = HashMap::new();
        for question in questions {
            let found =
                question.relevant.iter().map(|gold| texts.place(gold)).collect::<Result<Vec<_>, _>>()?;
            places.insert(question.id.clone(), found.into_iter().flatten().collect());
        }
        Ok(Located { names, places })
    }

    /// The places of a question; those in documents that were not read are left out.
    pub fn places(&self, question: &Question) -> &[Place] {
        self.places.get(&question.id).map_or(&[], Vec::as_slice)
    }

    /// Name of a document as the set gives it; a member has the name of its container.
    pub fn name(&self, document: DocumentId) -> &str {
        self.names.get(&document).map_or("", String::as_str)
    }
}

/// Texts of documents with what is needed to find places in them, read once each.
struct Texts<'a> {
    library: &'a Library,
    set: &'a Set,
    documents: &'a HashMap<String, DocumentId>,
    cache: HashMap<String, Text>,
}

struct Text {
    text: String,
    /// Whether it is the file itself.
    verbatim: bool,
    /// Byte offset of each code point, and the end; empty unless verbatim.
    offsets: Vec<usize>,
    squeezed: Squeezed,
}

impl Texts<'_> {
    fn place(&mut self, gold: &Gold) -> Result<Option<Place>, Error> {
        let Some(&document) = self.documents.get(&gold.doc) else { return Ok(None) };
        let mut span = None;
        if gold.text.is_some() || gold.start.is_some() {
            if !self.cache.contains_key(&gold.doc) {
                let text = self.read(&gold.doc, document)?;
                self.cache.insert(gold.doc.clone(), text);
            }
            span = self.cache[&gold.doc].find(gold);
        }
        Ok(Some(Place { document, span, page: gold.page }))
    }

    fn read(&self, name: &str, document: DocumentId) -> Result<Text, Error> {
        let text = self.library.index().document(document)?.text;
        let file = fs::read(self.set.root.join(name)).unwrap_or_default();
        let verbatim = file == text.as_bytes();
        let offsets = match verbatim {
            true => text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
            false => Vec::new(),
        };
        Ok(Text { squeezed: Squeezed::of(&text), text, verbatim, offsets })
    }
}

impl Text {
    fn find(&self, gold: &Gold) -> Option<Span> {
        if let (true, Some(start), Some(end)) = (self.verbatim, gold.start, gold.end) {
            return Some(Span::new(*self.offsets.get(start)?, *self.offsets.get(end)?));
        }
        let wanted = gold.text.as_deref()?;
        // Of several places with these words, the one nearest to where the file had them.
        let near = gold.start.unwrap_or(0).min(self.text.len());
        self.squeezed.find(wanted, near)
    }
}

/// A text without its white space, and where each of its bytes came from.
struct Squeezed {
    text: String,
    origins: Vec<usize>,
}

impl Squeezed {
    fn of(text: &str) -> Squeezed {
        let mut squeezed = Squeezed { text: String::with_capacity(text.len()), origins: Vec::new() };
        for (at, character) in text.char_indices().filter(|(_, character)| !character.is_whitespace()) {
            squeezed.text.push(character);
            squeezed.origins.extend((0..character.len_utf8()).map(|byte| at + byte));
        }
        squeezed
    }

    /// The occurrence of `wanted` that begins nearest to byte `near` of the original text.
    fn find(&self, wanted: &str, near: usize) -> Option<Span> {
        let wanted: String = wanted.chars().filter(|character| !character.is_whitespace()).collect();
        if wanted.is_empty() {
            return None;
        }
        let (at, found) =
            self.text.match_indices(&wanted).min_by_key(|(at, _)| self.origins[*at].abs_diff(near))?;
        Some(Span::new(self.origins[at], self.origins[at + found.len() - 1] + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_the_white_space() {
        let text = "Rent is\n  due. Later: rent isdue.";
        let squeezed = Squeezed::of(text);
        assert_eq!(squeezed.find("is due", 0).unwrap().of(text), "is\n  due");
        assert_eq!(squeezed.find("is due", 30).unwrap().of(text), "isdue");
        assert_eq!(squeezed.find("owed", 0), None);
    }

    #[test]
    fn code_points_become_bytes() {
        let text = "é rent".to_owned();
        let offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let text = Text { squeezed: Squeezed::of(&text), text, verbatim: true, offsets };
        let gold = Gold { start: Some(2), end: Some(6), ..Gold::default() };
        assert_eq!(text.find(&gold).unwrap().of(&text.text), "rent");
    }
}
