//! The sixteen lanes that every kernel is written in.
//!
//! A kernel is one generic function over [`Lanes`]; an instruction set is a handful of one-line operations.
//! All integer results are exact and all float operations are single IEEE operations in a given order, so
//! that every implementation gives the same bits as [`Plain`], which is what the tests check. The lanes of a
//! vector are the sixteen rows of a weight tile, or sixteen neighbouring elements of a row.

/// Sixteen lanes of 32 bits: as floats [`Lanes::F`], as integers or 64 bytes [`Lanes::I`].
///
/// # Safety
/// All functions ask that the CPU has the instructions of the implementation, and that pointers are valid for
/// what is read or written through them; no alignment is asked for. They are inlined into a function that is
/// compiled for those instructions (see [`super::isa`]).
pub(crate) trait Lanes: Copy + 'static {
    type F: Copy;
    type I: Copy;

    /// Whether 8-bit weights are multiplied as they are; otherwise with 128 added to each.
    const SIGNED_BYTES: bool;
    /// Whether a matrix kernel works on two groups of weights and six activation rows at once: what the registers hold.
    const WIDE: bool;

    unsafe fn zero_i() -> Self::I;
    unsafe fn load_i(from: *const u8) -> Self::I;
    unsafe fn store_i(to: *mut u8, value: Self::I);
    unsafe fn or(a: Self::I, b: Self::I) -> Self::I;
    /// `(byte >> SHIFT) & MASK` of every byte; `MASK << SHIFT` fits a byte.
    unsafe fn bits<const SHIFT: u32, const MASK: i8>(value: Self::I) -> Self::I;
    /// Every byte shifted left; no bit leaves its byte.
    unsafe fn raise<const SHIFT: u32>(value: Self::I) -> Self::I;
    /// Adds 128 to every byte, modulo 256.
    unsafe fn flip(value: Self::I) -> Self::I;
    /// The number in every lane.
    unsafe fn splat_i(value: i32) -> Self::I;

    /// Integer dot products of `G` weight tiles with `M` activation rows over `STEPS * 4` columns, added to `start`.
    ///
    /// A tile has, for each step, four bytes of each of its sixteen rows; lane `r` of result `m` of a tile is the sum
    /// over the tile's columns of row `r` times activation row `m`. Weights are unsigned and below
    /// `1 << BITS`, or, with 8 bits and [`Lanes::SIGNED_BYTES`], signed. Activations are in -127..=127.
    unsafe fn dots<const G: usize, const M: usize, const STEPS: usize, const BITS: u32>(
        start: [Self::I; M],
        tiles: [*const u8; G],
        rows: &[*const i8; M],
    ) -> [[Self::I; M]; G];

    unsafe fn to_f(value: Self::I) -> Self::F;
    unsafe fn splat(value: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, value: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The smaller; `b` where either is not a number.
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// The larger; `b` where either is not a number.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn abs(a: Self::F) -> Self::F;
    /// To the nearest integer, ties to even; the value is within the range of `i32`.
    unsafe fn round(a: Self::F) -> Self::I;
    /// `2^value`, for values in -126..=127.
    unsafe fn power_of_two(value: Self::I) -> Self::F;
    unsafe fn load_f16(from: *const u16) -> Self::F;
    unsafe fn load_bf16(from: *const u16) -> Self::F;
    /// In half precision, to the nearest, ties to even.
    #[inline(always)]
    unsafe fn store_f16(to: *mut u16, value: Self::F) {
        // SAFETY: passed on to the caller.
        unsafe {
            let halves = Self::lanes(value).map(|lane| half::f16::from_f32(lane).to_bits());
            to.cast::<[u16; 16]>().write_unaligned(halves);
        }
    }
    /// Sixteen bytes as numbers 0..=255.
    unsafe fn load_u8(from: *const u8) -> Self::F;
    /// Sixteen bytes as numbers -128..=127.
    unsafe fn load_i8(from: *const i8) -> Self::F;
    /// The low byte of each lane.
    unsafe fn store_i8(to: *mut i8, value: Self::I);
    /// Asks for a cache line that will be read soon.
    unsafe fn prefetch(from: *const u8);

    /// The lanes as an array.
    #[inline(always)]
    unsafe fn lanes(value: Self::F) -> [f32; 16] {
        let mut out = [0.0; 16];
        // SAFETY: the array has sixteen elements; the caller vouches for the instructions.
        unsafe { Self::store(out.as_mut_ptr(), value) };
        out
    }

    /// The sum of the lanes, as a tree of halves.
    #[inline(always)]
    unsafe fn sum(value: Self::F) -> f32 {
        // SAFETY: passed on to the caller.
        tree(unsafe { Self::lanes(value) }, |a, b| a + b)
    }

    /// The largest lane.
    #[inline(always)]
    unsafe fn largest(value: Self::F) -> f32 {
        // SAFETY: passed on to the caller.
        tree(unsafe { Self::lanes(value) }, |a, b| if a > b { a } else { b })
    }
}

/// Folds halves onto each other: lanes 8 apart, then 4, 2 and 1.
#[inline(always)]
fn tree(mut lanes: [f32; 16], fold: impl Fn(f32, f32) -> f32) -> f32 {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = fold(lanes[lane], lanes[lane + half]);
        }
    }
    lanes[0]
}

/// The lanes as arrays: the definition that the others are tested against, and what runs where the CPU
/// offers nothing better.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

#[inline(always)]
fn map2(a: [f32; 16], b: [f32; 16], f: impl Fn(f32, f32) -> f32) -> [f32; 16] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

/// Reads an array that need not be aligned.
///
/// # Safety
/// The pointer is valid for reading an array.
#[inline(always)]
unsafe fn read<T: Copy, const N: usize>(from: *const T) -> [T; N] {
    // SAFETY: the caller's.
    unsafe { from.cast::<[T; N]>().read_unaligned() }
}

impl Lanes for Plain {
    type F = [f32; 16];
    type I = [u8; 64];
    const SIGNED_BYTES: bool = true;
    const WIDE: bool = false;

    unsafe fn zero_i() -> [u8; 64] {
        [0; 64]
    }
    unsafe fn load_i(from: *const u8) -> [u8; 64] {
        // SAFETY: the caller's, here and below.
        unsafe { read(from) }
    }
    unsafe fn store_i(to: *mut u8, value: [u8; 64]) {
        unsafe { to.cast::<[u8; 64]>().write_unaligned(value) }
    }
    unsafe fn or(a: [u8; 64], b: [u8; 64]) -> [u8; 64] {
        std::array::from_fn(|i| a[i] | b[i])
    }
    unsafe fn bits<const SHIFT: u32, const MASK: i8>(value: [u8; 64]) -> [u8; 64] {
        value.map(|byte| (byte >> SHIFT) & MASK as u8)
    }
    unsafe fn raise<const SHIFT: u32>(value: [u8; 64]) -> [u8; 64] {
        value.map(|byte| byte << SHIFT)
    }
    unsafe fn flip(value: [u8; 64]) -> [u8; 64] {
        value.map(|byte| byte ^ 0x80)
    }
    unsafe fn splat_i(value: i32) -> [u8; 64] {
        from_i32([value; 16])
    }
    unsafe fn dots<const G: usize, const M: usize, const STEPS: usize, const BITS: u32>(
        start: [[u8; 64]; M],
        tiles: [*const u8; G],
        rows: &[*const i8; M],
    ) -> [[[u8; 64]; M]; G] {
        tiles.map(|tile| {
            std::array::from_fn(|m| {
                let (row, mut sums) = (rows[m], to_i32(start[m]));
                for step in 0..STEPS {
                    let weights: [u8; 64] = unsafe { read(tile.add(step * 64)) };
                    let inputs: [i8; 4] = unsafe { read(row.add(step * 4)) };
                    for (lane, sum) in sums.iter_mut().enumerate() {
                        for (column, &input) in inputs.iter().enumerate() {
                            let weight = weights[lane * 4 + column];
                            let weight = if BITS == 8 { i32::from(weight as i8) } else { i32::from(weight) };
                            *sum += weight * i32::from(input);
                        }
                    }
                }
                from_i32(sums)
            })
        })
    }
    unsafe fn to_f(value: [u8; 64]) -> [f32; 16] {
        to_i32(value).map(|lane| lane as f32)
    }
    unsafe fn splat(value: f32) -> [f32; 16] {
        [value; 16]
    }
    unsafe fn load(from: *const f32) -> [f32; 16] {
        unsafe { read(from) }
    }
    unsafe fn store(to: *mut f32, value: [f32; 16]) {
        unsafe { to.cast::<[f32; 16]>().write_unaligned(value) }
    }
    unsafe fn add(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        map2(a, b, |a, b| a + b)
    }
    unsafe fn sub(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        map2(a, b, |a, b| a - b)
    }
    unsafe fn mul(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        map2(a, b, |a, b| a * b)
    }
    unsafe fn div(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        map2(a, b, |a, b| a / b)
    }
    unsafe fn fma(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }
    unsafe fn min(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    unsafe fn max(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    unsafe fn abs(a: [f32; 16]) -> [f32; 16] {
        a.map(f32::abs)
    }
    unsafe fn round(a: [f32; 16]) -> [u8; 64] {
        from_i32(a.map(|lane| lane.round_ties_even() as i32))
    }
    unsafe fn power_of_two(value: [u8; 64]) -> [f32; 16] {
        to_i32(value).map(|lane| f32::from_bits(((lane + 127) << 23) as u32))
    }
    unsafe fn load_f16(from: *const u16) -> [f32; 16] {
        let halves: [u16; 16] = unsafe { read(from) };
        halves.map(|bits| half::f16::from_bits(bits).to_f32())
    }
    unsafe fn load_bf16(from: *const u16) -> [f32; 16] {
        let halves: [u16; 16] = unsafe { read(from) };
        halves.map(|bits| f32::from_bits(u32::from(bits) << 16))
    }
    unsafe fn load_u8(from: *const u8) -> [f32; 16] {
        let bytes: [u8; 16] = unsafe { read(from) };
        bytes.map(f32::from)
    }
    unsafe fn load_i8(from: *const i8) -> [f32; 16] {
        let bytes: [i8; 16] = unsafe { read(from) };
        bytes.map(f32::from)
    }
    unsafe fn store_i8(to: *mut i8, value: [u8; 64]) {
        let bytes = to_i32(value).map(|lane| lane as i8);
        unsafe { to.cast::<[i8; 16]>().write_unaligned(bytes) }
    }
    unsafe fn prefetch(_from: *const u8) {}
}

fn to_i32(bytes: [u8; 64]) -> [i32; 16] {
    std::array::from_fn(|lane| {
        i32::from_le_bytes([bytes[lane * 4], bytes[lane * 4 + 1], bytes[lane * 4 + 2], bytes[lane * 4 + 3]])
    })
}

fn from_i32(lanes: [i32; 16]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (to, lane) in bytes.chunks_exact_mut(4).zip(lanes) {
        to.copy_from_slice(&lane.to_le_bytes());
    }
    bytes
}
