//! How keys and values lie in the cache.
//!
//! A head's keys of a page, and its values, are cut into groups of sixteen positions. The keys of a group lie as
//! `[dimension][position]`, so that lanes are positions; the values as `[position][dimension]`, so that lanes are
//! dimensions. Where numbers are kept as bytes, a group ends in half-precision factors, `[block][position]`, one for
//! every 32 dimensions of a position (as in ggml's `block_q8_0`).

use serde::{Deserialize, Serialize};

use super::isa::Kernel;
use super::lanes::Lanes;

/// Positions of a group.
pub(crate) const GROUP: usize = 16;

/// Dimensions that share a factor.
const BLOCK: usize = 32;

/// What the numbers of the key-value cache are kept as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheType {
    /// Half precision.
    #[default]
    F16,
    /// Bytes, with a factor for every 32 of them: little more than half the memory.
    Q8,
}

/// `f16` or `q8`.
impl std::str::FromStr for CacheType {
    type Err = String;

    fn from_str(text: &str) -> Result<CacheType, String> {
        match text {
            "f16" => Ok(CacheType::F16),
            "q8" => Ok(CacheType::Q8),
            _ => Err("it is `f16` or `q8`".to_owned()),
        }
    }
}

impl CacheType {
    /// Words of 16 bits that the keys, or the values, of a head take for each position.
    pub(crate) const fn words(self, dimension: usize) -> usize {
        match self {
            CacheType::F16 => dimension,
            CacheType::Q8 => dimension / 2 + dimension.div_ceil(BLOCK),
        }
    }

    /// Sets the numbers of one position of a group to zero.
    pub(crate) fn blank(self, group: &mut [u16], plane: Plane, dimension: usize, slot: usize) {
        let index = |at: usize| match plane {
            Plane::Keys => at * GROUP + slot,
            Plane::Values => slot * dimension + at,
        };
        match self {
            CacheType::F16 => (0..dimension).for_each(|at| group[index(at)] = 0),
            CacheType::Q8 => {
                let (bytes, factors) = group.split_at_mut(GROUP * dimension / 2);
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(bytes);
                (0..dimension).for_each(|at| bytes[index(at)] = 0);
                factors.iter_mut().skip(slot).step_by(GROUP).for_each(|factor| *factor = 0);
            }
        }
    }
}

/// Which of a head's two halves of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    Keys,
    Values,
}

/// Numbers of a [`CacheType`], as the attention kernels read them.
///
/// # Safety
/// All functions ask that the group is whole, and that the CPU has the instructions of `L`.
pub(crate) trait Cells: Copy + 'static {
    const TYPE: CacheType;
    /// Dimensions that are read between two looks at the factors.
    const BLOCK: usize;
    /// Whether numbers are multiplied with factors.
    const SCALED: bool;

    /// Where number `index` of a group lies.
    fn place(group: *const u16, index: usize) -> *const u8;

    /// Sixteen numbers from number `index` of a group on, without their factors.
    unsafe fn load<L: Lanes>(group: *const u16, index: usize) -> L::F;

    /// The factors of sixteen positions, for the numbers of one block.
    unsafe fn factors<L: Lanes>(group: *const u16, dimension: usize, block: usize) -> L::F;
}

#[derive(Clone, Copy)]
pub(crate) struct Halves;

impl Cells for Halves {
    const TYPE: CacheType = CacheType::F16;
    const BLOCK: usize = usize::MAX;
    const SCALED: bool = false;

    #[inline(always)]
    fn place(group: *const u16, index: usize) -> *const u8 {
        group.wrapping_add(index).cast()
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(group: *const u16, index: usize) -> L::F {
        // SAFETY: the caller's, here and below.
        unsafe { L::load_f16(group.add(index)) }
    }

    #[inline(always)]
    unsafe fn factors<L: Lanes>(_group: *const u16, _dimension: usize, _block: usize) -> L::F {
        unsafe { L::splat(1.0) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Bytes;

impl Cells for Bytes {
    const TYPE: CacheType = CacheType::Q8;
    const BLOCK: usize = BLOCK;
    const SCALED: bool = true;

    #[inline(always)]
    fn place(group: *const u16, index: usize) -> *const u8 {
        group.cast::<u8>().wrapping_add(index)
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(group: *const u16, index: usize) -> L::F {
        // SAFETY: the caller's, here and below.
        unsafe { L::load_i8(group.cast::<i8>().add(index)) }
    }

    #[inline(always)]
    unsafe fn factors<L: Lanes>(group: *const u16, dimension: usize, block: usize) -> L::F {
        unsafe { L::load_f16(group.add(GROUP * dimension / 2 + block * GROUP)) }
    }
}

/// Writes keys and values of one position of a head into its page.
pub(crate) struct StorePosition<'a> {
    pub cache: CacheType,
    /// Position within the page.
    pub slot: usize,
    /// The head's `dimension` floats each, a multiple of 16.
    pub key: &'a [f32],
    pub value: &'a [f32],
    /// The head's planes of the page.
    pub keys: *mut u16,
    pub values: *mut u16,
}

impl Kernel for StorePosition<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let dimension = self.key.len();
        assert!(self.value.len() == dimension && dimension.is_multiple_of(16));
        let group = self.slot / GROUP * GROUP * self.cache.words(dimension);
        let slot = self.slot % GROUP;
        // SAFETY: the group is within the page; the rest is the caller's.
        unsafe {
            let (keys, values) = (self.keys.add(group), self.values.add(group));
            match self.cache {
                CacheType::F16 => {
                    for at in (0..dimension).step_by(16) {
                        L::store_f16(values.add(slot * dimension + at), L::load(self.value.as_ptr().add(at)));
                        let mut key = [0u16; 16];
                        L::store_f16(key.as_mut_ptr(), L::load(self.key.as_ptr().add(at)));
                        scatter(key, keys.add(at * GROUP + slot));
                    }
                }
                CacheType::Q8 => {
                    let factors = GROUP * dimension / 2 + slot;
                    for start in (0..dimension).step_by(BLOCK) {
                        let block = start..dimension.min(start + BLOCK);
                        let factor = factors + start / BLOCK * GROUP;
                        *values.add(factor) = to_bytes::<L>(&self.value[block.clone()], |at, bytes| {
                            let to = values.cast::<i8>().add(slot * dimension + start + at);
                            to.cast::<[i8; 16]>().write_unaligned(bytes);
                        });
                        *keys.add(factor) = to_bytes::<L>(&self.key[block], |at, bytes| {
                            scatter(bytes, keys.cast::<i8>().add((start + at) * GROUP + slot));
                        });
                    }
                }
            }
        }
    }
}

/// Writes sixteen dimensions of one position of a group's keys.
///
/// # Safety
/// They lie within the group.
#[inline(always)]
unsafe fn scatter<T>(numbers: [T; 16], to: *mut T) {
    for (at, number) in numbers.into_iter().enumerate() {
        // SAFETY: the caller's.
        unsafe { *to.add(at * GROUP) = number };
    }
}

/// Rounds the numbers of a block to bytes, which `write` is given sixteen at a time; returns the factor.
///
/// # Safety
/// The CPU has the instructions of `L`; there are 16 or 32 numbers.
#[inline(always)]
unsafe fn to_bytes<L: Lanes>(numbers: &[f32], write: impl Fn(usize, [i8; 16])) -> u16 {
    // SAFETY: the caller's.
    unsafe {
        let mut largest = L::splat(0.0);
        for at in (0..numbers.len()).step_by(16) {
            largest = L::max(largest, L::abs(L::load(numbers.as_ptr().add(at))));
        }
        // What is divided by is the factor as it is kept; where that was rounded down, the largest number is cut.
        let factor = half::f16::from_f32((L::largest(largest) / 127.0).min(65504.0));
        let inverse = if factor.to_f32() > 0.0 { 1.0 / factor.to_f32() } else { 0.0 };
        for at in (0..numbers.len()).step_by(16) {
            let scaled = L::mul(L::load(numbers.as_ptr().add(at)), L::splat(inverse));
            let cut = L::max(L::min(scaled, L::splat(127.0)), L::splat(-127.0));
            let mut bytes = [0i8; 16];
            L::store_i8(bytes.as_mut_ptr(), L::round(cut));
            write(at, bytes);
        }
        factor.to_bits()
    }
}
