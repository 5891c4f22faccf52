//! What a search sees: one published state of the library, in memory, that both kinds of search share.
//!
//! Every searchable chunk has a slot. Slots are given out in the order of chunk ids and never move until the table is
//! made anew, so that segments of the keyword index and rows of the matrix can point at them.

use std::collections::{HashMap, HashSet};

use rusqlite::Transaction;
use tantivy::index::SegmentId;
use tantivy::{Opstamp, Searcher};

use crate::catalog::delta::{self, FilteredDocument};
use crate::keywords::Keywords;
use crate::keywords::rank::{DEAD, Segment, Statistics};
use crate::matrix::Matrix;
use crate::names::Names;
use crate::{Error, Result};

pub(crate) struct Live {
    /// Number of the last change that is visible.
    pub(crate) sequence: i64,
    pub(crate) documents: Vec<FilteredDocument>,
    pub(crate) names: Names,
    places: HashMap<i64, u32>,
    /// For each slot its chunk, ascending.
    chunks: Vec<i64>,
    /// For each slot the place of its document in `documents`, or [`DEAD`].
    pub(crate) owners: Vec<u32>,
    /// For each slot whether the matrix has a row.
    in_matrix: Vec<bool>,
    dead: usize,
    pub(crate) matrix: Matrix,
    /// Whether the matrix has the rows of all slots; otherwise the approximate index has the others.
    pub(crate) is_whole: bool,
    pub(crate) searcher: Searcher,
    pub(crate) segments: Vec<Segment>,
    keys: Vec<(SegmentId, Option<Opstamp>)>,
    pub(crate) statistics: Statistics,
    /// Languages that the documents are written in.
    pub(crate) languages: Vec<String>,
}

impl Live {
    /// An empty state, to be advanced.
    pub(crate) fn empty(searcher: Searcher, dimensions: usize) -> Live {
        Live {
            sequence: 0,
            documents: Vec::new(),
            names: Names::default(),
            places: HashMap::new(),
            chunks: Vec::new(),
            owners: Vec::new(),
            in_matrix: Vec::new(),
            dead: 0,
            matrix: Matrix::new(dimensions),
            is_whole: true,
            searcher,
            segments: Vec::new(),
            keys: Vec::new(),
            statistics: Statistics::default(),
            languages: Vec::new(),
        }
    }

    /// Takes in the changes up to `sequence`, the state of `tx`, which `searcher` holds already. Vectors are taken in
    /// from `vectors_since` on; with an approximate index only those are in the matrix that the index lacks.
    pub(crate) fn advance(
        &mut self,
        tx: &Transaction,
        sequence: i64,
        keywords: &Keywords,
        searcher: Searcher,
        vectors: VectorRows,
    ) -> Result<()> {
        for document in delta::documents(tx, self.sequence)? {
            self.put_document(document);
        }
        for chunk in delta::removed(tx, self.sequence)? {
            self.remove(chunk);
        }
        for (chunk, document) in delta::added_ids(tx, self.sequence)? {
            self.add(chunk, document);
        }
        if self.dead > 1_024 && self.dead * 2 > self.chunks.len() {
            self.sweep();
        }
        let since = match vectors {
            VectorRows::All if self.is_whole => self.sequence,
            VectorRows::All => self.empty_matrix(0),
            VectorRows::Since(held) => self.empty_matrix(held),
        };
        self.is_whole = matches!(vectors, VectorRows::All);
        if since == 0 {
            self.matrix.reserve(delta::counts(tx)?.1);
        }
        delta::vectors(tx, since, |vector| {
            if let Some(slot) = self.slot(vector.chunk)
                && !std::mem::replace(&mut self.in_matrix[slot as usize], true)
            {
                self.matrix.push(slot, &vector.bytes);
            }
            Ok(())
        })?;
        self.view(keywords, searcher)?;
        self.sequence = sequence;
        Ok(())
    }

    /// Lets go of all rows, those up to `since` for good; gives it back.
    fn empty_matrix(&mut self, since: i64) -> i64 {
        self.matrix = Matrix::new(self.matrix.dimensions());
        self.in_matrix.fill(false);
        since
    }

    fn put_document(&mut self, document: FilteredDocument) {
        if !self.languages.contains(&document.language) {
            self.languages.push(document.language.clone());
            self.languages.sort();
        }
        let place = *self.places.entry(document.id).or_insert(self.documents.len() as u32);
        self.names.put(place, &document.path, &document.language);
        match self.documents.get_mut(place as usize) {
            Some(former) => *former = document,
            None => self.documents.push(document),
        }
    }

    fn add(&mut self, chunk: i64, document: i64) {
        let Some(place) = self.places.get(&document) else { return };
        if self.chunks.last().is_none_or(|last| *last < chunk) {
            self.chunks.push(chunk);
            self.owners.push(*place);
            self.in_matrix.push(false);
        }
    }

    fn remove(&mut self, chunk: i64) {
        if let Some(slot) = self.slot(chunk) {
            self.owners[slot as usize] = DEAD;
            self.dead += 1;
        }
    }

    /// Makes the tables anew without what is gone, once that is most of them.
    fn sweep(&mut self) {
        let mut moved = vec![DEAD; self.chunks.len()];
        let mut kept = 0;
        for (slot, place) in moved.iter_mut().enumerate() {
            if self.owners[slot] != DEAD {
                self.chunks[kept] = self.chunks[slot];
                self.owners[kept] = self.owners[slot];
                self.in_matrix[kept] = self.in_matrix[slot];
                *place = kept as u32;
                kept += 1;
            }
        }
        self.chunks.truncate(kept);
        self.owners.truncate(kept);
        self.in_matrix.truncate(kept);
        self.matrix.remap(|slot| Some(moved[slot as usize]).filter(|slot| *slot != DEAD));
        self.dead = 0;
        self.keys.clear();
        self.segments.clear();
    }

    /// Points the documents of every segment at their slots. Segments do not change but for deletions, so those that
    /// were there before are kept.
    fn view(&mut self, keywords: &Keywords, searcher: Searcher) -> Result<()> {
        let mut known: HashMap<_, _> = self.keys.drain(..).zip(self.segments.drain(..)).collect();
        for reader in searcher.segment_readers() {
            let key = (reader.segment_id(), reader.delete_opstamp());
            let mut segment = match known.remove(&key) {
                Some(segment) => segment,
                None => {
                    let column = reader.fast_fields().u64("chunk").map_err(Error::keywords)?;
                    let slots = (0..reader.max_doc()).map(|document| {
                        let chunk = column.first(document).filter(|_| !reader.is_deleted(document));
                        chunk.and_then(|chunk| self.slot(chunk as i64)).unwrap_or(DEAD)
                    });
                    Segment { slots: slots.collect() }
                }
            };
            for slot in &mut segment.slots {
                if *slot != DEAD && self.owners[*slot as usize] == DEAD {
                    *slot = DEAD;
                }
            }
            self.keys.push(key);
            self.segments.push(segment);
        }
        self.statistics =
            Statistics::of(&searcher, &self.segments, keywords.fields, &self.owners, self.documents.len())?;
        self.searcher = searcher;
        Ok(())
    }

    /// Lets go of the files of the former searcher, after the keyword index was compacted.
    pub(crate) fn replace_searcher(&mut self, keywords: &Keywords, searcher: Searcher) -> Result<()> {
        self.view(keywords, searcher)
    }

    pub(crate) fn slot(&self, chunk: i64) -> Option<u32> {
        self.chunks.binary_search(&chunk).ok().map(|slot| slot as u32)
    }

    pub(crate) fn chunk(&self, slot: u32) -> i64 {
        self.chunks[slot as usize]
    }

    /// The document of a slot, or `None` when the chunk is gone.
    pub(crate) fn document(&self, slot: u32) -> Option<&FilteredDocument> {
        self.documents.get(self.owners[slot as usize] as usize)
    }

    /// Number of slots, those of chunks that are gone included.
    pub(crate) fn slots(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// The ids of the documents that `allowed` lets through.
    pub(crate) fn allowed_documents(&self, allowed: &Allowed) -> Vec<i64> {
        let places = self.documents.iter().enumerate().filter(|(place, _)| allowed.documents[*place]);
        places.map(|(_, document)| document.id).collect()
    }

    /// Searchable chunks that the keyword index has.
    pub(crate) fn keyword_chunks(&self) -> usize {
        let slots = self.segments.iter().flat_map(|segment| &segment.slots);
        slots.filter(|slot| **slot != DEAD).collect::<HashSet<_>>().len()
    }

    /// The slots that a search may give: those whose document `allow`s it.
    pub(crate) fn allowed(&self, allow: impl Fn(&FilteredDocument) -> bool) -> Allowed<'_> {
        Allowed { owners: &self.owners, documents: self.documents.iter().map(allow).collect(), slots: None }
    }
}

/// Which rows the matrix is to hold.
#[derive(Clone, Copy)]
pub(crate) enum VectorRows {
    All,
    /// Those of changes after this number.
    Since(i64),
}

/// The slots that a search may give.
pub(crate) struct Allowed<'l> {
    owners: &'l [u32],
    documents: Vec<bool>,
    /// Restricts further, by slot.
    slots: Option<Vec<bool>>,
}

impl Allowed<'_> {
    pub(crate) fn allows(&self, slot: u32) -> bool {
        self.documents.get(self.owners[slot as usize] as usize).copied().unwrap_or(false)
            && self.slots.as_ref().is_none_or(|slots| slots[slot as usize])
    }

    /// Of those allowed so far only `slots`.
    pub(crate) fn require(&mut self, slots: &[u32]) {
        let mut required = vec![false; self.owners.len()];
        for slot in slots {
            required[*slot as usize] = self.allows(*slot);
        }
        self.slots = Some(required);
    }

    /// Of those allowed so far not `slots`.
    pub(crate) fn exclude(&mut self, slots: &[u32]) {
        let left = self.slots.get_or_insert_with(|| vec![true; self.owners.len()]);
        for slot in slots {
            left[*slot as usize] = false;
        }
    }
}
