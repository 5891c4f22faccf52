//! What a model's own files say about it.

use std::path::Path;

use serde::Deserialize;

use super::{Embedding, ModelKind, Pooling};
use crate::gguf::Gguf;
use crate::{Digest, Error};

/// What can be known of a model by looking at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) architecture: Option<String>,
    pub(super) parameters: Option<u64>,
    pub(super) quantisation: Option<String>,
    pub(super) context_tokens: Option<u64>,
    pub(super) licence: Option<String>,
    pub(super) description: Option<String>,
}

/// Reads a GGUF file's head.
pub(super) fn gguf(path: &Path) -> Result<Facts, Error> {
    let gguf = Gguf::open(path)?;
    if gguf.u64("split.count").is_some_and(|count| count > 1) {
        return Err(Error::NothingToImport {
            path: path.to_owned(),
            reason: "it is one part of a split file; join the parts with `llama-gguf-split --merge`"
                .to_owned(),
        });
    }
    Ok(Facts {
        architecture: Some(gguf.architecture()?.to_owned()),
        parameters: Some(gguf.parameters()),
        quantisation: Some(quantisation(&gguf)),
        context_tokens: gguf.u64(&gguf.key("context_length")),
        licence: gguf.string("general.license").map(str::to_owned),
        description: gguf.string("general.name").map(str::to_owned),
    })
}

/// The type that most weights have, which for mixtures such as `Q4_K_M` is the first part of their name.
fn quantisation(gguf: &Gguf) -> String {
    let mut sizes = std::collections::BTreeMap::<_, usize>::new();
    for tensor in gguf.tensors() {
        *sizes.entry(tensor.ggml_type).or_default() += tensor.elements();
    }
    let most = sizes.iter().max_by_key(|(_, elements)| **elements).map(|(kind, _)| kind.to_string());
    file_type(gguf.u32("general.file_type")).map(str::to_owned).or(most).unwrap_or_default()
}

/// Names of the mixtures (`llama_ftype` in `llama.h`).
fn file_type(number: Option<u32>) -> Option<&'static str> {
    Some(match number? {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K",
        11 => "Q3_K_S",
        12 => "Q3_K_M",
        13 => "Q3_K_L",
        14 => "Q4_K_S",
        15 => "Q4_K_M",
        16 => "Q5_K_S",
        17 => "Q5_K_M",
        18 => "Q6_K",
        32 => "BF16",
        _ => return None,
    })
}

/// The parts of a BERT-family `config.json` that say what a model is.
#[derive(Deserialize)]
struct TransformerConfig {
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    model_type: String,
    max_position_embeddings: Option<u64>,
}

/// Reads a `config.json`.
pub(super) fn transformer(config: &Path) -> Result<(ModelKind, Facts), Error> {
    let bytes = std::fs::read(config).map_err(Error::io("read", config))?;
    let parsed: TransformerConfig = serde_json::from_slice(&bytes)
        .map_err(|error| Error::BadValue { key: "config.json".to_owned(), reason: error.to_string() })?;
    if !matches!(parsed.model_type.as_str(), "bert" | "xlm-roberta" | "roberta") {
        return Err(Error::Architecture(parsed.model_type));
    }
    let classifies = parsed.architectures.iter().any(|name| name.contains("SequenceClassification"));
    let kind = if classifies { ModelKind::Reranker } else { ModelKind::Embedder };
    let facts = Facts {
        architecture: Some(parsed.model_type),
        context_tokens: parsed.max_position_embeddings,
        ..Facts::default()
    };
    Ok((kind, facts))
}

/// Settings of a sentence-transformers directory: pooling and longest input.
pub(super) fn embedding(directory: &Path, context_tokens: Option<u64>) -> Embedding {
    let json = |name: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(directory.join(name)).ok()?).ok()
    };
    let cls = json("1_Pooling/config.json").and_then(|pooling| pooling["pooling_mode_cls_token"].as_bool());
    let longest = json("sentence_bert_config.json").and_then(|config| config["max_seq_length"].as_u64());
    let prompts = json("config_sentence_transformers.json");
    let prompt = |name: &str| {
        let text = prompts.as_ref().and_then(|config| config["prompts"][name].as_str());
        text.unwrap_or_default().to_owned()
    };
    Embedding {
        pooling: if cls == Some(true) { Pooling::Cls } else { Pooling::Mean },
        query_prefix: prompt("query"),
        passage_prefix: prompt("passage"),
        max_tokens: longest.or(context_tokens).unwrap_or(512).clamp(8, 8192) as usize,
    }
}

/// The digest that a file has by its own name: Ollama's blobs, and large files in the Hugging Face cache.
pub(super) fn named_digest(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    Digest::parse(name)
}
