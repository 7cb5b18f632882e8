/** The configuration: defaults, every kind of value, where an error is said to be, overrides from the environment. */
import fc from "fast-check";
import { validateDetailed } from "node-cron";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ConfigError, defaultConfig, loadConfig } from "../src/config.ts";
import { DEFAULT_ORGANIZATION, DEFAULT_PREFIX, LEDGER_PREFIX } from "../src/format/names.ts";

const folder = mkdtempSync(join(tmpdir(), "receiptd-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, "receiptd.yaml");
const EXAMPLE = "config/receiptd.example.yaml";
const KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

function load(text: string | Uint8Array, env: Record<string, string | undefined> = {}) {
  writeFileSync(file, text);
  return loadConfig({ path: file, env });
}

function refusal(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

/** What a test says of an issue: `line:column code path`. */
function brief(error: ConfigError): readonly string[] {
  return error.issues.map((it) => `${it.line ?? "-"}:${it.column ?? "-"} ${it.code} ${it.path}`);
}

test.each([
  "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 'anchor: {archive: {recipients: ["AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"]}}',
  "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L: x", "data_dir: {AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L: x}", "a: *AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
])("a secret key where a setting belongs is refused and not quoted: %s", (text) => {
  const error = refusal(() => load(text));
  expect(JSON.stringify([error.message, error.path, error.issues])).not.toContain("1QQP");
});

describe("defaults", () => {
  test("of nothing at all, relative to the working directory", () => {
    expect(loadConfig({ env: {} })).toEqual({
      auditors: [],
      data_dir: resolve("receiptd-data"),
      origin: "localhost/receipts",
      socket: { path: resolve("receiptd-data/receiptd.sock"), mode: "0660", group: null },
      ack: "disk",
      limits: {
        max_connections: 256,
        max_message: 4 * 1024 * 1024,
        max_in_flight: 1024,
        max_append_many: 1000,
        max_buffered: 64 * 1024 * 1024,
        line_timeout: 30_000,
        write_timeout: 60_000,
        wait_timeout: 300_000,
        max_organizations: 10_000,
      },
      organizations: new Map(),
      anchor: {
        schedule: "* * * * *",
        max_batch: 65_536,
        heartbeat: 900_000,
        grace: 60_000,
        fail_closed_after: null,
        archive: { enabled: false, recipients: [] },
        targets: [{ name: "local", type: "directory", path: resolve("receiptd-data/anchors"), required: true }],
      },
      keys: { root_key: { type: "file", path: resolve("receiptd-data/root.key") }, checkpoint: { type: "local" } },
      policy: null,
      chains: { max_open: 10_000, max_entries: 2000, timeout: 86_400_000 },
      self_check: { enabled: true, processor: 2, interval: 5000 },
      http: {
        listen: "127.0.0.1:7463", trust_proxy: [], public_numbers: true, rate: { per_client: 120, overall: 200 }, max_page: 100, max_connections: 256,
        request_timeout: 10_000, idle_timeout: 30_000,
      },
      log: { level: "info" },
    });
  });

  test.each(["", "# nothing\n", "{}", "limits:\norganizations:\nsocket:\n  # mode\n"])("of the file %j", (text) => {
    expect(load(text)).toEqual(defaultConfig(join(folder, "receiptd-data")));
  });

  test("defaultConfig has everything under its folder", () => {
    expect(defaultConfig("somewhere").keys.root_key).toEqual({ type: "file", path: resolve("somewhere/root.key") });
    expect(defaultConfig("/s").socket.path).toBe("/s/receiptd.sock");
  });
});

describe("the example", () => {
  const text = readFileSync(EXAMPLE, "utf8");

  test("holds exactly the defaults", () => {
    expect(loadConfig({ path: EXAMPLE, env: {} })).toEqual(defaultConfig("config/receiptd-data"));
  });

  test("holds them in the lines that are commented out as well", () => {
    const all = text.replace(/^( *)# (path: .*)$/gm, "$1$2");
    expect(all.match(/^ *path: /gm)).toHaveLength(3);
    expect(load(all)).toEqual(defaultConfig(join(folder, "receiptd-data")));
  });

  test("has every setting, each under a comment", () => {
    const lines = text.split("\n");
    const names = (value: unknown): string[] => {
      if (typeof value !== "object" || value === null || value instanceof Map) return [];
      if (Array.isArray(value)) return value.flatMap(names);
      return Object.entries(value).flatMap(([name, inner]) => [name, ...names(inner)]);
    };
    const expected = names(defaultConfig(".")).toSorted();
    const found = lines.flatMap((line) => /^ *(?:- |# (?=path:))?([a-z_]+):(?: |$)/.exec(line)?.[1] ?? []);
    expect(found.toSorted()).toEqual(expected);
    for (const [i, line] of lines.entries()) {
      if (/^ *(- )?[a-z_]+: \S/.test(line)) expect(lines[i - 1], line).toMatch(/^ *# /);
    }
  });
});

describe("a target of type s3", () => {
  const bucket = "anchor: {targets: [{type: s3, name: s3, bucket: acme-receipts";

  test("in the example is accepted as it is there, and holds the defaults", () => {
    const text = readFileSync(EXAMPLE, "utf8").replace(/^    # (- name: s3|  .*)$/gm, "    $1");
    expect(load(text).anchor.targets[1]).toEqual({
      type: "s3", name: "s3", bucket: "acme-receipts", prefix: "receiptd/", region: "eu-central-1", endpoint: "https://s3.example.com",
      path_style: false, profile: "receiptd", retention: 7 * 366 * 86_400_000, required: true,
    });
    expect(load(`${bucket}}]}`).anchor.targets).toEqual([
      { type: "s3", name: "s3", bucket: "acme-receipts", path_style: false, retention: 7 * 366 * 86_400_000, required: true },
    ]);
  });

  test.each(["retention: 30s", "retention: 0d", "retention: 101y", "retention: 7", "prefix: a", "prefix: ../", "endpoint: s3.example.com", "bucket: A", "path: x", "secret_key: x"])("with %s is refused", (setting) => {
    const repeated = setting.startsWith("bucket") ? bucket.replace("bucket: acme-receipts", setting) : `${bucket}, ${setting}`;
    expect(() => load(`${repeated}}]}`)).toThrow(ConfigError);
  });

  test("may not be the place of another", () => {
    const one = "{type: s3, name: a, bucket: acme-receipts}";
    expect(brief(refusal(() => load(`anchor: {targets: [${one}, ${one.replace("name: a", "name: b")}]}`)))).toEqual(["1:64 bad_value anchor.targets[1]"]);
    expect(load(`anchor: {targets: [${one}, {type: s3, name: b, bucket: acme-receipts, prefix: b/}]}`).anchor.targets).toHaveLength(2);
  });
});

describe("http", () => {
  test.each(["127.0.0.1:0", "0.0.0.0:80", "[::1]:7463", "localhost:65535"])("listens on %s", (listen) => {
    expect(load(`http: {listen: "${listen}"}`).http.listen).toBe(listen);
  });

  test.each(["listen: 7463", "listen: 127.0.0.1", 'listen: "127.0.0.1:65536"', 'listen: "127.0.0.1:080"', 'listen: "::1:80"', "trust_proxy: [proxy.example.com]", 'trust_proxy: ["10.0.0.0/33"]', 'trust_proxy: ["10.0.0.0/8/8"]', "rate: {per_client: 0}", "max_page: 1001", "tls: true"])("with %s is refused", (setting) => {
    expect(() => load(`http: {${setting}}`)).toThrow(ConfigError);
  });

  test.each(["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8"])("trusts the proxy %s", (proxy) => {
    expect(load(`http: {trust_proxy: ["${proxy}"]}`).http.trust_proxy).toEqual([proxy]);
  });
});

describe("keys", () => {
  const passphrase = { type: "passphrase", path: "PATH/receiptd-data/root.scrypt" };
  const kms = { type: "aws-kms", key: KEY };

  test.each<readonly [text: string, expected: object]>([
    ["root_key: {type: credential}", { root_key: { type: "credential", name: "receiptd-root-key" } }],
    ["root_key: {type: passphrase}", { root_key: passphrase }],
    ["root_key: {type: passphrase, passphrase_file: words}", { root_key: { ...passphrase, passphrase_file: "PATH/words" } }],
    ["root_key: {type: passphrase, passphrase_credential: words}", { root_key: { ...passphrase, passphrase_credential: "words" } }],
    [`root_key: {type: aws-kms, key: "${KEY}", path: k}`, { root_key: { ...kms, path: "PATH/k" } }],
    [`checkpoint: {type: aws-kms, key: "${KEY}", region: eu-west-1, endpoint: "http://127.0.0.1:8080", profile: x}`, { checkpoint: { ...kms, region: "eu-west-1", endpoint: "http://127.0.0.1:8080", profile: "x" } }],
    ["checkpoint: null", { checkpoint: { type: "local" } }],
  ])("%s", (text, expected) => {
    expect(load(`keys: {${text}}`).keys).toMatchObject(JSON.parse(JSON.stringify(expected).replaceAll("PATH", folder)) as object);
  });

  test("that are commented out in the example are accepted as they are there", () => {
    const lines = readFileSync(EXAMPLE, "utf8").split("\n");
    const found = lines.flatMap((line, at) => (/^  # (root_key|checkpoint):$/.test(line) ? [lines.slice(at, lines.findIndex((next, i) => i > at && !next.startsWith("  #   ")))] : []));
    const types = found.map((block) => load(`keys:\n${block.map((line) => line.replace("  # ", "  ")).join("\n")}\n`).keys).map(({ root_key, checkpoint }) => `${root_key.type} ${checkpoint.type}`);
    expect(types).toEqual(["credential local", "passphrase local", "aws-kms local", "file aws-kms"]);
  });

  test("in KMS have an ARN", () => {
    for (const name of ["root_key", "checkpoint"]) expect(brief(refusal(() => load(`keys: {${name}: {type: aws-kms}}`)))).toEqual([`1:${10 + name.length} missing_key keys.${name}.key`]);
  });
});

describe("paths", () => {
  test("are relative to the file, and those left out are in data_dir", () => {
    mkdirSync(join(folder, "etc"), { recursive: true });
    const path = join(folder, "etc", "r.yaml");
    writeFileSync(path, "data_dir: ../data\nkeys: {root_key: {type: file, path: secret/key}}\n");
    const config = loadConfig({ path, env: {} });
    expect(config.data_dir).toBe(join(folder, "data"));
    expect(config.socket.path).toBe(join(folder, "data/receiptd.sock"));
    expect(config.anchor.targets[0]).toMatchObject({ path: join(folder, "data/anchors") });
    expect(config.keys.root_key).toEqual({ type: "file", path: join(folder, "etc/secret/key") });
  });

  test("of the environment are relative to the file too", () => {
    expect(load("", { RECEIPTD_DATA_DIR: "elsewhere" }).socket.path).toBe(join(folder, "elsewhere/receiptd.sock"));
  });
});

describe("values", () => {
  test.each([
    ["limits: {max_message: 1KiB}", 1024],
    ["limits: {max_message: 512KiB}", 512 * 1024],
    ["limits: {max_message: 2048B}", 2048],
    ["limits: {max_message: 5000}", 5000],
    ["limits: {max_message: 1GiB, max_buffered: 1GiB}", 2 ** 30],
  ])("the size in %s", (text, bytes) => {
    expect(load(text).limits.max_message).toBe(bytes);
  });

  test.each([
    ["10ms", 10],
    ["30s", 30_000],
    ["15m", 900_000],
    ["6h", 21_600_000],
    ["24d", 2_073_600_000],
  ])("the duration %s", (text, milliseconds) => {
    expect(load(`anchor: {heartbeat: ${text}}`).anchor.heartbeat).toBe(milliseconds);
  });

  test("a grace of 0s", () => {
    expect(load("anchor: {grace: 0s}").anchor.grace).toBe(0);
  });

  test.each([
    ["receiptd", "receiptd"],
    ["0", 0],
    ["4294967294", 4_294_967_294],
    ["null", null],
  ])("the group %s", (text, group) => {
    expect(load(`socket: {group: ${text}}`).socket.group).toBe(group);
  });

  test("organizations by name, one that every object has included", () => {
    const text = "organizations: {loans: {prefix: LOANS}, constructor: {prefix: C2}, a.b-c_9: {prefix: X}}";
    const { organizations } = load(text);
    expect(organizations.get("loans")).toEqual({ prefix: "LOANS" });
    expect(organizations.get("constructor")).toEqual({ prefix: "C2" });
    expect(organizations.get("toString")).toBeUndefined();
    expect(organizations.size).toBe(3);
  });

  test.each([
    "origin: ''",
    "origin: /receipts",
    "origin: Example.com/x",
    "origin: a/",
    `origin: ${"a".repeat(201)}`,
    'data_dir: ""',
    'data_dir: "a\\0b"',
    "data_dir: 3",
    "ack: memory",
    "socket: {mode: 0660}",
    'socket: {mode: "660"}',
    'socket: {mode: "0680"}',
    "socket: {group: 4294967295}",
    "socket: {group: -1}",
    "socket: {group: a b}",
    "socket: 3",
    "socket: []",
    "limits: {max_connections: 0}",
    "limits: {max_connections: 1.5}",
    'limits: {max_connections: "5"}',
    "limits: {max_connections: .inf}",
    "limits: {max_connections:}",
    "limits: {max_message: 1023}",
    "limits: {max_message: 1025MiB}",
    "limits: {max_message: 4MB}",
    "limits: {max_message: 4 MiB}",
    "limits: {max_message: 1.5MiB}",
    "limits: {line_timeout: 30}",
    "limits: {line_timeout: 30S}",
    "limits: {line_timeout: 9ms}",
    "limits: {line_timeout: 25d}",
    "limits: {line_timeout: -1s}",
    "organizations: []",
    "organizations: {Loans: {prefix: A}}",
    "organizations: {_ledger: {prefix: A}}",
    `organizations: {${"a".repeat(65)}: {prefix: A}}`,
    "organizations: {loans: {prefix: a}}",
    "organizations: {loans: {prefix: 1A}}",
    "organizations: {loans: {prefix: A2345678901234567}}",
    "organizations: {loans: A}",
    "anchor: {max_batch: 65537}",
    "anchor: {targets: {}}",
    "anchor: {targets: null}",
    "anchor: {targets: [{type: directory, name: A}]}",
    "anchor: {targets: [{type: tape, name: a}]}",
    "anchor: {targets: [{name: a}]}",
    "anchor: {targets: [{type: directory, name: a, required: yes}]}",
    "keys: {root_key: {type: kms}}",
    "keys: {root_key: {type: credential, name: ../root}}",
    "keys: {root_key: {type: credential, name: ..}}",
    "keys: {root_key: {type: passphrase, passphrase_file: x, passphrase_credential: y}}",
    "keys: {root_key: {type: passphrase, passphrase_file: 3}}",
    "keys: {root_key: {type: aws-kms, key: alias/receiptd}}",
    `keys: {root_key: {type: aws-kms, key: "${KEY.replace("key/", "alias/")}"}}`,
    `keys: {root_key: {type: aws-kms, key: "${KEY}", endpoint: "http://kms.example.com"}}`,
    `keys: {root_key: {type: aws-kms, key: "${KEY}", endpoint: "http://localhost.example.com"}}`,
    "keys: {checkpoint: {type: file}}",
    "keys: {checkpoint: 3}",
    "log: {level: verbose}",
    "- a list",
    "text",
    // all of them together
    "anchor: {targets: []}",
    "anchor: {targets: [{type: directory, name: a, required: false}]}",
    "anchor: {targets: [{type: directory, name: a, path: x}, {type: directory, name: a, path: y}]}",
    "anchor: {targets: [{type: directory, name: a}, {type: directory, name: b}]}",
    "organizations: {a: {prefix: X}, b: {prefix: X}}",
    `organizations: {loans: {prefix: ${LEDGER_PREFIX}}}`,
    `organizations: {${DEFAULT_ORGANIZATION}: {prefix: ${LEDGER_PREFIX}}}`,
    `organizations: {loans: {prefix: ${DEFAULT_PREFIX}}}`,
    "limits: {max_message: 8MiB, max_buffered: 4MiB}",
    `socket: {path: /${"s".repeat(107)}}`,
  ])("%j is refused", (text) => {
    const error = refusal(() => load(text));
    expect(error.code).toBe("bad_value");
    expect(error.line).toBe(1);
  });

  test("a socket's path of 107 bytes is not", () => {
    expect(load(`socket: {path: /${"s".repeat(106)}}`).socket.path).toHaveLength(107);
  });

  test("the prefix of the organization default is not, for itself", () => {
    expect(load(`organizations: {${DEFAULT_ORGANIZATION}: {prefix: ${DEFAULT_PREFIX}}}`).organizations.size).toBe(1);
  });

  test.each([
    "origin: !!str x",
    "origin: !x x",
    "a: 1\n---\na: 2",
    "origin: [",
    "a: &b {}\nc: *b",
    "a: &b [*b]",
    "organizations: {__proto__: {prefix: A}}",
    "? [a]\n: 1",
    "limits:\n\tmax_message: 1",
  ])("%j is not taken as YAML", (text) => {
    expect(refusal(() => load(text)).code).toBe("bad_yaml");
  });

  test("a file that is not there, or not UTF-8, is unreadable", () => {
    expect(refusal(() => loadConfig({ path: join(folder, "none.yaml"), env: {} })).code).toBe("unreadable");
    expect(refusal(() => load(Uint8Array.of(0x61, 0xff))).code).toBe("unreadable");
  });
});

describe("the schedule", () => {
  test.each([
    "* * * * *",
    "*/5 * * * *",
    "0,30 8-17 * * mon-fri",
    "0 0 1 jan,JUL *",
    "5-50/15 * * * *",
    "0 0 29 feb *",
    "0  0\t31 1-12 7",
  ])("may be %j", (schedule) => {
    expect(load(JSON.stringify({ anchor: { schedule } })).anchor.schedule).toBe(schedule);
  });

  test.each([
    "* * *",
    "* * * * * *",
    " * * * * *",
    "",
    "@hourly",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 32 * *",
    "* * * 0 *",
    "* * * 13 *",
    "* * * * 8",
    "* * * * mo",
    "* * * january *",
    "*/0 * * * *",
    "*/60 * * * *",
    "5/15 * * * *",
    "10-5 * * * *",
    "1,,2 * * * *",
    "1, * * * *",
    "-1 * * * *",
    "1.5 * * * *",
    "* * L * *",
    "* * * * 1#2",
    "0 0 31 2,4 *",
    "0 0 30 feb *",
  ])("may not be %j", (schedule) => {
    expect(refusal(() => load(JSON.stringify({ anchor: { schedule } }))).code).toBe("bad_value");
  });

  test("is never one that node-cron refuses", () => {
    const term = (min: number, max: number) => {
      const value = fc.oneof({ weight: 9, arbitrary: fc.integer({ min, max }) }, { weight: 1, arbitrary: fc.nat(99) });
      const number = value.map(String);
      const twoOf = fc.tuple(number, number).map((two) => two.join("-"));
      const range = fc.oneof(fc.constant("*"), fc.constant("*"), number, twoOf);
      const step = fc.option(fc.integer({ min: 0, max: max + 1 }).map((by) => `/${by}`), { nil: "", freq: 2 });
      return fc.tuple(range, step).map((parts) => parts.join(""));
    };
    const field = (min: number, max: number) =>
      fc.array(term(min, max), { minLength: 1, maxLength: 2 }).map((terms) => terms.join(","));
    const fields = fc.tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7));
    const expression = fields.map((five) => five.join(" "));
    let accepted = 0;
    fc.assert(
      fc.property(expression, (schedule) => {
        try {
          loadConfig({ env: { RECEIPTD_ANCHOR__SCHEDULE: schedule } });
        } catch {
          return;
        }
        accepted++;
        expect(validateDetailed(schedule).valid, schedule).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });
});

describe("errors", () => {
  test("name the file, line, column, setting, value and an example", () => {
    const error = refusal(() => load("data_dir: x\nanchor:\n  schedule: '* * *'\n"));
    expect(error).toMatchObject({ code: "bad_value", path: "anchor.schedule", line: 3, column: 13 });
    expect(error.message).toBe(
      `${file}:3:13: anchor.schedule: "* * *" is not a cron expression of 5 fields; for example "* * * * *"`,
    );
  });

  test("of several settings come together, each at its place", () => {
    const text = [
      "orgin: x",
      "limits:",
      "  max_message: 1",
      "  max_mesage: 2",
      "organizations:",
      "  Loans: {prefix: A}",
      "  cars: {}",
      "",
    ];
    expect(brief(refusal(() => load(text.join("\n"))))).toEqual([
      "3:16 bad_value limits.max_message",
      "4:3 unknown_key limits.max_mesage",
      "6:3 bad_value organizations.Loans",
      "7:9 missing_key organizations.cars.prefix",
      "1:1 unknown_key orgin",
    ]);
  });

  test("of one map with several unknown keys come each at its key, with what was meant", () => {
    const error = refusal(() => load("socket:\n  mod: 1\n  pth: x\n  zzzzzzzzzzzz: 1\n"));
    expect(brief(error)).toEqual([
      "2:3 unknown_key socket.mod",
      "3:3 unknown_key socket.pth",
      "4:3 unknown_key socket.zzzzzzzzzzzz",
    ]);
    expect(error.issues[0]?.message).toContain("did you mean mode?");
    expect(error.issues[1]?.message).toContain("did you mean path?");
    expect(error.issues[2]?.message).toContain("known here: path, mode, group");
  });

  test("beyond the fifth are only counted", () => {
    const error = refusal(() => load("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\n"));
    expect(error.issues).toHaveLength(5);
    expect(error.message.split("\n").at(-1)).toBe("… and 2 more");
  });

  test("inside a list have its index", () => {
    const good = "anchor:\n  targets:\n    - {name: a, type: directory}\n";
    const error = refusal(() => load(`${good}    - name: b\n      type: directory\n      requird: true\n`));
    expect(brief(error)).toEqual(["6:7 unknown_key anchor.targets[1].requird"]);
  });

  test("of a value that was forgotten are at its name", () => {
    const error = refusal(() => load("anchor:\n  schedule:\n  grace: 1m\n"));
    expect(brief(error)).toEqual(["2:3 bad_value anchor.schedule"]);
  });

  test("of a key that is there twice are at the second", () => {
    expect(brief(refusal(() => load("log: {}\nack: wal\nlog: {}\n")))).toEqual(["3:1 duplicate_key "]);
  });
});

describe("the environment", () => {
  test("overrides the file, by the kind of each setting", () => {
    const env = {
      RECEIPTD_ORIGIN: "123",
      RECEIPTD_ACK: "wal",
      RECEIPTD_SOCKET__PATH: "/run/r.sock",
      RECEIPTD_SOCKET__MODE: "0600",
      RECEIPTD_SOCKET__GROUP: "1000",
      RECEIPTD_LIMITS__MAX_CONNECTIONS: "9",
      RECEIPTD_LIMITS__MAX_MESSAGE: "2MiB",
      RECEIPTD_LIMITS__MAX_BUFFERED: "4194304",
      RECEIPTD_ANCHOR__HEARTBEAT: "1h",
      RECEIPTD_ANCHOR__TARGETS: '[{"name": "t", "type": "directory", "path": "/t"}]',
      RECEIPTD_ORGANIZATIONS: '{"loans": {"prefix": "L"}}',
      RECEIPTD_KEYS__ROOT_KEY__PATH: "/k",
      RECEIPTD_SELF_CHECK__ENABLED: "false",
    };
    const config = load("ack: disk\nanchor: {grace: 2m}\nlimits:\norganizations: {x: {prefix: X}}\n", env);
    expect(config.origin).toBe("123");
    expect(config.ack).toBe("wal");
    expect(config.socket).toEqual({ path: "/run/r.sock", mode: "0600", group: 1000 });
    expect(config.limits).toMatchObject({ max_connections: 9, max_message: 2 ** 21, max_buffered: 2 ** 22 });
    expect(config.anchor).toMatchObject({ heartbeat: 3_600_000, grace: 120_000 });
    expect(config.anchor.targets).toEqual([{ name: "t", type: "directory", path: "/t", required: true }]);
    expect([...config.organizations]).toEqual([["loans", { prefix: "L" }]]);
    expect(config.keys.root_key).toEqual({ type: "file", path: "/k" });
    expect(config.self_check.enabled).toBe(false);
  });

  test("can take a group away again", () => {
    expect(load("socket: {group: receiptd}", { RECEIPTD_SOCKET__GROUP: "" }).socket.group).toBeNull();
  });

  test("may hold what clients use, and what is nobody's business here", () => {
    expect(load("", { RECEIPTD_CONFIG: "x", RECEIPTD_SOCKET: "y", RECEIPTD_CLIENT_ACK: "wal", PATH: "z", RECEIPTD_ACK: undefined }).ack).toBe("disk");
  });

  test.each([
    ["RECEIPTD_SOCKET_PATH", "RECEIPTD_SOCKET__PATH"],
    ["RECEIPTD_ANCHOR__SHEDULE", "RECEIPTD_ANCHOR__SCHEDULE"],
    ["RECEIPTD_ANCHOR__TARGETS__0", "RECEIPTD_ANCHOR__TARGETS"],
    ["RECEIPTD_LOG__level", "RECEIPTD_LOG__LEVEL"],
    ["RECEIPTD_KEYS", "RECEIPTD_ACK"],
  ])("may not hold %s", (variable, meant) => {
    const error = refusal(() => load("", { [variable]: "x" }));
    expect(brief(error)).toEqual(["-:- unknown_variable "]);
    expect(error.message).toBe(`environment: ${variable}: unknown variable; did you mean ${meant}?`);
  });

  test("is named where its value is refused, also inside JSON", () => {
    const one = refusal(() => load("ack: disk", { RECEIPTD_ACK: "never" }));
    expect(brief(one)).toEqual(["-:- bad_value ack"]);
    expect(one.message).toBe('environment: RECEIPTD_ACK: ack: "never" is not one of disk, wal; for example disk');
    const two = refusal(() => load("", { RECEIPTD_ANCHOR__TARGETS: '[{"name": "A", "type": "directory"}]' }));
    expect(brief(two)).toEqual(["-:- bad_value anchor.targets[0].name"]);
    expect(two.message).toMatch(/^environment: RECEIPTD_ANCHOR__TARGETS: /);
  });

  test.each([
    ["bad_value", ""],
    ["bad_yaml", "[{"],
    ["bad_value", "3"],
    ["duplicate_key", '[{"name": "a", "name": "b", "type": "directory"}]'],
  ])("has %s where its JSON is %j", (code, text) => {
    expect(brief(refusal(() => load("", { RECEIPTD_ANCHOR__TARGETS: text })))[0]).toBe(`-:- ${code} anchor.targets`);
  });

  test("does not hide that a section of the file is no map", () => {
    const error = refusal(() => load("socket: 3", { RECEIPTD_SOCKET__MODE: "0600" }));
    expect(brief(error)).toEqual(["1:9 bad_value socket"]);
  });
});
