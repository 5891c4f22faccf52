//! The element types of tensors, with the size of their blocks.

use std::fmt;

/// How the numbers of a tensor are stored. Rows are cut into blocks of [`GgmlType::block_elements`], each of
/// [`GgmlType::block_bytes`]. All types that GGUF defines are here so that a file which uses one that we
/// cannot compute with gets an error that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(non_camel_case_types, reason = "the names are those of the format")]
pub enum GgmlType {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ2_XXS,
    IQ2_XS,
    IQ3_XXS,
    IQ1_S,
    IQ4_NL,
    IQ3_S,
    IQ2_S,
    IQ4_XS,
    I8,
    I16,
    I32,
    I64,
    F64,
    IQ1_M,
    BF16,
    TQ1_0,
    TQ2_0,
    MXFP4,
}

use GgmlType::*;

/// Type, number in the file, elements of a block, bytes of a block (`ggml.h`, `ggml-common.h`).
const TYPES: [(GgmlType, u32, usize, usize); 32] = [
    (F32, 0, 1, 4),
    (F16, 1, 1, 2),
    (Q4_0, 2, 32, 18),
    (Q4_1, 3, 32, 20),
    (Q5_0, 6, 32, 22),
    (Q5_1, 7, 32, 24),
    (Q8_0, 8, 32, 34),
    (Q8_1, 9, 32, 36),
    (Q2_K, 10, 256, 84),
    (Q3_K, 11, 256, 110),
    (Q4_K, 12, 256, 144),
    (Q5_K, 13, 256, 176),
    (Q6_K, 14, 256, 210),
    (Q8_K, 15, 256, 292),
    (IQ2_XXS, 16, 256, 66),
    (IQ2_XS, 17, 256, 74),
    (IQ3_XXS, 18, 256, 98),
    (IQ1_S, 19, 256, 50),
    (IQ4_NL, 20, 32, 18),
    (IQ3_S, 21, 256, 110),
    (IQ2_S, 22, 256, 82),
    (IQ4_XS, 23, 256, 136),
    (I8, 24, 1, 1),
    (I16, 25, 1, 2),
    (I32, 26, 1, 4),
    (I64, 27, 1, 8),
    (F64, 28, 1, 8),
    (IQ1_M, 29, 256, 56),
    (BF16, 30, 1, 2),
    (TQ1_0, 34, 256, 54),
    (TQ2_0, 35, 256, 66),
    (MXFP4, 39, 32, 17),
];

impl GgmlType {
    /// The type with this number in a file.
    pub fn from_id(id: u32) -> Option<GgmlType> {
        TYPES.iter().find(|row| row.1 == id).map(|row| row.0)
    }

    /// The number that a file has for it.
    pub fn id(self) -> u32 {
        self.row().1
    }

    pub fn block_elements(self) -> usize {
        self.row().2
    }

    pub fn block_bytes(self) -> usize {
        self.row().3
    }

    /// Bytes of a row of `columns` elements; `None` where rows of this length cannot be stored or are too long.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        let (_, _, elements, bytes) = *self.row();
        columns.is_multiple_of(elements).then_some(columns / elements)?.checked_mul(bytes)
    }

    fn row(self) -> &'static (GgmlType, u32, usize, usize) {
        &TYPES[self as usize]
    }
}

/// The name that the format uses: `Q4_K`, `F16`.
impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, row) in TYPES.iter().enumerate() {
            assert_eq!(row.0 as usize, index);
            assert_eq!(GgmlType::from_id(row.1), Some(row.0));
        }
        assert_eq!(GgmlType::from_id(4), None);
        assert_eq!(Q4_K.row_bytes(512), Some(288));
        assert_eq!(Q4_K.row_bytes(896), None);
        assert_eq!(F32.row_bytes(usize::MAX / 2), None);
    }
}
