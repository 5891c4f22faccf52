// Calls to our own server, and to no other: every address here is a path.

import type { Conversation, ConversationSummary, DocumentInfo, DocumentText, LedgerFile, Status } from "./types";

/** An error as the server words it for a person. `status` is 0 when the server could not be reached. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint: string | null = null,
  ) {
    super(message);
  }
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: "same-origin" });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError("Carrel is not answering", 0, "is `carrel serve` still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const error = body?.error;
  throw new ApiError(error?.message ?? `the server answered ${response.status}`, response.status, error?.hint ?? null);
}

const json = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

const get = async <T>(path: string): Promise<T> => (await request(path)).json();

export const status = () => get<Status>("/library/status");
export const files = (folder?: number) =>
  get<{ files: LedgerFile[] }>(folder === undefined ? "/library/files" : `/library/files?folder=${folder}`);
export const addFolder = (path: string) => request("/library/folders", json("POST", { path }));
export const removeFolder = (id: number) => request(`/library/folders/${id}`, { method: "DELETE" });
export const pause = () => request("/library/pause", { method: "POST" });
export const resume = () => request("/library/resume", { method: "POST" });
export const conversations = () => get<{ conversations: ConversationSummary[] }>("/library/conversations");
export const conversation = (id: string) => get<Conversation>(`/library/conversations/${encodeURIComponent(id)}`);
export const removeConversation = (id: string) =>
  request(`/library/conversations/${encodeURIComponent(id)}`, { method: "DELETE" });
export const documentInfo = (id: number) => get<DocumentInfo>(`/library/documents/${id}`);
export const documentText = (id: number, start: number, end: number) =>
  get<DocumentText>(`/library/documents/${id}/text?start=${start}&end=${end}`);
/** The server keeps the password in memory only. */
export const unlock = (id: number, password: string) =>
  request(`/library/documents/${id}/unlock`, json("POST", { password }));
export const documentFile = (id: number) => `/library/documents/${id}/file`;

/** Documents that a question is to prefer, and those that it must not use. */
export interface Sources {
  pinned: number[];
  excluded: number[];
}

/** Asks, and calls `on` with every event as it arrives; resolves when the stream has ended. */
export async function ask(
  question: string,
  conversation: string | null,
  sources: Sources,
  signal: AbortSignal,
  on: Heard,
): Promise<void> {
  await stream("/library/ask", { question, ...sources, ...(conversation ? { conversation } : {}) }, signal, on);
}

/** Has every document visited for a question, or one document or folder summarised; otherwise like `ask`. */
export const list = (question: string, signal: AbortSignal, on: Heard) => stream("/library/list", { question }, signal, on);
export const summarise = (path: string, signal: AbortSignal, on: Heard) => stream("/library/summarise", { path }, signal, on);

type Heard = (event: string, data: any) => void;

async function stream(path: string, body: unknown, signal: AbortSignal, on: Heard): Promise<void> {
  const response = await request(path, { ...json("POST", body), signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffered = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffered += value;
    const events = buffered.split("\n\n");
    buffered = events.pop()!;
    for (const event of events) deliver(event, on);
  }
}

function deliver(event: string, on: Heard) {
  let name = "message";
  const data: string[] = [];
  for (const line of event.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (data.length > 0) on(name, JSON.parse(data.join("\n")));
}
