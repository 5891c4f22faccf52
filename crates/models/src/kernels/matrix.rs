//! A weight matrix in packed form.

use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;

use super::activations::Activations;
use super::blocks::format;
use super::isa::Isa;
use super::multiply::{Input, MultiplyGroups, Output};
use super::pack::{GROUP, group_bytes, pack_group};
use super::pool::Pool;
use crate::gguf::GgmlType;

/// A batch is cut at multiples of this, so that no kernel, be it six rows wide or four, is left with a rest within it.
const ROWS: usize = 12;

/// A cache line, so that packed memory is aligned to one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Where packed weights lie.
enum Storage {
    Owned { lines: Vec<Line>, length: usize },
    Mapped { map: Arc<Mmap>, start: usize, length: usize },
}

impl Storage {
    fn bytes(&self) -> &[u8] {
        match self {
            Storage::Owned { lines, length } => {
                // SAFETY: a line is 64 plain bytes, and there are enough of them for `length`.
                unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), *length) }
            }
            Storage::Mapped { map, start, length } => &map[*start..*start + *length],
        }
    }
}

/// A matrix of `rows x columns` weights for the kernels, and what is added to its results.
pub(crate) struct Matrix {
    pub kind: GgmlType,
    pub rows: usize,
    pub columns: usize,
    pub bias: Option<Vec<f32>>,
    storage: Storage,
}

/// Bytes of a packed matrix.
pub(crate) fn packed_bytes(kind: GgmlType, rows: usize, columns: usize) -> usize {
    rows.div_ceil(GROUP) * group_bytes(kind, columns)
}

impl Matrix {
    /// Packs rows that lie one after the other in `data`, as the file has them.
    pub(crate) fn pack(kind: GgmlType, rows: usize, columns: usize, data: &[u8], pool: &Pool) -> Matrix {
        let length = packed_bytes(kind, rows, columns);
        let mut lines = vec![Line([0; 64]); length.div_ceil(64)];
        let row_bytes = data.len() / rows.max(1);
        let group = group_bytes(kind, columns);
        let out = Bytes(lines.as_mut_ptr().cast());
        pool.run(rows.div_ceil(GROUP), &|index| {
            let first = index * GROUP;
            let last = rows.min(first + GROUP);
            let sources: Vec<&[u8]> =
                (first..last).map(|row| &data[row * row_bytes..(row + 1) * row_bytes]).collect();
            // SAFETY: groups do not overlap and all lie within `lines`.
            let out = unsafe { std::slice::from_raw_parts_mut(out.at(index * group), group) };
            pack_group(kind, columns, &sources, out);
        });
        Matrix { kind, rows, columns, bias: None, storage: Storage::Owned { lines, length } }
    }

    /// A matrix whose packed bytes lie in a mapped file; `None` where they do not fit into it.
    pub(crate) fn mapped(
        kind: GgmlType,
        rows: usize,
        columns: usize,
        map: &Arc<Mmap>,
        start: usize,
    ) -> Option<Matrix> {
        let length = packed_bytes(kind, rows, columns);
        let storage = Storage::Mapped { map: Arc::clone(map), start, length };
        (start.checked_add(length)? <= map.len()).then_some(())?;
        Some(Matrix { kind, rows, columns, bias: None, storage })
    }

    /// A matrix whose weights are elsewhere: it has a shape, and cannot be multiplied.
    pub(crate) fn empty(kind: GgmlType, rows: usize, columns: usize) -> Matrix {
        let storage = Storage::Owned { lines: Vec::new(), length: 0 };
        Matrix { kind, rows, columns, bias: None, storage }
    }

    /// The packed bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.storage.bytes()
    }

    /// Whether it is multiplied with quantised activations.
    pub(crate) fn wants_quantised(&self) -> bool {
        format(self.kind).is_some()
    }
}

struct Bytes(*mut u8);

// SAFETY: only used for places that do not overlap, while the owner waits.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// # Safety
    /// The place is within what the pointer points at.
    unsafe fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { self.0.add(offset) }
    }
}

/// Activation rows in the forms that matrices want them in.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub floats: &'a [f32],
    pub quantised: &'a Activations,
}

/// A matrix and the buffer for its results, `rows of activations x matrix.rows`.
pub(crate) struct Product<'a> {
    pub matrix: &'a Matrix,
    pub out: &'a mut [f32],
}

/// Multiplies the same activation rows with one or several matrices, in one parallel step.
pub(crate) fn multiply(pool: &Pool, isa: Isa, input: Rows<'_>, products: &mut [Product<'_>]) {
    let mut plan = Vec::with_capacity(products.len());
    let (mut pairs, mut rows) = (0, 0);
    for product in products.iter_mut() {
        let matrix = product.matrix;
        rows = input.floats.len() / matrix.columns;
        assert!(input.floats.len() == rows * matrix.columns && product.out.len() == rows * matrix.rows);
        assert!(!matrix.wants_quantised() || input.quantised.rows == rows);
        plan.push((pairs, matrix, Output { at: product.out.as_mut_ptr(), stride: matrix.rows }));
        pairs += matrix.rows.div_ceil(GROUP * 2);
    }
    let step = (pairs / (pool.threads() * 16)).clamp(1, 32);
    let units = pairs.div_ceil(step);
    let batch = batch(rows, input.floats.len());
    pool.run(units * rows.div_ceil(batch), &|unit| {
        let (first_row, unit) = (unit / units * batch, unit % units);
        for index in unit * step..pairs.min((unit + 1) * step) {
            let Some(&(first, matrix, out)) = plan.iter().rev().find(|part| part.0 <= index) else { return };
            let batch = first_row..rows.min(first_row + batch);
            multiply_pair(isa, input, batch, matrix, index - first, out);
        }
    });
}

/// Quantised activations that stay in a core's own cache, in bytes.
const CACHED: usize = 1 << 19;

/// Activation rows that all weights pass by, before the next ones: they are read again for each group of weights.
fn batch(rows: usize, elements: usize) -> usize {
    let parts = elements.div_ceil(CACHED).max(1);
    rows.div_ceil(parts).next_multiple_of(ROWS).max(ROWS)
}

fn multiply_pair(isa: Isa, input: Rows<'_>, batch: Range<usize>, matrix: &Matrix, pair: usize, out: Output) {
    let size = group_bytes(matrix.kind, matrix.columns);
    let first = pair * 2 * GROUP;
    let width = (2 * GROUP).min(matrix.rows - first);
    let kernel = MultiplyGroups {
        kind: matrix.kind,
        columns: matrix.columns,
        groups: &matrix.bytes()[pair * 2 * size..][..width.div_ceil(GROUP) * size],
        input: match matrix.wants_quantised() {
            true => Input::Quantised(input.quantised),
            false => Input::Floats(input.floats),
        },
        batch,
        // SAFETY: the column is within a row of `out`.
        out: Output { at: unsafe { out.at.add(first) }, ..out },
        width,
        bias: matrix.bias.as_ref().map(|bias| &bias[first..first + width]),
    };
    // SAFETY: an `Isa` in use is available; pairs write different columns, rows fit `out` (asserted above).
    unsafe { isa.run(kernel) }
}
