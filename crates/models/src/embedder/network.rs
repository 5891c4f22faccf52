//! The network of a BERT-family encoder, for one text at a time.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, xlm_roberta};
use serde::Deserialize;

use crate::Error;

#[derive(Deserialize)]
struct Shape {
    model_type: String,
    hidden_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    pad_token_id: usize,
}

enum Layers {
    Bert(bert::BertModel),
    XlmRoberta(xlm_roberta::XLMRobertaModel),
}

pub(super) struct Network {
    layers: Layers,
    dimensions: usize,
    max_tokens: usize,
}

impl Network {
    pub(super) fn load(config: &Path, weights: &Path) -> Result<Network, Error> {
        let json = std::fs::read(config).map_err(Error::io("read", config))?;
        let bad = |error: serde_json::Error| Error::BadValue {
            key: "config.json".to_owned(),
            reason: error.to_string(),
        };
        let shape: Shape = serde_json::from_slice(&json).map_err(bad)?;
        // SAFETY: the store's blobs are read-only and replaced by renaming.
        let builder = unsafe { VarBuilder::from_mmaped_safetensors(&[weights], DType::F32, &Device::Cpu) }
            .map_err(Error::network("the weights could not be mapped"))?;
        let loading = Error::network("the weights do not fit their configuration");
        let (layers, max_tokens) = match shape.model_type.as_str() {
            "bert" => {
                let config: bert::Config = serde_json::from_slice(&json).map_err(bad)?;
                let model = bert::BertModel::load(builder, &config).map_err(loading)?;
                (Layers::Bert(model), shape.max_position_embeddings)
            }
            "xlm-roberta" => {
                let config: xlm_roberta::Config = serde_json::from_slice(&json).map_err(bad)?;
                let model = xlm_roberta::XLMRobertaModel::new(&config, builder).map_err(loading)?;
                // Positions are counted from one past the padding token's number.
                let longest = shape.max_position_embeddings.saturating_sub(shape.pad_token_id + 1);
                (Layers::XlmRoberta(model), longest)
            }
            other => return Err(Error::Architecture(other.to_owned())),
        };
        Ok(Network { layers, dimensions: shape.hidden_size, max_tokens })
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(super) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The last layer's vectors of all tokens, one row each.
    pub(super) fn forward(&self, tokens: &[u32]) -> Result<Vec<f32>, Error> {
        self.run(tokens).map_err(Error::network("the text could not be embedded"))
    }

    fn run(&self, tokens: &[u32]) -> candle_core::Result<Vec<f32>> {
        let input = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
        let types = input.zeros_like()?;
        let hidden = match &self.layers {
            Layers::Bert(model) => model.forward(&input, &types, None)?,
            Layers::XlmRoberta(model) => {
                model.forward(&input, &input.ones_like()?, &types, None, None, None)?
            }
        };
        hidden.squeeze(0)?.flatten_all()?.to_vec1()
    }
}
