/**
 * The configuration: one YAML file, overridden by RECEIPTD_* variables, checked by zod, from then on read-only.
 *
 * config/receiptd.example.yaml says what each setting means and holds its default. The operator controls all of it: the
 * checks are there so that a slip is refused at start with its line, not found out later. A Config has sizes in bytes,
 * durations in milliseconds and absolute paths. No secret is a setting, only the path of one.
 */
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { type Environment, overridden, overridesIn } from "./config/environment.ts";
import { ConfigError, type ConfigErrorCode, type ConfigIssue, refuse } from "./config/errors.ts";
import { http } from "./config/http.ts";
import { checkpoint, placedRootKey, rootKey } from "./config/keys.ts";
import { contentOf, dotted, issuesOf } from "./config/read-file.ts";
import { cron, days, duration, exactly, oneOf, path, section, size, text, wanted, whole } from "./config/values.ts";
import { type Path, readYaml } from "./config/yaml.ts";

export { ConfigError } from "./config/errors.ts";

/** A command parses one configuration: zod need not compile its schemas for that, which takes longer than the parsing. */
const ONCE = { jitless: true } as const;

/** What a ledger is called whose name nobody has chosen. */
export const DEFAULT_ORIGIN = "localhost/receipts";

const origin = text(
  "an origin of at most 200 characters",
  "receipts.example.com/loans",
  /^(?=.{1,200}$)[a-z0-9.-]+(\/[A-Za-z0-9._-]+)*$/,
);

const organizationName = text("an organization's name", "loans", /^[a-z0-9][a-z0-9._-]{0,63}$/);
const organization = exactly({
  prefix: text("a prefix of 1 to 16 capitals and digits", "LOANS", /^[A-Z][A-Z0-9]{0,15}$/),
});

/** Whose the prefixes are that no other organization can have; configured for another one it would silently become RCP2. */
const RESERVED = new Map([["LEDGER", "_ledger"], ["RCP", "default"]]);

// Kinds of targets and root keys are told apart by `type`, so a further kind is a further member of the union.
const target = z.discriminatedUnion(
  "type",
  [
    exactly({
      type: z.literal("directory"),
      name: text("a target's name", "local", /^[a-z0-9-]{1,32}$/),
      path: path.optional(),
      required: z.boolean(wanted("true or false", "true")).default(true),
    }),
    exactly({
      type: z.literal("s3"),
      name: text("a target's name", "s3", /^[a-z0-9-]{1,32}$/),
      bucket: text("a bucket's name", "acme-receipts", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
      prefix: text("a prefix of object names that ends in /", "receiptd/", /^(?:(?!\.{1,2}\/)[A-Za-z0-9._-]{1,64}\/){1,8}$/).optional(),
      region: text("a region", "eu-central-1", /^[a-z0-9-]{1,64}$/).optional(),
      endpoint: text("an http or https URL", "https://s3.example.com", /^https?:\/\/[^\s/?#]+\/?$/).optional(),
      path_style: z.boolean(wanted("true or false", "false")).default(false),
      profile: text("a profile's name", "receiptd", /^[A-Za-z0-9_.@+-]{1,64}$/).optional(),
      retention: days("7y").prefault("7y"),
      required: z.boolean(wanted("true or false", "true")).default(true),
    }),
  ],
  wanted("a target of a known type (directory, s3)", "{name: local, type: directory}"),
);

const SCHEMA = section({
  data_dir: path.default("./receiptd-data"),
  origin: origin.default(DEFAULT_ORIGIN),
  socket: section({
    path: path.optional(),
    mode: text("a file mode in quotes", "0660", /^0[0-7]{3}$/).default("0660"),
    group: z
      .union(
        [z.null(), z.int().min(0).max(2 ** 32 - 2), z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/)],
        wanted("a group's name, its number or null", "receiptd"),
      )
      .default(null),
  }),
  ack: oneOf(["disk", "wal"], "disk").default("disk"),
  limits: section({
    max_connections: whole(65_535, 256).default(256),
    max_message: size("4MiB").prefault("4MiB"),
    max_in_flight: whole(65_536, 1024).default(1024),
    max_append_many: whole(10_000, 1000).default(1000),
    max_buffered: size("64MiB").prefault("64MiB"),
    line_timeout: duration("10ms", "30s").prefault("30s"),
    write_timeout: duration("10ms", "60s").prefault("60s"),
    wait_timeout: duration("10ms", "5m").prefault("5m"),
    max_organizations: whole(1_000_000, 10_000).default(10_000),
  }),
  organizations: z.preprocess(
    (value) => value ?? {},
    z.record(organizationName, organization, {
      error: (issue) =>
        issue.code === "invalid_key"
          ? wanted("an organization's name", "loans").error(issue)
          : wanted("a map of organizations", "loans: {prefix: LOANS}").error(issue),
    }),
  ),
  policy: z.union([z.null(), path], wanted("the path of a policy file, or null", "./policy.yaml")).default(null),
  auditors: z
    .array(text("an auditor's key that countersigns", "auditor.example.com+5e6f7a8b+BA…", /^[^\s+]{1,200}\+[0-9a-f]{8}\+B[A-P][A-Za-z0-9+/]{42}$/), wanted("a list of auditors' keys", '["auditor.example.com+5e6f7a8b+BA…"]'))
    .max(16)
    .default([]),
  anchor: section({
    schedule: cron("* * * * *").default("* * * * *"),
    max_batch: whole(65_536, 65_536).default(65_536),
    heartbeat: duration("10ms", "15m").prefault("15m"),
    grace: duration("0s", "1m").prefault("1m"),
    fail_closed_after: z.union([z.null(), duration("10ms", "6h")], wanted("a duration or null", "6h")).default(null),
    archive: section({
      enabled: z.boolean(wanted("true or false", "true")).default(false),
      recipients: z
        .array(text("an age recipient", "age1…", /^age1[02-9ac-hj-np-z]{20,4000}$/), wanted("a list of age recipients", '["age1…"]'))
        .max(16)
        .default([]),
    }),
    targets: z
      .array(target, wanted("a list of targets", "[{name: local, type: directory}]"))
      .default([{ type: "directory", name: "local", required: true }]),
  }),
  keys: section({
    root_key: rootKey,
    checkpoint,
  }),
  chains: section({
    max_open: whole(1_000_000, 10_000).default(10_000),
    max_entries: whole(100_000, 2000).default(2000),
    timeout: duration("10ms", "1d").prefault("1d"),
  }),
  self_check: section({
    enabled: z.boolean(wanted("true or false", "true")).default(true),
    processor: whole(100, 2).default(2),
    interval: duration("10ms", "5s").prefault("5s"),
  }),
  http,
  log: section({
    level: oneOf(["trace", "debug", "info", "warn", "error", "fatal", "silent"], "info").default("info"),
  }),
});

type Deep<T> =
  T extends ReadonlyMap<string, unknown> ? T
  : T extends readonly (infer Item)[] ? readonly Deep<Item>[]
  : T extends object ? { readonly [Key in keyof T]: Deep<T[Key]> }
  : T;

type Organization = Readonly<z.output<typeof organization>>;
export type Config = Deep<ReturnType<typeof completed>>;

/** Makes paths absolute; one left out is in `data_dir`. Organizations become a Map: one may be named `constructor`. */
function completed(parsed: z.output<typeof SCHEMA>, base: string) {
  const dataDir = resolve(base, parsed.data_dir);
  const place = (given: string | undefined, usual: string) =>
    given === undefined ? join(dataDir, usual) : resolve(base, given);
  const organizations: ReadonlyMap<string, Organization> = new Map(Object.entries(parsed.organizations));
  return {
    ...parsed,
    data_dir: dataDir,
    socket: { ...parsed.socket, path: place(parsed.socket.path, "receiptd.sock") },
    organizations,
    policy: parsed.policy === null ? null : resolve(base, parsed.policy),
    anchor: {
      ...parsed.anchor,
      targets: parsed.anchor.targets.map((one) => (one.type === "directory" ? { ...one, path: place(one.path, "anchors") } : one)),
    },
    keys: { ...parsed.keys, root_key: placedRootKey(parsed.keys.root_key, place) },
  };
}

/** The defaults with everything under `dataDir` (relative to the working directory), as `receiptd dev` uses them. */
export function defaultConfig(dataDir: string): Config {
  return completed(SCHEMA.parse({ data_dir: dataDir }, ONCE), process.cwd());
}

function placeOf(target: Config["anchor"]["targets"][number]): string {
  return target.type === "directory" ? target.path : `${target.endpoint ?? "s3:/"}/${target.bucket}/${target.prefix ?? ""}`;
}

type Contradiction = readonly [at: Path, message: string];

/** What each setting allows and all of them together do not. */
function contradictions({ limits, organizations, anchor, socket, keys }: Config): readonly Contradiction[] {
  const unless = (holds: boolean, otherwise: Contradiction) => (holds ? [] : [otherwise]);
  const repeated = (values: readonly string[]) =>
    values.flatMap((value, i) => (values.indexOf(value) < i ? [{ value, i }] : []));
  const names = [...organizations.keys()];
  const prefixes = [...organizations.values()].map((one) => one.prefix);
  const bytes = Buffer.byteLength(socket.path);
  return [
    ...[...organizations].flatMap(([name, { prefix }]): readonly Contradiction[] => {
      const owner = RESERVED.get(prefix);
      return unless(owner === undefined || owner === name, [["organizations", name, "prefix"], `${prefix} is reserved for ${owner}`]);
    }),
    ...repeated(prefixes).map(({ value, i }): Contradiction => {
      const owner = names[prefixes.indexOf(value)];
      return [["organizations", names[i] ?? "", "prefix"], `${value} is the prefix of ${owner} already`];
    }),
    ...repeated(anchor.targets.map((one) => one.name)).map(({ value, i }): Contradiction => {
      return [["anchor", "targets", i, "name"], `${value} is the name of an earlier target already`];
    }),
    ...repeated(anchor.targets.map(placeOf)).map(({ value, i }): Contradiction => {
      return [["anchor", "targets", i], `${value} is the place of an earlier target already`];
    }),
    ...unless(anchor.targets.some((one) => one.required), [
      ["anchor", "targets"],
      "no target is required, so a receipt would count as anchored before it is anywhere",
    ]),
    ...unless(limits.max_message <= limits.max_buffered, [
      ["limits", "max_message"],
      "more than limits.max_buffered, so no such message could be taken",
    ]),
    ...unless(keys.root_key.type !== "passphrase" || keys.root_key.passphrase_file === undefined || keys.root_key.passphrase_credential === undefined, [
      ["keys", "root_key", "passphrase_credential"],
      "there is a passphrase_file, too; one passphrase comes from one place",
    ]),
    // sun_path of sockaddr_un (unix(7)) has 108 bytes, one of them for the NUL.
    ...unless(bytes <= 107, [
      ["socket", "path"],
      `${socket.path} has ${bytes} bytes; a Unix socket's path has at most 107`,
    ]),
  ];
}

interface Sources {
  readonly path?: string | undefined;
  readonly env: Environment;
}

/**
 * Reads the file at `path` (without one: the defaults) and the overrides in `env`.
 * Relative paths are relative to the file's folder, without a file to the working directory. Throws ConfigError.
 */
export function loadConfig({ path: file, env }: Sources): Config {
  const base = file === undefined ? process.cwd() : dirname(resolve(file));
  const yaml = readYaml(file === undefined ? "" : contentOf(file));
  const { overrides, issues } = overridesIn(env, () => defaultConfig("."));

  const issueAt = (code: ConfigErrorCode, at: Path, message: string, place = yaml.placeOf(at)): ConfigIssue => {
    const variable = overrides.find((one) => one.path.every((name, i) => at[i] === name))?.variable;
    const inFile = variable === undefined && file !== undefined;
    const outside = variable === undefined ? "defaults" : `environment: ${variable}`;
    const where = inFile ? `${file}:${place.line}:${place.column}` : outside;
    const { line, column } = inFile ? place : { line: undefined, column: undefined };
    const setting = dotted(at);
    return { code, path: setting, line, column, message: [where, ...(setting ? [setting] : []), message].join(": ") };
  };
  refuse([...yaml.faults.map((fault) => issueAt(fault.code, [], fault.message, fault.place)), ...issues]);
  const parsed = SCHEMA.safeParse(overridden(yaml.value, overrides), { ...ONCE, reportInput: true });
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap((issue) => issuesOf(issue, issueAt, yaml.placeOf)));
  const config = completed(parsed.data, base);
  refuse(contradictions(config).map(([at, message]) => issueAt("bad_value", at, message)));
  return config;
}
