/** The page at /, as `receiptd http` serves it beside a daemon, in a real browser. */
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import axe from "axe-core";
import type { Browser, ElementHandle, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answers } from "../../src/http/schemas-overview.ts";
import { must } from "../cli/here.ts";
import { Host, json, receipt, type Running, until } from "../cli/host.ts";
import { hasBrowser, openBrowser } from "../support/browser.ts";

const CONFIG = `origin: test.example/receipts
organizations:
  loans: {prefix: LN}
  cards: {prefix: CARDS}
anchor: {schedule: "0 0 1 1 *", heartbeat: 4s, grace: 2s}
http: {listen: "127.0.0.1:0", rate: {per_client: 100000, overall: 100000}}
`;
const IMAGE = '<img src="https://elsewhere.example/x" onerror="window.hit = 1">';
const BIDI = "\u202Edeifirev\u202C \u2066hidden\u2069";
const LONG = `begin ${"lang ".repeat(2048)}end`;
const HOSTILE = receipt(900, {
  receipt_id: "00000000-0000-4000-8000-000000000900", summary: BIDI, decision: { action: IMAGE, "</dt><script>window.hit = 2</script>": 1 }, reasons: [`${IMAGE}${BIDI}`, { nested: IMAGE }],
  inputs: { constructor: "x", "<b>": IMAGE }, gates: [{ name: "fine", status: "PASS" }, { name: `</td>${IMAGE}`, status: "FAIL", note: "javascript:window.hit=3" }], metadata: { long: LONG },
});

describe.skipIf(!hasBrowser())("the page", () => {
  const host = new Host(CONFIG);
  let browser: Browser;
  let page: Page;
  let daemon: Running;
  let http: Running;
  let url: string;
  let token: string;
  let spare: Socket;
  let unasked = "";
  const requests: string[] = [];
  const errors: string[] = [];
  const refused: string[] = [];

  beforeAll(async () => {
    await must(host, ["init"]);
    daemon = await host.serve();
    const lines = Array.from({ length: 60 }, (_, n) => receipt(n, { organization: n % 3 === 0 ? "cards" : "loans", gates: [{ name: "bounds", status: n % 5 === 0 ? "FAIL" : "PASS" }] }));
    writeFileSync(host.path("receipts.ndjson"), `${[...lines, HOSTILE].join("\n")}\n`);
    for (const args of [["ingest", "receipts.ndjson"], ["anchor"]]) await must(host, args);
    token = String(json(await must(host, ["token", "create", "--scope", "read", "evidence", "--all-organizations", "--expires", "1d", "--json"]))["token"]);
    http = host.start(["http", "--json"]);
    await until(() => http.stdout().includes("}"), http);
    url = String((JSON.parse(http.stdout()) as { readonly url: string }).url);
    spare = connect(Number(new URL(url).port), "127.0.0.1").on("data", (text) => { unasked += String(text); }).on("error", () => undefined);
    browser = await openBrowser();
    page = await opened();
  }, 120_000);
  afterAll(async () => {
    spare?.destroy();
    await browser?.close();
    await host.remove();
  });

  async function opened(): Promise<Page> {
    const one = await browser.newPage();
    one.on("request", (request) => requests.push(request.url()));
    one.on("response", (response) => { if (response.status() >= 400) refused.push(`${response.status()} ${new URL(response.url()).pathname}`); });
    one.on("pageerror", (error) => errors.push(String(error)));
    one.on("console", (message) => errors.push(message.text()));
    await one.setViewport({ width: 1280, height: 900 });
    await one.goto(`${url}/`);
    await one.waitForSelector(".summary.good");
    return one;
  }

  const textOf = (selector: string): Promise<string> => page.$eval(selector, (at) => (at as HTMLElement).innerText);
  const says = (selector: string, text: string): Promise<unknown> => page.waitForFunction((at, wanted) => document.querySelector(at)?.textContent.includes(wanted) === true, { timeout: 25_000, polling: 50 }, selector, text);
  const click = async (selector: string, text: string | RegExp): Promise<void> => {
    const all = await page.$$(selector);
    const texts = await Promise.all(all.map((one) => one.evaluate((at) => at.textContent)));
    await (all[texts.findIndex((one) => (typeof text === "string" ? one === text : text.test(one)))] as ElementHandle<HTMLElement>).evaluate((at) => at.click());
  };

  /** What axe finds, in both themes and on a phone. */
  async function expectAccessible(state: string, views: readonly (readonly ["light" | "dark", number])[] = [["light", 1280], ["dark", 360]]): Promise<void> {
    if (!await page.evaluate(() => "axe" in window)) await page.evaluate(axe.source);
    for (const [scheme, width] of views) {
      await page.setViewport({ width, height: 800 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const found = await page.evaluate(`axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "best-practice"] }).then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 200)).join()))`);
      expect(found, `${state}, ${scheme}, ${width}`).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), `${state}, ${width}`).toBeLessThanOrEqual(width);
    }
    await page.setViewport({ width: 1280, height: 900 });
    await page.emulateMediaFeatures([]);
  }

  test("says in one sentence how the ledger is, and always what it has not checked", async () => {
    expect(await textOf(".sentence")).toMatch(/^\d+ receipts are recorded, (?:all|\d+) of them anchored; the newest anchor is \d+ seconds? old\.$/);
    expect(await textOf(".label")).toBe("In order");
    expect(await textOf(".not-checked")).toContain("It has recomputed none of these figures");
    expect(await page.title()).toBe("In order: test.example/receipts");
  });

  test("what it is made of is as its schemas say, names nobody, and is made once for all who ask at a time", async () => {
    const ask = async (path: string, headers = {}): Promise<string> => await (await fetch(`${url}${path}`, { headers })).text();
    for (const [path, schema] of [["overview", answers.overview], ["history?span=day", answers.history], ["timeline?range=all", answers.timeline], ["timeline/anchors?limit=3", answers.timelineAnchors]] as const) {
      const text = await ask(`/v1/${path}`);
      expect([path, schema.safeParse(JSON.parse(text)).error]).toEqual([path, undefined]);
      expect(text).not.toMatch(/loans|cards|LN-|CARDS-/);
    }
    expect(answers.organizations.parse(JSON.parse(await ask("/v1/organizations", { authorization: `Bearer ${token}` }))).organizations.map(({ organization, receipts }) => [organization, receipts])).toEqual([["cards", 20], ["loans", 41]]);
    expect(new Set(await Promise.all(Array.from({ length: 30 }, () => ask("/v1/overview")))).size).toBeLessThanOrEqual(2);
    for (const path of ["organizations", "timeline?range=year", "timeline/anchors?limit=51", "history?span=hour&x=1"]) expect([path, (await fetch(`${url}/v1/${path}`)).status]).toEqual([path, path === "organizations" ? 401 : 400]);
  });

  test("shows anchors with their bytes, coverage without names, speed and keys", async () => {
    await page.waitForSelector("#anchors td a");
    const link = await page.$eval("#anchors td a", (at) => (at as HTMLAnchorElement).href);
    expect(await (await fetch(link)).text()).toContain("test.example/receipts");
    expect(await textOf("#coverage")).toContain("Organization 1");
    expect(await textOf("#coverage")).not.toContain("loans");
    expect(await textOf("#keys")).toMatch(/test\.example\/receipts\+[0-9a-f]{8}\+/);
    expect(await textOf("#keys table")).toContain("Signs now");
    await page.waitForSelector("#speed canvas", { timeout: 20_000 });
    await page.click("#speed summary");
    expect(await textOf("#speed table")).toContain("Receipts per second");
    await expectAccessible("all is well", [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]);
  }, 60_000);

  test("is walked by keyboard, and shows where one is", async () => {
    await page.reload();
    await page.waitForSelector("#anchors td a");
    const walked: string[] = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const [name, outline] = await page.evaluate(() => {
        const at = document.activeElement as HTMLElement;
        return [`${at.tagName} ${at.getAttribute("aria-label") ?? (at.textContent || at.id)}`, getComputedStyle(at).outlineStyle] as const;
      });
      if (name.startsWith("BODY")) break;
      expect([name, outline]).toEqual([name, "solid"]);
      walked.push(name);
    }
    const wanted = ["A Skip to the verdict", "BUTTON Dark", "A Anchors", "BUTTON Hour", "BUTTON Week", "A Bytes of the anchor", "BUTTON Day", "INPUT token-text", "INPUT receipt-name", "A /v1/openapi.json"];
    const places = wanted.map((one) => walked.findIndex((name, i) => name.startsWith(one) && (one !== "BUTTON Day" || i > 10)));
    expect([places.includes(-1), places]).toEqual([false, [...places].sort((a, b) => a - b)]);
  });

  test("without a token a receipt is verified, and its contents are not shown", async () => {
    await page.type("#receipt-name", "LN-2026-00001".replace("2026", String(new Date().getUTCFullYear())));
    await page.keyboard.press("Enter");
    await says(".receipt", "What it did not check");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("receipt-title");
    expect(await textOf(".receipt")).toContain("Its contents need a token");
    expect(await textOf(".receipt")).toContain("Valid and anchored");
    expect(await textOf(".receipt")).not.toContain("loan_scorer");
    await click(".receipt button", "Close");
  });

  test("a wrong token is refused, and none of it is kept", async () => {
    await page.type("#token-text", "rcpt_00000000000000000000000000000000");
    await page.keyboard.press("Enter");
    await says("#token", "The token is not taken");
    expect(await page.$eval("#token-text", (at) => (at as HTMLInputElement).value)).toBe("");
  });

  test("with a token receipts are found, and one is read with its path and evidence", async () => {
    await page.type("#token-text", token);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#organization");
    expect(await textOf("#coverage")).toContain("loans");
    await page.select("#organization", "cards");
    await click(".search.wide button", "Search");
    await says("#receipts", "20 receipts found");
    expect(await page.$$eval("#receipts .tag.bad", (tags) => tags.length)).toBe(4);
    await page.click("#receipts td button.link");
    await says(".receipt", "Recomputed in this browser");
    const text = await textOf(".receipt");
    for (const part of ["APPROVE", "bounds", "loan_scorer", "its path leads to the root over", "pin the vkey", "Download its evidence"]) expect(text).toContain(part);
    expect(await page.$eval(".receipt tr.failed", (at) => at.textContent)).toContain("FAIL");
    expect(await page.$$eval(".path svg rect.node:not(.own)", (nodes) => nodes.length)).toBeGreaterThan(3);
    await click(".receipt button", "Download its evidence");
    await says(".receipt", "Downloaded");
    await expectAccessible("a receipt");
  }, 60_000);

  test("what a receipt says is text, whatever it says, and hides nothing", async () => {
    await page.$eval("#receipt-name", (at) => { (at as HTMLInputElement).value = ""; at.dispatchEvent(new Event("input", { bubbles: true })); });
    await page.type("#receipt-name", "00000000-0000-4000-8000-000000000900");
    await page.keyboard.press("Enter");
    await says(".receipt .decision", IMAGE);
    expect(await page.$$eval(".receipt img, .receipt script, .receipt b, .receipt iframe, .receipt a", (found) => found.length)).toBe(0);
    const text = await page.$eval(".receipt", (at) => at.textContent);
    expect(text).toContain("\\u{202e}deifirev\\u{202c} \\u{2066}hidden\\u{2069}");
    expect(/[\u202A-\u202E\u2066-\u2069]/.test(text)).toBe(false);
    expect(text).not.toContain("lang end");
    expect(await page.$$eval(".receipt dd, .receipt dt", (all) => all.every((at) => at.firstElementChild?.tagName === "BDI"))).toBe(true);
    await click(".receipt .pairs button.link", /^Show all 10,2\d\d characters$/);
    expect(await page.$eval(".receipt", (at) => at.textContent)).toContain("lang end");
    await page.click(".receipt .contents summary");
    await expectAccessible("a hostile receipt", [["light", 360]]);
    expect(await page.evaluate(() => "hit" in window)).toBe(false);
  }, 60_000);

  test("a token is kept for a tab only if that is wished, is in no URL, and can be forgotten", async () => {
    const kept = (): Promise<number> => page.evaluate(() => sessionStorage.length + localStorage.length);
    expect(await kept()).toBe(0);
    await click("#token button", "Forget the token");
    await page.waitForSelector("#token-text");
    await page.waitForFunction(() => document.querySelector(".receipt, #receipts table") === null);
    await page.click("#token input[type=checkbox]");
    await page.type("#token-text", token);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#organization");
    expect(await kept()).toBe(1);
    await page.reload();
    await page.waitForSelector("#organization");
    await click("#token button", "Forget the token");
    expect(await kept()).toBe(0);
    expect([requests.some((one) => one.includes(token)), page.url()]).toEqual([false, `${url}/`]);
  });

  test("asks nobody but its server, and its policy lets nothing else run", async () => {
    expect([requests.filter((one) => !one.startsWith(`${url}/`) && !one.startsWith("data:") && !one.startsWith(`blob:${url}/`)), errors.filter((text) => !text.includes("401")), refused]).toEqual([[], [], ["401 /v1/organizations"]]);
    const tried = await page.evaluate(async () => {
      const attempt = (work: () => unknown): string => { try { work(); return "done"; } catch { return "refused"; } };
      const script = document.createElement("script");
      const results = [
        await fetch("https://elsewhere.example/").then(() => "sent", () => "refused"),
        attempt(() => { document.body.innerHTML = "<img src=x onerror='window.hit=4'>"; }),
        attempt(() => { script.textContent = "window.hit = 5"; document.head.append(script); }),
        attempt(() => { document.body.setAttribute("onclick", "window.hit = 6"); document.body.click(); document.body.removeAttribute("onclick"); }),
      ];
      const style = document.createElement("style");
      style.textContent = "h1 { display: none }";
      document.head.append(style);
      return [...results.slice(0, 3), getComputedStyle(document.querySelector("h1")!).display, "hit" in window];
    });
    expect(tried).toEqual(["refused", "refused", "refused", "block", false]);
    errors.length = 0;
  });

  test("a theme that was chosen stays", async () => {
    await click(".choice button", "Dark");
    await page.reload();
    await page.waitForSelector(".summary.good");
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(16, 19, 23)");
    await click(".choice button", "Auto");
  });

  test("on paper there are the verdict, what was not checked, coverage and anchors", async () => {
    await page.emulateMediaType("print");
    const isShown = (selector: string): Promise<boolean> => page.$eval(selector, (at) => (at as HTMLElement).checkVisibility());
    for (const selector of [".sentence", ".not-checked", "#coverage .figures", "#anchors table", "#keys table"]) expect([selector, await isShown(selector)]).toEqual([selector, true]);
    for (const selector of [".sections", ".choice", "#token", "#speed", ".search"]) expect([selector, await isShown(selector)]).toEqual([selector, false]);
    await page.emulateMediaType("screen");
  });

  test("rests while nobody looks, and goes on at once", async () => {
    const hide = (state: boolean): Promise<void> => page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
    await hide(true);
    const count = requests.length;
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(requests.length).toBe(count);
    await hide(false);
    await page.waitForResponse((response) => response.url() === `${url}/v1/overview`);
  });

  test("a daemon that died, and anchors that are late, are said in red", async () => {
    daemon.child.kill("SIGKILL");
    await daemon.ended;
    await page.waitForSelector(".summary.bad", { timeout: 25_000 });
    expect(await textOf(".sentence")).toBe("The daemon does not answer: as far as this server can tell, no receipts are recorded or anchored.");
    await says(".summary .more", "Anchors are late: the next was promised by");
    await says("#anchors", "one is missing now");
    expect(await textOf(".label")).toBe("Something is wrong");
    await expectAccessible("a daemon that died");
  }, 60_000);

  test("when it is back all is well, and the anchor that came late is marked", async () => {
    daemon = await host.serve();
    await page.waitForSelector(".summary.good", { timeout: 25_000 });
    await says("#anchors .tag.warn", "late");
    await click("#anchors label.check", " Only those that came late");
    await page.waitForFunction(() => { const rows = [...document.querySelectorAll("#anchors tbody tr")]; return rows.length > 0 && rows.every((row) => row.querySelector(".tag.warn") !== null); });
    expect(await page.$$eval("#anchors .band.late", (bands) => bands.length)).toBeGreaterThan(0);
  }, 60_000);

  test("a connection that a browser opens ahead of need is never answered before it asks", () => {
    expect([spare.bytesWritten, unasked]).toEqual([0, ""]);
  });

  test("a server that does not answer is said, with the age of what is shown", async () => {
    http.child.kill("SIGKILL");
    await page.waitForSelector(".summary.unknown", { timeout: 25_000 });
    expect(await textOf(".sentence")).toMatch(/^The server does not answer\. What is shown is \d+ seconds? old, of .* UTC\.$/);
    expect(await textOf(".more")).toContain("receipts are recorded");
    await expectAccessible("a server that died");
  }, 60_000);
});
