/** verify.html, as it is in dist/, in a real browser, from disk. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { hashText } from "../../src/format/chain.ts";
import { pureHash } from "../../src/format/hash.ts";
import { parseVkey } from "../../src/format/note.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { verifyEvidence } from "../../src/verify/evidence.ts";
import { bytesOf, changedAt, type EvidenceVector, evidenceVectors } from "../evidence/vectors.ts";
import { exportVectors, type ExportVector } from "../export/vectors.ts";
import { LOG_KEY } from "../../scripts/vectors/ledger/build.ts";
import { checkpointText, fixed, note } from "../../scripts/vectors/ledger/primitives.ts";
import { hasBrowser, openBrowser } from "../support/browser.ts";

const PAGE = new URL("../../dist/cli/verify.html", import.meta.url);
const good = evidenceVectors.find(({ name }) => name === "receipt 7 of 13")!;
const exported = exportVectors.find(({ name }) => name === "one organization in a time range")!;
/** What the page is to say of an export. */
const saidOf = ({ bytes, expected: { code, verdict } }: ExportVector): string => {
  if (code !== null) return `invalid ${code}`;
  const { to } = JSON.parse(Buffer.from(bytes).toString().split("\n")[0]!) as { readonly to: string | null };
  return verdict === "could_not_check" ? "not_checked" : verdict === "complete_until" && to !== null ? "partly" : verdict!;
};

describe.skipIf(!hasBrowser())("verify.html", () => {
  let browser: Browser;
  let page: Page;
  const folder = mkdtempSync(join(tmpdir(), "receiptd-page-"));
  const requests: string[] = [];
  const errors: string[] = [];

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.newPage();
    page.on("request", (request) => requests.push(request.url()));
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => errors.push(message.text()));
    await page.goto(PAGE.href);
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  const verdict = (): Promise<readonly [string, string]> => page.$eval("#verdict", (at) => [at.className, at.textContent] as const);

  /** Gives the page these files, one after the other, as the input does; the verdicts. */
  async function given(files: readonly Uint8Array[], vkey: string, auditor = ""): Promise<readonly string[]> {
    return await page.evaluate(async (texts, key, auditorKey) => {
      const [input, field, auditorField, at] = ["file", "vkey", "auditor", "verdict"].map((id) => document.getElementById(id)!) as [HTMLInputElement, HTMLInputElement, HTMLInputElement, HTMLElement];
      auditorField.value = auditorKey;
      const said: string[] = [];
      document.body.hidden = true; // what nobody sees is not drawn thousands of times
      for (const text of texts) {
        at.className = "";
        field.value = key;
        const list = new DataTransfer();
        list.items.add(new File([Uint8Array.from(atob(text), (character) => character.charCodeAt(0))], "evidence"));
        input.files = list.files;
        const decided = new Promise<void>((resolve) => {
          const seen = new MutationObserver(() => {
            if (at.className === "") return;
            seen.disconnect();
            resolve();
          });
          seen.observe(at, { attributes: true });
        });
        input.dispatchEvent(new Event("change"));
        await decided;
        said.push(`${at.className} ${/Code: ([a-z_0-9]+)/.exec(at.textContent)?.[1] ?? ""}`.trim());
      }
      document.body.hidden = false;
      return said;
    }, files.map((bytes) => Buffer.from(bytes).toString("base64")), vkey, auditor);
  }

  test("a person who drops a file has the verdict, the receipt, its path, and what was not checked", async () => {
    writeFileSync(join(folder, "evidence.json"), bytesOf(good));
    const input = (await page.$("#file"))!;
    await (input as Awaited<ReturnType<typeof page.$<"input">>>)!.uploadFile(join(folder, "evidence.json"));
    await page.waitForFunction(() => document.getElementById("verdict")!.className !== "");
    expect(await verdict()).toEqual(["not_checked", expect.stringContaining(`Not checked No key was given.The file says that it is of the ledger receipts.example.com/loans, with the key “${good.vkey}”.`)]);
    await page.type("#vkey", good.vkey);
    expect(await verdict()).toEqual(["logged", "Verified ACME-2026-00003 is in the ledger receipts.example.com/loans at log index 7, under a root over 13 receipts that a key you pinned has signed."]);
    const detail = await page.$eval("#detail", (at) => at.textContent);
    for (const text of ["credit-scoring", "Not checked", "the receipt's MAC, its chain and the rest of the ledger", "worm"]) expect(detail).toContain(text);
    const { path } = verifyEvidence(bytesOf(good), [parseVkey(good.vkey)]);
    expect(await page.$$eval("svg rect.node:not(.own)", (boxes) => boxes.length)).toBe(path.length);
  });

  test("agrees with every vector", async () => {
    // the page takes one auditor's key, which of two is the one who has countersigned
    const keysOf = ({ vkey, auditors = [] }: EvidenceVector): string => [vkey, auditors.at(-1) ?? ""].join(" ");
    for (const keys of new Set(evidenceVectors.map(keysOf))) {
      const [vkey, auditor] = keys.split(" ") as [string, string];
      const some = evidenceVectors.filter((vector) => keysOf(vector) === keys);
      const said = await given(some.map(bytesOf), vkey, auditor);
      expect(said.map((text, i) => [some[i]!.name, text])).toEqual(some.map(({ name, ok, code, anchored = false }) => [name, !ok ? `invalid ${code}` : anchored ? "anchored" : "logged"]));
    }
  }, 60_000);

  test("never shows anything for a file with a byte changed", async () => {
    const file = bytesOf(good);
    const said = await given(Array.from(file, (_, at) => changedAt(file, at)), good.vkey);
    expect([said.length, said.filter((text) => !text.startsWith("invalid "))]).toEqual([file.length, []]);
  }, 60_000);

  test("a person who drops an export has the verdict, what it covers, and what was not checked", async () => {
    expect(await given([exported.bytes], "")).toEqual(["not_checked"]);
    expect((await verdict())[1]).toContain(`The file says that it is of the ledger receipts.example.com/loans, with the key “${exported.vkey}”.`);
    await page.$eval("#vkey", (at) => { (at as HTMLInputElement).value = ""; });
    await page.type("#vkey", exported.vkey);
    await page.waitForFunction(() => document.getElementById("verdict")!.className === "complete");
    expect((await verdict())[1]).toMatch(/^Verified All 2 receipts of acme in the ledger receipts\.example\.com\/loans from 2026-12-31T23:59:59\.251Z to 2027-01-01T00:00:00\.250Z \(log 6 to 12\) are here/);
    const detail = await page.$eval("#detail", (at) => at.textContent);
    for (const text of ["organizationacme", "receipts2, in 7 places of the log", "as ofthe anchor of 13 receipts, recorded 2027-01-01T00:00:00.250Z", "the chain of acme has no gap (its receipts 3 to 4)", "the receipts' MACs", "worm"]) expect(detail).toContain(text);
    expect(await page.$eval("#progress", (at) => (at as HTMLElement).hidden)).toBe(true);
  });

  test("agrees with every vector of exports", async () => {
    // what does not begin like an export is evidence for the page
    const vectors = exportVectors.filter(({ bytes }) => bytes.length > 0);
    for (const vkey of new Set(vectors.map((vector) => vector.vkey))) {
      const some = vectors.filter((vector) => vector.vkey === vkey);
      const said = await given(some.map(({ bytes }) => bytes), vkey);
      expect(said.map((text, i) => [some[i]!.name, text])).toEqual(some.map((vector) => [vector.name, saidOf(vector)]));
    }
  }, 60_000);

  test("never shows anything for an export with a byte changed", async () => {
    const { bytes, vkey } = exported;
    const places = Array.from(bytes, (_, at) => at).filter((at) => at % 29 === 0);
    const said = await given(places.map((at) => changedAt(bytes, at)), vkey);
    expect([said.length > 200, said.filter((text) => !text.startsWith("invalid "))]).toEqual([true, []]);
  }, 60_000);

  test("a large export is read piece by piece, says how far it is, and makes way for another file", async () => {
    const whole = exportVectors.find(({ name }) => name === "one organization")!;
    const end = 1_000_000;
    const header = JSON.parse(Buffer.from(whole.bytes).toString().split("\n")[0]!) as Record<string, Json>;
    const first = canonicalize({ ...header, end, checkpoint: note(checkpointText(header["ledger"] as string, end, fixed("a root")), LOG_KEY) });
    const said = await page.evaluate(async (line, hash, key, small) => {
      const at = (id: string): HTMLElement => document.getElementById(id)!;
      const bar = at("progress") as HTMLProgressElement;
      const give = (file: File): void => {
        const list = new DataTransfer();
        list.items.add(file);
        (at("file") as HTMLInputElement).files = list.files;
        at("file").dispatchEvent(new Event("change"));
      };
      (at("vkey") as HTMLInputElement).value = key;
      (at("auditor") as HTMLInputElement).value = "";
      const thousand = `"sha256:${hash}"\n`.repeat(1000);
      give(new File([`${line}\n`, ...Array.from({ length: 1000 }, () => thousand)], "large"));
      const seen: number[] = [];
      while (seen.length < 3) {
        await new Promise((resolve) => { requestAnimationFrame(resolve); });
        if (!bar.hidden && bar.value > (seen.at(-1) ?? 0)) seen.push(bar.value);
      }
      const during = [at("verdict").className, at("verdict").textContent, at("detail").textContent];
      give(new File([Uint8Array.from(atob(small), (character) => character.charCodeAt(0))], "small"));
      while (at("verdict").className === "") await new Promise((resolve) => { requestAnimationFrame(resolve); });
      const after = at("verdict").className;
      for (let i = 0; i < 10; i++) await new Promise((resolve) => { requestAnimationFrame(resolve); });
      return { seen, during, after, later: [at("verdict").className, bar.hidden] };
    }, first, "0".repeat(64), exported.vkey, Buffer.from(exported.bytes).toString("base64"));
    expect(said).toEqual({ seen: expect.anything(), during: ["", "The file is being checked. Nothing is known of it before its end.", ""], after: "complete", later: ["complete", true] });
    expect(said.seen.at(-1)).toBeLessThan(0.9);
  }, 60_000);

  test("a key that is none, and one of another ledger, show nothing", async () => {
    expect(await given([bytesOf(good)], "key")).toEqual(["not_checked"]);
    expect(await given([bytesOf(good)], evidenceVectors.find(({ name }) => name === "another key of this name")!.vkey)).toEqual(["invalid bad_note"]);
  });

  test("what a file says is never markup, and a text that hides itself is spelled out", async () => {
    const vector = evidenceVectors.find(({ name }) => name === "receipt 3 of 13")!;
    expect(await given([bytesOf(vector)], vector.vkey)).toEqual(["logged"]);
    expect(await page.$eval("#detail", (at) => at.textContent)).toContain("“quoted”\n\\u{1}\\u{2028}😀");
    expect(await page.$$eval("#detail script, #detail img, #detail a", (found) => found.length)).toBe(0);
  });

  test("hints that pretend to be a verdict are shown as what they are", async () => {
    const members = JSON.parse(Buffer.from(bytesOf(good)).toString()) as Record<string, unknown>;
    const hint = "x\u202e\u001b[2J VERIFIED";
    const changed = { ...members, vkeys: [hint], published: [{ target: hint, object: hint, version_id: hint, last_modified: hint }] } as Record<string, Json>;
    const rest = Object.fromEntries(Object.entries(changed).filter(([name]) => name !== "digest"));
    const file = utf8(`${canonicalize({ ...rest, digest: hashText(pureHash.sha256(utf8(canonicalize(rest)))) })}\n`);
    expect(await given([file], "")).toEqual(["not_checked"]);
    expect((await verdict())[1]).toContain("with the key “x\\u{202e}\\u{1b}[2J VERIFIED”");
    expect(await given([file], good.vkey)).toEqual(["logged"]);
    expect(await page.$eval("#detail", (at) => at.textContent)).toContain("published at “x\\u{202e}\\u{1b}[2J VERIFIED”");
    expect(await page.$eval("main", (at) => /(?!\n)[\p{Cc}\p{Cf}]/u.test(at.textContent))).toBe(false);
  });

  test("has asked for nothing but itself, and its policy lets it have nothing else", async () => {
    expect([requests.map((url) => fileURLToPath(url)), errors]).toEqual([[fileURLToPath(PAGE)], []]);
    const blocked = await page.evaluate(() => fetch("https://receipts.example.com/").then(() => "sent", () => "blocked"));
    expect([blocked, errors.join()]).toEqual(["blocked", expect.stringContaining("Content Security Policy")]);
  });

  test("fits a phone, in both themes", async () => {
    await page.setViewport({ width: 390, height: 800 });
    for (const scheme of ["light", "dark"]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), scheme).toBeLessThanOrEqual(390);
    }
  });
});
