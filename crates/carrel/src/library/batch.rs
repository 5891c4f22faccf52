//! Files on their way from being read to being committed. A commit waits for the disk; a batch waits once.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use carrel_corpus::{Chunk, Document};
use carrel_index::{FileStamp, Reading};
use carrel_ingest::Stamp;

use super::file_stamp;

/// Files committed together at most.
const FILES: usize = 64;
/// A batch is full, too, when it holds this much text: memory stays bounded whatever the folder.
const TEXT_BYTES: usize = 8 << 20;
/// The first file of a batch waits no longer for others.
const PATIENCE: Duration = Duration::from_millis(250);

/// A file to be read.
pub(super) struct Job {
    pub(super) path: String,
    pub(super) stamp: Stamp,
    pub(super) hash: [u8; 32],
}

/// A file that was read, with everything that it contains.
pub(super) struct ReadFile {
    stamp: FileStamp,
    /// The file itself first, then its members.
    parts: Vec<Part>,
}

struct Part {
    path: String,
    document: Document,
    chunks: Vec<Chunk>,
    texts: Vec<String>,
}

impl Part {
    fn reading(&self) -> Reading<'_> {
        Reading {
            path: self.path.clone(),
            document: &self.document,
            chunks: &self.chunks,
            texts: &self.texts,
        }
    }
}

impl ReadFile {
    /// `cut` gives the chunks of a document and for each the text that is embedded and searched.
    pub(super) fn new(
        job: &Job,
        document: Document,
        cut: impl Fn(&Document) -> (Vec<Chunk>, Vec<String>),
    ) -> ReadFile {
        let mut parts = Vec::new();
        flatten(job.path.clone(), document, &cut, &mut parts);
        ReadFile { stamp: file_stamp(&job.path, &job.stamp, job.hash), parts }
    }

    fn text_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.document.text.len()).sum()
    }
}

/// The document, and after it all that it contains, each with its path.
fn flatten(
    path: String,
    mut document: Document,
    cut: &impl Fn(&Document) -> (Vec<Chunk>, Vec<String>),
    parts: &mut Vec<Part>,
) {
    let members = std::mem::take(&mut document.members);
    let (chunks, texts) = cut(&document);
    let inside: Vec<(String, Document)> =
        members.into_iter().map(|(name, member)| (format!("{path}!/{name}"), member)).collect();
    parts.push(Part { path, document, chunks, texts });
    for (path, member) in inside {
        flatten(path, member, cut, parts);
    }
}

/// Waits for read files and takes up a batch of them; `None` when there will be no more.
pub(super) fn collect(read: &Receiver<ReadFile>) -> Option<Vec<ReadFile>> {
    let first = read.recv().ok()?;
    let until = Instant::now() + PATIENCE;
    let mut bytes = first.text_bytes();
    let mut batch = vec![first];
    while batch.len() < FILES && bytes < TEXT_BYTES {
        match read.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(file) => {
                bytes += file.text_bytes();
                batch.push(file);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(batch)
}

/// The batch in the terms of the index.
pub(super) fn readings(batch: &[ReadFile]) -> Vec<(FileStamp, Vec<Reading<'_>>)> {
    batch.iter().map(|file| (file.stamp.clone(), file.parts.iter().map(Part::reading).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrel_corpus::Outcome;

    fn document(members: Vec<(String, Document)>) -> Document {
        Document { members, ..Document::unread("text/plain", Outcome::Empty) }
    }

    #[test]
    fn members_follow_their_container_with_its_path() {
        let inner = document(vec![("b.txt".into(), document(Vec::new()))]);
        let outer = document(vec![("a.zip".into(), inner), ("c.txt".into(), document(Vec::new()))]);
        let job = Job { path: "/f/x.zip".into(), stamp: Stamp::default(), hash: [0; 32] };
        let file = ReadFile::new(&job, outer, |_| (Vec::new(), Vec::new()));
        let paths: Vec<&str> = file.parts.iter().map(|part| part.path.as_str()).collect();
        assert_eq!(paths, ["/f/x.zip", "/f/x.zip!/a.zip", "/f/x.zip!/a.zip!/b.txt", "/f/x.zip!/c.txt"]);
    }

    #[test]
    fn a_batch_ends_with_its_sender() {
        let (sender, receiver) = std::sync::mpsc::channel();
        for name in ["a", "b"] {
            let job = Job { path: name.into(), stamp: Stamp::default(), hash: [0; 32] };
            sender.send(ReadFile::new(&job, document(Vec::new()), |_| (Vec::new(), Vec::new()))).unwrap();
        }
        drop(sender);
        assert_eq!(collect(&receiver).map(|batch| batch.len()), Some(2));
        assert!(collect(&receiver).is_none());
    }
}
