// The real server on the sample documents, and the browser to look at it with.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const need = createRequire(join(root, "web/package.json"));

const CARREL = process.env.CARREL_BIN ?? join(root, "target/debug/carrel");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const MODEL = "smollm2:135m";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Nothing here takes longer on a slow machine. */
export const PATIENCE = 90_000;

/** What is missing for these tests, in words; empty when all is there. */
export function missing() {
  const lacks = [];
  if (!existsSync(CARREL)) lacks.push("the built program (CARREL_BIN)");
  if (!existsSync(CHROMIUM)) lacks.push("Chromium (CHROMIUM)");
  if (!existsSync(join(root, "web/node_modules/playwright-core"))) lacks.push("`npm ci` in `web`");
  if (lacks.length === 0) {
    for (const model of [MODEL, "all-minilm-l6-v2"]) {
      if (spawnSync(CARREL, ["models", "show", model, ...models()]).status !== 0) lacks.push(`the model ${model}`);
    }
  }
  return lacks.join(", ");
}

const models = () => (process.env.CARREL_MODELS ? ["--models-dir", process.env.CARREL_MODELS] : []);

/** A library of its own on `sample-docs`, served. */
export class Desk {
  static async open() {
    const desk = new Desk();
    desk.data = mkdtempSync(join(tmpdir(), "carrel-browser-"));
    desk.port = await freePort();
    desk.base = `http://127.0.0.1:${desk.port}`;
    desk.link = await desk.start();
    desk.token = readFileSync(join(desk.data, "token"), "utf8").trim();
    await desk.until("the documents are read", (status) => status.progress.phase === "idle" && status.coverage.searched > 0);
    return desk;
  }

  /** Gives the link that the server prints. */
  async start() {
    const args = ["serve", join(root, "sample-docs"), "--data-dir", this.data, "--port", String(this.port), "--model", MODEL];
    this.server = spawn(CARREL, [...args, ...models()], { stdio: ["ignore", "pipe", "inherit"] });
    return new Promise((resolve, reject) => {
      let printed = "";
      this.server.stdout.on("data", (chunk) => {
        printed += chunk;
        const link = printed.match(/http:\/\/\S+token=\S+/);
        if (link) resolve(link[0]);
      });
      this.server.once("exit", () => reject(new Error("the server ended before it printed its link")));
    });
  }

  async stop() {
    const ended = new Promise((resolve) => this.server.once("exit", resolve));
    this.server.kill("SIGTERM");
    await ended;
  }

  /** Another one-time link, as `carrel open` prints it. */
  freshLink() {
    return execFileSync(CARREL, ["open", "--data-dir", this.data], { encoding: "utf8" }).trim();
  }

  /** A request of a program, which holds the token of the data directory. */
  async api(path, init = {}) {
    return fetch(this.base + path, { ...init, headers: { authorization: `Bearer ${this.token}`, ...init.headers } });
  }

  async ask(question) {
    const headers = { "content-type": "application/json" };
    return this.api("/library/ask", { method: "POST", headers, body: JSON.stringify({ question }) });
  }

  async until(what, wanted) {
    const end = Date.now() + PATIENCE;
    while (Date.now() < end) {
      const response = await this.api("/library/status").catch(() => null);
      if (response?.ok && wanted(await response.json())) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`waited in vain until ${what}`);
  }

  async close() {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
}

/** A browser; every page that it opens notes requests to elsewhere and errors in `complaints`. */
export class Reader {
  static async open(desk) {
    const { chromium } = need("playwright-core");
    const reader = new Reader();
    reader.desk = desk;
    reader.complaints = [];
    reader.axe = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
    reader.browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    return reader;
  }

  /** A browser profile of its own, not signed in. */
  async stranger(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    context.setDefaultTimeout(PATIENCE);
    context.on("page", (page) => this.#watch(page));
    return context;
  }

  /** A browser profile that has opened a link, and its page. */
  async guest(options = {}) {
    const context = await this.stranger(options);
    const page = await context.newPage();
    await page.goto(this.desk.freshLink());
    await page.waitForSelector(".welcome p");
    return page;
  }

  #watch(page) {
    page.on("request", (request) => {
      const url = new URL(request.url());
      const own = url.origin === this.desk.base || url.protocol === "blob:" || url.protocol === "data:";
      if (!own) this.complaints.push(`request to ${url.origin}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`error: ${error.message}`));
    page.on("console", (message) => {
      const expected = /Failed to load resource|ERR_CONNECTION_REFUSED/.test(message.text());
      if (message.type() === "error" && !expected) this.complaints.push(`console: ${message.text()}`);
    });
  }

  /** Rules of WCAG and good practice that the page breaks now. */
  async violations(page) {
    await page.evaluate(`${this.axe};0`);
    const result = await page.evaluate(() => window.axe.run());
    return result.violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.target.join(" ")).join("; ")}`);
  }

  async close() {
    await this.browser.close();
  }
}

async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
