/**
 * Who may read contents: tokens.json in the data folder, mode 0600. It has the SHA-256 of each token, which is 256 random bits, so that
 * whoever reads the file has no token. Replaced whole, in one rename; who checks tokens looks at the file each time.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { fromUtf8, utf8 } from "../format/bytes.ts";
import { KEY_ID, ORGANIZATION } from "../format/names.ts";
import { formatTime, parseTime } from "../format/time.ts";
import { KeyError } from "../keys/errors.ts";
import { readSecretFile, replaceSecretFile } from "../keys/secret-file.ts";

/** What a token is for. */
export const SCOPES = ["read", "evidence", "export"] as const;
export type Scope = (typeof SCOPES)[number];

/** As many as one receipt of accesses names. */
export const MAX_ORGANIZATIONS = 64;
const MAX_TOKENS = 1000;
/** ms; of a command that was killed. */
const OLD_LOCK = 10_000;

const time = z.custom<string>((value) => parseTime(value) !== null);
const schema = z.strictObject({
  format: z.literal("receiptd-tokens/1"),
  tokens: z.array(z.strictObject({
    id: z.string().regex(KEY_ID),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    label: z.string().max(200),
    /** Names that this program does not know are left alone: they are a newer one's. */
    scopes: z.array(z.string().regex(KEY_ID)).min(1).max(16),
    /** null: all but the ledger's own. */
    organizations: z.array(z.string().regex(ORGANIZATION)).max(MAX_ORGANIZATIONS).nullable(),
    /** The ledger's own receipts, too. */
    ledger: z.boolean(),
    created_at: time,
    expires_at: time,
    revoked_at: time.nullable(),
  })).max(MAX_TOKENS),
});
export type TokenRecord = Readonly<z.infer<typeof schema>["tokens"][number]>;

export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: "tokens_unusable" | "tokens_busy" | "too_many_tokens" | "token_unknown";

  constructor(code: TokenError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** None where there is no file. Throws TokenError `tokens_unusable`, also for one that others may read or write. */
export function readTokens(path: string): readonly TokenRecord[] {
  try {
    return schema.parse(JSON.parse(fromUtf8(readSecretFile(path)))).tokens;
  } catch (error) {
    if (error instanceof KeyError && error.code === "key_file_missing") return [];
    const why = error instanceof KeyError ? error.message : `${path} is not a file of tokens`;
    throw new TokenError("tokens_unusable", why, { cause: error });
  }
}

/** Changes the file while no other command does. */
async function change(path: string, work: (tokens: readonly TokenRecord[]) => readonly TokenRecord[]): Promise<void> {
  const lock = `${path}.lock`;
  requireOwnFolder(dirname(path));
  for (let left = 100; ; left--) {
    try {
      closeSync(openSync(lock, "wx", 0o600));
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Date.now() - since > OLD_LOCK) rmSync(lock, { force: true });
      else if (left === 0) throw new TokenError("tokens_busy", `another command is changing ${path}; try again`);
      else await sleep(20);
    }
  }
  try {
    replaceSecretFile(path, utf8(`${JSON.stringify({ format: "receiptd-tokens/1", tokens: work(readTokens(path)) }, null, 1)}\n`));
  } finally {
    rmSync(lock, { force: true });
  }
}

/** What root makes in another user's folder, that user's daemon cannot read: and then no token is good. */
function requireOwnFolder(folder: string): void {
  const owner = statSync(folder, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === process.geteuid?.()) return;
  throw new TokenError("tokens_unusable", `${folder} is another user's, who could not read what you write there: run this as that user (sudo -u receiptd receiptd token …)`);
}

export interface NewToken extends Pick<TokenRecord, "label" | "organizations" | "ledger"> {
  readonly scopes: readonly Scope[];
  /** ms */
  readonly expiresAt: number;
}

/** The token itself is nowhere but in what this returns. */
export async function createToken(path: string, { scopes, organizations, expiresAt, ...rest }: NewToken, now: number): Promise<{ readonly token: string; readonly record: TokenRecord }> {
  const token = `rcpt_${randomBytes(32).toString("base64url")}`;
  const record: TokenRecord = {
    ...rest, id: `tok-${randomBytes(5).toString("hex")}`, sha256: hashOf(token).toString("hex"), scopes: [...scopes],
    organizations: organizations === null ? null : [...organizations], created_at: formatTime(now), expires_at: formatTime(expiresAt), revoked_at: null,
  };
  await change(path, (tokens) => {
    if (tokens.length >= MAX_TOKENS) throw new TokenError("too_many_tokens", `${path} has ${MAX_TOKENS} tokens; take out old ones`);
    return [...tokens, record];
  });
  return { token, record };
}

/** From the next request on. Throws TokenError `token_unknown`. */
export async function revokeToken(path: string, id: string, now: number): Promise<void> {
  await change(path, (tokens) => {
    if (!tokens.some((one) => one.id === id)) throw new TokenError("token_unknown", `there is no token ${id.slice(0, 80)}`);
    return tokens.map((one) => (one.id === id ? { ...one, revoked_at: one.revoked_at ?? formatTime(now) } : one));
  });
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}

export type Checked = { readonly record: TokenRecord } | { readonly refused: "token_unknown" | "token_expired" };

/** The file as it is now: whoever is revoked is out with the next request. */
export class Tokens {
  readonly #path: string;
  #stamp = "";
  #known: readonly { readonly hash: Buffer; readonly record: TokenRecord }[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  /** Compares with every token there is, in a time that does not depend on which. Throws TokenError `tokens_unusable`. */
  check(token: string, now: number): Checked {
    this.#look();
    const hash = hashOf(token);
    let found: TokenRecord | null = null;
    for (const one of this.#known) if (timingSafeEqual(one.hash, hash)) found = one.record;
    if (found === null || found.revoked_at !== null) return { refused: "token_unknown" };
    return parseTime(found.expires_at)! <= now ? { refused: "token_expired" } : { record: found };
  }

  #look(): void {
    const stat = statSync(this.#path, { throwIfNoEntry: false, bigint: true });
    const stamp = stat === undefined ? "none" : [stat.ino, stat.mtimeNs, stat.ctimeNs, stat.size].join();
    if (stamp === this.#stamp) return;
    this.#stamp = "";
    this.#known = [];
    this.#known = readTokens(this.#path).map((record) => ({ hash: Buffer.from(record.sha256, "hex"), record }));
    this.#stamp = stamp;
  }
}
