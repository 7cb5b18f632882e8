/** How an export is made (docs/FORMAT.md section 16), with a hand wherever it can be made wrongly. Not from src/. */
import { type Builder, LOG_KEY, ORIGIN } from "./build.ts";
import { base64, bytes, type CheckpointKey, checkpointText, hashText, jcs, leafOf, type Members, mth, note, path, sha256, uint64 } from "./primitives.ts";

export const PLACE: Members = { target: "worm", object: "v1/receipts.example.com/loans/…/anchors/…", version_id: "1", last_modified: "2027-01-01T00:00:00.250Z" };

/** `first` and `end`: tree sizes of anchors. */
export interface Asked {
  readonly first?: number;
  readonly end?: number;
  readonly from?: string;
  readonly to?: string;
  readonly organization?: string;
}

export interface Parts {
  /** Changes the header, the checkpoint apart. */
  readonly header?: (members: Members) => void;
  /** Changes the lines of the log. */
  readonly log?: (lines: string[]) => readonly string[];
  /** Changes the lines of the ledger's own before the file. */
  readonly own?: (lines: string[]) => readonly string[];
  readonly keys?: readonly CheckpointKey[];
  /** Of the checkpoint. */
  readonly text?: string;
  readonly checkpoint?: (note: string) => string;
  /** Changes the whole file, the digest included. */
  readonly lines?: (lines: string[]) => readonly string[];
}

interface Stored {
  readonly organization: string;
  readonly org_seq: number;
  readonly key_epoch: number;
}

type Heads = ReadonlyMap<string, { readonly first: Buffer; readonly seq: number; readonly hash: Buffer }>;

/** The newest receipt of each organization just before the anchor receipt at `size` − 1, in the order of their first ones (section 8.2). */
export function headsAt(b: Builder, size: number): Heads {
  const heads = new Map<string, { readonly first: Buffer; readonly seq: number; readonly hash: Buffer }>();
  for (const [i, blob] of b.blobs.slice(0, Math.max(0, size - 1)).entries()) {
    const { organization, org_seq: seq } = JSON.parse(blob.toString()) as Stored;
    heads.set(organization, { first: heads.get(organization)?.first ?? b.hashes[i]!, seq, hash: b.hashes[i]! });
  }
  return heads;
}

export const headLeaves = (heads: Heads): Buffer[] => [...heads.values()].map(({ first, seq, hash }) => leafOf(Buffer.concat([first, uint64(seq), hash])));

/** null where the organization has no receipt yet. */
export function headOf(heads: Heads, organization: string): Members | null {
  const index = [...heads.keys()].indexOf(organization);
  if (index < 0) return null;
  const { seq, hash } = heads.get(organization)!;
  return { org_seq: seq, hash: hashText(hash), index, size: heads.size, path: path(index, headLeaves(heads)).map(base64) };
}

export const headAt = (b: Builder, size: number, organization: string): Members | null => headOf(headsAt(b, size), organization);

/** Roots of the perfect subtrees over the first leaves, largest first. */
function leftOf(leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 0) return [];
  const size = 2 ** Math.floor(Math.log2(leaves.length));
  return [mth(leaves.slice(0, size)), ...leftOf(leaves.slice(size))];
}

export const provenAt = (b: Builder, index: number, end: number): Members => ({ receipt: base64(b.blobs[index]!), path: path(index, b.leaves.slice(0, end)).map(base64) });
export const hiddenLine = (hash: Uint8Array): string => jcs(hashText(hash));
export const digested = (lines: readonly string[]): string[] => [...lines, jcs({ digest: hashText(sha256(bytes(lines.map((line) => `${line}\n`).join("")))) })];

/** The lines of the file, with the header's first and the digest's last. */
export function fileOf(b: Builder, { first = 0, end = 13, from, to, organization }: Asked = {}, parts: Parts = {}): string[] {
  const stored = b.blobs.map((blob) => JSON.parse(blob.toString()) as Stored & { readonly type: string });
  const before = first === 0 ? null : stored[first - 1]!;
  const own = stored.flatMap((one, i) => (before !== null && i < first - 1 && one.organization === "_ledger" && !["genesis", "anchor"].includes(one.type) ? [i] : []));
  const text = parts.text ?? checkpointText(ORIGIN, end, b.rootAt(end));
  const signed = note(text, ...(parts.keys ?? [LOG_KEY]));
  const members: Members = {
    format: "receiptd-export/1", ledger: ORIGIN, first, end, left: leftOf(b.leaves.slice(0, first)).map(base64), checkpoint: parts.checkpoint?.(signed) ?? signed,
    from: from ?? null, to: to ?? null, organization: organization ?? null, before: before === null ? null : provenAt(b, first - 1, end), own_before: own.length,
    heads: organization === undefined || organization === "_ledger" ? null : {
      first_receipt: base64(b.blobs[stored.findIndex((one) => one.organization === organization)]!), before: headAt(b, first, organization), end: headAt(b, end, organization),
    },
    published: [PLACE], vkeys: [LOG_KEY.vkey],
  };
  parts.header?.(members);
  const ownLines = own.map((i) => jcs(provenAt(b, i, end)));
  const inFull = ({ organization: of }: Stored): boolean => organization === undefined || of === "_ledger" || of === organization;
  const log = stored.slice(first, end).map((one, i) => (inFull(one) ? b.blobs[first + i]!.toString() : hiddenLine(b.hashes[first + i]!)));
  const lines = digested([jcs(members), ...(parts.own?.(ownLines) ?? ownLines), ...(parts.log?.(log) ?? log)]);
  return [...(parts.lines?.(lines) ?? lines)];
}
