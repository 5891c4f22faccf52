//! The lanes as one 512-bit register: AVX-512 (F, BW, VNNI).

use std::arch::x86_64::*;

use super::lanes::Lanes;

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;
    const SIGNED_BYTES: bool = false;
    const WIDE: bool = true;

    // SAFETY of all that follows: the caller vouches for AVX-512 F, BW and VNNI and for the pointers.
    #[inline(always)]
    unsafe fn zero_i() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn load_i(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_i(to: *mut u8, value: __m512i) {
        unsafe { _mm512_storeu_si512(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn or(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn bits<const SHIFT: u32, const MASK: i8>(value: __m512i) -> __m512i {
        unsafe {
            let shifted = _mm512_srl_epi16(value, _mm_cvtsi32_si128(SHIFT as i32));
            _mm512_and_si512(shifted, _mm512_set1_epi8(MASK))
        }
    }
    #[inline(always)]
    unsafe fn raise<const SHIFT: u32>(value: __m512i) -> __m512i {
        unsafe { _mm512_sll_epi16(value, _mm_cvtsi32_si128(SHIFT as i32)) }
    }
    #[inline(always)]
    unsafe fn flip(value: __m512i) -> __m512i {
        unsafe { _mm512_xor_si512(value, _mm512_set1_epi8(-128)) }
    }
    #[inline(always)]
    unsafe fn splat_i(value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn dots<const G: usize, const M: usize, const STEPS: usize, const BITS: u32>(
        start: [__m512i; M],
        tiles: [*const u8; G],
        rows: &[*const i8; M],
    ) -> [[__m512i; M]; G] {
        let mut sums = [start; G];
        // Straight code: in a loop over the steps the compiler walks from row to row by additions that wait for each other.
        macro_rules! steps {
            ($($step:literal)*) => {$(
                if $step < STEPS {
                    unsafe {
                        let weights = tiles.map(|tile| Self::load_i(tile.add($step * 64)));
                        for m in 0..M {
                            let inputs = rows[m].add($step * 4).cast::<i32>().read_unaligned();
                            let inputs = _mm512_set1_epi32(inputs);
                            for group in 0..G {
                                sums[group][m] = _mm512_dpbusd_epi32(sums[group][m], weights[group], inputs);
                            }
                        }
                    }
                }
            )*};
        }
        steps!(0 1 2 3 4 5 6 7);
        sums
    }

    #[inline(always)]
    unsafe fn to_f(value: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(value) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512i {
        unsafe { _mm512_cvtps_epi32(a) }
    }
    #[inline(always)]
    unsafe fn power_of_two(value: __m512i) -> __m512 {
        unsafe {
            let biased = _mm512_add_epi32(value, _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn store_f16(to: *mut u16, value: __m512) {
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT }>(value)) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, value: __m512i) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(value)) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}
