/**
 * Who may import whom, and what format/ and verify/ may touch so that they run in a browser.
 *
 *   cli → doctor → daemon → intake, http, recover → bundle, chains, door, restore → audit → anchor → ledger, keys → verify → format
 *
 * An arrow means "may import", types included; skipping down is fine, those of one row do not know each other.
 * Files are parsed, not searched, so a comment or a string is never mistaken for an import.
 */
import { readFileSync, readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAst } from "vitest/node";

const ROWS = [
  ["cli"],
  ["doctor"],
  ["daemon"],
  ["intake", "http", "recover"],
  ["bundle", "chains", "door", "restore"],
  ["audit"],
  ["anchor"],
  ["ledger", "keys"],
  ["verify"],
  ["format"],
];
/** What stands beside the rows may be imported from these layers, and may itself import those. */
const BESIDE = new Map<string, { readonly from: readonly string[]; readonly to: readonly string[] }>([
  ["config", { from: ["cli", "doctor", "daemon", "intake", "http", "door", "restore", "audit", "anchor", "ledger", "keys"], to: [] }],
  ["clients", { from: ["wrap", "integrations"], to: ["door", "verify", "format"] }],
  ["wrap", { from: ["cli"], to: ["clients", "format"] }],
  ["integrations", { from: [], to: ["clients", "verify", "format"] }],
  ["web", { from: [], to: ["verify", "format"] }],
]);
const PURE = new Set(["format", "verify"]);

/** Packages that only these may import; a name that ends in "/" is a folder. */
const RESERVED = new Map([
  ["better-sqlite3", ["src/ledger/", "src/anchor/outbox.ts", "src/chains/store.ts"]],
  ["node-cron", ["src/anchor/schedule.ts"]],
  ["@aws-sdk/client-s3", ["src/anchor/s3/"]],
  ["@aws-sdk/client-kms", ["src/keys/kms/"]],
  ["fastify", ["src/http/app.ts"]],
  ["@fastify/rate-limit", ["src/http/app.ts"]],
]);
/** Layers that may import nothing but these packages. */
const PACKAGES = new Map([
  ["config", /^(zod|yaml|node:.*)$/],
  ["clients", /^node:/],
  ["wrap", /^node:/],
  ["integrations", /^(node:.*|ai|openai|@anthropic-ai\/sdk|@langchain\/core)$/],
  ["door", /^node:/],
  ["format", /^(@noble\/(hashes|curves)|canonicalize|zod)$/],
  ["verify", /^(@noble\/(hashes|curves)|canonicalize|zod)$/],
]);
/** Globals that a browser lacks, or that make a result depend on more than its arguments. */
const IMPURE = new Set(
  (
    "Buffer process NodeJS global globalThis window navigator document require module console " +
    "performance crypto fetch setTimeout setInterval setImmediate queueMicrotask"
  ).split(" "),
);
const LONGEST = 300;

type Rule =
  | "layer"
  | "no_layer"
  | "outside"
  | "package"
  | "impure"
  | "opaque_import"
  | "imports_test"
  | "imports_cli"
  | "too_long";

interface Violation {
  readonly rule: Rule;
  readonly where: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** Fields that hold a name which is not a variable: `x.name`, `{ name: 1 }`, `import { name as other }`. */
function isPlainName(parent: Node, field: string): boolean {
  if (field === "property" || field === "key") return parent["computed"] !== true;
  return field === "imported" || (field === "exported" && parent.type === "ExportSpecifier");
}

/** Each node under a value, its own before those under it. */
function visit(value: unknown, see: (node: Node) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, see);
  if (!isNode(value)) return;
  see(value);
  for (const field in value) {
    const child = value[field];
    const isName = isNode(child) && child.type === "Identifier" && isPlainName(value, field);
    if (!isName) visit(child, see);
  }
}

const isNamed = (value: unknown, name: string) => isNode(value) && value.type === "Identifier" && value["name"] === name;

/** What a node imports: a string; null if that is computed; undefined if it is no import. */
function importedBy(node: Node): string | null | undefined {
  const literal = (value: unknown) => (isNode(value) && typeof value["value"] === "string" ? value["value"] : null);
  const first = Array.isArray(node["arguments"]) ? node["arguments"][0] : undefined;
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return literal(node["source"]);
    case "ExportNamedDeclaration":
      return isNode(node["source"]) ? literal(node["source"]) : undefined;
    case "TSExternalModuleReference":
      return literal(node["expression"]);
    case "CallExpression":
      return isNamed(node["callee"], "require") ? literal(first) : undefined;
    case "NewExpression": // new Worker(new URL("./worker.ts", import.meta.url)), or a file that is read
      return isNamed(node["callee"], "URL") && literal(first)?.startsWith(".") ? literal(first) : undefined;
    default:
      return undefined;
  }
}

function isImpure(node: Node): boolean {
  const args = node["arguments"];
  switch (node.type) {
    case "Identifier":
      return IMPURE.has(String(node["name"]));
    case "MetaProperty": // import.meta; new.target is one too
      return isNamed(node["meta"], "import");
    case "MemberExpression":
      return (
        (isNamed(node["object"], "Date") && isNamed(node["property"], "now")) ||
        (isNamed(node["object"], "Math") && isNamed(node["property"], "random"))
      );
    case "NewExpression":
      return isNamed(node["callee"], "Date") && Array.isArray(args) && args.length === 0;
    case "CallExpression":
      return isNamed(node["callee"], "Date");
    default:
      return false;
  }
}

function layerOf(path: string): string | undefined {
  const name = /^src\/([^/.]+)(?:\.ts$|\/)/.exec(path)?.[1];
  return name !== undefined && (BESIDE.has(name) || ROWS.some((row) => row.includes(name))) ? name : undefined;
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  const beside = { from: BESIDE.get(from), to: BESIDE.get(to) };
  if (beside.to !== undefined) return beside.to.from.includes(from);
  if (beside.from !== undefined) return beside.from.to.includes(to);
  return ROWS.findIndex((row) => row.includes(to)) > ROWS.findIndex((row) => row.includes(from));
}

function mayImportPackage(path: string, specifier: string): boolean {
  if (!path.startsWith("src/")) return true;
  const parts = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1);
  const name = isBuiltin(specifier) ? `node:${specifier.replace(/^node:/, "")}` : parts.join("/");
  const isOwner = (owner: string) => (owner.endsWith("/") ? path.startsWith(owner) : path === owner);
  return (RESERVED.get(name)?.some(isOwner) ?? true) && (PACKAGES.get(layerOf(path) ?? "")?.test(name) ?? true);
}

function ruleBrokenBy(path: string, specifier: string): Rule | undefined {
  if (!specifier.startsWith(".")) return mayImportPackage(path, specifier) ? undefined : "package";
  const imported = posix.join(posix.dirname(path), specifier);
  if (/^test\/.*\.ts$/.test(imported) && !path.startsWith("test/")) return "imports_test"; // data may be written there
  if (imported.startsWith("src/cli/") && !/^(src|test)\/cli\//.test(path)) return "imports_cli";
  const from = layerOf(path);
  if (from === undefined || imported === "package.json") return undefined; // without a layer: reported as such
  const to = layerOf(imported);
  if (to === undefined) return "outside";
  return mayImport(from, to) ? undefined : "layer";
}

function violations(path: string, text: string): readonly Violation[] {
  const found: Violation[] = [];
  const layer = layerOf(path);
  if (path.startsWith("src/")) {
    const lineCount = text.split("\n").length - 1;
    if (layer === undefined) found.push({ rule: "no_layer", where: path });
    if (lineCount > LONGEST) found.push({ rule: "too_long", where: `${path}: ${lineCount} lines` });
  }
  visit(parseAst(text, { lang: path.endsWith(".tsx") ? "tsx" : "ts" }, path), (node) => {
    const complain = (rule: Rule, what = "") => {
      const line = text.slice(0, node.start).split("\n").length;
      found.push({ rule, where: `${path}:${line} ${what}` });
    };
    if (layer !== undefined && PURE.has(layer) && isImpure(node)) complain("impure");
    const specifier = importedBy(node);
    if (specifier === undefined) return;
    const rule = specifier === null ? "opaque_import" : ruleBrokenBy(path, specifier);
    if (rule !== undefined) complain(rule, specifier ?? "");
  });
  return found;
}

describe("the checker", () => {
  test.each<readonly [Rule, path: string, text: string]>([
    ["layer", "src/format/a.ts", 'import { x } from "../verify/b.ts";'],
    ["layer", "src/verify/a.ts", 'import type { X } from "../ledger/b.ts";'],
    ["layer", "src/ledger/a.ts", 'import "../keys/b.ts";'],
    ["layer", "src/keys/a.ts", 'export { x } from "../ledger/b.ts";'],
    ["layer", "src/keys/deep/a.ts", 'export * from "../../anchor/b.ts";'],
    ["layer", "src/anchor/a.ts", 'export * as x from "../audit/b.ts";'],
    ["layer", "src/audit/a.ts", 'const x = await import("../door/b.ts");'],
    ["layer", "src/door/a.ts", 'type X = import("../intake/b.ts").X;'],
    ["layer", "src/intake/a.ts", 'new Worker(new URL("../http/b.ts", import.meta.url));'],
    ["layer", "src/http/a.ts", 'import {\n  x, // from "../format/a.ts"\n} from "../intake/b.ts";'],
    ["layer", "src/http/a.ts", 'const x = `${await import("../daemon.ts")}`;'],
    ["layer", "src/bundle/a.ts", 'import x from "../door/b.ts";'],
    ["layer", "src/audit/a.ts", 'import x from "../bundle/b.ts";'],
    ["layer", "src/daemon/a.ts", 'import x from "../doctor/b.ts";'],
    ["layer", "src/daemon.ts", 'import x from "./web/b.ts";'],
    ["layer", "src/daemon.ts", 'import x from "./clients/b.ts";'],
    ["layer", "src/clients/a.ts", 'import x from "../ledger/b.ts";'],
    ["layer", "src/clients/a.ts", 'import x from "../config.ts";'],
    ["package", "src/clients/a.ts", 'import { z } from "zod";'],
    ["layer", "src/daemon.ts", 'import x from "./wrap/b.ts";'],
    ["layer", "src/wrap/a.ts", 'import x from "../door/b.ts";'],
    ["package", "src/wrap/a.ts", 'import "@modelcontextprotocol/sdk/types.js";'],
    ["layer", "src/clients/a.ts", 'import x from "../integrations/b.ts";'],
    ["layer", "src/integrations/a.ts", 'import x from "../door/b.ts";'],
    ["package", "src/integrations/a.ts", 'import { z } from "zod";'],
    ["layer", "src/web/a.ts", 'import x from "../clients/b.ts";'],
    ["layer", "src/format/a.ts", 'import x from "../config.ts";'],
    ["layer", "src/config.ts", 'import x from "./format/a.ts";'],
    ["layer", "src/config/a.ts", 'import x from "../ledger/a.ts";'],
    ["no_layer", "src/helpers/a.ts", ""],
    ["no_layer", "src/index.ts", ""],
    ["outside", "src/daemon.ts", 'new URL("../config/receiptd.example.yaml", import.meta.url);'],
    ["outside", "src/daemon.ts", 'import x from "../scripts/build.ts";'],
    ["imports_cli", "src/daemon.ts", 'import x from "./cli/main.ts";'],
    ["imports_cli", "scripts/demo.ts", 'import x from "../src/cli/main.ts";'],
    ["imports_cli", "test/daemon.test.ts", 'import x from "../src/cli/main.ts";'],
    ["imports_test", "src/cli/a.ts", 'import x from "../../test/a.ts";'],
    ["imports_test", "scripts/vectors/a.ts", 'import x from "../../test/a.ts";'],
    ["package", "src/keys/a.ts", 'import Database from "better-sqlite3";'],
    ["package", "src/anchor/sign.ts", 'import type { Database } from "better-sqlite3";'],
    ["package", "src/anchor/outbox/a.ts", 'import "better-sqlite3/lib/x.js";'],
    ["package", "src/daemon.ts", 'import { schedule } from "node-cron";'],
    ["package", "src/anchor/lane.ts", 'import type { S3Client } from "@aws-sdk/client-s3";'],
    ["package", "src/doctor/a.ts", 'await import("@aws-sdk/client-s3");'],
    ["package", "src/anchor/signer.ts", 'await import("@aws-sdk/client-kms");'],
    ["package", "src/http/routes.ts", 'import type { FastifyRequest } from "fastify";'],
    ["package", "src/config.ts", 'import pino from "pino";'],
    ["package", "src/format/a.ts", 'import { createHash } from "node:crypto";'],
    ["package", "src/verify/a.ts", 'import { createHash } from "crypto";'],
    ["package", "src/verify/a.ts", 'import type { Stats } from "fs";'],
    ["package", "src/format/a.ts", 'import pino from "pino";'],
    ["opaque_import", "src/daemon.ts", "await import(name);"],
    ["opaque_import", "src/daemon.ts", "require(name);"],
    ["impure", "src/format/a.ts", 'Buffer.from("");'],
    ["impure", "src/format/a.ts", "export function f(bytes: Buffer): void {}"],
    ["impure", "src/verify/a.ts", "const x = `${process.pid}`;"],
    ["impure", "src/verify/a.ts", "const x = { process };"],
    ["impure", "src/verify/a.ts", "const x = globalThis.Buffer;"],
    ["impure", "src/format/a.ts", "const t = Date.now();"],
    ["impure", "src/format/a.ts", "const t = new Date();"],
    ["impure", "src/format/a.ts", "const t = Date();"],
    ["impure", "src/format/a.ts", "const now = { clock: Math.random };"],
    ["impure", "src/format/a.ts", "const x = import.meta.url;"],
    ["too_long", "src/daemon.ts", "\n".repeat(301)],
  ])("reports %s in %s: %j", (rule, path, text) => {
    expect(violations(path, text).map((it) => it.rule)).toContain(rule);
  });

  test.each<readonly [path: string, text: string]>([
    ["src/cli/a.ts", 'import "./b.ts"; import "../daemon.ts"; import "../format/b.ts"; import "../config.ts";'],
    ["src/cli/a.ts", 'import "../door/b.ts"; new URL("../../package.json", import.meta.url);'],
    ["src/wrap/a.ts", 'import "node:child_process"; import "../clients/b.ts"; import "../format/b.ts";'],
    ["src/cli/a.ts", 'import "../wrap/b.ts";'],
    ["src/clients/a.ts", 'import "node:net"; import "../door/b.ts"; import "../verify/b.ts"; import "../format/b.ts";'],
    ["src/doctor/a.ts", 'import "../daemon/a.ts"; import "../anchor/a.ts"; import "../config.ts";'],
    ["src/daemon.ts", 'import "./intake/a.ts"; import "./http/a.ts"; import type { Config } from "./config.ts";'],
    ["src/http/app.ts", 'import { fastify } from "fastify"; import "../bundle/a.ts"; import "../door/b.ts";'],
    ["src/ledger/a.ts", 'import Database from "better-sqlite3"; new URL("./migrations/", import.meta.url);'],
    ["src/anchor/outbox.ts", 'import Database from "better-sqlite3"; import "../ledger/a.ts"; import "../keys/a.ts";'],
    ["src/anchor/schedule.ts", 'import { schedule } from "node-cron";'],
    ["src/anchor/s3/a.ts", 'await import("@aws-sdk/client-s3");'],
    ["src/keys/kms/a.ts", 'await import("@aws-sdk/client-kms");'],
    ["src/keys/a.ts", 'import "node:crypto"; import "../verify/a.ts"; Buffer.alloc(Date.now()); new URL("https://a.example");'],
    ["src/config.ts", 'import "zod"; import "yaml"; import "node:fs"; import "./config/values.ts";'],
    ["src/format/a.ts", '// import "node:fs"; Buffer\nconst text = \'import "node:fs"; process.pid\';'],
    ["src/format/a.ts", "const x = { process: 1, Buffer() {} }; x.process; new Date(0); Date.parse(text); Date.UTC(1, 1);"],
    ["src/format/a.ts", 'import { sha256 } from "@noble/hashes/sha2.js"; import canonicalize from "canonicalize"; import "zod";'],
    ["scripts/schema.ts", 'writeFileSync(new URL("../test/ledger/schema.sql", import.meta.url), "");'],
    ["test/cli/a.test.ts", 'import "../../src/cli/a.ts"; import "../helper.ts"; import Database from "better-sqlite3";'],
    ["src/daemon.ts", "\n".repeat(300)],
  ])("has nothing against %s: %j", (path, text) => {
    expect(violations(path, text)).toEqual([]);
  });
});

const files = ["src", "test", "scripts", "examples"].flatMap((top) =>
  readdirSync(top, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => posix.join(top, name)),
);

test("the project's files are found", () => {
  expect(files).toEqual(expect.arrayContaining(["src/config.ts", "src/format/bytes.ts", "test/layers.test.ts"]));
});

test("no file of the project breaks a rule", () => {
  expect(files.flatMap((path) => violations(path, readFileSync(path, "utf8")))).toEqual([]);
});
