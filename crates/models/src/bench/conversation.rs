//! What a kept prefix and a guess are worth: the first token of a follow-up beside that of a cold start, and what
//! lookup costs where nothing that it guesses comes true.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::time::Instant;

use serde::Serialize;

use super::{Runs, best};
use crate::Error;
use crate::decoder::{Lookup, State};

/// Tokens of a follow-up question.
const QUESTION: usize = 16;

/// Tokens written to measure what useless guesses cost.
const WRITTEN: usize = 128;

/// Seconds until the first token of an answer.
#[derive(Clone, Debug, Serialize)]
pub struct FirstToken {
    /// Tokens of the conversation so far.
    pub tokens: usize,
    /// The whole conversation is read.
    pub cold_s: f64,
    /// Only the next question is read.
    pub follow_up_s: f64,
    /// The same after a restart: what has been read comes from a file.
    pub restored_s: f64,
}

impl Runs<'_> {
    /// A question of [`QUESTION`] tokens after a conversation of `length` tokens.
    ///
    /// # Errors
    /// [`Error::Io`] where the temporary directory cannot be written, and those of the decoder.
    pub(super) fn first_token(&self, length: usize) -> Result<FirstToken, Error> {
        let decoder = self.decoder;
        let text = self.text(length + QUESTION);
        let state = self.after(&text[..length])?;
        let path = std::env::temp_dir().join(format!("carrel-bench-{}.prefix", std::process::id()));
        let write = || -> io::Result<()> {
            let mut out = BufWriter::new(File::create(&path)?);
            state.snapshot(decoder, &mut out)?;
            out.flush()
        };
        write().map_err(Error::io("write", &path))?;
        let timed = |begin: &dyn Fn() -> Result<State, Error>| {
            self.median(|| {
                let began = Instant::now();
                let mut state = begin()?;
                let rest = &text[state.len()..];
                best(decoder.prefill(&mut state, rest)?);
                Ok(began.elapsed().as_secs_f64())
            })
        };
        let cold_s = timed(&|| Ok(decoder.new_state()))?;
        let follow_up_s = timed(&|| Ok(state.fork()))?;
        let restored_s = timed(&|| {
            let file = File::open(&path).map_err(Error::io("read", &path))?;
            let damaged = || Error::BadValue { key: "saved prefix".to_owned(), reason: "damaged".to_owned() };
            decoder.restore(&mut BufReader::with_capacity(1 << 20, file)).ok_or_else(damaged)
        });
        // It is of no further use, whatever came of it.
        let _ = std::fs::remove_file(&path);
        Ok(FirstToken { tokens: length, cold_s, follow_up_s, restored_s: restored_s? })
    }

    /// Time with lookup over time without, writing a text in which every third token seems to have been seen before
    /// and what followed it then is never right.
    pub(super) fn useless_guesses(&self) -> Result<f64, Error> {
        let vocabulary = self.decoder.architecture().vocabulary;
        let token =
            |at: usize| if at % 3 < 2 { (at % 3) as u32 } else { (at % vocabulary.min(20_000)) as u32 };
        let text: Vec<u32> = (0..WRITTEN * 2).map(token).collect();
        let (past, written) = text.split_at(WRITTEN);
        let mut state = self.after(past)?;
        let mut ratios = Vec::new();
        for _ in 0..self.options.runs.max(3) {
            let began = Instant::now();
            for &token in written {
                self.decoder.step(&mut state, token)?;
            }
            let plain = began.elapsed().as_secs_f64();
            state.truncate(WRITTEN);
            let mut lookup = Lookup::new(past);
            let mut at = 0;
            let began = Instant::now();
            while at < WRITTEN {
                let read = written[at];
                self.decoder.advance(&mut state, &mut lookup, read, &mut |_| {
                    at += 1;
                    written.get(at).copied()
                })?;
            }
            ratios.push(began.elapsed().as_secs_f64() / plain);
            state.truncate(WRITTEN);
        }
        ratios.sort_by(f64::total_cmp);
        Ok(ratios[ratios.len() / 2])
    }
}
