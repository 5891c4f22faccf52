//! Tokens back to text, as they come.

use super::Tokenizer;

/// Collects the bytes of tokens and gives out whole characters only.
#[derive(Default)]
pub(crate) struct Decoding {
    pending: Vec<u8>,
}

impl Decoding {
    /// Takes a token, and appends to `text` what is now complete. Bytes that can never become a character come out
    /// as U+FFFD; control tokens give nothing.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, token: u32, text: &mut String) {
        if tokenizer.is_control(token) {
            return;
        }
        self.pending.extend_from_slice(tokenizer.piece(token));
        self.take_complete(text);
    }

    /// Gives out what is left: an unfinished character as U+FFFD.
    pub(crate) fn finish(&mut self, text: &mut String) {
        text.push_str(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }

    fn take_complete(&mut self, text: &mut String) {
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.pending[..valid]));
                    let Some(bad) = error.error_len() else {
                        self.pending.drain(..valid);
                        return;
                    };
                    text.push('\u{fffd}');
                    self.pending.drain(..valid + bad);
                }
            }
        }
    }
}
