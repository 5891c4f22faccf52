use super::testing::Builder;
use super::*;

fn sample() -> Vec<u8> {
    Builder::new("llama")
        .string("general.name", "tiny")
        .u32("llama.block_count", 2)
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
