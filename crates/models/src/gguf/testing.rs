//! Writes small GGUF files for tests.

use super::GgmlType;

/// A file in the making: settings and tensors in the order in which they were given.
#[derive(Default)]
pub(crate) struct Builder {
    metadata: Vec<u8>,
    metadata_count: u64,
    tensors: Vec<(String, Vec<u64>, GgmlType, Vec<u8>)>,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Builder {
    pub(crate) fn new(architecture: &str) -> Builder {
        Builder::default().string("general.architecture", architecture)
    }

    fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Builder {
        text(&mut self.metadata, key);
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(value);
        self.metadata_count += 1;
        self
    }

    pub(crate) fn string(self, key: &str, value: &str) -> Builder {
        let mut bytes = Vec::new();
        text(&mut bytes, value);
        self.entry(key, 8, &bytes)
    }

    pub(crate) fn u32(self, key: &str, value: u32) -> Builder {
        self.entry(key, 4, &value.to_le_bytes())
    }

    pub(crate) fn f32(self, key: &str, value: f32) -> Builder {
        self.entry(key, 6, &value.to_le_bytes())
    }

    pub(crate) fn bool(self, key: &str, value: bool) -> Builder {
        self.entry(key, 7, &[u8::from(value)])
    }

    fn array(self, key: &str, kind: u32, count: usize, elements: &[u8]) -> Builder {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((count as u64).to_le_bytes());
        bytes.extend(elements);
        self.entry(key, 9, &bytes)
    }

    pub(crate) fn strings<S: AsRef<str>>(self, key: &str, values: &[S]) -> Builder {
        let mut bytes = Vec::new();
        for value in values {
            text(&mut bytes, value.as_ref());
        }
        self.array(key, 8, values.len(), &bytes)
    }

    pub(crate) fn f32s(self, key: &str, values: &[f32]) -> Builder {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(key, 6, values.len(), &bytes)
    }

    pub(crate) fn i32s(self, key: &str, values: &[i32]) -> Builder {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(key, 5, values.len(), &bytes)
    }

    pub(crate) fn tensor(mut self, name: &str, dims: &[u64], kind: GgmlType, data: Vec<u8>) -> Builder {
        self.tensors.push((name.to_owned(), dims.to_vec(), kind, data));
        self
    }

    pub(crate) fn tensor_f32(self, name: &str, dims: &[u64], values: &[f32]) -> Builder {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, dims, GgmlType::F32, data)
    }

    /// The bytes of the file.
    pub(crate) fn build(self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend(self.metadata_count.to_le_bytes());
        out.extend(&self.metadata);
        let mut data: Vec<u8> = Vec::new();
        for (name, dims, kind, bytes) in &self.tensors {
            data.resize(data.len().next_multiple_of(32), 0);
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            for size in dims {
                out.extend(size.to_le_bytes());
            }
            out.extend(kind.id().to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(bytes);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }
}
