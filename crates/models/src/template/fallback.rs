//! Templates of families, for files that come without one. The engine drops a newline at the very end of a source, so
//! that it stands there as an expression.

use crate::tokenizer::Tokenizer;

const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant{{ '\n' }}";
const LLAMA3: &str = "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n{{ message.content | trim }}<|eot_id|>{% endfor %}<|start_header_id|>assistant<|end_header_id|>\n{{ '\n' }}";
const GEMMA: &str = "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}<start_of_turn>{{ 'model' if message.role == 'assistant' else 'user' }}\n{{ message.content | trim }}<end_of_turn>\n{% endfor %}<start_of_turn>model{{ '\n' }}";
const PHI3: &str = "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}<|assistant|>{{ '\n' }}";
const GRANITE: &str = "{% for message in messages %}<|start_of_role|>{{ message.role }}<|end_of_role|>{{ message.content }}<|end_of_text|>\n{% endfor %}<|start_of_role|>assistant<|end_of_role|>";
const MISTRAL: &str = "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]{% else %} {{ message.content }}{{ eos_token }}{% endif %}{% endfor %}";
const PLAIN: &str = "{% for message in messages %}{{ '### ' }}{{ {'system': 'System', 'user': 'Instruction', 'assistant': 'Response'}[message.role] }}:\n{{ message.content }}\n\n{% endfor %}### Response:{{ '\n' }}";

/// The template of the family whose turn tokens the vocabulary has.
pub(super) fn template(tokenizer: &Tokenizer) -> &'static str {
    let families = [
        ("<|im_start|>", CHATML),
        ("<|start_header_id|>", LLAMA3),
        ("<start_of_turn>", GEMMA),
        ("<|start_of_role|>", GRANITE),
        ("<|assistant|>", PHI3),
        ("[INST]", MISTRAL),
    ];
    let known = families.iter().find(|(name, _)| tokenizer.named(name).is_some());
    known.map_or(PLAIN, |(_, template)| template)
}
