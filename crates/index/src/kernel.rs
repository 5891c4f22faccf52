//! The inner product of a query with stored half-precision rows: the one loop of a vector search.

use half::f16;

/// Inner product. Both have the same length.
pub(crate) fn dot(query: &[f32], row: &[f16]) -> f32 {
    assert_eq!(query.len(), row.len());
    #[cfg(target_arch = "x86_64")]
    if x86::is_supported() {
        // SAFETY: the processor has AVX2, FMA and F16C, and the lengths are equal.
        return unsafe { x86::dot(query, row) };
    }
    plain(query, row)
}

/// What every kernel must agree with, to rounding. Eight sums, so that the compiler can keep them in vectors.
fn plain(query: &[f32], row: &[f16]) -> f32 {
    let mut sums = [0f32; 8];
    let (queries, rows) = (query.chunks_exact(8), row.chunks_exact(8));
    let rest: f32 =
        queries.remainder().iter().zip(rows.remainder()).map(|(query, value)| query * value.to_f32()).sum();
    for (query, row) in queries.zip(rows) {
        for lane in 0..8 {
            sums[lane] += query[lane] * row[lane].to_f32();
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_si128, _mm_movehl_ps,
        _mm_shuffle_ps, _mm256_add_ps, _mm256_castps256_ps128, _mm256_cvtph_ps, _mm256_extractf128_ps,
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
    };

    use half::f16;

    pub(super) fn is_supported() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
    }

    /// # Safety
    /// The processor must have AVX2, FMA and F16C; `query` and `row` must be of one length.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn dot(query: &[f32], row: &[f16]) -> f32 {
        let whole = query.len() / 32 * 32;
        let (q, r) = (query.as_ptr(), row.as_ptr());
        let mut sums = [_mm256_setzero_ps(); 4];
        let mut at = 0;
        while at < whole {
            for (lane, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `at + 32 <= len` of both, and lane * 8 + 8 <= 32. `f16` is two bytes wide.
                let (query, row) = unsafe {
                    let row = _mm_loadu_si128(r.add(at + lane * 8).cast::<__m128i>());
                    (_mm256_loadu_ps(q.add(at + lane * 8)), _mm256_cvtph_ps(row))
                };
                *sum = _mm256_fmadd_ps(query, row, *sum);
            }
            at += 32;
        }
        let sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
        sum_lanes(sum) + super::plain(&query[whole..], &row[whole..])
    }

    #[target_feature(enable = "avx2")]
    fn sum_lanes(sum: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_agree_with_the_plain_loop() {
        for length in [0, 1, 7, 8, 31, 32, 33, 100, 384, 1000] {
            let query: Vec<f32> = (0..length).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
            let row: Vec<f16> =
                (0..length).map(|i| f16::from_f32(((i * 53 % 97) as f32 - 48.0) / 48.0)).collect();
            let exact: f64 = query.iter().zip(&row).map(|(q, r)| f64::from(*q) * r.to_f64()).sum();
            assert!((f64::from(dot(&query, &row)) - exact).abs() < 1e-3, "length {length}");
            assert!((f64::from(plain(&query, &row)) - exact).abs() < 1e-3, "length {length}");
        }
    }
}
