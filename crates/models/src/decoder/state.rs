//! The key-value cache of one conversation.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Architecture;
use super::forward::Buffers;
use crate::kernels::Isa;
use crate::kernels::attention::{PAGE, StorePosition};

/// What a decoder has read so far: its tokens, and their keys and values in every layer.
///
/// The cache is a list of pages of 256 positions. A fork shares the pages of its origin until it writes to
/// one. Keys and values of a position depend on the tokens up to it alone, so a state cut back to a prefix is
/// the same, bit by bit, as one that has read only the prefix.
pub struct State {
    pub(super) shape: Shape,
    tokens: Vec<u32>,
    pages: Vec<Arc<Page>>,
    pub(super) buffers: Buffers,
}

/// What a page's layout depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub layers: usize,
    pub kv_heads: usize,
    pub dimension: usize,
}

/// Keys and values of [`PAGE`] positions in half precision: `[layer][head][keys, values]`. The memory is
/// zeroed by the system, so that it is used only as positions are written.
#[derive(Clone)]
pub(crate) struct Page {
    halves: Vec<u16>,
}

impl Shape {
    pub(crate) fn of(architecture: &Architecture) -> Shape {
        Shape {
            layers: architecture.layers,
            kv_heads: architecture.kv_heads,
            dimension: architecture.head_dimension,
        }
    }

    fn places(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.layers).flat_map(move |layer| (0..self.kv_heads).map(move |head| (layer, head)))
    }

    fn plane(self) -> usize {
        PAGE * self.dimension
    }

    fn page_len(self) -> usize {
        self.layers * self.kv_heads * 2 * self.plane()
    }

    fn place(self, layer: usize, head: usize) -> usize {
        (layer * self.kv_heads + head) * 2 * self.plane()
    }
}

impl Page {
    /// Keys and values of one head in one layer.
    pub(crate) fn head(&self, shape: Shape, layer: usize, head: usize) -> (&[u16], &[u16]) {
        let start = shape.place(layer, head);
        self.halves[start..start + 2 * shape.plane()].split_at(shape.plane())
    }
}

impl State {
    pub(crate) fn new(shape: Shape) -> State {
        State { shape, tokens: Vec::new(), pages: Vec::new(), buffers: Buffers::default() }
    }

    /// Number of positions read.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens read.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many of the first tokens of `prompt` this state has read already, as its own first tokens.
    pub fn common_prefix(&self, prompt: &[u32]) -> usize {
        self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count()
    }

    /// Forgets all but the first `length` positions.
    pub fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
        self.pages.truncate(self.tokens.len().div_ceil(PAGE));
    }

    /// A second state with the same past. Memory is shared until either goes on.
    pub fn fork(&self) -> State {
        State {
            shape: self.shape,
            tokens: self.tokens.clone(),
            pages: self.pages.clone(),
            buffers: Buffers::default(),
        }
    }

    /// Bytes of all pages, as far as they have been written; shared ones are counted in every state.
    pub fn cache_bytes(&self) -> usize {
        self.len() * self.shape.layers * self.shape.kv_heads * self.shape.dimension * 2 * size_of::<u16>()
    }

    pub(crate) fn pages(&self) -> &[Arc<Page>] {
        &self.pages
    }

    /// Appends tokens, whose keys and values are written next.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        let first = self.tokens.len() / PAGE;
        self.tokens.extend_from_slice(tokens);
        let length = self.shape.page_len();
        self.pages
            .resize_with(self.tokens.len().div_ceil(PAGE), || Arc::new(Page { halves: vec![0; length] }));
        // Pages that a fork shares are copied here, once, and not in the middle of a layer.
        for page in &mut self.pages[first..] {
            Arc::make_mut(page);
        }
    }

    /// Every run of halves that holds something: whole blocks of keys, and values, per page, layer and head.
    /// Positions that were cut off read as zeros.
    pub(super) fn for_each_run(&self, mut visit: impl FnMut(&[u16])) {
        let (shape, length) = (self.shape, self.len());
        for (index, page) in self.pages.iter().enumerate() {
            let used = (length - index * PAGE).min(PAGE);
            for (layer, head) in shape.places() {
                let (keys, values) = page.head(shape, layer, head);
                let mut keys = keys[..used.next_multiple_of(16) * shape.dimension].to_vec();
                for slot in used..used.next_multiple_of(16) {
                    let block = slot / 16 * 16 * shape.dimension + slot % 16;
                    (0..shape.dimension).for_each(|at| keys[block + at * 16] = 0);
                }
                visit(&keys);
                visit(&values[..used * shape.dimension]);
            }
        }
    }

    /// The same runs, to be filled.
    pub(super) fn for_each_run_mut(&mut self, mut visit: impl FnMut(&mut [u16])) {
        let (shape, length) = (self.shape, self.len());
        for (index, page) in self.pages.iter_mut().enumerate() {
            let used = (length - index * PAGE).min(PAGE);
            let page = Arc::make_mut(page);
            for (layer, head) in shape.places() {
                let start = shape.place(layer, head);
                let plane = &mut page.halves[start..start + 2 * shape.plane()];
                let (keys, values) = plane.split_at_mut(shape.plane());
                visit(&mut keys[..used.next_multiple_of(16) * shape.dimension]);
                visit(&mut values[..used * shape.dimension]);
            }
        }
    }

    /// Where keys and values of one layer are written, of the positions that [`State::extend`] has added.
    pub(crate) fn places(&mut self, layer: usize, first: usize) -> Places<'_> {
        let (shape, first) = (self.shape, first / PAGE);
        let plane = |page: &mut Arc<Page>| {
            let start = shape.place(layer, 0);
            Arc::make_mut(page).halves[start..shape.place(layer + 1, 0)].as_mut_ptr()
        };
        let pages = self.pages[first..].iter_mut().map(plane).collect();
        Places { shape, first, pages, state: PhantomData }
    }
}

/// Places of one layer in the last pages of a state, for several threads to write different positions.
pub(crate) struct Places<'a> {
    shape: Shape,
    /// Number of the first page of `pages`.
    first: usize,
    pages: Vec<*mut u16>,
    state: PhantomData<&'a mut State>,
}

// SAFETY: `Places::write` asks that threads write different positions.
unsafe impl Sync for Places<'_> {}

impl Places<'_> {
    /// Writes the keys and values of a position, `kv_heads x dimension` floats each.
    ///
    /// # Safety
    /// `isa` is available, and nobody else writes this position meanwhile.
    pub(crate) unsafe fn write(&self, isa: Isa, position: usize, keys: &[f32], values: &[f32]) {
        let shape = self.shape;
        let page = self.pages[position / PAGE - self.first];
        let heads = keys.chunks_exact(shape.dimension).zip(values.chunks_exact(shape.dimension));
        assert!(keys.len() == shape.kv_heads * shape.dimension);
        for (head, (key, value)) in heads.enumerate() {
            // SAFETY: the layer's part of the page has two planes for each head; the rest is the caller's.
            unsafe {
                let keys = page.add(head * 2 * shape.plane());
                let values = keys.add(shape.plane());
                isa.run(StorePosition { slot: position % PAGE, key, value, keys, values });
            }
        }
    }
}

/// Prints the length, never the tokens.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("len", &self.len()).finish_non_exhaustive()
    }
}
