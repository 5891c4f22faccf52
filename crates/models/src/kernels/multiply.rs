//! Packed weights times activation rows.
//!
//! Every result is the same sequence of float operations over the columns, whatever the number of rows in
//! the batch, the instruction set and the thread that computes it: blocks of 32 columns in order, each an exact
//! integer dot product, scaled and added with one rounding.

#![expect(clippy::needless_range_loop, reason = "several arrays are walked in step")]

use std::ops::Range;

use super::activations::Activations;
use super::blocks::BLOCK;
use super::isa::Kernel;
use super::lanes::Lanes;
use super::pack::{GROUP, group_bytes};
use super::unpack::{CHUNK, Place, Reader, Single, Tile};
use crate::gguf::GgmlType;

/// Where results go: row `m`, column `c` at `at + m * stride + c`.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub at: *mut f32,
    pub stride: usize,
}

// SAFETY: a pointer into a buffer that the one who started the work owns until it is done; no two units of
// work write the same places.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

/// What the weights are multiplied with.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    Quantised(&'a Activations),
    /// `rows x columns` floats.
    Floats(&'a [f32]),
}

/// One group of weights times a batch of activation rows.
pub(crate) struct MultiplyGroup<'a> {
    pub kind: GgmlType,
    pub columns: usize,
    pub group: &'a [u8],
    pub input: Input<'a>,
    /// The activation rows that are multiplied.
    pub batch: Range<usize>,
    /// Results of the group's sixteen rows, or as many as `width` says.
    pub out: Output,
    pub width: usize,
    pub bias: Option<&'a [f32]>,
}

impl Kernel for MultiplyGroup<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        assert_eq!(self.group.len(), group_bytes(self.kind, self.columns));
        // SAFETY: the group is as long as its format asks for; the rest is the caller's.
        unsafe {
            match self.input {
                Input::Floats(values) => self.floats::<L>(values),
                Input::Quantised(input) => {
                    assert_eq!(input.columns, self.columns);
                    match self.kind {
                        GgmlType::Q4_0 => self.quantised::<L, 4, 3, false, false, false>(input),
                        GgmlType::Q4_1 => self.quantised::<L, 4, 0, false, false, true>(input),
                        GgmlType::Q5_0 => self.quantised::<L, 5, 4, false, false, false>(input),
                        GgmlType::Q5_1 => self.quantised::<L, 5, 0, false, false, true>(input),
                        GgmlType::Q2_K => self.quantised::<L, 2, 0, true, true, true>(input),
                        GgmlType::Q3_K => self.quantised::<L, 3, 2, true, true, false>(input),
                        GgmlType::Q4_K => self.quantised::<L, 4, 0, true, false, true>(input),
                        GgmlType::Q5_K => self.quantised::<L, 5, 0, true, false, true>(input),
                        GgmlType::Q6_K => self.quantised::<L, 6, 5, true, true, false>(input),
                        _ if L::SIGNED_BYTES => self.quantised::<L, 8, 0, false, false, false>(input),
                        _ => self.quantised::<L, 8, 7, false, false, false>(input),
                    }
                }
            }
        }
    }
}

impl MultiplyGroup<'_> {
    /// Unpacks the group chunk by chunk, and multiplies each chunk with the whole batch.
    #[inline(always)]
    unsafe fn quantised<
        L: Lanes,
        const BITS: u32,
        const OFFSET: u32,
        const NESTED: bool,
        const HALVES: bool,
        const MINIMUM: bool,
    >(
        &self,
        input: &Activations,
    ) {
        if input.rows == 1 {
            // SAFETY: the caller's.
            return unsafe { self.one_row::<L, BITS, OFFSET, NESTED, HALVES, MINIMUM>(input) };
        }
        let blocks = self.columns / BLOCK;
        let chunk = if self.batch.len() < 4 { 8 } else { CHUNK };
        let mut room = std::mem::MaybeUninit::<Tile>::uninit();
        let tile = room.as_mut_ptr();
        // SAFETY: blocks are read in order up to the group's last; the tile is written before it is read.
        unsafe {
            let mut reader = Reader::<L>::new(self.group.as_ptr());
            let mut start = 0;
            while start < blocks {
                let count = chunk.min(blocks - start);
                for slot in 0..count {
                    let place = Tile::place(tile, slot, if HALVES { 2 } else { 1 });
                    reader.next::<BITS, OFFSET, NESTED, HALVES, MINIMUM>(start + slot, place);
                }
                let part = Part { input, start, count, tile };
                let Range { start: mut row, end } = self.batch.clone();
                if L::WIDE {
                    while row + 8 <= end {
                        self.rows::<L, 8, BITS, OFFSET, HALVES, MINIMUM>(&part, row);
                        row += 8;
                    }
                }
                while row + 4 <= end {
                    self.rows::<L, 4, BITS, OFFSET, HALVES, MINIMUM>(&part, row);
                    row += 4;
                }
                match end - row {
                    1 => self.rows::<L, 1, BITS, OFFSET, HALVES, MINIMUM>(&part, row),
                    2 => self.rows::<L, 2, BITS, OFFSET, HALVES, MINIMUM>(&part, row),
                    3 => self.rows::<L, 3, BITS, OFFSET, HALVES, MINIMUM>(&part, row),
                    _ => {}
                }
                start += count;
            }
        }
    }

    /// One activation row: every block is multiplied as it is unpacked, in registers, and what the memory
    /// gives sets the pace.
    #[inline(always)]
    unsafe fn one_row<
        L: Lanes,
        const BITS: u32,
        const OFFSET: u32,
        const NESTED: bool,
        const HALVES: bool,
        const MINIMUM: bool,
    >(
        &self,
        input: &Activations,
    ) {
        let mut room = std::mem::MaybeUninit::<Single>::uninit();
        // SAFETY: blocks are read in order up to the group's last, and are within the activations.
        unsafe {
            let place = Single::place(room.as_mut_ptr());
            let mut reader = Reader::<L>::new(self.group.as_ptr());
            let mut sums = [L::splat(0.0)];
            for block in 0..self.columns / BLOCK {
                reader.next::<BITS, OFFSET, NESTED, HALVES, MINIMUM>(block, place);
                let quants = [input.quants.as_ptr().add(block * BLOCK)];
                add_block::<L, 1, BITS, OFFSET, HALVES, MINIMUM>(input, place, &[block], &quants, &mut sums);
            }
            self.put::<L>(0, sums[0], true);
        }
    }

    /// One chunk times `M` activation rows from `row` on, added to what the chunks before gave.
    #[inline(always)]
    unsafe fn rows<
        L: Lanes,
        const M: usize,
        const BITS: u32,
        const OFFSET: u32,
        const HALVES: bool,
        const MINIMUM: bool,
    >(
        &self,
        part: &Part<'_>,
        row: usize,
    ) {
        let (input, blocks) = (part.input, self.columns / BLOCK);
        // SAFETY: rows and blocks are within the activations, slots within the tile, results within `out`.
        unsafe {
            let mut quants: [*const i8; M] = std::array::from_fn(|m| {
                input.quants.as_ptr().add((row + m) * self.columns + part.start * BLOCK)
            });
            let mut sums = [L::splat(0.0); M];
            for m in 0..M {
                sums[m] = self.before::<L>(part.start, row + m);
            }
            for slot in 0..part.count {
                let place = Tile::place(part.tile, slot, if HALVES { 2 } else { 1 });
                let at = std::array::from_fn(|m| (row + m) * blocks + part.start + slot);
                add_block::<L, M, BITS, OFFSET, HALVES, MINIMUM>(input, place, &at, &quants, &mut sums);
                quants = quants.map(|pointer| pointer.add(BLOCK));
            }
            let last = part.start + part.count == blocks;
            for m in 0..M {
                self.put::<L>(row + m, sums[m], last);
            }
        }
    }

    /// The sums of the chunks before, which wait in `out`.
    #[inline(always)]
    unsafe fn before<L: Lanes>(&self, start: usize, row: usize) -> L::F {
        // SAFETY: the row is within `out`; a narrow group is read lane by lane.
        unsafe {
            let at = self.out.at.add(row * self.out.stride);
            if start == 0 {
                return L::splat(0.0);
            }
            if self.width == GROUP {
                return L::load(at);
            }
            let mut lanes = [0.0; GROUP];
            for (lane, value) in lanes[..self.width].iter_mut().enumerate() {
                *value = *at.add(lane);
            }
            L::load(lanes.as_ptr())
        }
    }

    /// Stores the sums of a row, with the bias when they are complete.
    #[inline(always)]
    unsafe fn put<L: Lanes>(&self, row: usize, mut sums: L::F, last: bool) {
        // SAFETY: the row is within `out`; a narrow group writes `width` values only, and has a bias that long.
        unsafe {
            let at = self.out.at.add(row * self.out.stride);
            if self.width == GROUP {
                if let Some(bias) = self.bias.filter(|_| last) {
                    assert!(bias.len() == GROUP);
                    sums = L::add(sums, L::load(bias.as_ptr()));
                }
                return L::store(at, sums);
            }
            for (lane, value) in L::lanes(sums)[..self.width].iter().enumerate() {
                let bias = self.bias.filter(|_| last).map_or(0.0, |bias| bias[lane]);
                *at.add(lane) = value + bias;
            }
        }
    }

    /// Weights that are floats in the file: `fma` column by column.
    #[inline(always)]
    unsafe fn floats<L: Lanes>(&self, values: &[f32]) {
        let Range { start: mut row, end } = self.batch.clone();
        // SAFETY: rows are within `values` and `out`.
        unsafe {
            while row + 4 <= end {
                self.float_rows::<L, 4>(values, row);
                row += 4;
            }
            while row < end {
                self.float_rows::<L, 1>(values, row);
                row += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn float_rows<L: Lanes, const M: usize>(&self, values: &[f32], row: usize) {
        // SAFETY: the group has `columns x 16` elements of its type; rows are within `values` and `out`.
        unsafe {
            let group = self.group.as_ptr();
            let mut sums = [L::splat(0.0); M];
            for column in 0..self.columns {
                let weights = match self.kind {
                    GgmlType::F32 => L::load(group.cast::<f32>().add(column * GROUP)),
                    GgmlType::F16 => L::load_f16(group.cast::<u16>().add(column * GROUP)),
                    _ => L::load_bf16(group.cast::<u16>().add(column * GROUP)),
                };
                for m in 0..M {
                    let value = *values.get_unchecked((row + m) * self.columns + column);
                    sums[m] = L::fma(weights, L::splat(value), sums[m]);
                }
            }
            for m in 0..M {
                self.put::<L>(row + m, sums[m], true);
            }
        }
    }
}

/// A chunk of the group, unpacked.
struct Part<'a> {
    input: &'a Activations,
    start: usize,
    count: usize,
    tile: *mut Tile,
}

/// Adds an unpacked block times `M` activation rows, whose blocks are number `at` and have their bytes at
/// `quants`.
///
/// # Safety
/// The block is unpacked; the activations have the blocks; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn add_block<
    L: Lanes,
    const M: usize,
    const BITS: u32,
    const OFFSET: u32,
    const HALVES: bool,
    const MINIMUM: bool,
>(
    input: &Activations,
    place: Place,
    at: &[usize; M],
    quants: &[*const i8; M],
    sums: &mut [L::F; M],
) {
    // SAFETY: the caller's.
    unsafe {
        if HALVES {
            for half in 0..2 {
                let from = quants.map(|pointer| pointer.add(half * 16));
                let mut offsets = [L::zero_i(); M];
                for m in 0..M {
                    offsets[m] = offset::<L, OFFSET>(input.negative_half_sums.as_ptr().add(at[m] * 2 + half));
                }
                let dots = L::dots::<M, 4, BITS>(offsets, place.bytes.add(half * 256), &from);
                let scale = L::load(place.scales.add(half * 16));
                for m in 0..M {
                    let scale = L::mul(scale, L::splat(*input.scales.get_unchecked(at[m])));
                    sums[m] = L::fma(L::to_f(dots[m]), scale, sums[m]);
                    if MINIMUM {
                        let sum = *input.scaled_half_sums.get_unchecked(at[m] * 2 + half);
                        let minimum = L::load(place.minimums.add(half * 16));
                        sums[m] = L::fma(minimum, L::splat(sum), sums[m]);
                    }
                }
            }
        } else {
            let mut offsets = [L::zero_i(); M];
            for m in 0..M {
                offsets[m] = offset::<L, OFFSET>(input.negative_sums.as_ptr().add(at[m]));
            }
            let dots = L::dots::<M, 8, BITS>(offsets, place.bytes, quants);
            let scale = L::load(place.scales);
            for m in 0..M {
                let scale = L::mul(scale, L::splat(*input.scales.get_unchecked(at[m])));
                sums[m] = L::fma(L::to_f(dots[m]), scale, sums[m]);
                if MINIMUM {
                    let sum = L::splat(*input.scaled_sums.get_unchecked(at[m]));
                    sums[m] = L::fma(L::load(place.minimums), sum, sums[m]);
                }
            }
        }
    }
}

/// What a dot product begins with, so that the offset of the quants falls out: the activations' sum, negated, times
/// the offset.
///
/// # Safety
/// The CPU has the instructions of `L`; `negative_sum` can be read.
#[inline(always)]
unsafe fn offset<L: Lanes, const OFFSET: u32>(negative_sum: *const i32) -> L::I {
    // SAFETY: the caller's.
    unsafe { if OFFSET == 0 { L::zero_i() } else { L::shifted::<OFFSET>(negative_sum) } }
}
