//! How far a search of the approximate index has to look, found out on the library's own vectors.
//!
//! How the vectors of a library lie is its own: what is enough for one finds three of four neighbours in another.

use std::collections::BTreeSet;

use carrel_corpus::ChunkId;
use half::f16;
use rusqlite::Transaction;

use crate::Result;
use crate::catalog::delta;
use crate::catalog::vectors::from_bytes;
use crate::kernel;

/// Vectors whose neighbours are looked for.
const SAMPLE: usize = 128;
/// Neighbours of each.
pub(super) const NEIGHBOURS: usize = 10;
/// Share of them that has to be found: more than what is wanted for questions, which lie farther from the texts than the texts
/// from each other.
const RECALL: f64 = 0.995;
/// Two computations of one inner product differ by no more.
const ROUNDING: f32 = 1e-4;

/// Vectors of the library, with the inner product of the last of their neighbours.
pub(super) struct Sample(Vec<Sampled>);

struct Sampled {
    chunk: i64,
    vector: Vec<f32>,
    /// Of the nearest neighbours, ascending.
    nearest: Vec<f32>,
}

impl Sample {
    /// Vectors from all over the library, each compared with all others.
    pub(super) fn of(tx: &Transaction, dimensions: usize, rows: usize) -> Result<Sample> {
        let places = places(rows);
        let (mut sample, mut number) = (Vec::new(), 0);
        each(tx, dimensions, |chunk, row| {
            if places.contains(&number) {
                let vector = row.iter().map(|value| value.to_f32()).collect();
                sample.push(Sampled { chunk, vector, nearest: Vec::new() });
            }
            number += 1;
        })?;
        each(tx, dimensions, |chunk, row| sample.iter_mut().for_each(|sampled| sampled.compare(chunk, row)))?;
        Ok(Sample(sample))
    }

    /// The fewest partitions, of `partitions`, that a search has to look into; `search` gives the nearest chunks to a vector in
    /// so many of them.
    pub(super) fn enough(
        &self,
        partitions: usize,
        search: impl Fn(&[f32], usize) -> Result<Vec<(ChunkId, f32)>>,
    ) -> Result<usize> {
        let mut probes = (partitions / 64).max(1);
        while probes < partitions {
            let (mut found, mut wanted) = (0, 0);
            for sampled in &self.0 {
                found += sampled.found(&search(&sampled.vector, probes)?);
                wanted += sampled.nearest.len();
            }
            if found as f64 >= RECALL * wanted as f64 {
                return Ok(probes);
            }
            probes += (probes / 3).max(1);
        }
        Ok(partitions)
    }
}

impl Sampled {
    fn compare(&mut self, chunk: i64, row: &[f16]) {
        if chunk == self.chunk {
            return;
        }
        let product = kernel::dot(&self.vector, row);
        let full = self.nearest.len() == NEIGHBOURS;
        if full && product <= self.nearest[0] {
            return;
        }
        let at = self.nearest.partition_point(|other| *other < product);
        self.nearest.insert(at, product);
        if full {
            self.nearest.remove(0);
        }
    }

    /// How many of the neighbours are among `hits`. Of several that are equally near any will do.
    fn found(&self, hits: &[(ChunkId, f32)]) -> usize {
        let Some(least) = self.nearest.first() else { return 0 };
        let near = |hit: &&(ChunkId, f32)| hit.0.0 != self.chunk && hit.1 >= least - ROUNDING;
        hits.iter().filter(near).count().min(self.nearest.len())
    }
}

/// Rows spread over the table, by the golden ratio: at even distances they could all be of one kind.
fn places(rows: usize) -> BTreeSet<usize> {
    let place = |number: usize| (number as f64 * 0.618_033_988_749_895).fract() * rows as f64;
    (0..SAMPLE).map(|number| place(number) as usize).collect()
}

fn each(tx: &Transaction, dimensions: usize, mut row: impl FnMut(i64, &[f16])) -> Result<()> {
    let mut values: Vec<f16> = Vec::with_capacity(dimensions);
    delta::vectors(tx, 0, |vector| {
        // Rows of another length are not of this embedder.
        if vector.bytes.len() == 2 * dimensions {
            values.clear();
            values.extend(from_bytes(&vector.bytes));
            row(vector.chunk, &values);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(nearest: &[f32]) -> Sampled {
        Sampled { chunk: 7, vector: vec![1.0, 0.0], nearest: nearest.to_vec() }
    }

    #[test]
    fn the_nearest_of_all_others_are_kept() {
        let mut sampled = sampled(&[]);
        let row = |product: f32| [f16::from_f32(product), f16::ONE];
        for chunk in 0..30 {
            sampled.compare(chunk, &row((chunk * 11 % 30) as f32));
        }
        let own = 7 * 11 % 30;
        let expected: Vec<f32> = (19..30).filter(|near| *near != own).map(|near| near as f32).collect();
        assert_eq!(sampled.nearest, expected[expected.len() - NEIGHBOURS..]);
    }

    #[test]
    fn the_sample_is_of_every_kind() {
        let kinds =
            |every: usize| places(6_200).iter().map(|place| place % every).collect::<BTreeSet<_>>().len();
        assert_eq!([kinds(6), kinds(8), kinds(10)], [6, 8, 10]);
        assert_eq!(places(6_200).len(), SAMPLE);
        assert!(places(6_200).last().unwrap() < &6_200 && places(6).len() == 6);
    }

    #[test]
    fn itself_and_what_is_farther_are_no_neighbours() {
        let hits = |products: &[(i64, f32)]| -> Vec<_> {
            products.iter().map(|&(chunk, product)| (ChunkId(chunk), product)).collect()
        };
        let sampled = sampled(&[0.8, 0.9]);
        assert_eq!(sampled.found(&hits(&[(7, 1.0), (1, 0.9), (2, 0.79)])), 1);
        assert_eq!(
            sampled.found(&hits(&[(7, 1.0), (1, 0.9), (2, 0.8), (3, 0.8)])),
            2,
            "ties are one as good"
        );
    }

    #[test]
    fn as_few_partitions_as_find_nearly_all_are_enough() {
        let sample = Sample((0..40).map(|_| sampled(&[0.5; NEIGHBOURS])).collect());
        let finding_all_from = |least: usize| {
            let enough = sample.enough(1_000, |_, probes| {
                Ok(vec![(ChunkId(1), 0.5); if probes >= least { NEIGHBOURS } else { NEIGHBOURS - 1 }])
            });
            enough.unwrap()
        };
        assert_eq!(finding_all_from(0), 15);
        assert!((50..67).contains(&finding_all_from(50)));
        assert_eq!(finding_all_from(usize::MAX), 1_000, "where none are enough, all of them");
    }
}
