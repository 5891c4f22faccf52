// The JSON of `/library/...`, as `crates/carrel/src/wire.rs` writes it. Offsets count bytes of UTF-8.

export type Span = [start: number, end: number];

export interface Unread {
  path: string;
  outcome: string;
}

export interface Coverage {
  files: number;
  searched: number;
  unread: Unread[];
  chunks: number;
  embedded: number;
  text: string;
}

export interface Folder {
  id: number;
  path: string;
  files: number;
  searched: number;
  unread: number;
  available: boolean;
}

export interface Progress {
  phase: "idle" | "scanning" | "reading" | "embedding" | "paused";
  files_done: number;
  files_total: number;
  chunks_done: number;
  chunks_total: number;
  seconds_left: number | null;
  error: string | null;
}

export interface Status {
  folders: Folder[];
  coverage: Coverage;
  progress: Progress;
  model: { generator: string; embedder: string; loaded: boolean; error: string | null };
}

export interface LedgerFile {
  document: number;
  path: string;
  outcome: string;
  detail: string;
  chunks: number;
  embedded: number;
  size: number;
  modified: number;
  media_type: string;
  pages: number | null;
}

export interface Passage {
  number: number;
  chunk: number;
  document: number;
  path: string;
  title: string;
  headings: string[];
  locator: string;
  page: number | null;
  span: Span;
  text: string;
  hidden: boolean;
}

export interface Citation {
  number: number;
  chunk: number;
  document: number;
  path: string;
  title: string;
  locator: string;
  page: number | null;
  span: Span;
  quote: string;
}

export interface Claim {
  text: string;
  span: Span;
  support: "supported" | "unsupported" | "not-a-claim";
  citations: Citation[];
}

export interface Answer {
  question: string;
  answer: string;
  claims: Claim[];
  passages: Passage[];
  refused: boolean;
  /** Of a refusal the sentence that came nearest to an answer. */
  nearest: Citation | null;
  /** A follow-up as it reads alone. */
  standalone: string | null;
  asks_for_all: boolean;
  notes: string[];
  coverage: Coverage;
  conversation: string | null;
  model: string;
  seconds_to_first_token: number | null;
  tokens_per_second: number | null;
}

/** The exact words of a document. */
export interface Evidence {
  document: number;
  path: string;
  title: string;
  locator: string;
  page: number | null;
  span: Span;
  quote: string;
}

/** What a visit to one document found. */
export interface Row {
  path: string;
  meets: boolean;
  probability: number;
  evidence: Evidence | null;
}

export interface Listing {
  question: string;
  criterion: string;
  lacking: boolean;
  visited: number;
  total: number;
  rows: Row[];
  coverage: Coverage;
}

export interface Summary {
  summary: string;
  claims: Claim[];
  notes: string[];
  coverage: Coverage;
}

export interface DocumentInfo {
  document: number;
  path: string;
  title: string;
  media_type: string;
  pages: number | null;
  outcome: string;
}

export interface DocumentText {
  before: string;
  quote: string;
  after: string;
  locator: string;
  page: number | null;
  headings: string[];
}

export interface ConversationSummary {
  id: string;
  title: string;
  updated: number;
}

export interface Conversation {
  id: string;
  title: string;
  turns: Answer[];
}

/** What the reader beside the conversation shows: a citation, a passage, or a whole document from its start. */
export interface Place {
  document: number;
  path: string;
  title: string;
  locator: string;
  page: number | null;
  span: Span;
  quote: string;
}

/** How far work over whole documents has come. */
export interface Visited {
  done: number;
  total: number;
  path: string;
}
