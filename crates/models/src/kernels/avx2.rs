//! The lanes as pairs of 256-bit registers: AVX2 with FMA and F16C, and with AVX-VNNI where there is no AVX-512.

use std::arch::x86_64::*;

use super::lanes::Lanes;

/// With the dot products of AVX-VNNI, or with those that AVX2 makes of multiplications in pairs.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const VNNI: bool>;

#[derive(Clone, Copy)]
pub(crate) struct Ints(__m256i, __m256i);

#[derive(Clone, Copy)]
pub(crate) struct Floats(__m256, __m256);

/// Products of unsigned weights and signed activations, summed in pairs to 16 bits. Exact: a pair is at most
/// `2 * 63 * 127` for the packed types; 8-bit weights are split into magnitude and sign, at most `2 * 128 * 127`.
#[inline(always)]
unsafe fn pairs<const BITS: u32>(weights: __m256i, inputs: __m256i) -> __m256i {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        if BITS == 8 {
            _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(inputs, weights))
        } else {
            _mm256_maddubs_epi16(weights, inputs)
        }
    }
}

/// How many pair sums fit into 16 bits: 32,767 divided by `2 * (2^BITS - 1) * 127`.
const fn pairs_that_fit(bits: u32) -> usize {
    match bits {
        0..=4 => 8,
        5 => 4,
        6 => 2,
        _ => 1,
    }
}

impl<const VNNI: bool> Avx2<VNNI> {
    /// [`Lanes::dots`] of one tile.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn dots_of_tile<const M: usize, const STEPS: usize, const BITS: u32>(
        start: [Ints; M],
        tile: *const u8,
        rows: &[*const i8; M],
    ) -> [Ints; M] {
        unsafe {
            let mut sums = start;
            if VNNI {
                for step in 0..STEPS {
                    let weights = Self::load_i(tile.add(step * 64));
                    for m in 0..M {
                        let inputs = _mm256_set1_epi32(rows[m].add(step * 4).cast::<i32>().read_unaligned());
                        let low = _mm256_dpbusd_avx_epi32(sums[m].0, weights.0, inputs);
                        sums[m] = Ints(low, _mm256_dpbusd_avx_epi32(sums[m].1, weights.1, inputs));
                    }
                }
                return sums;
            }
            let ones = _mm256_set1_epi16(1);
            let run = pairs_that_fit(BITS).min(STEPS);
            let mut first = 0;
            while first < STEPS {
                let mut narrow = [Self::zero_i(); M];
                for step in first..first + run {
                    let weights = Self::load_i(tile.add(step * 64));
                    for m in 0..M {
                        let inputs = _mm256_set1_epi32(rows[m].add(step * 4).cast::<i32>().read_unaligned());
                        let low = pairs::<BITS>(weights.0, inputs);
                        let high = pairs::<BITS>(weights.1, inputs);
                        narrow[m] = if step == first {
                            Ints(low, high)
                        } else {
                            Ints(_mm256_add_epi16(narrow[m].0, low), _mm256_add_epi16(narrow[m].1, high))
                        };
                    }
                }
                for m in 0..M {
                    let low = _mm256_madd_epi16(narrow[m].0, ones);
                    let high = _mm256_madd_epi16(narrow[m].1, ones);
                    sums[m] = Ints(_mm256_add_epi32(sums[m].0, low), _mm256_add_epi32(sums[m].1, high));
                }
                first += run;
            }
            sums
        }
    }
}

impl<const VNNI: bool> Lanes for Avx2<VNNI> {
    type F = Floats;
    type I = Ints;
    const SIGNED_BYTES: bool = !VNNI;
    const WIDE: bool = false;

    // SAFETY of all that follows: the caller vouches for AVX2, FMA and F16C and for the pointers.
    #[inline(always)]
    unsafe fn zero_i() -> Ints {
        unsafe { Ints(_mm256_setzero_si256(), _mm256_setzero_si256()) }
    }
    #[inline(always)]
    unsafe fn load_i(from: *const u8) -> Ints {
        unsafe { Ints(_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())) }
    }
    #[inline(always)]
    unsafe fn store_i(to: *mut u8, value: Ints) {
        unsafe {
            _mm256_storeu_si256(to.cast(), value.0);
            _mm256_storeu_si256(to.add(32).cast(), value.1);
        }
    }
    #[inline(always)]
    unsafe fn or(a: Ints, b: Ints) -> Ints {
        unsafe { Ints(_mm256_or_si256(a.0, b.0), _mm256_or_si256(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn bits<const SHIFT: u32, const MASK: i8>(value: Ints) -> Ints {
        unsafe {
            let (count, mask) = (_mm_cvtsi32_si128(SHIFT as i32), _mm256_set1_epi8(MASK));
            Ints(
                _mm256_and_si256(_mm256_srl_epi16(value.0, count), mask),
                _mm256_and_si256(_mm256_srl_epi16(value.1, count), mask),
            )
        }
    }
    #[inline(always)]
    unsafe fn raise<const SHIFT: u32>(value: Ints) -> Ints {
        unsafe {
            let count = _mm_cvtsi32_si128(SHIFT as i32);
            Ints(_mm256_sll_epi16(value.0, count), _mm256_sll_epi16(value.1, count))
        }
    }
    #[inline(always)]
    unsafe fn flip(value: Ints) -> Ints {
        unsafe {
            let top = _mm256_set1_epi8(-128);
            Ints(_mm256_xor_si256(value.0, top), _mm256_xor_si256(value.1, top))
        }
    }
    #[inline(always)]
    unsafe fn splat_i(value: i32) -> Ints {
        unsafe {
            let value = _mm256_set1_epi32(value);
            Ints(value, value)
        }
    }

    #[inline(always)]
    unsafe fn dots<const G: usize, const M: usize, const STEPS: usize, const BITS: u32>(
        start: [Ints; M],
        tiles: [*const u8; G],
        rows: &[*const i8; M],
    ) -> [[Ints; M]; G] {
        let mut sums = [start; G];
        for (sums, tile) in sums.iter_mut().zip(tiles) {
            *sums = unsafe { Self::dots_of_tile::<M, STEPS, BITS>(start, tile, rows) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn to_f(value: Ints) -> Floats {
        unsafe { Floats(_mm256_cvtepi32_ps(value.0), _mm256_cvtepi32_ps(value.1)) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Floats {
        unsafe {
            let value = _mm256_set1_ps(value);
            Floats(value, value)
        }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Floats {
        unsafe { Floats(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Floats) {
        unsafe {
            _mm256_storeu_ps(to, value.0);
            _mm256_storeu_ps(to.add(8), value.1);
        }
    }
    #[inline(always)]
    unsafe fn add(a: Floats, b: Floats) -> Floats {
        unsafe { Floats(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn sub(a: Floats, b: Floats) -> Floats {
        unsafe { Floats(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn mul(a: Floats, b: Floats) -> Floats {
        unsafe { Floats(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn div(a: Floats, b: Floats) -> Floats {
        unsafe { Floats(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn fma(a: Floats, b: Floats, c: Floats) -> Floats {
        unsafe { Floats(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }
    #[inline(always)]
    unsafe fn min(a: Floats, b: Floats) -> Floats {
        unsafe { Floats(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn max(a: Floats, b: Floats) -> Floats {
        unsafe { Floats(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn abs(a: Floats) -> Floats {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Floats(_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
        }
    }
    #[inline(always)]
    unsafe fn round(a: Floats) -> Ints {
        unsafe { Ints(_mm256_cvtps_epi32(a.0), _mm256_cvtps_epi32(a.1)) }
    }
    #[inline(always)]
    unsafe fn power_of_two(value: Ints) -> Floats {
        unsafe {
            let bias = _mm256_set1_epi32(127);
            Floats(
                _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(value.0, bias), 23)),
                _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(value.1, bias), 23)),
            )
        }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Floats {
        unsafe {
            Floats(
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            )
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Floats {
        unsafe {
            let widen = |at: *const u16| {
                _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(at.cast())), 16))
            };
            Floats(widen(from), widen(from.add(8)))
        }
    }
    #[inline(always)]
    unsafe fn store_f16(to: *mut u16, value: Floats) {
        unsafe {
            let low = _mm256_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT }>(value.0);
            let high = _mm256_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT }>(value.1);
            _mm_storeu_si128(to.cast(), low);
            _mm_storeu_si128(to.add(8).cast(), high);
        }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Floats {
        unsafe {
            let bytes = _mm_loadu_si128(from.cast());
            Floats(
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))),
            )
        }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Floats {
        unsafe {
            let bytes = _mm_loadu_si128(from.cast());
            Floats(
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))),
            )
        }
    }
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, value: Ints) {
        unsafe {
            let words = _mm256_permute4x64_epi64(_mm256_packs_epi32(value.0, value.1), 0b1101_1000);
            let bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
            _mm_storeu_si128(to.cast(), bytes);
        }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}
