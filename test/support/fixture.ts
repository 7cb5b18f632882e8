/** A real ledger with real keys in a temporary folder, a fixed clock and numbered ids. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRequest, type Request } from "../../src/format/request.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { uuidV7 } from "../../src/format/uuid.ts";
import { EpochKeys, ratchetAt } from "../../src/keys/epoch-keys.ts";
import { createKeyring, type Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { createRootKeyFile } from "../../src/keys/root-key.ts";
import { createLedger } from "../../src/ledger/create.ts";
import { Writer } from "../../src/ledger/writer.ts";
import type { WriterOptions } from "../../src/ledger/writer-options.ts";

export interface Fixture {
  readonly dir: string;
  readonly path: string;
  readonly keyring: Keyring;
  readonly keys: EpochKeys;
  readonly options: WriterOptions;
  /** ms; tests move it. */
  clock: { now: number };
  open(): Writer;
  request(fields?: { readonly [name: string]: Json }): Request;
  /** Closes the batch and moves the keys on. */
  close(writer: Writer): { readonly treeSize: number; readonly root: Uint8Array; readonly count: number };
  remove(): void;
}

const LEDGER_ID = "0123456789abcdef0123456789abcdef";

export function fixture(overrides: Partial<WriterOptions> = {}): Fixture {
  const dir = mkdtempSync(join(tmpdir(), "receiptd-test-"));
  const path = join(dir, "ledger.db");
  const clock = { now: Date.parse("2026-06-01T10:00:00.000Z") };
  let ids = 0;
  const options: WriterOptions = {
    sha256: nodeHash.sha256,
    now: () => clock.now,
    newId: () => uuidV7(clock.now, Buffer.from(`${(ids++).toString(16).padStart(19, "0")}0`, "hex")),
    maxBatch: 65_536,
    maxOrganizations: 100,
    prefixOf: () => undefined,
    ...overrides,
  };
  const keyring = createKeyring(
    join(dir, "keyring.json"), { origin: "example.com/test", ledgerId: LEDGER_ID }, createRootKeyFile(join(dir, "root.key")), "2026-06-01T10:00:00.000Z");
  const key = keyring.hmacKeys[0]!;
  const keys = new EpochKeys(keyring, ratchetAt(LEDGER_ID, key, 0, null));
  createLedger(path, {
    origin: keyring.origin,
    ledgerId: LEDGER_ID,
    details: {
      format: 1, ledger_id: LEDGER_ID, key_id: key.keyId, mode: key.mode, epoch_commitment: keys.commitment(), vkeys: [keyring.checkpointKeys[0]!.vkey],
    },
  }, keys, options);
  return {
    dir, path, keyring, keys, options, clock,
    open: () => Writer.open(path, options),
    request: (fields = {}) => readRequest({ system_id: "scorer", decision: { action: "APPROVE" }, inputs: { credit_score: 742 }, ...fields }, "", options.newId),
    close(writer) {
      const closed = writer.closeBatch(keys, (facts) => ({ ...facts, epoch_commitment: keys.nextCommitment(), observed: [], next_anchor_by: null, reason: "request" }));
      keys.advance();
      return closed;
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
