//! The nouns of a document workstation, and the two seams behind which a neural network may stand.
//!
//! Everything that crosses from one Carrel crate to another is one of these types. There is no I/O here,
//! no async and no serialisation: wire and storage formats belong to the crates at the edge.
//!
//! All text offsets are **byte** offsets into the UTF-8 text of one document, on character boundaries.

mod answer;
mod document;
mod locator;
mod months;
mod seam;

pub use answer::{Answer, Citation, Claim, Coverage, Passage, Support};
pub use document::{Block, BlockKind, Chunk, ChunkId, Document, DocumentId, FolderId, Outcome, Span};
pub use locator::Locator;
pub use months::MONTHS;
pub use seam::{Embedder, Finish, Generation, Generator, Message, Prompt, Role, Sampling, SeamError};
