-- The catalog: the only truth. Both indexes are derived from it and hold nothing that is not here.

CREATE TABLE state (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    -- Number of the last committed change; grows by one with every change of a document or a vector batch.
    sequence INTEGER NOT NULL,
    -- Makes digests of this library's audited texts useless to somebody who guesses at the texts.
    salt BLOB NOT NULL
);

CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE models (role TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE folders (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE);

CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    container INTEGER REFERENCES documents (id) ON DELETE CASCADE,
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    hash BLOB NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    pages INTEGER,
    date INTEGER,
    language TEXT NOT NULL,
    text INTEGER,
    chunks INTEGER NOT NULL DEFAULT 0,
    embedded INTEGER NOT NULL DEFAULT 0,
    -- Number of the last change of this row that a search can notice.
    changed INTEGER NOT NULL
);
CREATE INDEX documents_changed ON documents (changed);
CREATE INDEX documents_container ON documents (container) WHERE container IS NOT NULL;

-- A document's text as it was read once. An edit makes a new text; the old one stays until the chunks of the new
-- one are searchable, because until then it answers.
CREATE TABLE texts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    blocks BLOB NOT NULL
);
CREATE INDEX texts_document ON texts (document);

-- Texts are cut into parts that fit a page, so that a passage is read without the rest of its document.
CREATE TABLE text_parts (
    text INTEGER NOT NULL REFERENCES texts (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    part TEXT NOT NULL
);
CREATE UNIQUE INDEX text_parts_place ON text_parts (text, start);

CREATE TABLE embedders (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    embedder INTEGER NOT NULL REFERENCES embedders (id),
    -- First 16 bytes of the BLAKE3 of the text that was embedded.
    hash BLOB NOT NULL,
    -- IEEE 754 half precision, little endian.
    vector BLOB NOT NULL,
    sequence INTEGER NOT NULL
);
CREATE UNIQUE INDEX vectors_key ON vectors (hash, embedder);
CREATE INDEX vectors_sequence ON vectors (sequence);

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    text INTEGER NOT NULL REFERENCES texts (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    locator TEXT NOT NULL,
    headings TEXT NOT NULL,
    context TEXT NOT NULL,
    hidden INTEGER NOT NULL,
    hash BLOB NOT NULL,
    -- What is embedded and indexed is `prefix` followed by the chunk's text, or `prefix` alone where `whole`. In the
    -- keyword index the document's name stands before it where it states no title.
    prefix TEXT NOT NULL,
    whole INTEGER NOT NULL,
    added INTEGER NOT NULL,
    -- Number of the change that replaced this chunk; it goes when that change is published.
    retired INTEGER,
    -- Its vector by the embedder in use.
    vector INTEGER REFERENCES vectors (id)
);
CREATE INDEX chunks_document ON chunks (document, position);
CREATE INDEX chunks_text ON chunks (text);
CREATE INDEX chunks_added ON chunks (added);
CREATE INDEX chunks_hash ON chunks (hash);
CREATE INDEX chunks_vector ON chunks (vector) WHERE vector IS NOT NULL;
CREATE INDEX chunks_pending ON chunks (id) WHERE vector IS NULL AND retired IS NULL;
CREATE INDEX chunks_retired ON chunks (retired) WHERE retired IS NOT NULL;

-- Chunks that both indexes must forget, by the change that removed them.
CREATE TABLE removed (chunk INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
CREATE INDEX removed_sequence ON removed (sequence);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
);
CREATE TABLE conversation_documents (
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    PRIMARY KEY (conversation, document)
) WITHOUT ROWID;
CREATE INDEX conversation_documents_document ON conversation_documents (document);

-- Append-only. `link` chains every entry to all before it through the digest of its body, so that a body can be
-- erased with the document that it quotes while the chain still proves that the entry was there.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT,
    digest BLOB NOT NULL,
    link BLOB NOT NULL
);
CREATE TABLE audit_documents (
    number INTEGER NOT NULL REFERENCES audit (number),
    document INTEGER NOT NULL,
    PRIMARY KEY (number, document)
) WITHOUT ROWID;
CREATE INDEX audit_documents_document ON audit_documents (document);

INSERT INTO state (only, sequence, salt) VALUES (1, 0, randomblob(32));
