//! Rows of the table and predicates over them.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use half::f16;

use crate::catalog::delta::StoredVector;
use crate::catalog::vectors::from_bytes;

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, true))
}

pub(super) fn schema(dimensions: usize) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("chunk", DataType::Int64, false),
        Field::new("document", DataType::Int64, false),
        Field::new("vector", DataType::FixedSizeList(item(), dimensions as i32), false),
    ]))
}

/// Rows whose vector is of another length are not of this embedder and left out.
pub(super) fn batch(vectors: &[StoredVector], dimensions: usize) -> Result<RecordBatch, ArrowError> {
    let fitting = || vectors.iter().filter(|vector| vector.bytes.len() == 2 * dimensions);
    let values = fitting().flat_map(|vector| from_bytes(&vector.bytes));
    let values = Float32Array::from_iter_values(values.map(f16::to_f32));
    let vector = FixedSizeListArray::try_new(item(), dimensions as i32, Arc::new(values), None)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(fitting().map(|vector| vector.chunk))),
        Arc::new(Int64Array::from_iter_values(fitting().map(|vector| vector.document))),
        Arc::new(vector),
    ];
    RecordBatch::try_new(schema(dimensions), columns)
}

/// The chunks of a result.
pub(super) fn chunks(batch: &RecordBatch) -> Vec<i64> {
    let column = batch.column_by_name("chunk").map(|column| column.as_any());
    let chunks = column.and_then(|column| column.downcast_ref::<Int64Array>());
    chunks.map_or(Vec::new(), |chunks| chunks.values().to_vec())
}

/// Predicates that hold for rows whose `column` is one of `ids`, each of at most `ranges` ranges.
pub(super) fn predicates(column: &str, mut ids: Vec<i64>, ranges: usize) -> Vec<String> {
    ids.sort_unstable();
    ids.dedup();
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == id => *last = id,
            _ => runs.push((id, id)),
        }
    }
    let clause = |(first, last): &(i64, i64)| match first == last {
        true => format!("{column} = {first}"),
        false => format!("({column} >= {first} AND {column} <= {last})"),
    };
    let join = |runs: &[(i64, i64)]| runs.iter().map(clause).collect::<Vec<_>>().join(" OR ");
    runs.chunks(ranges.max(1)).map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_ranges() {
        assert_eq!(predicates("c", vec![3, 1, 2, 7, 7], 9), ["(c >= 1 AND c <= 3) OR c = 7"]);
        assert_eq!(predicates("c", vec![1, 3, 5], 2), ["c = 1 OR c = 3", "c = 5"]);
        assert!(predicates("c", vec![], 2).is_empty());
    }
}
