import { execFile, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { createSecretFile, readSecretFile } from "../../src/keys/secret-file.ts";
import { codeOf, ownFolder, secretFile } from "./support.ts";

const at = ownFolder();
const asRoot = process.getuid?.() === 0;
const bytes = Uint8Array.of(1, 2, 3);

describe("readSecretFile", () => {
  test.each([0o600, 0o400, 0o700, 0o000])("mode %o is nobody else's business", (mode) => {
    const path = secretFile(at("key"), bytes);
    chmodSync(path, mode);
    if (mode === 0 && !asRoot) expect(codeOf(() => readSecretFile(path))).toBe("key_file_mode");
    else expect(readSecretFile(path)).toEqual(bytes);
  });

  test.each([0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o4644])("mode %o is refused", (mode) => {
    const path = secretFile(at("key"), bytes);
    chmodSync(path, mode);
    expect(codeOf(() => readSecretFile(path))).toBe("key_file_mode");
  });

  test.runIf(asRoot)("another user's file is refused", () => {
    const path = secretFile(at("key"), bytes);
    chownSync(path, 12_345, 0);
    expect(codeOf(() => readSecretFile(path))).toBe("key_file_mode");
  });

  test("a symbolic link is refused, to a good key file and to nothing", () => {
    symlinkSync(secretFile(at("real"), bytes), at("link"));
    symlinkSync(at("nothing"), at("dangling"));
    expect(codeOf(() => readSecretFile(at("link")))).toBe("key_file_damaged");
    expect(codeOf(() => readSecretFile(at("dangling")))).toBe("key_file_damaged");
  });

  test("what is no file is refused, and does not hold up", () => {
    mkdirSync(at("folder"), { mode: 0o700 });
    expect(spawnSync("sh", ["-c", 'mkfifo -m 600 "$0"', at("pipe")]).status).toBe(0);
    expect(codeOf(() => readSecretFile(at("folder")))).toBe("key_file_damaged");
    expect(codeOf(() => readSecretFile(at("pipe")))).toBe("key_file_damaged");
    expect(codeOf(() => readSecretFile("/dev/null"))).toBe("key_file_damaged");
  });

  test("only what is not there is missing", () => {
    expect(codeOf(() => readSecretFile(at("nothing")))).toBe("key_file_missing");
    expect(codeOf(() => readSecretFile(`${secretFile(at("file"), bytes)}/key`))).toBe("key_file_damaged");
  });

  test("1 MiB is read, a byte more is not", () => {
    expect(readSecretFile(secretFile(at("large"), new Uint8Array(1 << 20)))).toHaveLength(1 << 20);
    expect(codeOf(() => readSecretFile(secretFile(at("larger"), new Uint8Array((1 << 20) + 1))))).toBe("key_file_damaged");
  });
});

describe("createSecretFile", () => {
  const umask = process.umask();
  afterEach(() => void process.umask(umask));

  test.each([0o000, 0o022, 0o077])("makes a file of mode 0600 under umask %o, and leaves nothing else", (mask) => {
    process.umask(mask);
    createSecretFile(at("key"), bytes);
    expect(statSync(at("key")).mode & 0o7777).toBe(0o600);
    expect(statSync(at("key")).nlink).toBe(1);
    expect(readSecretFile(at("key"))).toEqual(bytes);
    expect(readdirSync(dirname(at("key")))).toEqual([basename(at("key"))]);
  });

  test("never replaces, not even a dangling link", () => {
    createSecretFile(at("key"), bytes);
    symlinkSync(at("elsewhere"), at("link"));
    for (const name of ["key", "link"]) expect(codeOf(() => createSecretFile(at(name), Uint8Array.of(9)))).toBe("key_file_exists");
    expect(readSecretFile(at("key"))).toEqual(bytes);
    expect(lstatSync(at("link")).isSymbolicLink()).toBe(true);
    expect(existsSync(at("elsewhere"))).toBe(false);
    expect(readdirSync(dirname(at("key"))).sort()).toEqual(["key", "link"]);
  });

  test("what a creation leaves that was cut short, or a link in its place, is neither used nor written to", () => {
    writeFileSync(at("a.new"), Uint8Array.of(7), { mode: 0o644 });
    writeFileSync(at("victim"), "mine");
    symlinkSync(at("victim"), at("b.new"));
    createSecretFile(at("a"), bytes);
    createSecretFile(at("b"), bytes);
    expect([readSecretFile(at("a")), readSecretFile(at("b"))]).toEqual([bytes, bytes]);
    expect(readFileSync(at("victim"), "utf8")).toBe("mine");
    expect(readdirSync(dirname(at("a"))).sort()).toEqual(["a", "a.new", "b", "b.new", "victim"]);
  });

  test("of several processes that create it at once one does, and the file holds what that one wrote", async () => {
    const script = `import { createSecretFile } from ${JSON.stringify(new URL("../../src/keys/secret-file.ts", import.meta.url).href)};
      await new Promise((resolve) => setTimeout(resolve, process.argv[3] - Date.now() - 30));
      while (Date.now() < process.argv[3]) {}
      try { createSecretFile(process.argv[1], Buffer.alloc(1 << 19, process.argv[2])); console.log("made"); } catch (error) { console.log(error.code); }`;
    const soon = String(Date.now() + 1500);
    const said = await Promise.all(["a", "b", "c"].map((letter) => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, at("one"), letter, soon]).then(({ stdout }) => [letter, stdout.trim()])));
    const made = said.filter(([, result]) => result === "made");
    expect([made.length, said.filter(([, result]) => result === "key_file_exists").length]).toEqual([1, 2]);
    expect(Buffer.from(readSecretFile(at("one"))).equals(Buffer.alloc(1 << 19, made[0]![0]))).toBe(true);
    expect(readdirSync(dirname(at("one")))).toEqual(["one"]);
  });
});
