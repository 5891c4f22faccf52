//! What the extension of a plain text file says about its language.

use super::Kind;

/// The kind that an extension names, for plain text only.
pub(super) fn by_extension(name: &str) -> Option<Kind> {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    let kind = match file.as_str() {
        "dockerfile" | "containerfile" => Kind::Code("dockerfile"),
        "makefile" | "gnumakefile" => Kind::Code("makefile"),
        "cmakelists.txt" => Kind::Code("cmake"),
        _ => extension(file.rsplit_once('.')?.1)?,
    };
    Some(kind)
}

fn extension(extension: &str) -> Option<Kind> {
    Some(match extension {
        "md" | "markdown" | "mdown" | "mkd" | "mdx" | "qmd" | "rmd" => Kind::Markdown,
        "rst" => Kind::Restructured,
        "org" => Kind::Org,
        "tex" | "latex" | "sty" | "cls" | "bib" => Kind::Tex,
        "ipynb" => Kind::Notebook,
        "csv" => Kind::Csv(b','),
        "tsv" | "tab" => Kind::Csv(b'\t'),
        "json" | "jsonl" | "ndjson" | "geojson" | "json5" | "webmanifest" => Kind::Data("application/json"),
        "yaml" | "yml" => Kind::Data("application/yaml"),
        "toml" => Kind::Data("application/toml"),
        "ini" | "cfg" | "conf" | "properties" | "env" => Kind::Data("text/x-ini"),
        "htm" | "html" | "xhtml" => Kind::Html,
        "txt" | "text" | "log" => Kind::Text,
        "rs" => Kind::Code("rust"),
        "py" | "pyi" | "pyw" => Kind::Code("python"),
        "js" | "mjs" | "cjs" | "jsx" => Kind::Code("javascript"),
        "ts" | "mts" | "cts" | "tsx" => Kind::Code("typescript"),
        "c" | "h" => Kind::Code("c"),
        "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" | "ino" => Kind::Code("c++"),
        "m" | "mm" => Kind::Code("objective-c"),
        "java" => Kind::Code("java"),
        "kt" | "kts" => Kind::Code("kotlin"),
        "scala" | "sbt" => Kind::Code("scala"),
        "groovy" | "gradle" => Kind::Code("groovy"),
        "cs" => Kind::Code("csharp"),
        "fs" | "fsx" | "ml" | "mli" => Kind::Code("ocaml"),
        "vb" | "bas" | "vbs" => Kind::Code("visual-basic"),
        "go" => Kind::Code("go"),
        "swift" => Kind::Code("swift"),
        "rb" | "rake" => Kind::Code("ruby"),
        "php" => Kind::Code("php"),
        "pl" | "pm" => Kind::Code("perl"),
        "lua" => Kind::Code("lua"),
        "r" => Kind::Code("r"),
        "jl" => Kind::Code("julia"),
        "hs" => Kind::Code("haskell"),
        "ex" | "exs" => Kind::Code("elixir"),
        "erl" | "hrl" => Kind::Code("erlang"),
        "clj" | "cljs" | "el" | "lisp" | "scm" => Kind::Code("lisp"),
        "dart" => Kind::Code("dart"),
        "zig" => Kind::Code("zig"),
        "nim" => Kind::Code("nim"),
        "sh" | "bash" | "zsh" | "fish" | "ksh" => Kind::Code("shell"),
        "ps1" | "psm1" => Kind::Code("powershell"),
        "bat" | "cmd" => Kind::Code("batch"),
        "sql" => Kind::Code("sql"),
        "css" | "scss" | "sass" | "less" => Kind::Code("css"),
        "vue" | "svelte" => Kind::Code("web-component"),
        "proto" => Kind::Code("protobuf"),
        "graphql" | "gql" => Kind::Code("graphql"),
        "tf" | "hcl" => Kind::Code("hcl"),
        "cmake" | "mk" => Kind::Code("makefile"),
        "asm" | "s" => Kind::Code("assembly"),
        "f" | "f90" | "f95" | "for" => Kind::Code("fortran"),
        "pas" => Kind::Code("pascal"),
        "v" | "sv" | "vhd" | "vhdl" => Kind::Code("hdl"),
        "diff" | "patch" => Kind::Code("diff"),
        _ => return None,
    })
}
