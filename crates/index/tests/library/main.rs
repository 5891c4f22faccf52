//! A library as its user meets it: real SQLite, tantivy and LanceDB in a temporary directory.

mod changes;
mod crashes;
mod erasure;
mod records;
mod scale;
mod searches;
mod shelf;
