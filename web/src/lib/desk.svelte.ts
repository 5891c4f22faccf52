// What the page knows: the library's state, the conversation, and the place that the reader is open at.

import * as api from "./api";
import type { Answer, Citation, Claim, ConversationSummary, Coverage, Evidence, Passage, Place, Status, Visited } from "./types";
import { Work } from "./work.svelte";

export type Phase = "searching" | "writing" | "done" | "stopped" | "failed";

/** A question and what has come back of its answer so far. */
export class Exchange {
  question: string;
  rewritten: string | null = $state(null);
  passages: Passage[] = $state([]);
  coverage: Coverage | null = $state(null);
  text = $state("");
  claims: Claim[] = $state([]);
  notes: string[] = $state([]);
  /** How far the reading of whole documents has come. */
  visited: Visited | null = $state(null);
  refused = $state(false);
  /** Of a refusal the sentence that came nearest to an answer. */
  nearest: Citation | null = $state(null);
  /** Whether only a visit to every document can answer it. */
  asksForAll = $state(false);
  phase: Phase = $state("searching");
  error: { message: string; hint: string | null } | null = $state(null);
  /** The finished answer's model and speed. */
  made: Pick<Answer, "model" | "seconds_to_first_token" | "tokens_per_second"> | null = $state(null);

  constructor(question: string) {
    this.question = question;
  }

  static of(answer: Answer): Exchange {
    const exchange = new Exchange(answer.question);
    exchange.finish(answer);
    return exchange;
  }

  finish(answer: Answer) {
    this.rewritten = answer.standalone;
    this.text = answer.answer;
    this.claims = answer.claims;
    this.passages = answer.passages;
    this.coverage = answer.coverage;
    this.notes = answer.notes;
    this.refused = answer.refused;
    this.nearest = answer.nearest;
    this.asksForAll = answer.asks_for_all;
    this.made = answer;
    this.phase = "done";
  }

  get running() {
    return this.phase === "searching" || this.phase === "writing";
  }

  get citations(): Citation[] {
    return this.claims.flatMap((claim) => claim.citations);
  }
}

const UNFINISHED = "carrel-unfinished";

class Desk {
  status: Status | null = $state(null);
  /** `lost`: the server does not answer. `locked`: it answers, but does not know this browser. */
  link: "connecting" | "up" | "lost" | "locked" = $state("connecting");
  conversations: ConversationSummary[] = $state([]);
  conversation: string | null = $state(null);
  exchanges: (Exchange | Work)[] = $state([]);
  /** A question that was being answered when the page was closed or reloaded. */
  unfinished: string | null = $state(null);
  place: Place | null = $state(null);
  /** Documents that the next questions prefer, or leave out. */
  chosen: { document: number; path: string; use: "pinned" | "excluded" }[] = $state([]);
  view: "conversation" | "files" = $state("conversation");
  /** Said to screen readers when it changes. */
  announcement = $state("");

  #running: AbortController | null = null;

  get asking() {
    return this.exchanges.some((exchange) => exchange.running);
  }

  async start() {
    addEventListener("hashchange", () => void this.followHash());
    void this.listen();
    await this.followHash();
    void this.listConversations();
  }

  /** Follows the server's status events, for as long as the page is open; comes back by itself when it was lost. */
  async listen() {
    for (;;) {
      try {
        this.status = await api.status();
        if (this.link === "lost") {
          this.announcement = "Carrel is back.";
          void this.listConversations();
        }
        this.link = "up";
        await this.#events();
      } catch (error) {
        if (error instanceof api.ApiError && (error.status === 401 || error.status === 403)) this.link = "locked";
        else this.link = "lost";
      }
      await new Promise((resolve) => setTimeout(resolve, this.link === "up" ? 200 : 1000));
    }
  }

  #events() {
    return new Promise<void>((resolve) => {
      const events = new EventSource("/library/events");
      events.addEventListener("status", (event) => {
        this.status = JSON.parse(event.data);
      });
      events.onerror = () => {
        events.close();
        resolve();
      };
    });
  }

  async listConversations() {
    try {
      this.conversations = (await api.conversations()).conversations;
    } catch {
      // The banner says it when the server is gone.
    }
  }

  /** `#/c/ID` is a conversation, `#/files` the ledger, anything else a new conversation. */
  async followHash() {
    const hash = location.hash;
    this.view = hash === "#/files" ? "files" : "conversation";
    if (this.view === "files") return;
    const id = hash.startsWith("#/c/") ? decodeURIComponent(hash.slice(4)) : null;
    if (id === this.conversation && (id !== null || this.exchanges.length > 0)) return;
    this.stop();
    this.place = null;
    this.conversation = id;
    this.exchanges = [];
    if (id !== null) await this.#load(id);
    this.#takeUnfinished(id);
  }

  async #load(id: string) {
    try {
      const conversation = await api.conversation(id);
      if (this.conversation === id) this.exchanges = conversation.turns.map(Exchange.of);
    } catch (error) {
      if (error instanceof api.ApiError && error.status === 404) this.newConversation();
      else if (error instanceof api.ApiError && error.status === 0) setTimeout(() => void this.#load(id), 1500);
    }
  }

  #takeUnfinished(id: string | null) {
    const stored = sessionStorage.getItem(UNFINISHED);
    const left = stored ? JSON.parse(stored) : null;
    this.unfinished = left && left.conversation === id ? left.question : null;
    sessionStorage.removeItem(UNFINISHED);
  }

  newConversation() {
    this.stop();
    this.conversation = null;
    this.exchanges = [];
    this.unfinished = null;
    this.place = null;
    this.chosen = [];
    this.view = "conversation";
    history.pushState(null, "", location.pathname);
  }

  async removeConversation(id: string) {
    await api.removeConversation(id);
    if (id === this.conversation) this.newConversation();
    await this.listConversations();
  }

  stop() {
    this.#running?.abort();
    this.#running = null;
  }

  async ask(question: string) {
    this.stop();
    this.unfinished = null;
    const exchange = new Exchange(question);
    this.exchanges.push(exchange);
    const running = new AbortController();
    this.#running = running;
    sessionStorage.setItem(UNFINISHED, JSON.stringify({ question, conversation: this.conversation }));
    this.announcement = "Searching";
    try {
      const sources = { pinned: this.#documents("pinned"), excluded: this.#documents("excluded") };
      await api.ask(question, this.conversation, sources, running.signal, (event, data) => this.#heard(exchange, event, data));
      if (exchange.running) {
        exchange.phase = "failed";
        exchange.error = { message: "The connection ended before the answer did", hint: null };
      }
    } catch (error) {
      if (running.signal.aborted) exchange.phase = "stopped";
      else this.#failed(exchange, error);
    }
    if (this.#running === running) this.#running = null;
    sessionStorage.removeItem(UNFINISHED);
    if (exchange.phase !== "done") this.announcement = exchange.error?.message ?? "Stopped";
    void this.listConversations();
  }

  use(passage: Passage): "pinned" | "excluded" | null {
    return this.chosen.find((source) => source.document === passage.document)?.use ?? null;
  }

  /** Pins or leaves out a document from the next question on; the same again takes that back. */
  choose(passage: Passage, use: "pinned" | "excluded") {
    const before = this.use(passage);
    this.forget(passage.document);
    if (before !== use) this.chosen.push({ document: passage.document, path: passage.path, use });
  }

  forget(document: number) {
    this.chosen = this.chosen.filter((source) => source.document !== document);
  }

  #documents(use: "pinned" | "excluded") {
    return this.chosen.filter((source) => source.use === use).map((source) => source.document);
  }

  /** Has every document visited for a question. */
  async list(question: string) {
    const work = new Work("list", question);
    await this.#work(work, (signal, on) => api.list(question, signal, on));
  }

  async summarise(path: string) {
    const work = new Work("summary", path);
    await this.#work(work, (signal, on) => api.summarise(path, signal, on));
  }

  async #work(work: Work, begin: (signal: AbortSignal, on: (event: string, data: any) => void) => Promise<void>) {
    this.stop();
    this.exchanges.push(work);
    if (this.view === "files") location.hash = this.conversation ? `#/c/${encodeURIComponent(this.conversation)}` : "#/";
    const running = new AbortController();
    this.#running = running;
    this.announcement = "Reading the documents";
    try {
      await begin(running.signal, (event, data) => work.heard(event, data));
      if (work.running) {
        work.phase = "failed";
        work.error = { message: "The connection ended before the work did", hint: null };
      }
    } catch (error) {
      if (running.signal.aborted) work.phase = "stopped";
      else this.#failed(work, error);
    }
    if (this.#running === running) this.#running = null;
    const { listing } = work;
    const found = listing ? `${work.found.length} found in ${listing.visited} documents` : "Summary complete";
    this.announcement = work.phase === "done" ? found : (work.error?.message ?? "Stopped");
  }

  #failed(exchange: Exchange | Work, error: unknown) {
    exchange.phase = "failed";
    if (error instanceof api.ApiError) {
      exchange.error = { message: error.message, hint: error.hint };
      if (error.status === 0) this.link = "lost";
    } else {
      exchange.error = { message: "The connection was lost while the answer was written", hint: null };
    }
  }

  #heard(exchange: Exchange, event: string, data: any) {
    if (event === "rewritten") exchange.rewritten = data.question;
    else if (event === "passages") {
      exchange.passages = data.passages;
      exchange.coverage = data.coverage;
      this.announcement = `${data.passages.length} passages found`;
    } else if (event === "delta") {
      exchange.phase = "writing";
      exchange.text += data.text;
    } else if (event === "claim") exchange.claims.push(data);
    else if (event === "note") exchange.notes.push(data.text);
    else if (event === "visited") exchange.visited = data;
    else if (event === "error") {
      exchange.phase = "failed";
      exchange.error = { message: data.message, hint: data.hint ?? null };
    } else if (event === "done") {
      exchange.finish(data);
      const count = exchange.citations.length;
      this.announcement = `Answer complete, ${count} ${count === 1 ? "citation" : "citations"}. ${data.answer}`;
      this.#remember(data.conversation);
    }
  }

  /** Puts the conversation into the address, so that a reload or a copied address finds it again. */
  #remember(id: string | null) {
    if (id === null || id === this.conversation) return;
    this.conversation = id;
    history.replaceState(null, "", `#/c/${encodeURIComponent(id)}`);
  }

  open(place: Place) {
    this.place = place;
  }

  openCitation(citation: Citation) {
    this.place = { ...citation };
  }

  openEvidence(evidence: Evidence) {
    this.place = { ...evidence };
  }

  openPassage(passage: Passage) {
    this.place = { ...passage, quote: passage.text };
  }
}

export const desk = new Desk();
