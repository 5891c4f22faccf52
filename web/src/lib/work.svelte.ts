// Work over whole documents: how far it has come, and what it gave.

import type { Listing, Row, Summary } from "./types";

export class Work {
  readonly kind: "list" | "summary";
  /** The question, or the path of what is summarised. */
  readonly about: string;
  done = $state(0);
  total = $state(0);
  path = $state("");
  listing: Listing | null = $state(null);
  summary: Summary | null = $state(null);
  phase: "working" | "done" | "stopped" | "failed" = $state("working");
  error: { message: string; hint: string | null } | null = $state(null);

  constructor(kind: "list" | "summary", about: string) {
    this.kind = kind;
    this.about = about;
  }

  get running() {
    return this.phase === "working";
  }

  /** The rows that answer the question. */
  get found(): Row[] {
    const { listing } = this;
    return listing?.rows.filter((row) => row.meets !== listing.lacking) ?? [];
  }

  get others(): Row[] {
    const { listing } = this;
    return listing?.rows.filter((row) => row.meets === listing.lacking) ?? [];
  }

  heard(event: string, data: any) {
    if (event === "visited") {
      ({ done: this.done, total: this.total, path: this.path } = data);
    } else if (event === "error") {
      this.phase = "failed";
      this.error = { message: data.message, hint: data.hint ?? null };
    } else if (event === "done") {
      if (this.kind === "list") this.listing = data;
      else this.summary = data;
      this.phase = "done";
    }
  }
}
