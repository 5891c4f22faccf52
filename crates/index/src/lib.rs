//! The catalog, the keyword index and the vector index of a library, and the search over them.
//!
//! The catalog (SQLite) is the only truth. tantivy and LanceDB are derived from it: each knows the number of the last
//! change that it holds, catches up by replaying the catalog, and is made again from it when it is damaged. No type
//! of theirs leaves this crate.

mod catalog;
mod error;
mod filter;
mod fusion;
mod index;
mod kernel;
mod keywords;
mod live;
mod matrix;
mod names;
mod query;
mod records;
mod search;
mod similar;
mod vectors;
mod words;

pub use catalog::audit::{AuditEntry, AuditRecord, AuditReport};
pub use error::{Error, Result};
pub use filter::Filter;
pub use index::{Index, IndexConfig, Tuning};
pub use query::{ParsedQuery, parse_query};
pub use records::{
    Conversation, FileRecord, FileStamp, Folder, Integrity, ModelUse, Reading, StoredDocument,
};
pub use search::{Query, Ranking};
