// PDF pages, drawn here by pdf.js from our own server's files. Loaded only when a PDF is opened.

import { GlobalWorkerOptions, TextLayer, getDocument, type PDFDocumentProxy, type PDFPageProxy } from "pdfjs-dist";
import worker from "pdfjs-dist/build/pdf.worker.min.mjs?url";
import { locate } from "./text";

GlobalWorkerOptions.workerSrc = worker;

const PARTS = "/assets/pdfjs/";
/** How far past its locator's first page a quote is looked for. */
const AHEAD = 3;

/** An open PDF. */
export interface Pages {
  count: number;
  /** The page, from `first` on, on which `quote` stands; `first` when it is on none of the next. */
  find(quote: string, first: number): Promise<number>;
  /**
   * Draws a page into `sheet`, `width` CSS pixels wide, and marks `quote` where it stands on it.
   * Gives the first mark; null when there is none or when `gone` says that it is no longer wanted.
   */
  draw(sheet: HTMLElement, page: number, width: number, quote: string, gone: () => boolean): Promise<Element | null>;
  close(): void;
}

export async function open(url: string): Promise<Pages> {
  const task = getDocument({
    url,
    cMapUrl: `${PARTS}cmaps/`,
    standardFontDataUrl: `${PARTS}standard_fonts/`,
    wasmUrl: `${PARTS}wasm/`,
    iccUrl: `${PARTS}iccs/`,
    enableXfa: false,
    disableAutoFetch: true,
    stopAtErrors: false,
  });
  const pdf = await task.promise;
  return {
    count: pdf.numPages,
    find: (quote, first) => find(pdf, quote, first),
    draw: async (sheet, page, width, quote, gone) => draw(await pdf.getPage(page), sheet, width, quote, gone),
    close: () => void task.destroy(),
  };
}

async function find(pdf: PDFDocumentProxy, quote: string, first: number): Promise<number> {
  if (quote === "") return first;
  const covered = async (page: number) => {
    const content = await (await pdf.getPage(page)).getTextContent();
    const items = content.items.map((item) => ("str" in item ? item.str : ""));
    return locate(quote, items).reduce((sum, mark) => sum + mark.end - mark.start, 0);
  };
  let best = first;
  let most = await covered(first);
  const last = Math.min(first + AHEAD - 1, pdf.numPages);
  for (let page = first + 1; page <= last && most < quote.length / 2; page += 1) {
    const marked = await covered(page);
    if (marked > most) [best, most] = [page, marked];
  }
  return best;
}

async function draw(
  page: PDFPageProxy,
  sheet: HTMLElement,
  width: number,
  quote: string,
  gone: () => boolean,
): Promise<Element | null> {
  const scale = width / page.getViewport({ scale: 1 }).width;
  const viewport = page.getViewport({ scale });
  const sharp = Math.min(window.devicePixelRatio || 1, 3);
  const canvas = document.createElement("canvas");
  canvas.width = Math.floor(viewport.width * sharp);
  canvas.height = Math.floor(viewport.height * sharp);
  canvas.setAttribute("aria-hidden", "true");
  const layer = document.createElement("div");
  layer.className = "textLayer";
  const text = new TextLayer({ textContentSource: page.streamTextContent(), container: layer, viewport });
  await Promise.all([
    page.render({ canvas, viewport, transform: sharp === 1 ? undefined : [sharp, 0, 0, sharp, 0, 0] }).promise,
    text.render(),
  ]);
  if (gone()) return null;
  sheet.style.setProperty("--total-scale-factor", String(scale));
  sheet.style.setProperty("width", `${viewport.width}px`);
  sheet.style.setProperty("height", `${viewport.height}px`);
  sheet.replaceChildren(canvas, layer);
  return mark(text, quote);
}

function mark(layer: TextLayer, quote: string): Element | null {
  let first: Element | null = null;
  for (const { item, start, end } of locate(quote, layer.textContentItemsStr)) {
    const piece = layer.textDivs[item];
    const text = layer.textContentItemsStr[item];
    const marked = document.createElement("mark");
    marked.textContent = text.slice(start, end);
    piece.replaceChildren(text.slice(0, start), marked, text.slice(end));
    first ??= marked;
  }
  return first;
}
