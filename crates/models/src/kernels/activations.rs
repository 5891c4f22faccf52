//! Rows of activations, as floats and as 8-bit blocks.

use super::blocks::BLOCK;
use super::isa::{Isa, Kernel};
use super::lanes::Lanes;

/// Activation rows quantised for the integer kernels: per 32 columns a float scale (largest magnitude over
/// 127) and bytes in -127..=127, with the sums that weight types with an offset or a minimum ask for.
///
/// A row's bytes depend on that row alone, so that a result does not depend on what it was batched with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activations {
    pub columns: usize,
    pub rows: usize,
    /// At least `rows x columns`.
    pub quants: Vec<i8>,
    /// `rows x blocks`.
    pub scales: Vec<f32>,
    /// What makes up for the offset of weights ([`OFFSET_SHIFTS`]), per 32 columns, `rows x blocks`, and per 16,
    /// `rows x blocks x 2`.
    pub offset_sums: Vec<[i32; 3]>,
    pub offset_half_sums: Vec<[i32; 2]>,
    /// Sums of the quants times the block's scale, per 32 columns and per 16.
    pub scaled_sums: Vec<f32>,
    pub scaled_half_sums: Vec<f32>,
}

/// Offsets that weight types have, as powers of two: those with a scale per 32 columns, and per 16.
pub(crate) const OFFSET_SHIFTS: [u32; 3] = [3, 4, 7];
pub(crate) const OFFSET_SHIFTS_OF_HALVES: [u32; 2] = [2, 5];

impl Activations {
    /// Makes room; what was there is gone. Room is never given up: a layer asks for narrow and wide rows in turn, and
    /// new room has to be filled.
    pub(crate) fn reset(&mut self, rows: usize, columns: usize) {
        fn grow<T: Copy>(room: &mut Vec<T>, length: usize, empty: T) {
            if room.len() < length {
                room.resize(length, empty);
            }
        }
        let blocks = rows * (columns / BLOCK);
        self.rows = rows;
        self.columns = columns;
        grow(&mut self.quants, rows * columns, 0);
        grow(&mut self.scales, blocks, 0.0);
        grow(&mut self.offset_sums, blocks, [0; 3]);
        grow(&mut self.offset_half_sums, blocks * 2, [0; 2]);
        grow(&mut self.scaled_sums, blocks, 0.0);
        grow(&mut self.scaled_half_sums, blocks * 2, 0.0);
    }

    /// Quantises all rows. `values` is `rows x columns`, `columns` a multiple of 32.
    #[cfg(test)]
    pub(crate) fn quantise(&mut self, isa: Isa, values: &[f32], columns: usize) {
        assert!(columns.is_multiple_of(BLOCK) && values.len().is_multiple_of(columns));
        self.reset(values.len() / columns, columns);
        let places = self.places();
        // SAFETY: the rows are those that there is room for, and nobody else writes.
        unsafe { places.quantise(isa, 0, values) }
    }

    /// The places of the rows, for several threads to fill.
    pub(crate) fn places(&mut self) -> Places {
        Places {
            columns: self.columns,
            quants: self.quants.as_mut_ptr(),
            scales: self.scales.as_mut_ptr(),
            offset_sums: self.offset_sums.as_mut_ptr(),
            offset_half_sums: self.offset_half_sums.as_mut_ptr(),
            scaled_sums: self.scaled_sums.as_mut_ptr(),
            scaled_half_sums: self.scaled_half_sums.as_mut_ptr(),
        }
    }
}

/// Where the parts of [`Activations`] lie.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    columns: usize,
    quants: *mut i8,
    scales: *mut f32,
    offset_sums: *mut [i32; 3],
    offset_half_sums: *mut [i32; 2],
    scaled_sums: *mut f32,
    scaled_half_sums: *mut f32,
}

// SAFETY: `Places::quantise` asks that threads write different rows.
unsafe impl Sync for Places {}

impl Places {
    /// Quantises `values`, whole rows, into the rows from `row` on.
    ///
    /// # Safety
    /// There is room for the rows, the `Activations` live, and nobody else uses these rows meanwhile.
    pub(crate) unsafe fn quantise(self, isa: Isa, row: usize, values: &[f32]) {
        // SAFETY: the caller's; an `Isa` in use is available.
        unsafe { isa.run(Quantise { places: self, first: row * (self.columns / BLOCK), values }) }
    }
}

struct Quantise<'a> {
    places: Places,
    first: usize,
    values: &'a [f32],
}

impl Kernel for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let out = self.places;
        for (index, values) in self.values.chunks_exact(BLOCK).enumerate() {
            let block = self.first + index;
            // SAFETY: there is room for every block of `values`; the caller vouches for the instructions.
            unsafe {
                let quants = std::slice::from_raw_parts_mut(out.quants.add(block * BLOCK), BLOCK);
                let (scale, [low, high]) = quantise_block::<L>(values, quants);
                *out.scales.add(block) = scale;
                let offset_half_sums = |sum: f32| OFFSET_SHIFTS_OF_HALVES.map(|shift| -(sum as i32) << shift);
                *out.offset_sums.add(block) = OFFSET_SHIFTS.map(|shift| -((low + high) as i32) << shift);
                *out.offset_half_sums.add(block * 2) = offset_half_sums(low);
                *out.offset_half_sums.add(block * 2 + 1) = offset_half_sums(high);
                *out.scaled_sums.add(block) = scale * (low + high);
                *out.scaled_half_sums.add(block * 2) = scale * low;
                *out.scaled_half_sums.add(block * 2 + 1) = scale * high;
            }
        }
    }
}

/// Quantises 32 values and returns their scale, and the sums of either half's quants: small integers, which floats add
/// exactly.
///
/// # Safety
/// Both slices have 32 elements; the CPU has the instructions of `L`.
#[inline(always)]
unsafe fn quantise_block<L: Lanes>(values: &[f32], quants: &mut [i8]) -> (f32, [f32; 2]) {
    // SAFETY: the caller's.
    unsafe {
        let (low, high) = (L::load(values.as_ptr()), L::load(values.as_ptr().add(16)));
        let largest = L::largest(L::max(L::abs(low), L::abs(high)));
        let inverse = L::splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
        let (low, high) = (L::round(L::mul(low, inverse)), L::round(L::mul(high, inverse)));
        L::store_i8(quants.as_mut_ptr(), low);
        L::store_i8(quants.as_mut_ptr().add(16), high);
        (largest / 127.0, [L::sum(L::to_f(low)), L::sum(L::to_f(high))])
    }
}
