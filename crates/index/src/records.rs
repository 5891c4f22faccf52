//! What goes into the library and what it tells about itself.

use std::fmt;

use carrel_corpus::{Block, Chunk, Document, DocumentId, FolderId, Outcome};

/// A folder that the library reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub id: FolderId,
    pub path: String,
}

/// A file as the scan found it on disk. `hash` is the BLAKE3 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp {
    pub path: String,
    pub size: u64,
    pub modified_ns: i64,
    pub inode: u64,
    pub hash: [u8; 32],
}

/// What was read from a file or from one of its members.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// The file's path; a member's is `container.zip!/member.txt`.
    pub path: String,
    pub document: &'a Document,
    pub chunks: &'a [Chunk],
    /// For each chunk the text that is embedded and indexed.
    pub texts: &'a [String],
}

/// A document's line in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    pub document: DocumentId,
    pub path: String,
    /// The document that this is a member of. A member bears the stamp of its container's file.
    pub container: Option<DocumentId>,
    pub size: u64,
    pub modified_ns: i64,
    pub inode: u64,
    pub hash: [u8; 32],
    pub outcome: Outcome,
    pub title: String,
    pub media_type: String,
    pub pages: Option<u32>,
    /// The date that the document states, in seconds since the Unix epoch.
    pub date: Option<i64>,
    pub chunks: usize,
    /// Chunks that have a vector.
    pub embedded: usize,
}

/// A document with its text.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredDocument {
    pub record: FileRecord,
    pub text: String,
    pub blocks: Vec<Block>,
}

/// Never prints the text.
impl fmt::Debug for StoredDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredDocument").field("record", &self.record).finish_non_exhaustive()
    }
}

/// A conversation as the library keeps it. `body` is the caller's own format.
#[derive(Clone, PartialEq, Eq)]
pub struct Conversation {
    pub id: String,
    pub title: String,
    pub body: String,
    /// Seconds since the Unix epoch.
    pub created: i64,
    pub updated: i64,
    /// Documents that it quotes: it is erased together with any of them.
    pub documents: Vec<DocumentId>,
}

/// Never prints what was said.
impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A model that the library was built with or answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelUse {
    /// `embedder`, `generator`, `reranker`.
    pub role: String,
    pub name: String,
    pub digest: String,
}

/// Whether the stores agree with each other and with themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Integrity {
    /// What is wrong, in words for a person; empty when nothing is.
    pub problems: Vec<String>,
    pub chunks: usize,
    pub keyword_chunks: usize,
    pub vectors: usize,
    pub stored_vectors: usize,
}
