//! Packed weights times activation rows.
//!
//! Every result is the same sequence of float operations over the columns, whatever the number of rows in
//! the batch, the instruction set and the thread that computes it: blocks of 32 columns in order, each an exact
//! integer dot product, scaled and added with one rounding.

#![expect(clippy::needless_range_loop, reason = "several arrays are walked in step")]

use std::ops::Range;

use super::activations::{Activations, OFFSET_SHIFTS, OFFSET_SHIFTS_OF_HALVES};
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

/// One or two groups of weights times a batch of activation rows.
pub(crate) struct MultiplyGroups<'a> {
    pub kind: GgmlType,
    pub columns: usize,
    /// Packed groups, one behind the other.
    pub groups: &'a [u8],
    pub input: Input<'a>,
    /// The activation rows that are multiplied.
    pub batch: Range<usize>,
    /// Results of the groups' rows, sixteen of each, or as many as `width` says altogether.
    pub out: Output,
    pub width: usize,
    pub bias: Option<&'a [f32]>,
}

impl Kernel for MultiplyGroups<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let count = self.width.div_ceil(GROUP);
        assert!(count == 1 || count == 2);
        assert_eq!(self.groups.len(), count * group_bytes(self.kind, self.columns));
        assert!(self.bias.is_none_or(|bias| bias.len() == self.width));
        // SAFETY: the groups are as long as their format asks for; the rest is the caller's.
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

impl MultiplyGroups<'_> {
    /// Unpacks the groups chunk by chunk, and multiplies each chunk with the whole batch.
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
        let bytes = group_bytes(self.kind, self.columns);
        let two = self.groups.len() > bytes;
        // SAFETY: the caller's; the second group is there where there are two.
        unsafe {
            if L::WIDE && two && self.batch.len() >= 4 {
                return self.chunks::<L, 2, BITS, OFFSET, NESTED, HALVES, MINIMUM>(input, 0);
            }
            for group in 0..if two { 2 } else { 1 } {
                if input.rows == 1 {
                    self.one_row::<L, BITS, OFFSET, NESTED, HALVES, MINIMUM>(input, group);
                } else {
                    self.chunks::<L, 1, BITS, OFFSET, NESTED, HALVES, MINIMUM>(input, group);
                }
            }
        }
    }

    /// `G` groups from number `first` on, chunk by chunk.
    #[inline(always)]
    unsafe fn chunks<
        L: Lanes,
        const G: usize,
        const BITS: u32,
        const OFFSET: u32,
        const NESTED: bool,
        const HALVES: bool,
        const MINIMUM: bool,
    >(
        &self,
        input: &Activations,
        first: usize,
    ) {
        let blocks = self.columns / BLOCK;
        let most = if self.batch.len() < 32 { 8 } else { CHUNK / G };
        let chunk = blocks.div_ceil(blocks.div_ceil(most));
        let mut room = std::mem::MaybeUninit::<Tile>::uninit();
        let tile = room.as_mut_ptr();
        // SAFETY: blocks are read in order up to a group's last; the tile is written before it is read.
        unsafe {
            let bytes = group_bytes(self.kind, self.columns);
            let mut readers: [Reader<L>; G] =
                std::array::from_fn(|group| Reader::new(self.groups.as_ptr().add((first + group) * bytes)));
            let mut start = 0;
            while start < blocks {
                let count = chunk.min(blocks - start);
                for (group, reader) in readers.iter_mut().enumerate() {
                    for slot in 0..count {
                        let place = Tile::place(tile, group * chunk + slot, if HALVES { 2 } else { 1 });
                        reader.next::<BITS, OFFSET, NESTED, HALVES, MINIMUM>(start + slot, place);
                    }
                }
                let Range { start: mut row, end } = self.batch.clone();
                let places: [Place; G] =
                    std::array::from_fn(|group| Tile::place(tile, group * chunk, if HALVES { 2 } else { 1 }));
                if G == 2 {
                    let part = Part { input, start, count, places, first };
                    // With minimums, six rows leave too few registers.
                    while !MINIMUM && row + 6 <= end {
                        self.rows::<L, G, 6, BITS, OFFSET, HALVES, MINIMUM>(&part, row);
                        row += 6;
                    }
                    while row + 4 <= end {
                        self.rows::<L, G, 4, BITS, OFFSET, HALVES, MINIMUM>(&part, row);
                        row += 4;
                    }
                }
                for (group, place) in places.into_iter().enumerate() {
                    let part = Part { input, start, count, places: [place], first: first + group };
                    let mut row = row;
                    while row + 4 <= end {
                        self.rows::<L, 1, 4, BITS, OFFSET, HALVES, MINIMUM>(&part, row);
                        row += 4;
                    }
                    match end - row {
                        1 => self.rows::<L, 1, 1, BITS, OFFSET, HALVES, MINIMUM>(&part, row),
                        2 => self.rows::<L, 1, 2, BITS, OFFSET, HALVES, MINIMUM>(&part, row),
                        3 => self.rows::<L, 1, 3, BITS, OFFSET, HALVES, MINIMUM>(&part, row),
                        _ => {}
                    }
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
        group: usize,
    ) {
        let mut room = std::mem::MaybeUninit::<Single>::uninit();
        // SAFETY: blocks are read in order up to the group's last, and are within the activations.
        unsafe {
            let place = Single::place(room.as_mut_ptr());
            let bytes = group_bytes(self.kind, self.columns);
            let mut reader = Reader::<L>::new(self.groups.as_ptr().add(group * bytes));
            let mut sums = [[L::splat(0.0)]];
            for block in 0..self.columns / BLOCK {
                reader.next::<BITS, OFFSET, NESTED, HALVES, MINIMUM>(block, place);
                let quants = [input.quants.as_ptr().add(block * BLOCK)];
                add_block::<L, 1, 1, BITS, OFFSET, HALVES, MINIMUM>(
                    input,
                    [place],
                    &[block],
                    &quants,
                    &mut sums,
                );
            }
            self.put::<L, 1>(group, 0, sums[0], true);
        }
    }

    /// One chunk of `G` groups times `M` activation rows from `row` on, added to what the chunks before gave.
    #[inline(always)]
    unsafe fn rows<
        L: Lanes,
        const G: usize,
        const M: usize,
        const BITS: u32,
        const OFFSET: u32,
        const HALVES: bool,
        const MINIMUM: bool,
    >(
        &self,
        part: &Part<'_, G>,
        row: usize,
    ) {
        let (input, blocks) = (part.input, self.columns / BLOCK);
        let last = part.start + part.count == blocks;
        // SAFETY: rows and blocks are within the activations, slots within the tile, results within `out`.
        unsafe {
            let mut quants: [*const i8; M] = std::array::from_fn(|m| {
                input.quants.as_ptr().add((row + m) * self.columns + part.start * BLOCK)
            });
            // Rows of results are pages apart: no hardware foresees where the next are.
            for group in 0..G {
                for m in 0..M {
                    let next = (row + M + m) * self.out.stride + (part.first + group) * GROUP;
                    L::prefetch(self.out.at.wrapping_add(next).cast());
                }
            }
            let mut sums = [[L::splat(0.0); M]; G];
            if part.start != 0 {
                for group in 0..G {
                    let (width, at) = self.results(part.first + group, row);
                    for m in 0..M {
                        sums[group][m] = load::<L>(at.add(m * self.out.stride), width);
                    }
                }
            }
            for slot in 0..part.count {
                let places = part.places.map(|place| place.after(slot, if HALVES { 2 } else { 1 }));
                let at = std::array::from_fn(|m| (row + m) * blocks + part.start + slot);
                add_block::<L, G, M, BITS, OFFSET, HALVES, MINIMUM>(input, places, &at, &quants, &mut sums);
                quants = quants.map(|pointer| pointer.add(BLOCK));
            }
            for group in 0..G {
                self.put::<L, M>(part.first + group, row, sums[group], last);
            }
        }
    }

    /// How many results the group has, and where those of a row are.
    #[inline(always)]
    unsafe fn results(&self, group: usize, row: usize) -> (usize, *mut f32) {
        // SAFETY: the row and the group are within `out`.
        let at = unsafe { self.out.at.add(row * self.out.stride + group * GROUP) };
        (GROUP.min(self.width - group * GROUP), at)
    }

    /// Stores the sums of rows from `row` on, with the bias when they are complete.
    #[inline(always)]
    unsafe fn put<L: Lanes, const M: usize>(
        &self,
        group: usize,
        row: usize,
        mut sums: [L::F; M],
        last: bool,
    ) {
        // SAFETY: the rows are within `out`; the bias is as long as the groups are wide.
        unsafe {
            let (width, at) = self.results(group, row);
            if let Some(bias) = self.bias.filter(|_| last) {
                let bias = load::<L>(bias.as_ptr().add(group * GROUP), width);
                sums = sums.map(|sum| L::add(sum, bias));
            }
            for m in 0..M {
                store::<L>(at.add(m * self.out.stride), width, sums[m]);
            }
        }
    }

    /// Weights that are floats in the file: `fma` column by column.
    #[inline(always)]
    unsafe fn floats<L: Lanes>(&self, values: &[f32]) {
        for group in 0..self.width.div_ceil(GROUP) {
            let Range { start: mut row, end } = self.batch.clone();
            // SAFETY: rows are within `values` and `out`.
            unsafe {
                while row + 4 <= end {
                    self.float_rows::<L, 4>(values, group, row);
                    row += 4;
                }
                while row < end {
                    self.float_rows::<L, 1>(values, group, row);
                    row += 1;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn float_rows<L: Lanes, const M: usize>(&self, values: &[f32], group: usize, row: usize) {
        // SAFETY: the group has `columns x 16` elements of its type; rows are within `values` and `out`.
        unsafe {
            let bytes = group_bytes(self.kind, self.columns);
            let weights = self.groups.as_ptr().add(group * bytes);
            let mut sums = [L::splat(0.0); M];
            for column in 0..self.columns {
                let column_weights = match self.kind {
                    GgmlType::F32 => L::load(weights.cast::<f32>().add(column * GROUP)),
                    GgmlType::F16 => L::load_f16(weights.cast::<u16>().add(column * GROUP)),
                    _ => L::load_bf16(weights.cast::<u16>().add(column * GROUP)),
                };
                for m in 0..M {
                    let value = *values.get_unchecked((row + m) * self.columns + column);
                    sums[m] = L::fma(column_weights, L::splat(value), sums[m]);
                }
            }
            self.put::<L, M>(group, row, sums, true);
        }
    }
}

/// Reads the first `width` lanes, and zeros.
///
/// # Safety
/// They can be read; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn load<L: Lanes>(from: *const f32, width: usize) -> L::F {
    // SAFETY: the caller's.
    unsafe {
        if width == GROUP {
            return L::load(from);
        }
        let mut lanes = [0.0; GROUP];
        from.copy_to_nonoverlapping(lanes.as_mut_ptr(), width);
        L::load(lanes.as_ptr())
    }
}

/// Writes the first `width` lanes.
///
/// # Safety
/// They can be written; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn store<L: Lanes>(to: *mut f32, width: usize, value: L::F) {
    // SAFETY: the caller's.
    unsafe {
        if width == GROUP {
            return L::store(to, value);
        }
        let lanes = L::lanes(value);
        lanes.as_ptr().copy_to_nonoverlapping(to, width);
    }
}

/// A chunk of `G` groups, unpacked.
struct Part<'a, const G: usize> {
    input: &'a Activations,
    start: usize,
    count: usize,
    /// Of each group, where its first block lies.
    places: [Place; G],
    /// The number of the first group.
    first: usize,
}

/// Adds an unpacked block of each of `G` groups times `M` activation rows, whose blocks are number `at` and have their bytes at
/// `quants`.
///
/// # Safety
/// The blocks are unpacked; the activations have the blocks; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn add_block<
    L: Lanes,
    const G: usize,
    const M: usize,
    const BITS: u32,
    const OFFSET: u32,
    const HALVES: bool,
    const MINIMUM: bool,
>(
    input: &Activations,
    places: [Place; G],
    at: &[usize; M],
    quants: &[*const i8; M],
    sums: &mut [[L::F; M]; G],
) {
    // SAFETY: the caller's.
    unsafe {
        for half in 0..if HALVES { 2 } else { 1 } {
            let mut start = [L::zero_i(); M];
            if OFFSET != 0 {
                for m in 0..M {
                    start[m] = L::splat_i(match HALVES {
                        true => input.offset_half_sums.get_unchecked(at[m] * 2 + half)[half_offset(OFFSET)],
                        false => input.offset_sums.get_unchecked(at[m])[offset(OFFSET)],
                    });
                }
            }
            let tiles = places.map(|place| place.bytes.cast_const().add(half * 256));
            let from = quants.map(|pointer| pointer.add(half * 16));
            let dots = match HALVES {
                true => L::dots::<G, M, 4, BITS>(start, tiles, &from),
                false => L::dots::<G, M, 8, BITS>(start, tiles, &from),
            };
            let scales = places.map(|place| L::load(place.scales.add(half * 16)));
            for m in 0..M {
                let scale = L::splat(*input.scales.get_unchecked(at[m]));
                for group in 0..G {
                    let scale = L::mul(scales[group], scale);
                    sums[group][m] = L::fma(L::to_f(dots[group][m]), scale, sums[group][m]);
                }
            }
            if MINIMUM {
                let minimums = places.map(|place| L::load(place.minimums.add(half * 16)));
                for m in 0..M {
                    let sum = L::splat(match HALVES {
                        true => *input.scaled_half_sums.get_unchecked(at[m] * 2 + half),
                        false => *input.scaled_sums.get_unchecked(at[m]),
                    });
                    for group in 0..G {
                        sums[group][m] = L::fma(minimums[group], sum, sums[group][m]);
                    }
                }
            }
        }
    }
}

/// Where the sums for an offset are among those that activations have.
const fn offset(shift: u32) -> usize {
    let mut at = 0;
    while OFFSET_SHIFTS[at] != shift {
        at += 1;
    }
    at
}

const fn half_offset(shift: u32) -> usize {
    let mut at = 0;
    while OFFSET_SHIFTS_OF_HALVES[at] != shift {
        at += 1;
    }
    at
}
