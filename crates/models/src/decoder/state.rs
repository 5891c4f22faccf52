//! The key-value cache of one conversation.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use memmap2::MmapMut;

use super::Architecture;
use super::forward::Buffers;
use crate::kernels::Isa;
use crate::kernels::attention::PAGE;
use crate::kernels::cells::{CacheType, GROUP, Plane, StorePosition};

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
    pub cache: CacheType,
}

/// Keys and values of [`PAGE`] positions: `[layer][head][keys, values]`. The memory is the system's own: it is used as
/// positions are written, in large pages where there are such, and goes back when the page is let go.
pub(crate) struct Page {
    bytes: MmapMut,
}

impl Shape {
    pub(crate) fn of(architecture: &Architecture, cache: CacheType) -> Shape {
        Shape {
            layers: architecture.layers,
            kv_heads: architecture.kv_heads,
            dimension: architecture.head_dimension,
            cache,
        }
    }

    fn places(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.layers).flat_map(move |layer| (0..self.kv_heads).map(move |head| (layer, head)))
    }

    /// Bytes of keys and values for each position.
    pub(crate) fn bytes_per_token(self) -> usize {
        self.layers * self.kv_heads * 2 * self.cache.words(self.dimension) * size_of::<u16>()
    }

    /// Words of a group of positions of one head's keys, or values.
    fn group(self) -> usize {
        GROUP * self.cache.words(self.dimension)
    }

    fn plane(self) -> usize {
        PAGE * self.cache.words(self.dimension)
    }

    fn page_len(self) -> usize {
        self.layers * self.kv_heads * 2 * self.plane()
    }

    fn place(self, layer: usize, head: usize) -> usize {
        (layer * self.kv_heads + head) * 2 * self.plane()
    }
}

impl Page {
    fn new(words: usize) -> Page {
        let bytes = MmapMut::map_anon(words * size_of::<u16>());
        let bytes = bytes.unwrap_or_else(|error| panic!("no memory for the key-value cache: {error}"));
        // Attention reads all of it for every token, faster where few entries of the page table say where it lies. A system
        // that has no large pages does without.
        #[cfg(target_os = "linux")]
        let _ = bytes.advise(memmap2::Advice::HugePage);
        Page { bytes }
    }

    fn words(&self) -> &[u16] {
        bytemuck::cast_slice(&self.bytes)
    }

    fn words_mut(&mut self) -> &mut [u16] {
        bytemuck::cast_slice_mut(&mut self.bytes)
    }

    /// Keys and values of one head in one layer.
    pub(crate) fn head(&self, shape: Shape, layer: usize, head: usize) -> (&[u16], &[u16]) {
        let start = shape.place(layer, head);
        self.words()[start..start + 2 * shape.plane()].split_at(shape.plane())
    }
}

impl Clone for Page {
    fn clone(&self) -> Page {
        let mut page = Page::new(self.words().len());
        page.bytes.copy_from_slice(&self.bytes);
        page
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
        self.len() * self.shape.bytes_per_token()
    }

    pub(crate) fn pages(&self) -> &[Arc<Page>] {
        &self.pages
    }

    /// Appends tokens, whose keys and values are written next.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        let first = self.tokens.len() / PAGE;
        self.tokens.extend_from_slice(tokens);
        let length = self.shape.page_len();
        self.pages.resize_with(self.tokens.len().div_ceil(PAGE), || Arc::new(Page::new(length)));
        // Pages that a fork shares are copied here, once, and not in the middle of a layer.
        for page in &mut self.pages[first..] {
            Arc::make_mut(page);
        }
    }

    /// Every run of words that holds something: groups of keys, and of values, per page, layer and head. Positions
    /// that were cut off read as zeros.
    pub(super) fn for_each_run(&self, mut visit: impl FnMut(&[u16]) -> io::Result<()>) -> io::Result<()> {
        let (shape, length) = (self.shape, self.len());
        for (index, page) in self.pages.iter().enumerate() {
            let used = (length - index * PAGE).min(PAGE);
            for (layer, head) in shape.places() {
                let (keys, values) = page.head(shape, layer, head);
                for (plane, words) in [(Plane::Keys, keys), (Plane::Values, values)] {
                    let mut words = words[..used.div_ceil(GROUP) * shape.group()].to_vec();
                    if let Some(last) = words.chunks_exact_mut(shape.group()).last() {
                        for slot in (used - 1) % GROUP + 1..GROUP {
                            shape.cache.blank(last, plane, shape.dimension, slot);
                        }
                    }
                    visit(&words)?;
                }
            }
        }
        Ok(())
    }

    /// The same runs, to be filled.
    pub(super) fn for_each_run_mut(
        &mut self,
        mut visit: impl FnMut(&mut [u16]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (shape, length) = (self.shape, self.len());
        for (index, page) in self.pages.iter_mut().enumerate() {
            let used = (length - index * PAGE).min(PAGE).div_ceil(GROUP) * shape.group();
            let page = Arc::make_mut(page);
            for (layer, head) in shape.places() {
                let start = shape.place(layer, head);
                let planes = &mut page.words_mut()[start..start + 2 * shape.plane()];
                planes.chunks_exact_mut(shape.plane()).try_for_each(|plane| visit(&mut plane[..used]))?;
            }
        }
        Ok(())
    }

    /// Where keys and values of one layer are written, of the positions that [`State::extend`] has added.
    pub(crate) fn places(&mut self, layer: usize, first: usize) -> Places<'_> {
        let (shape, first) = (self.shape, first / PAGE);
        let plane = |page: &mut Arc<Page>| {
            let start = shape.place(layer, 0);
            Arc::make_mut(page).words_mut()[start..shape.place(layer + 1, 0)].as_mut_ptr()
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
                let (cache, slot) = (shape.cache, position % PAGE);
                isa.run(StorePosition { cache, slot, key, value, keys, values });
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
