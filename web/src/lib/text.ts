// From an answer and its checked claims to the pieces that are shown, and from a quote to its place on a page.

import type { Citation, Claim } from "./types";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A stretch of an answer: a checked sentence, or what stands between two. */
export interface Segment {
  text: string;
  claim: Claim | null;
}

/** Cuts `answer` at its claims, whose spans count bytes of UTF-8. A span outside the text is left out. */
export function segments(answer: string, claims: Claim[]): Segment[] {
  const bytes = encoder.encode(answer);
  const cut = (start: number, end: number) => decoder.decode(bytes.subarray(start, end));
  const pieces: Segment[] = [];
  let at = 0;
  for (const claim of [...claims].sort((a, b) => a.span[0] - b.span[0])) {
    const [start, end] = claim.span;
    if (start < at || end > bytes.length || end <= start) continue;
    if (start > at) pieces.push({ text: cut(at, start), claim: null });
    pieces.push({ text: cut(start, end), claim });
    at = end;
  }
  if (at < bytes.length) pieces.push({ text: cut(at, bytes.length), claim: null });
  return pieces;
}

/** Plain text with `**strong**` parts; nothing else of Markdown is interpreted, and nothing is ever a link. */
export function strongParts(text: string): { text: string; strong: boolean }[] {
  return text
    .split(/\*\*(.+?)\*\*/s)
    .map((part, index) => ({ text: part, strong: index % 2 === 1 }))
    .filter((part) => part.text !== "");
}

/** One citation for each place in a document, in order of their numbers. */
export function distinct(citations: Citation[]): Citation[] {
  const seen = new Set<string>();
  return citations.filter((citation) => {
    const key = `${citation.number}:${citation.span.join("-")}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

export const fileName = (path: string) => path.split("/").pop() || path;

export function folderName(path: string): string {
  return fileName(path.replace(/\/+$/, "")) || path;
}

/** `about 2 minutes left`; empty when nothing can be said. */
export function timeLeft(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  if (seconds < 10) return "a few seconds left";
  if (seconds < 90) return `about ${Math.round(seconds / 10) * 10} seconds left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} minutes left`;
  return `about ${Math.round(seconds / 3600)} hours left`;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = count;
  let unit = -1;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Range of characters in one of several strings; at most one for each string. */
export interface Mark {
  item: number;
  start: number;
  end: number;
}

/**
 * Where `quote` stands in `items`, the pieces of text of a page in their order. Spacing, hyphenation, case and
 * compatibility forms (ligatures) may differ. When the whole quote is not there, its longest run of sentences or the
 * ends of it that are, else nothing.
 */
export function locate(quote: string, items: string[]): Mark[] {
  const page = fold(items);
  const wanted = fold([quote]).text;
  if (wanted.length === 0) return [];
  const whole = page.text.indexOf(wanted);
  if (whole >= 0) return marks(page, whole, whole + wanted.length);
  const parts = quote.split(/(?<=[.!?;:。！？])\s+|\n+|\s{2,}|\t|\|/).map((part) => fold([part]).text);
  const found = parts
    .filter((part) => part.length >= 12)
    .map((part) => [page.text.indexOf(part), part.length])
    .filter(([at]) => at >= 0);
  if (found.length > 0) return joined(found.flatMap(([at, length]) => marks(page, at, at + length)));
  for (const length of [80, 50, 30]) {
    if (wanted.length <= length) continue;
    for (const part of [wanted.slice(0, length), wanted.slice(-length)]) {
      const at = page.text.indexOf(part);
      if (at >= 0) return marks(page, at, at + length);
    }
  }
  return [];
}

interface Folded {
  text: string;
  /** For each character of `text`: the item and the position that it came from. */
  from: [item: number, position: number][];
}

function fold(items: string[]): Folded {
  let text = "";
  const from: [number, number][] = [];
  items.forEach((item, index) => {
    let position = 0;
    for (const character of item) {
      for (const folded of character.normalize("NFKD").toLowerCase()) {
        if (/[\p{L}\p{N}]/u.test(folded)) {
          text += folded;
          for (let unit = 0; unit < folded.length; unit += 1) from.push([index, position]);
        }
      }
      position += character.length;
    }
  });
  return { text, from };
}

function marks(page: Folded, start: number, end: number): Mark[] {
  const result: Mark[] = [];
  for (const [item, position] of page.from.slice(start, end)) {
    const last = result.at(-1);
    if (last?.item === item) last.end = position + 1;
    else result.push({ item, start: position, end: position + 1 });
  }
  return result;
}

function joined(found: Mark[]): Mark[] {
  const byItem = new Map<number, Mark>();
  for (const mark of found) {
    const known = byItem.get(mark.item);
    if (!known) byItem.set(mark.item, { ...mark });
    else [known.start, known.end] = [Math.min(known.start, mark.start), Math.max(known.end, mark.end)];
  }
  return [...byItem.values()].sort((a, b) => a.item - b.item);
}
