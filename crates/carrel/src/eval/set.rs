//! A set on disk: `docs/` with one file a document, `queries.jsonl` with one question a line.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::Error;

/// Which of a set's documents are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// `docs/`; of a set with attacked documents, the clean ones.
    #[default]
    Clean,
    /// The attacked documents instead of the clean ones.
    Attacked,
    /// The PDF files of a set that has the same documents as text.
    Pdf,
}

/// A set, read whole but for its documents.
#[derive(Clone, Debug)]
pub struct Set {
    pub name: String,
    /// The folder that the library reads.
    pub documents: PathBuf,
    /// The folder that the names in the questions are relative to.
    pub root: PathBuf,
    pub variant: Variant,
    pub questions: Vec<Question>,
}

/// A question and what is right.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Question {
    pub id: String,
    pub question: String,
    pub relevant: Vec<Gold>,
    #[serde(deserialize_with = "lenient")]
    pub answer: Option<String>,
    pub answers: Option<Vec<Value>>,
    pub answerable: Option<bool>,
    /// What is asked about, of the questions that ask the same about different documents; and the document that this one
    /// asks about.
    pub category: Option<String>,
    pub scope: Option<String>,
    /// What an attacker wants to be answered.
    #[serde(deserialize_with = "lenient")]
    pub wrong_answer: Option<String>,
    /// An instruction planted in `attacked_doc`.
    pub attack: Option<String>,
    pub attacked_doc: Option<String>,
}

/// A place where the answer stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Gold {
    /// Path of the file beneath the set's documents.
    pub doc: String,
    pub text: Option<String>,
    /// In Unicode code points of the file.
    pub start: Option<usize>,
    pub end: Option<usize>,
    pub page: Option<u32>,
    pub pdf: Option<String>,
}

impl Question {
    /// Every wording of the right answer.
    pub fn right_answers(&self) -> Vec<String> {
        let more = self.answers.iter().flatten().filter_map(text_of);
        let mut all: Vec<String> = self.answer.iter().cloned().chain(more).collect();
        all.retain(|answer| !answer.trim().is_empty());
        all
    }

    pub fn is_answerable(&self) -> bool {
        self.answerable != Some(false)
    }
}

impl Set {
    /// Reads the set in `directory`.
    pub fn load(directory: &Path, variant: Variant) -> Result<Set, Error> {
        let directory =
            directory.canonicalize().map_err(|source| Error::Read { path: directory.to_owned(), source })?;
        let root = match variant {
            Variant::Pdf => directory.join("pdf"),
            Variant::Clean | Variant::Attacked => directory.join("docs"),
        };
        // It may be a link to documents that stand elsewhere.
        let root = root.canonicalize().unwrap_or(root);
        let file = directory.join("queries.jsonl");
        if !root.is_dir() || !file.is_file() {
            return Err(Error::NotASet(directory));
        }
        let mut questions = questions(&file)?;
        for question in &mut questions {
            choose(question, variant);
        }
        let attacked = questions.iter().any(|question| question.attacked_doc.is_some());
        let documents = match (attacked, variant) {
            (true, Variant::Clean) => root.join("clean"),
            (true, Variant::Attacked) => root.join("attacked"),
            _ => root.clone(),
        };
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Set { name, documents, root, variant, questions })
    }
}

fn questions(file: &Path) -> Result<Vec<Question>, Error> {
    let text = fs::read_to_string(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|source| Error::Parse {
                path: file.to_owned(),
                line: at + 1,
                source,
            })
        })
        .collect()
}

/// Points the question at the documents of the variant.
fn choose(question: &mut Question, variant: Variant) {
    match variant {
        Variant::Clean => {}
        Variant::Attacked => {
            if let Some(attacked) = &question.attacked_doc {
                for gold in &mut question.relevant {
                    gold.doc.clone_from(attacked);
                }
            }
        }
        Variant::Pdf => {
            for gold in &mut question.relevant {
                // The offsets are those of the text file.
                (gold.start, gold.end) = (None, None);
                gold.doc = gold.pdf.clone().unwrap_or_else(|| {
                    Path::new(&gold.doc).with_extension("pdf").to_string_lossy().into_owned()
                });
            }
        }
    }
}

/// A string, or a number or truth value as a string; anything else is none.
fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(deserializer).ok().as_ref().and_then(text_of))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_chooses_its_documents() {
        let directory = tempfile::tempdir().unwrap();
        let docs = directory.path().join("docs");
        fs::create_dir_all(docs.join("clean")).unwrap();
        fs::write(
            directory.path().join("queries.jsonl"),
            r#"{"id":"1","question":"q","relevant":[{"doc":"clean/a.txt"}],"answer":7,"attacked_doc":"attacked/a.txt"}"#,
        )
        .unwrap();
        let set = Set::load(directory.path(), Variant::Attacked).unwrap();
        assert!(set.documents.ends_with("docs/attacked"));
        assert_eq!(set.questions[0].relevant[0].doc, "attacked/a.txt");
        assert_eq!(set.questions[0].right_answers(), ["7"]);
    }

    #[test]
    fn a_folder_without_questions_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Set::load(directory.path(), Variant::Clean), Err(Error::NotASet(_))));
    }
}
