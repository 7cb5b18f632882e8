/**
 * Does this bucket really keep what it has locked? An object is put under a short COMPLIANCE lock with the daemon's identity; another
 * identity, which holds the rights to, then tries to remove it, to shorten and weaken its lock, and to write over it.
 *
 * A refusal alone proves nothing: it may be for want of a permission. So the breaker first shows its rights by what the lock allows
 * (making the lock longer; removing an object locked in GOVERNANCE mode by bypass), and after the lock has run out by the very call that
 * was refused before, which also tidies up. A process that ends halfway leaves objects under `doctor/` that can be removed a minute later.
 */
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { GetObjectCommandOutput, PutObjectCommandInput } from "@aws-sdk/client-s3";
import { utf8 } from "../../format/bytes.ts";
import { type Answer, attempt, type Identity, isRefusal, type Outcome, succeeded } from "./attempt.ts";
import { onceClient } from "./client.ts";
import { saysMissing } from "./errors.ts";

export interface CanaryOptions {
  readonly bucket: string;
  /** The target's prefix. */
  readonly prefix: string;
  readonly origin: string;
  readonly daemon: Identity;
  /** null: there is only the daemon's identity. */
  readonly breaker: Identity | null;
  /** ms that the canary is locked for; the whole takes a little longer. */
  readonly lock: number;
  /** Server's clock minus this host's, ms. */
  readonly offset: number;
}

/**
 * `worm`: everything was refused by the lock. `not_worm`: what was locked is gone or changed. `not_shown`: it is all there, and what
 * refused may have been permissions. `not_tried`: no canary could be put.
 */
export type CanaryVerdict = "worm" | "not_worm" | "not_shown" | "not_tried";

export interface CanaryReport {
  readonly verdict: CanaryVerdict;
  /** Why, in a sentence without its full stop. */
  readonly why: string;
  readonly key: string;
  readonly version_id: string | null;
  /** RFC 3339 */
  readonly locked_until: string | null;
  readonly answers: readonly Answer[];
  /** What the daemon's identity can do and should not be able to, as policies name it. */
  readonly excess: readonly string[];
  /** Versions that could not be removed. */
  readonly left: number;
  /** Why no canary could be put, for whoever turns errors into advice; null otherwise. */
  readonly error: unknown;
}

const BYTES = utf8("receiptd doctor: this object is locked for a moment and may be removed afterwards\n");
const OTHER_BYTES = utf8("receiptd doctor: this was written over an object that is locked, and may be removed afterwards\n");
/** ms: a lock ends by the server's clock, known to a second. */
const SLACK = 1500;
/** Looks at whether the lock has ended, for servers that are late. */
const LOOKS = 5;

interface PutMore {
  readonly condition?: "*";
  readonly suffix?: string;
  readonly bytes?: Uint8Array;
}

interface Try {
  /** Is it for the lock to refuse? A server need not understand how to take a lock off, and may let anybody write or hide. */
  readonly isForbidden?: true;
  readonly hides?: true;
  readonly run: () => Promise<Outcome<unknown>>;
}

interface Locked {
  readonly versionId: string;
  /** ms */
  readonly until: number;
}

class Canary {
  readonly #o: CanaryOptions;
  readonly #key: string;
  /** The first answer that leaves open what happened. */
  #unsure: Answer | null = null;
  readonly answers: Answer[] = [];
  readonly excess = new Set<string>();

  constructor(options: CanaryOptions) {
    this.#o = options;
    this.#key = `${options.prefix}doctor/${options.origin}/${randomBytes(12).toString("hex")}`;
  }

  async run(): Promise<CanaryReport> {
    const { daemon, lock } = this.#o;
    const until = Math.ceil((this.#now() + lock) / 1000) * 1000; // S3 keeps whole seconds
    const put = await this.#put(daemon, "put an object under a COMPLIANCE lock", "COMPLIANCE", until, { condition: "*" });
    if ("error" in put) return this.#report("not_tried", "no canary could be put", null, 0, put.error);
    const versionId = put.value.VersionId;
    if (versionId === undefined || versionId === "" || versionId === "null") {
      return this.#report("not_worm", "the bucket gives no version ids: it has no versioning, so whatever is there can be written over", null, 0);
    }
    const canary = { versionId, until };
    const broken = await this.#damage(canary, "read it back", daemon);
    if (broken !== null) return this.#report("not_worm", `a COMPLIANCE lock was accepted and not kept: ${broken}`, canary, await this.#tidy(canary));
    return await this.#break(canary);
  }

  async #break(canary: Locked): Promise<CanaryReport> {
    const breaker = this.#o.breaker ?? this.#o.daemon;
    const { versionId } = canary;
    const extended = canary.until + 1000;
    const mayLock = succeeded((await this.#retain(breaker, "make the lock longer, which is allowed", versionId, { mode: "COMPLIANCE", until: extended })).answer);
    const locked = mayLock ? { versionId, until: extended } : canary;
    const mayBypass = await this.#showBypass(breaker, locked.until);
    const soon = (this.#now() + locked.until) / 2;
    const tries: readonly Try[] = [
      { isForbidden: true, run: () => this.#remove(breaker, "remove the locked version", versionId) },
      { isForbidden: true, run: () => this.#remove(breaker, "remove it by bypass", versionId, true) },
      { isForbidden: true, run: () => this.#retain(breaker, "shorten the lock", versionId, { mode: "COMPLIANCE", until: soon }) },
      { isForbidden: true, run: () => this.#retain(breaker, "weaken the lock to GOVERNANCE", versionId, { mode: "GOVERNANCE", until: locked.until }) },
      { run: () => this.#retain(breaker, "take the lock off", versionId, null) },
      { run: () => this.#put(breaker, "write over it", "COMPLIANCE", locked.until, { bytes: OTHER_BYTES }) },
      { hides: true, run: () => this.#remove(breaker, "hide it behind a delete marker", undefined) },
    ];
    for (const { isForbidden = false, hides = false, run } of tries) {
      const { answer } = await run();
      const broken = await this.#damage(locked, "read the locked version", this.#o.daemon);
      if (broken !== null) return this.#report("not_worm", `after “${answer.tried}” (${text(answer)}) ${broken}`, locked, await this.#tidy(locked));
      if (this.#o.breaker === null && hides && succeeded(answer)) this.excess.add("s3:DeleteObject");
      if (isForbidden && !isRefusal(answer)) this.#unsure ??= answer; // what is no refusal may still be carried out
    }
    if (this.#o.breaker !== null && succeeded((await this.#remove(this.#o.daemon, "hide it, as the daemon", undefined)).answer)) this.excess.add("s3:DeleteObject");
    return await this.#outcome(locked, { mayLock, mayBypass });
  }

  /** After the lock: the same calls with the same identity must succeed now. */
  async #outcome(locked: Locked, shown: { readonly mayLock: boolean; readonly mayBypass: boolean }): Promise<CanaryReport> {
    const { breaker, daemon } = this.#o;
    await this.#lockEnds(locked);
    let removed = await this.#remove(breaker ?? daemon, "remove it after its lock has ended", locked.versionId);
    for (let look = 1; look < LOOKS && !succeeded(removed.answer); look++) {
      await sleep(1000);
      removed = await this.#remove(breaker ?? daemon, "remove it after its lock has ended", locked.versionId);
    }
    const mayRemove = succeeded(removed.answer);
    if (breaker === null && mayRemove) this.excess.add("s3:DeleteObjectVersion");
    const left = await this.#tidy(locked);
    if (this.#unsure !== null) return this.#report("not_shown", `“${this.#unsure.tried}” was not refused and not seen to be done (${text(this.#unsure)})`, locked, left);
    const missing = [...(mayRemove ? [] : ["s3:DeleteObjectVersion"]), ...(shown.mayLock ? [] : ["s3:PutObjectRetention"]), ...(shown.mayBypass ? [] : ["s3:BypassGovernanceRetention"])];
    if (missing.length === 0) return this.#report("worm", `${(breaker ?? daemon).name} holds the rights and could neither remove the locked version nor shorten or weaken its lock; writing over it left it as it was`, locked, left);
    return this.#report("not_shown", `refused by permissions, not shown to be refused by the lock: ${(breaker ?? daemon).name} did not show that it has ${missing.join(", ")}`, locked, left);
  }

  /** Puts an object under a GOVERNANCE lock and removes it by bypass at once. */
  async #showBypass(breaker: Identity, until: number): Promise<boolean> {
    const put = await this.#put(breaker, "put an object under a GOVERNANCE lock, to show the right of bypass", "GOVERNANCE", until, { suffix: ".bypass" });
    if ("error" in put || put.value.VersionId === undefined) return false;
    return succeeded((await this.#remove(breaker, "remove that by bypass, which is allowed", put.value.VersionId, true, ".bypass")).answer);
  }

  /** Null where the version is there with its bytes and its lock; what is wrong otherwise. */
  async #damage({ versionId, until }: Locked, tried: string, reader: Identity): Promise<string | null> {
    const { bucket: Bucket } = this.#o;
    const read = await attempt(reader, tried, "GetObject of the version", async ({ sdk, reader }, options) => {
      const output: GetObjectCommandOutput = await reader.send(new sdk.GetObjectCommand({ Bucket, Key: this.#key, VersionId: versionId }), options);
      return { ...output, bytes: await output.Body!.transformToByteArray() };
    }, BYTES.length);
    this.answers.push(read.answer);
    if ("error" in read) {
      if (saysMissing(read.error)) return `the version was gone (${text(read.answer)})`;
      this.#unsure ??= read.answer;
      return null;
    }
    const { bytes, ObjectLockMode: mode, ObjectLockRetainUntilDate: date } = read.value;
    if (!Buffer.from(bytes).equals(BYTES)) return "the version had other bytes";
    if (mode === undefined && date === undefined) return "the version had no lock";
    if (mode !== "COMPLIANCE") return `the version was locked in mode ${String(mode).slice(0, 20)} only`;
    return date === undefined || date.getTime() < until - 999 ? `the version was locked until ${date?.toISOString() ?? "no time"} only` : null;
  }

  async #put(by: Identity, tried: string, mode: "COMPLIANCE" | "GOVERNANCE", until: number, { condition, suffix = "", bytes = BYTES }: PutMore = {}) {
    const input: PutObjectCommandInput = {
      Bucket: this.#o.bucket, Key: this.#key + suffix, Body: Buffer.from(bytes), ContentType: "text/plain",
      ChecksumSHA256: createHash("sha256").update(bytes).digest("base64"),
      ObjectLockMode: mode, ObjectLockRetainUntilDate: new Date(until), ...(condition === undefined ? {} : { IfNoneMatch: condition }),
    };
    const done = await attempt(by, tried, `PutObject, ${mode} until ${new Date(until).toISOString()}`, (connection, options) =>
      onceClient(connection).send(new connection.sdk.PutObjectCommand(input), options), bytes.length);
    this.answers.push(done.answer);
    return done;
  }

  async #retain(by: Identity, tried: string, versionId: string, to: { readonly mode: "COMPLIANCE" | "GOVERNANCE"; readonly until: number } | null) {
    const Retention = to === null ? {} : { Mode: to.mode, RetainUntilDate: new Date(to.until) };
    const bypass = to?.mode !== "COMPLIANCE";
    const call = `PutObjectRetention, ${to === null ? "none" : `${to.mode} until ${new Date(to.until).toISOString()}`}${bypass ? ", BypassGovernanceRetention" : ""}`;
    const done = await attempt(by, tried, call, (connection, options) => onceClient(connection).send(new connection.sdk.PutObjectRetentionCommand({
      Bucket: this.#o.bucket, Key: this.#key, VersionId: versionId, Retention, ...(bypass ? { BypassGovernanceRetention: true } : {}),
    }), options));
    this.answers.push(done.answer);
    return done;
  }

  async #remove(by: Identity, tried: string, versionId: string | undefined, bypass = false, suffix = "") {
    const call = `DeleteObject${versionId === undefined ? "" : ` of the version${bypass ? ", BypassGovernanceRetention" : ""}`}`;
    const done = await attempt(by, tried, call, (connection, options) => onceClient(connection).send(new connection.sdk.DeleteObjectCommand({
      Bucket: this.#o.bucket, Key: this.#key + suffix, ...(versionId === undefined ? {} : { VersionId: versionId }), ...(bypass ? { BypassGovernanceRetention: true } : {}),
    }), options));
    this.answers.push(done.answer);
    return done;
  }

  /** The server's clock. */
  #now(): number {
    return Date.now() + this.#o.offset;
  }

  async #lockEnds({ until }: Locked): Promise<void> {
    await sleep(Math.max(0, until - this.#now() + SLACK));
  }

  /** Removes what is left after the lock; the number of versions that stay. What the daemon can remove, too, is noted. */
  async #tidy(locked: Locked): Promise<number> {
    const { bucket: Bucket, breaker, daemon } = this.#o;
    const by = breaker ?? daemon;
    await this.#lockEnds(locked);
    const listed = await attempt(by, "list what is left", "ListObjectVersions", ({ sdk, reader }, options) =>
      reader.send(new sdk.ListObjectVersionsCommand({ Bucket, Prefix: this.#key, MaxKeys: 100 }), options));
    this.answers.push(listed.answer);
    if ("error" in listed) return 1;
    let left = 0;
    for (const { Key, VersionId } of [...(listed.value.Versions ?? []), ...(listed.value.DeleteMarkers ?? [])]) {
      if (Key?.startsWith(this.#key) !== true || VersionId === undefined) continue;
      const suffix = Key.slice(this.#key.length);
      if (breaker !== null && succeeded((await this.#remove(daemon, "remove what is left, as the daemon", VersionId, false, suffix)).answer)) {
        this.excess.add("s3:DeleteObjectVersion");
      } else if (!succeeded((await this.#remove(by, "remove what is left", VersionId, true, suffix)).answer)) left++;
    }
    return left;
  }

  #report(verdict: CanaryVerdict, why: string, locked: Locked | null, left: number, error: unknown = null): CanaryReport {
    return {
      verdict, why, key: this.#key, version_id: locked?.versionId ?? null, locked_until: locked === null ? null : new Date(locked.until).toISOString(),
      answers: this.answers, excess: [...this.excess].sort(), left, error,
    };
  }
}

/** Takes the time of the lock and a little more. Throws nothing that a server answers. */
export function runCanary(options: CanaryOptions): Promise<CanaryReport> {
  return new Canary(options).run();
}

function text({ status, code }: Answer): string {
  return status === null ? `no answer: ${code}` : code === null ? `HTTP ${status}` : `HTTP ${status} ${code}`;
}
