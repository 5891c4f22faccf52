//! The network of a BERT-family encoder.
//!
//! Weights are quantised to 8 bits and multiplied by the integer kernels, whose results for a row do not depend on
//! the rows beside it. So texts are put one behind the other without padding, and a text's vector is the same
//! bits whatever the batch, the threads or the instruction set.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device};
use half::f16;
use serde::Deserialize;

use crate::Error;
use crate::gguf::GgmlType;
use crate::kernels::Isa;
use crate::kernels::activations::Activations;
use crate::kernels::encoder::{Head, add_and_norm, attend, gelu_erf};
use crate::kernels::matrix::{Matrix, Product, Rows, multiply};
use crate::kernels::pool::{Pool, SharedRows};

/// The shape, from `config.json`.
#[derive(Deserialize)]
struct Shape {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    vocab_size: usize,
    max_position_embeddings: usize,
    layer_norm_eps: f32,
    #[serde(default)]
    pad_token_id: usize,
}

struct Norm {
    weight: Vec<f32>,
    offset: Vec<f32>,
}

struct Layer {
    query: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
    attention_norm: Norm,
    wide: Matrix,
    narrow: Matrix,
    norm: Norm,
}

pub(crate) struct Network {
    shape: Shape,
    weights: MmapedSafetensors,
    /// Name of the word embeddings, whose rows are read from the mapped file.
    words: String,
    positions: Vec<f32>,
    /// Number of the first position: some families leave out those up to the padding token's number.
    first_position: usize,
    /// Added to every token: which of two texts it is of.
    token_types: [Vec<f32>; 2],
    norm: Norm,
    layers: Vec<Layer>,
    pool: Pool,
    isa: Isa,
    spare: Mutex<Vec<Buffers>>,
}

/// What the network reads at once: a text, or two as one.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub tokens: &'a [u32],
    /// The first token of the second text; the number of tokens where there is none.
    pub second: usize,
}

/// What one batch is computed in.
#[derive(Default)]
struct Buffers {
    hidden: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    mixed: Vec<f32>,
    wide: Vec<f32>,
    change: Vec<f32>,
    quantised: Activations,
}

impl Network {
    pub(crate) fn load(config: &Path, weights: &Path, threads: usize) -> Result<Network, Error> {
        let json = std::fs::read(config).map_err(Error::io("read", config))?;
        let shape: Shape =
            serde_json::from_slice(&json).map_err(|error| bad("config.json", error.to_string()))?;
        let first_position = shape.check()?;
        // SAFETY: the store's blobs are read-only and replaced by renaming.
        let file = unsafe { MmapedSafetensors::new(weights) };
        let weights = file.map_err(Error::network("the weights could not be mapped"))?;
        let loader = Loader { weights: &weights, prefix: prefix(&weights), pool: Pool::new(threads) };
        let hidden = shape.hidden_size;
        let words = loader.name("embeddings.word_embeddings.weight");
        loader.check(&words, &[shape.vocab_size, hidden])?;
        let positions =
            loader.vector("embeddings.position_embeddings.weight", shape.max_position_embeddings * hidden)?;
        let types = loader.floats("embeddings.token_type_embeddings.weight")?;
        let mut types = types.chunks_exact(hidden).map(<[f32]>::to_vec);
        let first = types.next().ok_or_else(|| bad("token_type_embeddings", "it is too short".to_owned()))?;
        // Families with one type tell the texts by what stands between them.
        let token_types = [first.clone(), types.next().unwrap_or(first)];
        let norm = loader.norm("embeddings.LayerNorm", hidden)?;
        let layers = (0..shape.num_hidden_layers)
            .map(|index| loader.layer(index, &shape))
            .collect::<Result<_, _>>()?;
        let pool = loader.pool;
        Ok(Network {
            shape,
            weights,
            words,
            positions,
            first_position,
            token_types,
            norm,
            layers,
            pool,
            isa: Isa::detect(),
            spare: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.shape.hidden_size
    }

    /// Longest text in tokens.
    pub(crate) fn max_tokens(&self) -> usize {
        self.shape.max_position_embeddings - self.first_position
    }

    /// Hands the last layer's vectors of each text, one row for each of its tokens, to `text`. No text is empty or
    /// longer than [`Network::max_tokens`].
    pub(crate) fn forward(&self, texts: &[Input], text: &mut dyn FnMut(usize, &[f32])) -> Result<(), Error> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffers = spare.unwrap_or_default();
        self.embed(texts, &mut buffers.hidden)?;
        let tokens = buffers.hidden.len() / self.shape.hidden_size;
        for layer in &self.layers {
            self.attention(layer, texts, tokens, &mut buffers);
            self.feed_forward(layer, tokens, &mut buffers);
        }
        let mut rest = buffers.hidden.as_slice();
        for (index, input) in texts.iter().enumerate() {
            let (rows, after) = rest.split_at(input.tokens.len() * self.shape.hidden_size);
            text(index, rows);
            rest = after;
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
        Ok(())
    }

    /// Words, positions and types.
    fn embed(&self, texts: &[Input], hidden: &mut Vec<f32>) -> Result<(), Error> {
        let width = self.shape.hidden_size;
        let words = self.weights.get(&self.words).map_err(Error::network("the word embeddings"))?;
        let bytes = words.data().len() / self.shape.vocab_size;
        hidden.clear();
        for input in texts {
            for (index, &token) in input.tokens.iter().enumerate() {
                let start = token as usize * bytes;
                let row = words.data().get(start..start + bytes);
                let row =
                    row.ok_or_else(|| Error::Tokenization(format!("the model has no token {token}")))?;
                let at = hidden.len();
                extend_floats(hidden, row, bytes / width);
                let position = &self.positions[(self.first_position + index) * width..][..width];
                let kind = &self.token_types[usize::from(index >= input.second)];
                let added = position.iter().zip(kind);
                hidden[at..].iter_mut().zip(added).for_each(|(x, (position, kind))| *x += position + kind);
            }
        }
        let none = vec![0.0; hidden.len()];
        self.norm(hidden, &none, &self.norm);
        Ok(())
    }

    fn attention(&self, layer: &Layer, texts: &[Input], tokens: usize, buffers: &mut Buffers) {
        let width = self.shape.hidden_size;
        let Buffers { hidden, query, key, value, mixed, change, quantised, .. } = buffers;
        for buffer in [&mut *query, &mut *key, &mut *value, &mut *mixed, &mut *change] {
            buffer.resize(tokens * width, 0.0);
        }
        self.quantise(quantised, hidden, width);
        self.multiply(
            hidden,
            quantised,
            &mut [
                Product { matrix: &layer.query, out: query },
                Product { matrix: &layer.key, out: key },
                Product { matrix: &layer.value, out: value },
            ],
        );
        self.attend(texts, (query, key, value), mixed);
        self.quantise(quantised, mixed, width);
        self.multiply(mixed, quantised, &mut [Product { matrix: &layer.output, out: change }]);
        self.norm(hidden, change, &layer.attention_norm);
    }

    /// Attention of all heads of all texts, in parallel.
    fn attend(&self, texts: &[Input], (query, key, value): (&[f32], &[f32], &[f32]), mixed: &mut [f32]) {
        let width = self.shape.hidden_size;
        let heads = self.shape.num_attention_heads;
        let dimension = width / heads;
        let mut units = Vec::with_capacity(texts.len() * heads);
        let mut start = 0;
        for Input { tokens, .. } in texts {
            for head in 0..heads {
                let at = start * width + head * dimension;
                units.push(Head {
                    query: query[at..].as_ptr(),
                    key: key[at..].as_ptr(),
                    value: value[at..].as_ptr(),
                    out: mixed[at..].as_mut_ptr(),
                    stride: width,
                    length: tokens.len(),
                    dimension,
                });
            }
            start += tokens.len();
        }
        // SAFETY: all four hold the rows of all texts; each unit writes the columns of its head in the rows of its text.
        self.pool.run(units.len(), &|unit| unsafe { attend(self.isa, units[unit]) });
    }

    fn feed_forward(&self, layer: &Layer, tokens: usize, buffers: &mut Buffers) {
        let Buffers { hidden, wide, change, quantised, .. } = buffers;
        let (width, intermediate) = (self.shape.hidden_size, self.shape.intermediate_size);
        wide.resize(tokens * intermediate, 0.0);
        self.quantise(quantised, hidden, width);
        self.multiply(hidden, quantised, &mut [Product { matrix: &layer.wide, out: wide }]);
        let rows = SharedRows::new(wide, intermediate);
        // SAFETY: every unit has a row of its own.
        self.pool.run(tokens, &|row| gelu_erf(self.isa, unsafe { rows.rows(row..row + 1) }));
        self.quantise(quantised, wide, intermediate);
        self.multiply(wide, quantised, &mut [Product { matrix: &layer.narrow, out: change }]);
        self.norm(hidden, change, &layer.norm);
    }

    fn multiply(&self, floats: &[f32], quantised: &Activations, products: &mut [Product<'_>]) {
        multiply(&self.pool, self.isa, Rows { floats, quantised }, products);
    }

    fn quantise(&self, quantised: &mut Activations, values: &[f32], columns: usize) {
        quantised.reset(values.len() / columns, columns);
        let places = quantised.places();
        // SAFETY: there is room for all rows, and every unit has a row of its own.
        self.pool.run(values.len() / columns, &|row| unsafe {
            places.quantise(self.isa, row, &values[row * columns..(row + 1) * columns]);
        });
    }

    fn norm(&self, hidden: &mut [f32], change: &[f32], norm: &Norm) {
        let width = norm.weight.len();
        let rows = SharedRows::new(hidden, width);
        self.pool.run(change.len() / width, &|row| {
            // SAFETY: every unit has a row of its own.
            let hidden = unsafe { rows.rows(row..row + 1) };
            let change = &change[row * width..(row + 1) * width];
            add_and_norm(self.isa, hidden, change, (&norm.weight, &norm.offset), self.shape.layer_norm_eps);
        });
    }
}

/// What a cross-encoder makes of the first row of its last layer: one number.
pub(crate) struct Judge {
    dense: Dense,
    out: Dense,
}

/// A matrix so small that it is kept as it is.
struct Dense {
    weight: Vec<f32>,
    offset: Vec<f32>,
}

impl Judge {
    /// The head of a network for the classification of sequences into one class.
    pub(crate) fn load(weights: &Path, width: usize) -> Result<Judge, Error> {
        // SAFETY: the store's blobs are read-only and replaced by renaming.
        let file = unsafe { MmapedSafetensors::new(weights) };
        let weights = file.map_err(Error::network("the weights could not be mapped"))?;
        let loader = |prefix| Loader { weights: &weights, prefix, pool: Pool::new(1) };
        let dense = |prefix, name: &str, rows| -> Result<Dense, Error> {
            let loader = loader(prefix);
            loader.check(&loader.name(&format!("{name}.weight")), &[rows, width])?;
            Ok(Dense {
                weight: loader.floats(&format!("{name}.weight"))?,
                offset: loader.vector(&format!("{name}.bias"), rows)?,
            })
        };
        // BERT pools before it classifies; the RoBERTa families do both in the head.
        Ok(match weights.get("classifier.out_proj.weight").is_ok() {
            true => Judge {
                dense: dense("", "classifier.dense", width)?,
                out: dense("", "classifier.out_proj", 1)?,
            },
            false => Judge {
                dense: dense(prefix(&weights), "pooler.dense", width)?,
                out: dense("", "classifier", 1)?,
            },
        })
    }

    /// The logit of a pair of texts from the rows of its tokens.
    pub(crate) fn logit(&self, rows: &[f32]) -> f32 {
        let first = &rows[..self.dense.offset.len()];
        let pooled: Vec<f32> = self.dense.of(first).into_iter().map(f32::tanh).collect();
        self.out.of(&pooled)[0]
    }
}

impl Dense {
    fn of(&self, row: &[f32]) -> Vec<f32> {
        let products = self.weight.chunks_exact(row.len()).zip(&self.offset);
        products
            .map(|(weights, offset)| weights.iter().zip(row).map(|(w, x)| w * x).sum::<f32>() + offset)
            .collect()
    }
}

impl Shape {
    /// The number of the first position, for a shape that can be computed.
    fn check(&self) -> Result<usize, Error> {
        let first_position = match self.model_type.as_str() {
            "bert" => 0,
            "xlm-roberta" | "roberta" => self.pad_token_id + 1,
            other => return Err(Error::Architecture(other.to_owned())),
        };
        if self.hidden_act != "gelu" {
            return Err(bad("hidden_act", format!("`{}` is not supported", self.hidden_act)));
        }
        let heads = self.num_attention_heads.max(1);
        let fine = self.hidden_size.is_multiple_of(heads * 16)
            && self.hidden_size.is_multiple_of(32)
            && self.intermediate_size.is_multiple_of(32)
            && self.hidden_size > 0
            && self.vocab_size > 0
            && self.max_position_embeddings > first_position + 8;
        fine.then_some(first_position)
            .ok_or_else(|| bad("config.json", "these sizes are not supported".to_owned()))
    }
}

fn bad(key: &str, reason: String) -> Error {
    Error::BadValue { key: key.to_owned(), reason }
}

/// Some files have the name of the family before every tensor's.
fn prefix(weights: &MmapedSafetensors) -> &'static str {
    let prefixes = ["", "bert.", "roberta."];
    let has = |prefix: &&&str| weights.get(&format!("{prefix}embeddings.word_embeddings.weight")).is_ok();
    prefixes.iter().find(has).copied().unwrap_or("")
}

/// Reads tensors by their names.
struct Loader<'a> {
    weights: &'a MmapedSafetensors,
    prefix: &'static str,
    pool: Pool,
}

impl Loader<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn check(&self, name: &str, expected: &[usize]) -> Result<(), Error> {
        let view = self.weights.get(name).map_err(|_| Error::MissingTensor { name: name.to_owned() })?;
        let expected = expected.to_vec();
        match view.shape() == expected {
            true => Ok(()),
            false => {
                let found = view.shape().to_vec();
                Err(Error::TensorShape { name: name.to_owned(), found, expected })
            }
        }
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, Error> {
        let name = self.name(name);
        let tensor = self.weights.load(&name, &Device::Cpu);
        let tensor = tensor.map_err(|_| Error::MissingTensor { name: name.clone() })?;
        let floats = tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all()?.to_vec1());
        floats.map_err(Error::network("a tensor could not be read"))
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, Error> {
        let floats = self.floats(name)?;
        match floats.len() == length {
            true => Ok(floats),
            false => {
                let (name, found) = (self.name(name), vec![floats.len()]);
                Err(Error::TensorShape { name, found, expected: vec![length] })
            }
        }
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, Error> {
        Ok(Norm {
            weight: self.vector(&format!("{name}.weight"), width)?,
            offset: self.vector(&format!("{name}.bias"), width)?,
        })
    }

    /// A matrix with what is added to its results, quantised.
    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Error> {
        let weight = format!("{name}.weight");
        self.check(&self.name(&weight), &[rows, columns])?;
        let data = quantise_q8(&self.floats(&weight)?);
        let mut matrix = Matrix::pack(GgmlType::Q8_0, rows, columns, &data, &self.pool);
        matrix.bias = Some(self.vector(&format!("{name}.bias"), rows)?);
        Ok(matrix)
    }

    fn layer(&self, index: usize, shape: &Shape) -> Result<Layer, Error> {
        let (width, intermediate) = (shape.hidden_size, shape.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        Ok(Layer {
            query: self.matrix(&name("attention.self.query"), width, width)?,
            key: self.matrix(&name("attention.self.key"), width, width)?,
            value: self.matrix(&name("attention.self.value"), width, width)?,
            output: self.matrix(&name("attention.output.dense"), width, width)?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"), width)?,
            wide: self.matrix(&name("intermediate.dense"), intermediate, width)?,
            narrow: self.matrix(&name("output.dense"), width, intermediate)?,
            norm: self.norm(&name("output.LayerNorm"), width)?,
        })
    }
}

/// Blocks of 32 values with a scale, as GGUF's `Q8_0` has them.
fn quantise_q8(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() / 32 * 34);
    for block in values.chunks_exact(32) {
        let largest = block.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let scale = f16::from_f32(largest / 127.0);
        let inverse = if scale.to_f32() > 0.0 { 1.0 / scale.to_f32() } else { 0.0 };
        out.extend(scale.to_le_bytes());
        out.extend(block.iter().map(|value| (value * inverse).round().clamp(-127.0, 127.0) as i8 as u8));
    }
    out
}

/// Appends the floats of a row that is stored in four or two bytes each.
fn extend_floats(out: &mut Vec<f32>, row: &[u8], bytes: usize) {
    match bytes {
        2 => out.extend(row.chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32())),
        _ => out
            .extend(row.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))),
    }
}
