//! Lets a script measure this crate with networks of its own: one JSON request a line on stdin, replies on stdout.
//!
//! `{"op": "support" | "answerability" | "instructions" | "answer", "text", "question", "claim", "passages": [{"path", "title", "text", "date"}]}` is
//! answered with `{"done": …}`. In between, lines `{"call": "embed" | "generate" | "score", …}` ask the script for
//! what a network gives, and the script's next line is taken as the reply.

use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use carrel_corpus::{
    ChunkId, Coverage, DocumentId, Embedder, Finish, Generation, Generator, Locator, Passage, Prompt, Role,
    SeamError, Span,
};
use carrel_generate::tasks::Source;
use carrel_generate::{AnswerConfig, AnswerRequest, Holdings, answer, calibration};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut line = String::new();
    while std::io::stdin().lock().read_line(&mut line)? > 0 {
        let request: Value = serde_json::from_str(&line)?;
        line.clear();
        let done = serve(&request)?;
        send(&json!({ "done": done }))?;
    }
    Ok(())
}

fn serve(request: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let text = |key: &str| request[key].as_str().unwrap_or("");
    let passages: Vec<Passage> = request["passages"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(at, p)| passage(at, p))
        .collect();
    Ok(match text("op") {
        "support" => json!(calibration::support(text("question"), text("claim"), &passages, &Remote)?),
        "answerability" => json!(calibration::answerability(text("question"), &passages, &Remote)?),
        "instructions" => json!(calibration::instructions(text("text"))),
        "answer" => answered(text("question"), &passages)?,
        other => return Err(format!("unknown op: {other}").into()),
    })
}

fn answered(question: &str, passages: &[Passage]) -> Result<Value, Box<dyn std::error::Error>> {
    let config = AnswerConfig::default();
    let request = AnswerRequest {
        question,
        asked: question,
        history: &[],
        passages,
        coverage: Coverage::default(),
        holdings: &Given(passages),
        config: &config,
    };
    let (answer, stats) = answer(&request, &Remote, &Remote, &mut |_| ControlFlow::Continue(()))?;
    let claims: Vec<Value> = answer
        .claims
        .iter()
        .map(|claim| {
            let cited = |c: &carrel_corpus::Citation| json!([c.path, c.span.start, c.span.end, c.quote]);
            let citations: Vec<Value> = claim.citations.iter().map(cited).collect();
            json!({ "text": claim.text, "support": format!("{:?}", claim.support), "citations": citations })
        })
        .collect();
    Ok(json!({
        "text": answer.text, "refused": answer.refused, "claims": claims, "notes": answer.notes,
        "prompt_tokens": stats.prompt_tokens, "output_tokens": stats.output_tokens,
    }))
}

/// No more than the passages that were given.
struct Given<'a>(&'a [Passage]);

impl Holdings for Given<'_> {
    fn read(&self, _: DocumentId, _: Option<&str>) -> Result<Vec<Passage>, SeamError> {
        Ok(self.0.to_vec())
    }

    fn opening(&self, _: DocumentId) -> Result<Option<Passage>, SeamError> {
        Ok(None)
    }

    fn sheets(&self) -> Result<Vec<Passage>, SeamError> {
        Ok(Vec::new())
    }

    fn documents(&self) -> Result<Vec<Source>, SeamError> {
        Ok(Vec::new())
    }

    fn meant(&self, _: &str) -> Result<Vec<Source>, SeamError> {
        Ok(Vec::new())
    }
}

fn passage(at: usize, value: &Value) -> Passage {
    let text = |key: &str| value[key].as_str().unwrap_or("").to_owned();
    let start = value["start"].as_u64().unwrap_or(0) as usize;
    let document = value["document"].as_i64().unwrap_or(at as i64);
    Passage {
        chunk: ChunkId(at as i64),
        document: DocumentId(document),
        path: text("path"),
        title: text("title"),
        headings: Vec::new(),
        locator: Locator::Whole,
        span: Span::new(start, start + text("text").len()),
        text: text("text"),
        context: String::new(),
        hidden: false,
        date: value["date"].as_i64(),
        score: 1.0,
        similarity: value["similarity"].as_f64().map(|x| x as f32),
        bm25: None,
    }
}

fn send(value: &Value) -> Result<(), SeamError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")
        .and_then(|()| out.flush())
        .map_err(|e| SeamError::caused_by("the script is gone", e))
}

fn call(value: &Value) -> Result<Value, SeamError> {
    send(value)?;
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| SeamError::caused_by("the script is gone", e))?;
    serde_json::from_str(&line).map_err(|e| SeamError::caused_by("the script gave no JSON", e))
}

/// Both networks, at the other end of the pipe.
struct Remote;

impl Embedder for Remote {
    fn id(&self) -> &str {
        "remote"
    }

    fn dimensions(&self) -> usize {
        384
    }

    fn max_tokens(&self) -> usize {
        256
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }

    fn passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
        let reply = call(&json!({ "call": "embed", "texts": texts }))?;
        serde_json::from_value(reply["vectors"].clone()).map_err(|e| SeamError::caused_by("no vectors", e))
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, SeamError> {
        Ok(self.passages(&[text])?.pop().unwrap_or_default())
    }
}

fn messages(prompt: &Prompt) -> Value {
    let role = |role: Role| match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let messages = prompt.messages.iter().map(|m| json!({ "role": role(m.role), "content": m.content }));
    Value::Array(messages.collect())
}

impl Generator for Remote {
    fn id(&self) -> &str {
        "remote"
    }

    fn context_tokens(&self) -> usize {
        4_096
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }

    fn generate(
        &self,
        prompt: &Prompt,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generation, SeamError> {
        let begun = Instant::now();
        let reply = call(&json!({
            "call": "generate", "messages": messages(prompt), "prefix": prompt.reply_prefix,
            "max_tokens": prompt.max_tokens, "stop": prompt.stop, "schema": prompt.json_schema,
        }))?;
        let text = reply["text"].as_str().unwrap_or("").to_owned();
        let finish = if sink(&text).is_break() { Finish::Cancelled } else { Finish::Stop };
        let tokens = |key: &str| reply[key].as_u64().unwrap_or(0) as usize;
        Ok(Generation {
            text,
            thinking: String::new(),
            finish,
            prompt_tokens: tokens("prompt_tokens"),
            cached_tokens: 0,
            output_tokens: tokens("output_tokens"),
            prefill_seconds: 0.0,
            decode_seconds: begun.elapsed().as_secs_f64(),
        })
    }

    fn score(&self, prompt: &Prompt, continuations: &[&str]) -> Result<Vec<Vec<f32>>, SeamError> {
        let score = |continuation: &&str| {
            let reply = call(&json!({
                "call": "score", "messages": messages(prompt), "prefix": prompt.reply_prefix,
                "continuation": continuation,
            }))?;
            let score = reply["score"].as_f64().ok_or_else(|| SeamError::new("the script gave no score"))?;
            Ok(vec![score as f32])
        };
        continuations.iter().map(score).collect()
    }
}
