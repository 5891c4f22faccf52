//! Vectors in memory for exact search. A scan reads every row once, at the speed of memory.

use half::f16;
use rayon::prelude::*;

use crate::catalog::vectors::from_bytes;
use crate::kernel;

/// Rows that one task scans: large enough to be worth a task, small enough to share out.
const TASK_ROWS: usize = 2_048;

/// Rows of half-precision vectors, each belonging to a slot of the live table.
pub(crate) struct Matrix {
    dimensions: usize,
    values: Vec<f16>,
    slots: Vec<u32>,
}

impl Matrix {
    pub(crate) fn new(dimensions: usize) -> Matrix {
        Matrix { dimensions, values: Vec::new(), slots: Vec::new() }
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(crate) fn reserve(&mut self, rows: usize) {
        self.values.reserve_exact(rows * self.dimensions);
        self.slots.reserve_exact(rows);
    }

    /// Adds a row from its stored bytes; rows of another length are not of this embedder and left out.
    pub(crate) fn push(&mut self, slot: u32, bytes: &[u8]) {
        if bytes.len() == 2 * self.dimensions {
            self.values.extend(from_bytes(bytes));
            self.slots.push(slot);
        }
    }

    /// Keeps the rows whose slot `keep` maps to a new one.
    pub(crate) fn remap(&mut self, keep: impl Fn(u32) -> Option<u32>) {
        let mut kept = 0;
        for row in 0..self.slots.len() {
            let Some(slot) = keep(self.slots[row]) else { continue };
            self.slots[kept] = slot;
            let from = row * self.dimensions;
            self.values.copy_within(from..from + self.dimensions, kept * self.dimensions);
            kept += 1;
        }
        self.slots.truncate(kept);
        self.values.truncate(kept * self.dimensions);
    }

    /// The slot and inner product with `query` of every row whose slot is `allowed`, in the order of the rows.
    pub(crate) fn scan(&self, query: &[f32], allowed: impl Fn(u32) -> bool + Sync) -> Vec<(u32, f32)> {
        if query.len() != self.dimensions || self.slots.is_empty() {
            return Vec::new();
        }
        let tasks: Vec<Vec<(u32, f32)>> = self
            .values
            .par_chunks(TASK_ROWS * self.dimensions)
            .zip(self.slots.par_chunks(TASK_ROWS))
            .map(|(values, slots)| {
                let rows = values.chunks_exact(self.dimensions).zip(slots);
                rows.filter(|(_, slot)| allowed(**slot))
                    .map(|(row, slot)| (*slot, kernel::dot(query, row)))
                    .collect()
            })
            .collect();
        tasks.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::vectors::to_bytes;

    #[test]
    fn a_scan_gives_allowed_rows_and_survives_remapping() {
        let mut matrix = Matrix::new(2);
        matrix.push(0, &to_bytes(&[1.0, 0.0]));
        matrix.push(1, &to_bytes(&[0.0, 1.0]));
        matrix.push(2, &to_bytes(&[0.6, 0.8]));
        matrix.push(3, &to_bytes(&[0.6]));
        assert_eq!(matrix.scan(&[1.0, 0.0], |slot| slot != 1), [(0, 1.0), (2, f16::from_f32(0.6).to_f32())]);
        matrix.remap(|slot| (slot > 0).then(|| slot - 1));
        assert_eq!(matrix.scan(&[0.0, 1.0], |slot| slot == 0), [(0, 1.0)]);
        assert!(matrix.scan(&[1.0], |_| true).is_empty(), "a query of another embedder finds nothing");
    }
}
