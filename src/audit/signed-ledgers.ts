/**
 * Which ledgers of an origin a key has signed at a target. A vkey binds an origin and no ledger_id, and neither does an anchor: whoever
 * has the key can begin another ledger beside the first (docs/FORMAT.md section 13.3 step 9).
 *
 * Names are under the control of whoever may write there, bytes are not: only a signed anchor counts, and of the same anchor under two ids
 * only the one that was stored first, since anybody can copy. By a trusted clock nobody can come before a ledger's first anchors, so the
 * earliest objects of each id are tried, and others chosen by chance.
 */
import { randomInt } from "node:crypto";
import type { AnchorTarget, TargetVersion } from "../anchor/target.ts";
import { FormatError } from "../format/errors.ts";
import type { Hash } from "../format/hash.ts";
import { formatObjectName, LEDGER_ID, parseObjectName } from "../format/names.ts";
import type { VerifyEd25519, Vkey } from "../format/note.ts";
import { verifyAnchorObject } from "../verify/anchor.ts";
import { asVerifyError } from "../verify/errors.ts";
import { fetchVersions, MAX_ANCHOR_BYTES } from "./objects.ts";

export interface SearchOptions {
  readonly origin: string;
  /** The ledger that is known of; null: none is. */
  readonly own: string | null;
  readonly vkeys: readonly Vkey[];
  readonly hash: Hash;
  readonly verify: VerifyEd25519;
  /** Each version that is listed; may throw to stop. */
  readonly onVersion?: (() => void) | undefined;
}

export interface SignedLedger {
  readonly ledgerId: string;
  /** The anchor that shows it. */
  readonly name: string;
  /** When that was stored, ms. */
  readonly lastModified: number;
}

export interface LedgersSeen {
  /** Beside the own one; the earliest first. */
  readonly signed: readonly SignedLedger[];
  /** Ids with objects, signed or not, without the own one; at most 1000 are told. */
  readonly ids: ReadonlySet<string>;
  /** What was left out because there is too much, in words. */
  readonly leftOut: readonly string[];
  /** The listing has no end: what comes later could be anything. */
  readonly isCutShort: boolean;
}

const MAX_LISTED = 1_000_000;
const MAX_IDS = 1000;
/** Objects read of each id: so many of the earliest, and as many of the others. */
const EACH = 8;
const MAX_READ = 2048;
const MAX_COPY_CHECKS = 64;
/** Names of no interest in a row after which jumping over the rest is cheaper than listing them: a page of S3. */
const LEAP = 1000;

/** Throws TargetError `target_unavailable`, `target_denied`. */
export async function signedLedgers(target: AnchorTarget, options: SearchOptions): Promise<LedgersSeen> {
  const listing = new Listing(target, options);
  await listing.run();
  const all = listing.candidates;
  const read = all.slice(0, MAX_READ);
  const { origin, own, vkeys, hash, verify } = options;
  const signed = new Map<string, SignedLedger>();
  const originals = own === null ? [] : [own];
  let copyChecks = 0;
  const leftOut = [...listing.leftOut];
  if (read.length < all.length) leftOut.push(`only the ${MAX_READ} earliest candidates were read`);
  const of = (name: string): string => name.slice(`v1/${origin}/`.length).split("/", 1)[0]!;
  for await (const { version, stored } of fetchVersions(target, each(read), MAX_ANCHOR_BYTES, ({ name }) => (signed.has(of(name)) ? { code: "duplicate_object", message: "" } : null))) {
    const ledgerId = of(version.name);
    if ("code" in stored || signed.has(ledgerId)) continue;
    try {
      verifyAnchorObject(version.name, stored.bytes, { origin, ledgerId }, vkeys, { hash, verify });
    } catch (error) {
      asVerifyError(error);
      continue;
    }
    if (copyChecks + originals.length > MAX_COPY_CHECKS) {
      leftOut.push("there are too many signed anchors to tell copies from originals");
      break;
    }
    copyChecks += originals.length;
    if (await isCopy(target, version, { origin, ledgerId }, originals)) continue;
    signed.set(ledgerId, { ledgerId, name: version.name, lastModified: version.lastModified });
    originals.push(ledgerId);
  }
  return { signed: [...signed.values()], ids: listing.ids, leftOut, isCutShort: listing.isCutShort };
}

/** Did one of these ledgers have the same anchor before? Where the times are the host's own, the order of two copies is not known. */
async function isCopy(target: AnchorTarget, { name, lastModified }: TargetVersion, ledger: { readonly origin: string; readonly ledgerId: string }, originals: readonly string[]): Promise<boolean> {
  const parsed = parseObjectName(ledger, name);
  for (const ledgerId of originals) {
    const twin = formatObjectName({ ...ledger, ledgerId }, parsed);
    for await (const version of target.list(twin)) {
      if (version.name === twin && isWhole(version) && (!target.trustedTime || version.lastModified <= lastModified)) return true;
    }
  }
  return false;
}

function isWhole({ kind, isMultipart, size }: TargetVersion): boolean {
  return kind === "object" && !isMultipart && size <= MAX_ANCHOR_BYTES;
}

/** What has the name of an anchor of some ledger of the origin. */
class Listing {
  readonly #target: AnchorTarget;
  readonly #options: SearchOptions;
  readonly #prefix: string;
  #drawn = new Map<string, Draw>();
  #isThinned = false;
  readonly ids = new Set<string>();
  readonly leftOut: string[] = [];
  isCutShort = false;

  constructor(target: AnchorTarget, options: SearchOptions) {
    this.#target = target;
    this.#options = options;
    this.#prefix = `v1/${options.origin}/`;
  }

  /** The earliest first. */
  get candidates(): readonly TargetVersion[] {
    return [...this.#drawn.values()].flatMap((draw) => draw.versions).sort((a, b) => a.lastModified - b.lastModified);
  }

  async run(): Promise<void> {
    let listed = 0;
    for (let after: string | null = this.#prefix; after !== null;) {
      const from: string = after;
      let goal = "";
      let useless = 0;
      after = null;
      for await (const version of this.#target.list(this.#prefix, from)) {
        this.#options.onVersion?.();
        if (++listed > MAX_LISTED) {
          this.isCutShort = true;
          break;
        }
        const next = this.#look(version);
        useless = next !== null && next === goal ? useless + 1 : 0;
        goal = next ?? "";
        if (next === null || (useless < LEAP && !this.#isOwn(version.name))) continue;
        after = next;
        break;
      }
    }
    if (this.#isThinned) this.leftOut.push(`of more than ${2 * MAX_IDS} ids with objects named like anchors those with the earliest were looked at`);
  }

  /** Takes note of an anchor; for all else, what sorts before the next name of interest. */
  #look(version: TargetVersion): string | null {
    const id = version.name.slice(this.#prefix.length).split("/", 1)[0]!;
    const end = `${this.#prefix}${id}0`; // "0" follows "/"
    if (this.#isOwn(version.name) || !LEDGER_ID.test(id)) return end;
    if (this.ids.size < MAX_IDS) this.ids.add(id);
    const anchors = `${this.#prefix}${id}/anchors/`;
    if (!version.name.startsWith(anchors)) return version.name < anchors ? anchors : end;
    if (isWhole(version) && isAnchor({ origin: this.#options.origin, ledgerId: id }, version.name)) this.#drawOf(id).add(version);
    return null;
  }

  #isOwn(name: string): boolean {
    return this.#options.own !== null && name.startsWith(`${this.#prefix}${this.#options.own}/`);
  }

  #drawOf(id: string): Draw {
    const found = this.#drawn.get(id);
    if (found !== undefined) return found;
    if (this.#drawn.size === 2 * MAX_IDS) {
      this.#isThinned = true;
      this.#drawn = new Map([...this.#drawn].sort(([, a], [, b]) => a.since - b.since).slice(0, MAX_IDS));
    }
    const draw = new Draw();
    this.#drawn.set(id, draw);
    return draw;
  }
}

function isAnchor(ledger: { readonly origin: string; readonly ledgerId: string }, name: string): boolean {
  try {
    return parseObjectName(ledger, name).kind === "anchor";
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** The earliest of one id, and some of the others, each with the same probability. */
class Draw {
  readonly #earliest: TargetVersion[] = [];
  readonly #chosen: TargetVersion[] = [];
  #others = 0;

  get since(): number {
    return this.#earliest[0]!.lastModified;
  }

  get versions(): readonly TargetVersion[] {
    return [...this.#earliest, ...this.#chosen];
  }

  add(version: TargetVersion): void {
    const place = this.#earliest.findIndex(({ lastModified }) => version.lastModified < lastModified);
    this.#earliest.splice(place === -1 ? this.#earliest.length : place, 0, version);
    const other = this.#earliest.length > EACH ? this.#earliest.pop()! : null;
    if (other === null) return;
    const at = this.#others++ < EACH ? this.#chosen.length : randomInt(this.#others);
    if (at < EACH) this.#chosen[at] = other;
  }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* items;
}
