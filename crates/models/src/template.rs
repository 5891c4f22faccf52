//! Conversations as the text that a model was trained on.
//!
//! Chat templates are data from the model file: rendered with a limit on their work, never trusted. The messages
//! that go into them are documents and questions, which may hold the names of control tokens. Before rendering,
//! such names are broken by a [`BREAK`] after their first character, so that they cannot be found as tokens; the
//! tokenizer drops the break again, and what remains is plain text.

use carrel_corpus::{Message, Prompt, Role};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value, context};

use crate::Error;
use crate::gguf::Gguf;
use crate::tokenizer::Tokenizer;

mod fallback;
mod guard;
mod today;

use guard::Guard;

/// A character that is none (Unicode noncharacter), put into names of tokens to break them.
pub(crate) const BREAK: char = '\u{10fffe}';

/// Steps that a template may take. Templates of real models need a few thousand for a conversation.
const FUEL: u64 = 5_000_000;

/// The template of one model.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    guard: Guard,
    bos: String,
    eos: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// The template of the file, or the one of its family where the file has none.
    ///
    /// # Errors
    /// [`Error::Template`] where it cannot be parsed.
    pub(crate) fn from_gguf(gguf: &Gguf, tokenizer: &Tokenizer) -> Result<ChatTemplate, Error> {
        let source = gguf.string("tokenizer.chat_template").filter(|source| !source.trim().is_empty());
        ChatTemplate::new(source.unwrap_or_else(|| fallback::template(tokenizer)), tokenizer)
    }

    fn new(source: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate, Error> {
        let name = |token: Option<u32>| {
            token
                .map(|token| String::from_utf8_lossy(tokenizer.piece(token)).into_owned())
                .unwrap_or_default()
        };
        Ok(ChatTemplate {
            environment: environment(source)?,
            guard: Guard::new(&tokenizer.syntax(source)),
            bos: name(tokenizer.bos()),
            eos: name(tokenizer.eos()),
        })
    }

    /// The tokens of a conversation up to where the assistant's reply begins, or goes on after the reply's prefix.
    ///
    /// # Errors
    /// [`Error::Template`] where the template refuses the conversation or does not come to an end.
    pub(crate) fn tokens(&self, tokenizer: &Tokenizer, prompt: &Prompt) -> Result<Vec<u32>, Error> {
        let mut text = self.render(&prompt.messages)?;
        text.push_str(&self.guard.broken(&prompt.reply_prefix));
        let mut tokens = tokenizer.encode_without(&text, BREAK);
        if let Some(leading) = tokenizer.leading().filter(|leading| tokens.first() != Some(leading)) {
            tokens.insert(0, leading);
        }
        Ok(tokens)
    }

    /// Some templates know no system message, or want the roles to alternate strictly; for these the messages are
    /// joined.
    fn render(&self, messages: &[Message]) -> Result<String, Error> {
        let alternating = joined(messages, false);
        let without_system = joined(messages, true);
        let first = self.render_once(messages);
        let second = || (alternating != messages).then(|| self.render_once(&alternating));
        let third = || (without_system != alternating).then(|| self.render_once(&without_system));
        match first {
            Ok(text) => Ok(text),
            Err(error) => match second().filter(Result::is_ok).or_else(third) {
                Some(Ok(text)) => Ok(text),
                _ => Err(Error::Template(error)),
            },
        }
    }

    fn render_once(&self, messages: &[Message]) -> Result<String, String> {
        let messages: Value = messages
            .iter()
            .map(|message| {
                let content = self.guard.broken(&message.content);
                context! { role => role_name(message.role), content => content }
            })
            .collect();
        let values = context! {
            messages => messages,
            add_generation_prompt => true,
            // Thinking before an answer takes minutes on a CPU; templates that can leave it out are asked to.
            enable_thinking => false,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        // The engine's own message may quote what it was given: only its kind and place are passed on, unless
        // the template raised it.
        let template = self.environment.get_template(NAME).map_err(|error| error.kind().to_string())?;
        template.render(values).map_err(|error| match (error.kind(), error.line()) {
            (ErrorKind::InvalidOperation, _)
                if error.detail().is_some_and(|text| text.starts_with(RAISED)) =>
            {
                error.detail().unwrap_or_default().to_owned()
            }
            (kind, Some(line)) => format!("{kind} in line {line}"),
            (kind, None) => kind.to_string(),
        })
    }
}

const RAISED: &str = "the template says: ";

fn environment(source: &str) -> Result<Environment<'static>, Error> {
    let bad = |error: minijinja::Error| Error::Template(error.to_string());
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(bad)?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{message}")))
    });
    environment.add_function("strftime_now", |format: String| today::formatted(&format));
    environment.add_template_owned(NAME, source.to_owned()).map_err(bad)?;
    Ok(environment)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// Neighbours of one role as one message; with `fold_system`, system messages become part of what the user says next.
fn joined(messages: &[Message], fold_system: bool) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::new();
    for message in messages {
        let role = if fold_system && message.role == Role::System { Role::User } else { message.role };
        match joined.last_mut().filter(|last| last.role == role) {
            Some(last) => {
                last.content.push_str("\n\n");
                last.content.push_str(&message.content);
            }
            None => joined.push(Message { role, content: message.content.clone() }),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
