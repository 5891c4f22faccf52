// What a person does with the page, in a real browser, against the real server with a real model on
// `sample-docs`.
//
// The model is the smallest one, and what it writes is often poor. So nothing here judges its words: the
// tests look at what the page makes of them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Desk, PATIENCE, Reader, missing } from "./desk.mjs";

const lacking = missing();
if (lacking) console.log(`LEFT OUT: the tests of the page in a browser, for want of ${lacking}`);

const QUESTION = "On which day of the month does the Tenant pay the rent of Unit 7, Netloft Quay?";
const SOURCE = "lease-2021.pdf";

describe("the page", { skip: lacking ? `needs ${lacking}` : false, timeout: 20 * PATIENCE }, () => {
  let desk;
  let reader;

  before(async () => {
    desk = await Desk.open();
    reader = await Reader.open(desk);
  });

  after(async () => {
    await reader?.close();
    await desk?.close();
  });

  async function ask(page, question = QUESTION) {
    await page.fill("#ask", question);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".exchange:last-of-type .passage", { state: "attached" });
  }

  async function answered(page) {
    await page.waitForSelector(".exchange:last-of-type .made");
  }

  /** The lease's passage about the rent, whatever its number: it depends on how many vectors there are already. */
  const leasePassage = (page) =>
    page.locator(".exchange:last-of-type .passage", { hasText: SOURCE }).filter({ hasText: /first working day/ }).first();

  async function openLease(page) {
    await page.locator(".exchange:last-of-type .passages").evaluate((details) => (details.open = true));
    await leasePassage(page).click();
    await page.waitForSelector(".textLayer mark");
  }

  test("a link works once, and a stranger sees nothing", async () => {
    const first = await (await reader.stranger()).newPage();
    await first.goto(desk.link);
    await first.waitForSelector(".welcome p");
    assert.equal(new URL(first.url()).search, "", "the token stays in the address");

    const second = await (await reader.stranger()).newPage();
    const refused = await second.goto(desk.link);
    assert.equal(refused.status(), 403);
    assert.match(await second.locator("h1").innerText(), /has been used/);
    const bare = await second.goto(desk.base);
    assert.equal(bare.status(), 403);
    assert.match(await second.locator("body").innerText(), /carrel open/);
    assert.equal((await fetch(`${desk.base}/library/status`)).status, 401);
    await first.context().close();
    await second.context().close();
  });

  test("other names, origins and sites are refused even with the token", async () => {
    const status = async (headers) => (await desk.api("/library/status", { headers })).status;
    assert.equal(await status({}), 200);
    assert.equal(await status({ origin: "http://example.com" }), 403);
    assert.equal(await status({ origin: "null" }), 403);
    assert.equal(await status({ "sec-fetch-site": "cross-site" }), 403);
  });

  test("passages come before the model has written, then the answer streams", async () => {
    const page = await reader.guest();
    await page.evaluate(() => {
      window.seen = [];
      new MutationObserver(() => {
        const answer = document.querySelector(".answer")?.textContent.length ?? 0;
        const passages = document.querySelectorAll(".passage").length;
        window.seen.push([passages, answer]);
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
    await ask(page);
    await answered(page);
    const seen = await page.evaluate(() => window.seen);
    assert.ok(seen.find(([passages]) => passages > 0)[1] === 0, "passages were there before any text");
    const events = (await (await desk.ask(QUESTION)).text()).matchAll(/^event: (\w+)$/gm);
    const kinds = [...events].map(([, kind]) => kind);
    assert.equal(kinds[0], "passages");
    assert.equal(kinds.at(-1), "done");
    assert.ok(kinds.filter((kind) => kind === "delta").length > 1, "the answer comes in pieces");
    assert.match(await page.locator(".exchange .coverage").innerText(), /\d+ of \d+ files searched/);
    await page.context().close();
  });

  test("a source opens at its page with the words marked", async () => {
    const page = await reader.guest();
    await ask(page);
    await answered(page);
    await openLease(page);
    assert.match(await page.locator(".pager").innerText(), /page 1 of 2/);
    const marked = (await page.locator(".textLayer mark").allInnerTexts()).join(" ");
    assert.match(marked.replace(/\s+/g, " "), /first working day/);
    await page.keyboard.press("ArrowRight");
    await page.getByText("page 2 of 2").waitFor();
    await page.getByRole("button", { name: "Text" }).click();
    assert.match(await page.locator(".text-view mark").innerText(), /first working day/);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".reader").count(), 0);
    await page.context().close();
  });

  test("a citation opens what it quotes", async (t) => {
    const page = await reader.guest();
    const questions = [QUESTION, "How long is the notice period of the lease?", "What is the deposit for Unit 7?", "Who signed for the Landlord?"];
    for (const question of questions) {
      await ask(page, question);
      await answered(page);
      if ((await page.locator(".cite").count()) > 0) break;
    }
    if ((await page.locator(".cite").count()) === 0) return t.skip("the small model wrote nothing that its passages support");
    const cite = page.locator(".cite").first();
    const name = await cite.getAttribute("aria-label");
    await cite.click();
    await page.waitForSelector(".reader mark");
    const title = await page.locator("#reader-title").innerText();
    assert.ok(name.includes(title), `${name} opened ${title}`);
    assert.equal(await cite.getAttribute("aria-pressed"), "true");
    await page.context().close();
  });

  test("a reload keeps the conversation, and a second tab shows it too", async () => {
    const page = await reader.guest();
    await ask(page);
    await answered(page);
    const shown = await page.locator(".exchange").innerText();
    assert.match(page.url(), /#\/c\/./);
    await page.reload();
    await page.waitForSelector(".made");
    assert.equal((await page.locator(".question").innerText()).trim(), QUESTION);

    const second = await page.context().newPage();
    await second.goto(page.url());
    await second.waitForSelector(".made");
    assert.equal(plain(await second.locator(".exchange").innerText()), plain(shown));
    await ask(second, "And how high is it?");
    await answered(second);
    assert.equal(await second.locator(".exchange").count(), 2);
    assert.equal(await page.locator(".exchange").count(), 1);
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll(".made").length === 2);
    await page.context().close();
  });

  test("stop ends the writing and leaves the page ready", async () => {
    const page = await reader.guest();
    await ask(page, "Describe everything that the staff handbook says, in as many words as you can.");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped.").waitFor();
    await page.fill("#ask", QUESTION);
    assert.equal(await page.getByRole("button", { name: "Ask", exact: true }).isEnabled(), true);
    await page.context().close();
  });

  test("everything can be done from the keyboard", async () => {
    const page = await reader.guest();
    await page.keyboard.press("/");
    await page.keyboard.type(QUESTION);
    await page.keyboard.press("Enter");
    await answered(page);
    // Out of the question box, to the list of passages, and into the lease.
    await page.keyboard.press("Escape");
    await page.locator(".exchange:last-of-type .passages").evaluate((details) => (details.open = true));
    const passage = leasePassage(page);
    let reached = false;
    for (let press = 0; press < 60 && !reached; press += 1) {
      await page.keyboard.press("Tab");
      reached = await passage.evaluate((element) => element === document.activeElement);
    }
    assert.ok(reached, "Tab leads to the passage");
    const outline = await passage.evaluate((element) => getComputedStyle(element).outlineStyle);
    assert.notEqual(outline, "none", "the focus can be seen");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".textLayer mark");
    assert.equal(await page.evaluate(() => document.activeElement.id), "reader-title");
    await page.keyboard.press("Escape");
    assert.ok(await passage.evaluate((element) => element === document.activeElement), "focus goes back");
    await page.keyboard.press("f");
    await page.waitForSelector("table");
    await page.keyboard.press("n");
    await page.waitForSelector(".welcome");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.context().close();
  });

  test("a source that is left out is not read for the next question", async () => {
    const page = await reader.guest();
    await ask(page);
    await answered(page);
    await page.locator(".passages").evaluate((details) => (details.open = true));
    await page.getByRole("button", { name: `Leave out ${SOURCE} from now on` }).first().click();
    await page.getByText(`Leaves out ${SOURCE}`).waitFor();
    assert.deepEqual(await reader.violations(page), []);
    await ask(page);
    await answered(page);
    assert.equal(await page.locator(".exchange:last-of-type .passage", { hasText: SOURCE }).count(), 0);
    await page.getByRole("button", { name: `Forget this for ${SOURCE}` }).click();
    await page.getByRole("button", { name: `Prefer ${SOURCE} from now on` }).first().click();
    await ask(page, "Who signed for the Landlord?");
    await answered(page);
    const first = page.locator(".exchange:last-of-type .passage .name").first();
    assert.equal((await first.textContent()).trim(), SOURCE);
    await page.context().close();
  });

  test("every document is visited for a question about all, and each row opens at its words", async () => {
    const page = await reader.guest();
    await page.getByLabel("Visit every document").check();
    await page.fill("#ask", "Which of these documents name a rent?");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".work progress[value]");
    const line = await page.getByText(/^\d+ of \d+ documents visited$/).innerText();
    const [visited, total] = line.match(/\d+/g).map(Number);
    assert.equal(visited, total);
    const { coverage } = await (await desk.api("/library/status")).json();
    assert.ok(total >= coverage.searched, `${total} documents, ${coverage.searched} files`);
    await page.locator(".work details.passages").evaluateAll((all) => all.forEach((details) => (details.open = true)));
    assert.equal(await page.locator(".work .passage, .work li > .aside").count(), total);
    assert.deepEqual(await reader.violations(page), []);
    await page.locator(".work .passage", { hasText: SOURCE }).click();
    await page.waitForSelector(".reader mark");
    await page.context().close();
  });

  test("leaving ends a visit to every document", async () => {
    const page = await reader.guest();
    await page.getByLabel("Visit every document").check();
    await page.fill("#ask", "Which of these documents mention an inspection?");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".work progress[value]");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText(/Stopped after \d+ of \d+ documents/).waitFor();
    await page.context().close();
  });

  test("a file is summarised from the ledger", async () => {
    const page = await reader.guest();
    await page.getByRole("link", { name: "All files" }).click();
    await page.fill("#ledger-filter", SOURCE);
    await page.getByRole("button", { name: `Summarise ${SOURCE}` }).click();
    await page.locator(".work .coverage").waitFor();
    assert.match(await page.locator(".work .coverage").innerText(), /1 of 1 files searched/);
    assert.equal((await page.locator(".work .question").innerText()).trim(), `Summary of ${SOURCE}`);
    assert.deepEqual(await reader.violations(page), []);
    await page.context().close();
  });

  test("the ledger shows every file with its outcome", async () => {
    const page = await reader.guest();
    const ledger = await (await desk.api("/library/files")).json();
    await page.getByRole("link", { name: "All files" }).click();
    await page.waitForSelector("tbody tr");
    assert.equal(await page.locator("tbody tr").count(), ledger.files.length);
    await page.fill("#ledger-filter", "salaries");
    assert.equal(await page.locator("tbody tr").count(), 1);
    assert.match(await page.locator("tbody tr").innerText(), /encrypted/i);
    await page.context().close();
  });

  test("a folder that is not there is refused in words", async () => {
    const page = await reader.guest();
    await page.getByRole("button", { name: "Add a folder" }).click();
    await page.keyboard.type("/no/such/folder");
    await page.keyboard.press("Enter");
    assert.match(await page.locator(".folders .failure").innerText(), /no such folder/);
    await page.context().close();
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`no accessibility rule is broken in ${colorScheme}`, async () => {
      const page = await reader.guest({ colorScheme });
      assert.deepEqual(await reader.violations(page), [], "before a question");
      await ask(page);
      await answered(page);
      await page.locator(".exchange:last-of-type .passages").evaluate((details) => (details.open = true));
      assert.deepEqual(await reader.violations(page), [], "with an answer");
      await openLease(page);
      assert.deepEqual(await reader.violations(page), [], "with a PDF");
      await page.getByRole("button", { name: "Text" }).click();
      await page.waitForSelector(".text-view mark");
      assert.deepEqual(await reader.violations(page), [], "with its text");
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: "All files" }).click();
      await page.waitForSelector("tbody tr");
      assert.deepEqual(await reader.violations(page), [], "with the files");
      await page.context().close();
    });
  }

  test("it fits a narrow screen", async () => {
    const page = await reader.guest({ viewport: { width: 360, height: 740 } });
    await ask(page);
    await answered(page);
    await openLease(page);
    assert.deepEqual(await reader.violations(page), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    await page.context().close();
  });

  test("a lost server is said, and found again without signing in", async () => {
    const page = await reader.guest();
    await ask(page);
    await answered(page);
    await desk.stop();
    await page.getByText("Carrel is not answering.").waitFor();
    assert.equal(await page.locator(".exchange").count(), 1, "what was there stays");
    await desk.start();
    await page.getByText("Carrel is not answering.").waitFor({ state: "detached" });
    await ask(page, "What is the service charge of Unit 7?");
    await answered(page);
    assert.equal(await page.locator(".exchange").count(), 2);
    await page.context().close();
  });

  test("an encrypted file is opened by its password", async () => {
    const page = await reader.guest();
    await page.getByRole("link", { name: "All files" }).click();
    await page.fill("#ledger-filter", "salaries");
    const row = page.locator("tbody tr");
    await row.getByPlaceholder("Password").fill("netloft-quay");
    await row.getByRole("button", { name: "Open", exact: true }).click();
    await row.locator(".outcome.good").waitFor();
    assert.match(await row.innerText(), /indexed/i);
    assert.equal(await row.getByPlaceholder("Password").count(), 0);
    await page.context().close();
  });

  test("nothing was asked of another host, and nothing broke", () => {
    assert.deepEqual(reader.complaints, []);
  });
});

const plain = (text) => text.replace(/\s+/g, " ").trim();
