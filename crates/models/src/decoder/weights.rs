//! The tensors of a model, packed for the kernels.

use std::ops::Range;
use std::path::Path;

use super::Architecture;
use super::packed_file::Packed;
use crate::Error;
use crate::gguf::{Gguf, TensorInfo};
use crate::kernels::blocks::{dequantise_row, is_supported};
use crate::kernels::matrix::Matrix;
use crate::kernels::pool::Pool;

/// The weights of one layer.
pub(crate) struct Layer {
    pub attention_norm: Vec<f32>,
    pub query: Matrix,
    pub key: Matrix,
    pub value: Matrix,
    pub query_norm: Option<Vec<f32>>,
    pub key_norm: Option<Vec<f32>>,
    pub attention_out: Matrix,
    /// Gemma normalises also what a sublayer gives, before it is added.
    pub attention_post_norm: Option<Vec<f32>>,
    pub feed_forward_norm: Vec<f32>,
    pub gate: Matrix,
    pub up: Matrix,
    pub down: Matrix,
    pub feed_forward_post_norm: Option<Vec<f32>>,
}

/// All weights but the token embeddings, which are read row by row from the file.
pub(crate) struct Weights {
    pub layers: Vec<Layer>,
    pub output_norm: Vec<f32>,
    pub output: Matrix,
}

/// # Errors
/// [`Error::TensorType`] for a type that there are no kernels for.
pub(crate) fn check_type(tensor: &TensorInfo) -> Result<(), Error> {
    match is_supported(tensor.ggml_type) {
        true => Ok(()),
        false => Err(Error::TensorType { name: tensor.name.clone(), found: tensor.ggml_type.to_string() }),
    }
}

impl Weights {
    /// Packs all tensors, or maps them as they were packed before into `directory`.
    ///
    /// # Errors
    /// Errors that name the tensor which is missing or has a type or shape that cannot be used.
    pub(crate) fn load(
        gguf: &Gguf,
        architecture: &Architecture,
        pool: &Pool,
        directory: Option<&Path>,
    ) -> Result<Weights, Error> {
        let Some(directory) = directory else {
            return Weights::read(gguf, architecture, pool, &mut Packed::Memory);
        };
        if Packed::open(gguf, directory).is_none() {
            let mut packed = Packed::create(gguf, directory)?;
            Weights::read(gguf, architecture, pool, &mut packed)?;
            packed.finish()?;
        }
        let mut packed = Packed::open(gguf, directory).unwrap_or(Packed::Memory);
        Weights::read(gguf, architecture, pool, &mut packed)
    }

    /// Bytes of all packed matrices.
    pub(crate) fn bytes(&self) -> u64 {
        let layer = |layer: &Layer| {
            let parts = [&layer.query, &layer.key, &layer.value, &layer.attention_out];
            let hidden = [&layer.gate, &layer.up, &layer.down];
            parts.iter().chain(&hidden).map(|matrix| matrix.bytes().len() as u64).sum::<u64>()
        };
        self.layers.iter().map(layer).sum::<u64>() + self.output.bytes().len() as u64
    }

    /// Takes the tensors in order, and gives the file's pages back to the system as it goes.
    fn read(
        gguf: &Gguf,
        architecture: &Architecture,
        pool: &Pool,
        packed: &mut Packed,
    ) -> Result<Weights, Error> {
        let mut source = Source { gguf, pool, packed };
        let layers: Result<Vec<Layer>, Error> =
            (0..architecture.layers).map(|index| source.layer(architecture, index)).collect();
        let (width, vocabulary) = (architecture.width, architecture.vocabulary);
        // Tied embeddings: the output matrix is the embedding matrix.
        let output =
            if gguf.tensor("output.weight").is_some() { "output.weight" } else { "token_embd.weight" };
        check_shape(gguf.require("token_embd.weight")?, &[width, vocabulary])?;
        Ok(Weights {
            layers: layers?,
            output_norm: source.vector("output_norm.weight", width)?,
            output: source.matrix(output, vocabulary, width)?,
        })
    }
}

fn check_shape(tensor: &TensorInfo, expected: &[usize]) -> Result<(), Error> {
    check_type(tensor)?;
    let mut found = tensor.dims.clone();
    while found.len() > expected.len() && found.last() == Some(&1) {
        found.pop();
    }
    if found == expected {
        return Ok(());
    }
    let (name, found) = (tensor.name.clone(), tensor.dims.clone());
    Err(Error::TensorShape { name, found, expected: expected.to_vec() })
}

struct Source<'a> {
    gguf: &'a Gguf,
    pool: &'a Pool,
    packed: &'a mut Packed,
}

impl Source<'_> {
    fn layer(&mut self, architecture: &Architecture, index: usize) -> Result<Layer, Error> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let (width, hidden) = (architecture.width, architecture.feed_forward);
        let queries = architecture.heads * architecture.head_dimension;
        let cached = architecture.kv_heads * architecture.head_dimension;
        let head = architecture.head_dimension;
        let [query, key, value] = match self.gguf.tensor(&name("attn_qkv.weight")) {
            Some(_) => self.split(&name("attn_qkv"), width, [queries, cached, cached])?,
            None => [
                self.linear(&name("attn_q"), queries, width)?,
                self.linear(&name("attn_k"), cached, width)?,
                self.linear(&name("attn_v"), cached, width)?,
            ],
        };
        let [gate, up] = match self.gguf.tensor(&name("ffn_gate.weight")) {
            Some(_) => {
                [self.linear(&name("ffn_gate"), hidden, width)?, self.linear(&name("ffn_up"), hidden, width)?]
            }
            None => self.split(&name("ffn_up"), width, [hidden, hidden])?,
        };
        Ok(Layer {
            attention_norm: self.vector(&name("attn_norm.weight"), width)?,
            query,
            key,
            value,
            query_norm: self.optional_vector(&name("attn_q_norm.weight"), head)?,
            key_norm: self.optional_vector(&name("attn_k_norm.weight"), head)?,
            attention_out: self.linear(&name("attn_output"), width, queries)?,
            attention_post_norm: self.optional_vector(&name("post_attention_norm.weight"), width)?,
            feed_forward_norm: self.vector(&name("ffn_norm.weight"), width)?,
            gate,
            up,
            down: self.linear(&name("ffn_down"), width, hidden)?,
            feed_forward_post_norm: self.optional_vector(&name("post_ffw_norm.weight"), width)?,
        })
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, Error> {
        let tensor = self.gguf.require(name)?;
        check_shape(tensor, &[length])?;
        let mut values = vec![0.0; length];
        dequantise_row(tensor.ggml_type, self.gguf.data(tensor), &mut values);
        Ok(values)
    }

    fn optional_vector(&self, name: &str, length: usize) -> Result<Option<Vec<f32>>, Error> {
        self.gguf.tensor(name).map(|_| self.vector(name, length)).transpose()
    }

    /// A matrix with the bias that may lie beside it.
    fn linear(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Error> {
        let mut matrix = self.matrix(&format!("{name}.weight"), rows, columns)?;
        matrix.bias = self.optional_vector(&format!("{name}.bias"), rows)?;
        Ok(matrix)
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Error> {
        let tensor = self.gguf.require(name)?;
        check_shape(tensor, &[columns, rows])?;
        self.pack(tensor, 0..rows)
    }

    /// Matrices that the file has as one, row by row.
    fn split<const N: usize>(
        &mut self,
        name: &str,
        columns: usize,
        parts: [usize; N],
    ) -> Result<[Matrix; N], Error> {
        let tensor = self.gguf.require(&format!("{name}.weight"))?;
        let rows = parts.iter().sum();
        check_shape(tensor, &[columns, rows])?;
        let bias = self.optional_vector(&format!("{name}.bias"), rows)?;
        let mut start = 0;
        let mut matrices = Vec::with_capacity(N);
        for rows in parts {
            let range = start..start + rows;
            start += rows;
            let mut matrix = self.pack(tensor, range.clone())?;
            matrix.bias = bias.as_ref().map(|bias| bias[range].to_vec());
            matrices.push(matrix);
        }
        let found = || vec![tensor.rows()];
        matrices.try_into().map_err(|_| Error::TensorShape {
            name: name.to_owned(),
            found: found(),
            expected: parts.to_vec(),
        })
    }

    fn pack(&mut self, tensor: &TensorInfo, rows: Range<usize>) -> Result<Matrix, Error> {
        let data = self.gguf.data(tensor);
        let row_bytes = data.len() / tensor.rows();
        let range = rows.start * row_bytes..rows.end * row_bytes;
        let (kind, columns) = (tensor.ggml_type, tensor.columns());
        let pool = self.pool;
        let pack = || Matrix::pack(kind, rows.len(), columns, &data[range.clone()], pool);
        let matrix = self.packed.take(kind, rows.len(), columns, pack)?;
        self.gguf.give_back(tensor.range.start + range.start..tensor.range.start + range.end);
        Ok(matrix)
    }
}
