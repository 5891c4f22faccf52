use super::testing::Builder;
use super::*;

fn sample() -> Vec<u8> {
    Builder::new("llama")
        .string("general.name", "tiny")
        .u32("llama.block_count", 2)
        .string("tokenizer.ggml.model", "llama")
        .f32("llama.rope.freq_base", 1e4)
        .bool("tokenizer.ggml.add_bos_token", true)
        .strings("tokenizer.ggml.tokens", &["a", "b", "<s>"])
        .f32s("tokenizer.ggml.scores", &[0.0, -1.0, -2.0])
        .i32s("tokenizer.ggml.token_type", &[1, 1, 3])
        .tensor_f32("token_embd.weight", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        .tensor_f32("output_norm.weight", &[2], &[1.0, 1.0])
        .build()
}

#[test]
fn settings_and_tensors_are_read() {
    let gguf = Gguf::from_bytes(sample()).unwrap();
    assert_eq!(gguf.architecture().unwrap(), "llama");
    assert_eq!(gguf.usize(&gguf.key("block_count")), Some(2));
    assert_eq!(gguf.f32("llama.rope.freq_base"), Some(1e4));
    assert_eq!(gguf.bool("tokenizer.ggml.add_bos_token"), Some(true));
    assert_eq!(gguf.strings("tokenizer.ggml.tokens").unwrap(), Some(vec!["a", "b", "<s>"]));
    assert_eq!(gguf.f32s("tokenizer.ggml.scores"), Some(vec![0.0, -1.0, -2.0]));
    assert_eq!(gguf.u32s("tokenizer.ggml.token_type"), Some(vec![1, 1, 3]));
    let tensor = gguf.require("token_embd.weight").unwrap();
    assert_eq!((tensor.columns(), tensor.rows()), (2, 3));
    assert_eq!(gguf.data(tensor)[20..24], 6f32.to_le_bytes());
    assert_eq!(gguf.data(gguf.require("output_norm.weight").unwrap()).len(), 8);
    assert_eq!(gguf.parameters(), 8);
    assert!(matches!(gguf.require("nothing"), Err(Error::MissingTensor { .. })));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(Gguf::from_bytes(whole[..length].to_vec()).is_err(), "cut at {length}");
    }
}

fn refusal(bytes: Vec<u8>) -> HeaderError {
    match Gguf::from_bytes(bytes) {
        Err(Error::Header { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    assert_eq!(refusal(b"GGML".to_vec()), HeaderError::Magic);
    let mut version = sample();
    version[4] = 9;
    assert_eq!(refusal(version), HeaderError::Version(9));
    let mut many = sample();
    many[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(refusal(many), HeaderError::TooMany { what: "tensors", count: u64::MAX });
    let alignment = Builder::new("llama").u32("general.alignment", 0).build();
    assert_eq!(refusal(alignment), HeaderError::Alignment(0));
    let twice = Builder::new("llama").string("general.architecture", "qwen2").build();
    assert_eq!(refusal(twice), HeaderError::Duplicate("general.architecture".into()));
    let huge = Builder::new("llama").tensor("t", &[1 << 40, 1 << 40], GgmlType::F32, vec![]).build();
    assert_eq!(refusal(huge), HeaderError::TensorSize { name: "t".into() });
    let long = Builder::new("llama").tensor("t", &[1 << 40], GgmlType::F32, vec![]).build();
    assert!(matches!(refusal(long), HeaderError::DataCut { .. }));
    let odd = Builder::new("llama").tensor("t", &[100], GgmlType::Q4_0, vec![0; 64]).build();
    assert_eq!(refusal(odd), HeaderError::TensorSize { name: "t".into() });
}

/// A small deterministic source of bytes.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }
}

/// Heads of files with a few bytes changed, fields set to extremes, pieces cut out or put in.
fn mutated(seed: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + noise.next(6) {
        let at = noise.next(bytes.len());
        match noise.next(5) {
            0 => bytes[at] ^= 1 << noise.next(8),
            1 => bytes[at] = noise.next(256) as u8,
            2 => {
                let extremes = [0, 1, u64::MAX, i64::MAX as u64, 1 << 32, u64::from(u32::MAX), 1 << 60];
                let value = extremes[noise.next(extremes.len())].to_le_bytes();
                let width = [4, 8][noise.next(2)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
            3 => bytes.truncate(at.max(1)),
            _ => {
                let length = noise.next(16).min(bytes.len() - at);
                bytes.drain(at..at + length);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Reads a mutated head and, where it is taken, everything that a loader asks of it.
fn read_all(bytes: Vec<u8>) {
    let limit = bytes.len();
    let Ok(gguf) = Gguf::from_bytes(bytes) else { return };
    for tensor in gguf.tensors() {
        assert!(gguf.data(tensor).len() <= limit && tensor.elements() > 0);
    }
    for key in gguf.keys() {
        let _ = (gguf.strings(key), gguf.numbers(key), gguf.u32s(key), gguf.string(key), gguf.f32(key));
    }
    let _ = (gguf.architecture(), gguf.parameters(), crate::fit::fit(&gguf, 4096, Default::default()));
    let _ = crate::tokenizer::Tokenizer::from_gguf(&gguf);
}

/// `CARREL_MUTATIONS` asks for more of them.
#[test]
fn mutated_heads_end_in_an_answer() {
    let rounds =
        std::env::var("CARREL_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let seed = sample();
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    for _ in 0..rounds {
        read_all(mutated(&seed, &mut noise));
    }
}

#[test]
fn a_head_asks_for_no_more_memory_than_it_has_bytes() {
    // Counts that are huge, in a file that is small: the error comes before anything is set aside for them.
    for (at, count) in [(8, 1u64 << 16), (16, 1 << 14)] {
        let mut bytes = sample();
        bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
        assert!(Gguf::from_bytes(bytes).is_err());
    }
    let mut array = Builder::new("llama").strings("tokenizer.ggml.tokens", &["a"]).build();
    let place = array.windows(4).rposition(|window| window == 8u32.to_le_bytes()).unwrap() + 4;
    array[place..place + 8].copy_from_slice(&(u64::MAX / 8).to_le_bytes());
    assert!(Gguf::from_bytes(array).is_err());
}
