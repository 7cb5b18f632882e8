/**
 * Bundles src/ and the packages it uses into JavaScript for dist/: what is tested is, byte for byte, what is installed, and a command
 * starts in half the time. better-sqlite3 stays outside, since it is native. What a package's licence asks for goes into a file beside.
 *
 * Every entry and every chunk is one folder below dist/, so that a module finds its worker, its migrations and package.json from either.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Plugin } from "rolldown";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");
const LICENSES = "THIRD-PARTY-LICENSES.txt";

/**
 * By where they are found in dist/, what is bundled together: the command, what package.json exports, and each thread alone. Node takes
 * as long to find and read the fifty chunks that a thread would share with others as it takes for all the rest of the thread's start.
 */
const BUNDLES: readonly (readonly string[])[] = [
  ["cli/main"],
  ["format/index", "verify/index", "clients/index", "integrations/ai-sdk", "integrations/langchain", "integrations/openai", "integrations/anthropic"],
  ...["anchor/worker", "audit/worker", "ledger/checkpoint-worker", "daemon/self-check-worker", "intake/long-lines-worker", "http/export-worker"].map((name) => [name]),
];

/** What so many of the parts share that are loaded when they are needed, such as commands, is one chunk. */
const SHARED_BY = 20;

/** The places beside a source file, named as they are in dist/. */
const placesInDist: Plugin = {
  name: "places-in-dist",
  transform(code, id) {
    const layer = basename(dirname(id));
    if (!id.startsWith(join(root, "src")) || !code.includes("import.meta.url")) return null;
    return code.replaceAll(/new URL\("\.\/([^"]*?)(?:\.ts)?", import\.meta\.url\)/g, (all, path: string) => `new URL("../${layer}/${path}${all.includes(".ts\"") ? ".js" : ""}", import.meta.url)`);
  },
};

/**
 * Two of Node's modules past their ESM form, for which Node reads every property: one of `http` loads an HTTP client that nobody uses,
 * one of `process` lists all of Node's options.
 */
const WITHOUT_FACADE: Readonly<Record<string, string>> = {
  "node:http": 'const http = process.getBuiltinModule("http"); export default http; export const { Agent, request } = http;',
  "node:process": "const { process } = globalThis; export default process; export const { env, versions } = process;",
};
const withoutFacade: Plugin = {
  name: "without-facade",
  // what fastify requires of http is more, and loaded by `receiptd http` alone
  resolveId: (id, _, { kind }) => (Object.hasOwn(WITHOUT_FACADE, id) && !(id === "node:http" && kind === "require-call") ? `\0${id}` : null),
  load: (id) => WITHOUT_FACADE[id.slice(1)] ?? null,
};

/** Of crypto-js, of which merkletreejs asks for all ciphers, only what it uses of it: the encoding Hex. */
const coreOfCryptoJs: Plugin = {
  name: "core-of-crypto-js",
  resolveId: { filter: { id: /^crypto-js$/ }, handler(_, importer) { return this.resolve("crypto-js/core", importer); } },
};

/** The licences of what is bundled, each package once. */
function licensesOf(modules: readonly string[]): string {
  const folders = new Set(modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replaceAll("\0", "")) ?? []));
  const texts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Readonly<Record<"name" | "version" | "license", string>>;
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
    return `${name} ${version} (${license})\n\n${files.map((file) => readFileSync(join(folder, file), "utf8").trim()).join("\n\n")}\n`;
  });
  return texts.sort().join(`\n${"-".repeat(80)}\n\n`);
}

interface WebPage {
  readonly html: string;
  /** What it consists of, files of packages too. */
  readonly modules: readonly string[];
}

/** Below src/web: the page, its program, and its styles in order; `more`: what its policy allows beside its own program and style. */
async function page(html: string, program: string, styles: readonly string[], more: readonly string[] = []): Promise<WebPage> {
  const from = (name: string): string => join(root, "src/web", name);
  const { rolldown } = await import("rolldown");
  const build = await rolldown({
    input: from(program), cwd: root, platform: "browser", resolve: { mainFields: ["module", "main"] }, logLevel: "warn",
    transform: { jsx: { runtime: "automatic", importSource: "preact" } },
  });
  const { output: [chunk] } = await build.generate({ format: "iife", minify: true });
  await build.close();
  const style = styles.map((name) => readFileSync(from(name), "utf8")).join("\n");
  const script = chunk.code.replaceAll("</script", "<\\/script");
  const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = ["default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`, ...more, "base-uri 'none'", "form-action 'none'"].join("; ");
  const parts: Readonly<Record<string, string>> = { policy, style, script };
  return { html: readFileSync(from(html), "utf8").replaceAll(/\{\{(policy|style|script)\}\}/g, (_, name: string) => parts[name]!), modules: chunk.moduleIds };
}

/** verify.html works from disk and asks nobody; page.html asks the server that it came from, and lets no text become markup or program. */
async function pages(): Promise<Readonly<Record<"verify" | "page", WebPage>>> {
  return {
    verify: await page("verify.html", "verify.ts", ["verify.css"]),
    page: await page("page/page.html", "page/main.tsx", ["../../node_modules/uplot/dist/uPlot.min.css", "page/page.css"], [
      "connect-src 'self'", "img-src data:", "require-trusted-types-for 'script'", "trusted-types 'none'",
    ]),
  };
}

/** Makes dist/ anew, without declarations. Whoever runs the old one meanwhile finds it for as long as can be. */
export async function bundle(): Promise<void> {
  const fresh = join(root, `dist.${process.pid}`);
  const { rolldown } = await import("rolldown"); // most often there is nothing to do
  const modules: string[] = [];
  for (const names of BUNDLES) {
    const input = Object.fromEntries(names.map((name) => [name, join(root, `src/${name}.ts`)]));
    const build = await rolldown({ input, cwd: root, platform: "node", external: [/^better-sqlite3$/], plugins: [placesInDist, coreOfCryptoJs, withoutFacade], resolve: { mainFields: ["module", "main"] }, logLevel: "warn" });
    const { output } = await build.write({
      dir: fresh, format: "esm", entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js", codeSplitting: { groups: [{ name: "common", minShareCount: SHARED_BY }] },
    });
    await build.close();
    modules.push(...output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : [])));
  }
  for (const layer of ["ledger", "anchor", "chains"]) cpSync(join(root, `src/${layer}/migrations`), join(fresh, `${layer}/migrations`), { recursive: true });
  const made = await pages();
  for (const [name, { html }] of Object.entries(made)) writeFileSync(join(fresh, `cli/${name}.html`), html);
  writeFileSync(join(fresh, LICENSES), licensesOf([...modules, ...Object.values(made).flatMap(({ modules }) => modules)]));
  mkdirSync(dist, { recursive: true });
  const old = join(root, `dist.${process.pid}.old`);
  renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}

function newestOf(folder: string): number {
  return Math.max(...readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => statSync(join(folder, name)).mtimeMs));
}

/** Bundles unless dist/ is younger than every source. */
export async function bundleIfOld(): Promise<void> {
  const made = join(dist, LICENSES);
  const sources = Math.max(newestOf(join(root, "src")), ...["package-lock.json", "scripts/bundle.ts"].map((file) => statSync(join(root, file)).mtimeMs));
  if (!existsSync(made) || statSync(made).mtimeMs <= sources) await bundle();
}

if (import.meta.main) await bundleIfOld();
