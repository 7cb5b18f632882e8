/** Every vector of keys, receipts, requests, ledgers, anchors, reports and attestations through src/; and the files are what the script writes. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fromUtf8, fromBase64, fromHex, toHex, utf8 } from "../src/format/bytes.ts";
import { readAttestation } from "../src/format/attestation.ts";
import { parseCosigner } from "../src/format/cosignature.ts";
import { FormatError } from "../src/format/errors.ts";
import { epochCommitment, epochSecret, firstRatchetKey, nextRatchetKey, organizationKey, requestKey } from "../src/format/mac.ts";
import { formatObjectName, parseObjectName } from "../src/format/names.ts";
import { parseVkey } from "../src/format/note.ts";
import { unsignedBytes } from "../src/format/receipt.ts";
import { readRequest } from "../src/format/request.ts";
import { type Json, parseStrict } from "../src/format/strict-json.ts";
import { nodeHash } from "../src/keys/node-hash.ts";
import { verifyAttestation } from "../src/verify/attestation.ts";
import { compareWithLedger } from "../src/verify/anchors.ts";
import { VerifyError } from "../src/verify/errors.ts";
import { RatchetKeys, ratchetStart } from "../src/verify/keys.ts";
import { LedgerWalk } from "../src/verify/ledger.ts";
import { verifyMac, verifyReceipt } from "../src/verify/receipt.ts";
import { verifyReport } from "../src/verify/report.ts";
import { type TargetObject, verifyTarget } from "../src/verify/target.ts";
import { vectorFiles } from "../scripts/vectors/ledger.ts";

const textOf = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), "utf8");
const vectors = <T>(name: string): readonly T[] => JSON.parse(textOf(name)) as readonly T[];
const bytesOf = (hex: string): Uint8Array => fromHex(hex, hex.length / 2)!;

/** The code of the VerifyError or FormatError that `check` throws, or null. */
function codeOf(check: () => void): string | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof VerifyError || error instanceof FormatError) return error.code;
    throw error;
  }
}

it("are what the script writes", () => {
  for (const [name, text] of vectorFiles()) expect(textOf(name) === text, name).toBe(true);
});

describe("reports.json", () => {
  interface Vector { readonly name: string; readonly file: string; readonly vkey: string; readonly ok: boolean; readonly signed?: boolean; readonly code?: string }

  it.each(vectors<Vector>("reports.json"))("$name", ({ file, vkey, ok, signed, code }) => {
    let isSigned = false;
    expect(codeOf(() => { isSigned = verifyReport(utf8(file), [parseVkey(vkey)]).signedBy.length > 0; })).toBe(ok ? null : code);
    expect(isSigned).toBe(signed ?? false);
  });
});

describe("attestations.json", () => {
  interface Vector { readonly name: string; readonly details: Json; readonly auditors: readonly string[]; readonly ok: boolean; readonly code?: string }

  it.each(vectors<Vector>("attestations.json"))("$name", ({ details, auditors, ok, code }) => {
    expect(codeOf(() => void verifyAttestation(readAttestation(details), auditors.map(parseCosigner)))).toBe(ok ? null : code);
  });
});

describe("keys.json", () => {
  interface Keys {
    readonly ledger_id: string;
    readonly key_id: string;
    readonly seed_hex: string;
    readonly epochs: readonly { readonly epoch: number; readonly K: string; readonly S: string; readonly C: string; readonly M: Readonly<Record<string, string>> }[];
    readonly request: { readonly secret_hex: string; readonly R: string; readonly jcs: string; readonly request_mac: string };
  }
  const keys = JSON.parse(textOf("keys.json")) as Keys;

  it("has the key schedule of format/mac", () => {
    let ratchet = firstRatchetKey(bytesOf(keys.seed_hex), keys.ledger_id, keys.key_id);
    for (const { epoch, K, S, C, M } of keys.epochs) {
      const secret = epochSecret(ratchet);
      expect([toHex(ratchet), toHex(secret), toHex(epochCommitment(secret))], `epoch ${epoch}`).toEqual([K, S, C]);
      for (const [organization, key] of Object.entries(M)) expect(toHex(organizationKey(secret, organization))).toBe(key);
      ratchet = nextRatchetKey(ratchet);
    }
  });

  it("has the request_mac", () => {
    const key = requestKey(bytesOf(keys.request.secret_hex), keys.ledger_id);
    expect(toHex(key)).toBe(keys.request.R);
    expect(toHex(nodeHash.hmac(key, utf8(keys.request.jcs)))).toBe(keys.request.request_mac);
  });
});

interface ReceiptVector {
  readonly name: string;
  readonly blob?: string;
  readonly blob_hex?: string;
  readonly fill?: number;
  readonly ok: boolean;
  readonly code?: string;
  readonly not_checked?: readonly string[];
  readonly mac_key_hex?: string;
  readonly unsigned_sha256?: string;
  readonly receipt_hash?: string;
}

describe("receipts.json", () => {
  it.each(vectors<ReceiptVector>("receipts.json"))("$name", (vector) => {
    const { blob_hex, blob = "", fill } = vector;
    const bytes = blob_hex === undefined ? utf8(fill === undefined ? blob : blob.replace("FILL", "a".repeat(fill))) : bytesOf(blob_hex);
    let notChecked: readonly string[] = [];
    const code = codeOf(() => {
      const verified = verifyReceipt(bytes);
      notChecked = verified.notChecked.toSorted();
      if (vector.receipt_hash !== undefined) expect(toHex(verified.hash)).toBe(vector.receipt_hash);
      if (vector.unsigned_sha256 !== undefined) {
        expect(toHex(nodeHash.sha256(unsignedBytes(bytes, verified.receipt.signature)))).toBe(vector.unsigned_sha256);
      }
      if (vector.mac_key_hex !== undefined) verifyMac(bytes, verified.receipt, bytesOf(vector.mac_key_hex));
    });
    expect(code).toBe(vector.code ?? null);
    if (vector.ok) expect(notChecked).toEqual(vector.not_checked);
  });
});

interface RequestVector {
  readonly name: string;
  readonly text: string;
  readonly new_id?: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly pointer?: string;
  readonly jcs?: string;
  readonly request_mac?: string;
}

describe("requests.json", () => {
  const { ledger_id, request } = JSON.parse(textOf("keys.json")) as { readonly ledger_id: string; readonly request: { readonly secret_hex: string } };
  const key = requestKey(bytesOf(request.secret_hex), ledger_id);

  it.each(vectors<RequestVector>("requests.json"))("$name", (vector) => {
    const read = (): string => fromUtf8(readRequest(parseStrict(vector.text), "", () => vector.new_id ?? "019b7679-0000-7000-8000-000000000fff").json);
    if (vector.ok) {
      const text = read();
      expect(text).toBe(vector.jcs);
      expect(toHex(nodeHash.hmac(key, utf8(text)))).toBe(vector.request_mac);
      return;
    }
    try {
      read();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      expect({ code: error.code, pointer: error.pointer }).toEqual({ code: vector.code, pointer: vector.pointer });
      return;
    }
    expect.unreachable("it was accepted");
  });
});

interface LedgerVector {
  readonly name: string;
  readonly origin: string;
  readonly ledger_id: string;
  readonly seed_hex: string | null;
  readonly key_id: string;
  readonly rotated?: Readonly<Record<string, string>>;
  readonly blobs: readonly (string | number)[];
  readonly ok: boolean;
  readonly code?: string;
  readonly at?: number;
  readonly findings?: readonly (readonly [string, number])[];
  readonly not_checked?: readonly string[];
  readonly root?: string;
  readonly anchors?: readonly { readonly tree_size: number; readonly root: string }[];
  readonly pending?: number;
}

const ledgers = vectors<LedgerVector>("ledgers.json");

function blobsOf(blobs: readonly (string | number)[]): Uint8Array[] {
  return blobs.map((blob) => utf8(typeof blob === "number" ? (ledgers[0]!.blobs[blob] as string) : blob));
}

describe("ledgers.json", () => {
  it.each(ledgers)("$name", (vector) => {
    const { origin, ledger_id: ledgerId, seed_hex, key_id, rotated = {} } = vector;
    const seeds = [...(seed_hex === null ? [] : [[key_id, seed_hex, 0] as const]), ...Object.entries(rotated).map(([id, seed]) => [id, seed, 2] as const)];
    const starts = seeds.map(([keyId, seed, firstEpoch]) => ratchetStart(ledgerId, { keyId, firstEpoch, seed: bytesOf(seed) }));
    const keys = starts.length === 0 ? undefined : new RatchetKeys(starts);
    const walk = new LedgerWalk({ origin, ledgerId, keys, hash: nodeHash });
    const findings = blobsOf(vector.blobs).flatMap((blob, at) => walk.step(blob).map(({ code }) => ({ code: code as string, at })));
    expect(findings[0] ?? null).toEqual(vector.ok ? null : { code: vector.code, at: vector.at });
    if (vector.findings !== undefined) expect(findings.map(({ code, at }) => [code, at])).toEqual(vector.findings);
    if (vector.not_checked !== undefined) expect([...walk.notChecked.keys()].toSorted()).toEqual(vector.not_checked);
    if (vector.root !== undefined) expect(toHex(walk.root())).toBe(vector.root);
    if (vector.anchors !== undefined) {
      expect(walk.anchors.map(({ treeSize, root }) => ({ tree_size: treeSize, root: toHex(root) }))).toEqual(vector.anchors);
    }
    if (vector.pending !== undefined) expect(walk.pending).toBe(vector.pending);
  });

  it("has every code of docs/FORMAT.md section 13.2", () => {
    const codes = new Set(ledgers.map((vector) => vector.code));
    const wanted = [
      "log_index_gap", "genesis_mismatch", "ledger_mismatch", "duplicate_receipt_id", "org_seq_gap", "link_mismatch", "number_mismatch", "time_backwards",
      "epoch_mismatch", "key_mismatch", "ratchet_break", "vkey_mismatch", "commitment_mismatch", "mac_mismatch", "batch_gap", "batch_root_mismatch", "anchor_link_mismatch", "org_heads_mismatch",
    ];
    expect(wanted.filter((code) => !codes.has(code))).toEqual([]);
  });
});

interface StoredVector {
  readonly name: string;
  readonly base64: string;
}

interface AnchorVector {
  readonly name: string;
  readonly origin: string;
  readonly ledger_id: string;
  readonly vkeys: readonly string[];
  readonly objects: readonly (StoredVector | number)[];
  readonly blobs?: readonly (string | number)[];
  readonly ok: boolean;
  readonly code?: string;
  readonly interference: number;
  readonly unanchored?: number;
  readonly flips?: readonly { readonly object: number; readonly bit: number; readonly renamed: boolean; readonly ok: boolean; readonly code?: string; readonly interference: number }[];
}

describe("anchors.json", () => {
  const targets = vectors<AnchorVector>("anchors.json");
  const objectsOf = (vector: AnchorVector): TargetObject[] =>
    vector.objects.map((object) => {
      const { name, base64 } = (typeof object === "number" ? targets[0]!.objects[object] : object) as StoredVector;
      return { name, bytes: fromBase64(base64)! };
    });

  function verdict(vector: AnchorVector, objects: readonly TargetObject[]): { readonly code: string | null; readonly interference: number; readonly unanchored: number } {
    const ledger = { origin: vector.origin, ledgerId: vector.ledger_id };
    const held = vector.blobs === undefined ? null : ledgerOf(vector.blobs);
    const report = verifyTarget(objects, ledger, vector.vkeys.map(parseVkey), { hash: nodeHash, rotations: held?.rotations, ledgerSize: held?.size });
    const codes = report.findings.map(({ error }) => error.code);
    if (held !== null) codes.push(...report.anchors.flatMap((facts) => compareWithLedger(facts, held)?.code ?? []));
    return { code: codes[0] ?? null, interference: report.interference.length, unanchored: report.unanchored.length };
  }

  function ledgerOf(given: readonly (string | number)[]): Parameters<typeof compareWithLedger>[1] & { readonly rotations: LedgerWalk["rotations"] } {
    const walk = new LedgerWalk({ hash: nodeHash });
    const roots = blobsOf(given).map((blob) => {
      walk.step(blob);
      return walk.root();
    });
    return { size: walk.size, rotations: walk.rotations, rootAt: (size: number) => roots[size - 1]! };
  }

  it.each(targets)("$name", (vector) => {
    const { code, interference, unanchored } = verdict(vector, objectsOf(vector));
    expect({ code, interference }).toEqual({ code: vector.code ?? null, interference: vector.interference });
    if (vector.ok) expect(unanchored).toBe(vector.unanchored);
  });

  it.each(targets[0]!.flips!)("bit $bit of object $object flipped, renamed: $renamed", (flip) => {
    const vector = targets[0]!;
    const ledger = { origin: vector.origin, ledgerId: vector.ledger_id };
    const objects = objectsOf(vector);
    const { name, bytes } = objects[flip.object]!;
    const flipped = bytes.slice();
    flipped[flip.bit >> 3]! ^= 1 << (flip.bit % 8);
    const fresh = flip.renamed ? formatObjectName(ledger, { ...parseObjectName(ledger, name), sha256: toHex(nodeHash.sha256(flipped)) }) : name;
    const { code, interference } = verdict(vector, objects.with(flip.object, { name: fresh, bytes: flipped }));
    expect({ code, interference }).toEqual({ code: flip.code ?? null, interference: flip.interference });
  });
});
