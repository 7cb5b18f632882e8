/** Signers: what all of them do, and what comes of a key that is in AWS KMS while KMS is away, slow or mad. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { AnchorError } from "../../src/anchor/errors.ts";
import { kmsSigner, localSigner } from "../../src/anchor/signer.ts";
import { formatVkey } from "../../src/format/note.ts";
import { KmsCheckpointKey } from "../../src/keys/kms/checkpoint-key.ts";
import type { KmsTimeouts } from "../../src/keys/kms/client.ts";
import { signerContract } from "../contract/signer.ts";
import { codeLater } from "../keys/support.ts";
import { FakeKms, type KmsFault, patience } from "../support/fake-kms.ts";
import { Bench, LEDGER, signersOf } from "./support.ts";

const NAME = "example.com/test";
let kms: FakeKms;
beforeAll(async () => { kms = await FakeKms.start(); });
afterAll(() => kms.goAway());
afterEach(() => {
  kms.fault = null;
  kms.onCall = () => undefined;
});

const publicOf = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ format: "der", type: "spki" }).subarray(-32));
const access = (key: string): { readonly key: string; readonly endpoint: string } => ({ key, endpoint: kms.endpoint });

signerContract("local", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    vkey: formatVkey(NAME, publicOf(publicKey)), open: (vkey) => localSigner(vkey, privateKey),
    secrets: [privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32)],
  };
});

signerContract("aws-kms", async () => {
  const key = kms.newKey("ed25519");
  return {
    vkey: formatVkey(NAME, await new KmsCheckpointKey(access(key)).publicKey()), open: (vkey) => kmsSigner(vkey, access(key)),
    secrets: [Buffer.from(process.env["AWS_SECRET_ACCESS_KEY"]!)],
  };
});

const FAULTS: readonly KmsFault[] = ["silent", "drips", "error", "throttled", "denied", "garbage", "page", "cut", "empty"];

describe("a checkpoint key in KMS", () => {
  test.each(FAULTS)("%s: signing fails in bounded time, and may be tried again", async (fault) => {
    const key = kms.newKey("ed25519");
    const signer = kmsSigner(formatVkey(NAME, await new KmsCheckpointKey(access(key)).publicKey()), access(key), patience(fault));
    kms.fault = fault;
    const error = await Promise.resolve(signer.sign(new Uint8Array(5))).then(() => null, (error: unknown) => error);
    expect(error).toBeInstanceOf(AnchorError);
    expect(error).toMatchObject({ code: "signer_failed", fatal: false });
    expect((error as Error).cause).toBeUndefined();
    kms.fault = null;
    await vi.waitFor(async () => expect(await signer.sign(new Uint8Array(5))).toHaveLength(64), 20_000);
  });

  test.each(FAULTS)("%s: there is no public key", async (fault) => {
    const key = new KmsCheckpointKey(access(kms.newKey("ed25519")), patience(fault));
    kms.fault = fault;
    expect(await codeLater(() => key.publicKey())).toBe(fault === "denied" ? "kms_denied" : "kms_unavailable");
  });

  test("has to be of Ed25519, and there", async () => {
    const codes = [kms.newKey("rsa"), kms.newKey("symmetric"), kms.newKey("ed25519").replace(/.$/, "x")].map((key) => codeLater(() => new KmsCheckpointKey(access(key)).publicKey()));
    expect(await Promise.all(codes)).toEqual(["wrong_checkpoint_key", "kms_denied", "kms_denied"]);
  });

  test("asks whether it may sign, and signs nothing", async () => {
    const key = new KmsCheckpointKey(access(kms.newKey("ed25519")));
    await key.requireSign();
    expect(kms.calls.at(-1)).toMatchObject({ action: "Sign", body: { DryRun: true } });
    kms.fault = "denied";
    expect(await codeLater(() => key.requireSign())).toBe("kms_denied");
  });
});

describe("the publisher with a key in KMS", () => {
  let bench: Bench;
  let key: string;
  let vkey: string;
  beforeEach(async () => {
    bench = new Bench();
    key = kms.newKey("ed25519");
    vkey = formatVkey(LEDGER.origin, await new KmsCheckpointKey(access(key)).publicKey());
  });
  afterEach(() => bench.dispose());
  const signer = (timeouts?: KmsTimeouts) => kmsSigner(vkey, access(key), timeouts);
  const signatures = (): number => kms.calls.filter(({ action, body }) => action === "Sign" && body["KeyId"] === key).length;
  const anchors = (): readonly number[] => bench.reader().anchors(0, 100).map(({ treeSize }) => treeSize);
  const addAnchors = (count: number): void => {
    for (let i = 0; i < count; i++) {
      bench.ledger.append(2);
      bench.ledger.anchor();
    }
  };

  test.each<KmsFault>(["error", "wrong", "empty", "denied", "silent"])("%s is an outage: told, waited out, and each anchor is signed and stored once", async (fault) => {
    addAnchors(3);
    const target = bench.directory("a");
    kms.fault = fault;
    const { publisher, until, stop } = bench.publisher([target], { signers: signersOf(vkey, signer(patience(fault))) });
    await publisher.start();
    expect((await until(({ signerError }) => signerError !== null)).signerError).toMatch(/kms:Sign with arn:aws:kms:/);
    expect(publisher.status()).toMatchObject({ signedSize: 0, anchoredSize: 0 });
    kms.fault = null;
    const last = anchors().at(-1)!;
    const { signerError } = await until(({ anchoredSize, signerError }) => anchoredSize === last && signerError === null);
    expect(signerError).toBeNull();
    expect(bench.outbox().signedSize()).toBe(last);
    await stop();
    const before = signatures();
    const again = bench.publisher([target], { signers: signersOf(vkey, signer()) });
    await again.publisher.start();
    await again.until(({ comparison, anchoredSize }) => comparison.state === "ok" && anchoredSize === last);
    expect(signatures()).toBe(before);
  });

  test("what was signed before KMS went away is kept: a page of many is got through", async () => {
    addAnchors(6);
    const target = bench.directory("a");
    let calls = 0;
    kms.onCall = ({ action }) => {
      if (action === "Sign") kms.fault = ++calls % 2 === 0 ? "denied" : null; // every other one, and a refusal is not tried again at once
    };
    const { publisher, until } = bench.publisher([target], { signers: signersOf(vkey, signer()) });
    await publisher.start();
    await until(({ anchoredSize }) => anchoredSize === anchors().at(-1));
    expect(calls).toBeLessThanOrEqual(2 * anchors().length); // each once, and a failure between
  });

  test("size and root are on record before KMS is asked", async () => {
    addAnchors(2);
    const target = bench.directory("a");
    const outbox = bench.outbox();
    const reserved: boolean[] = [];
    kms.onCall = ({ action }) => {
      if (action === "Sign") reserved.push(anchors().every((size) => outbox.root(size) !== null));
    };
    const { publisher, until } = bench.publisher([target], { signers: signersOf(vkey, signer()) });
    await publisher.start();
    await until(({ anchoredSize }) => anchoredSize === anchors().at(-1));
    expect(reserved.length).toBe(signatures());
    expect(new Set(reserved)).toEqual(new Set([true]));
  });

  test("stops at once while KMS is silent", async () => {
    addAnchors(1);
    kms.fault = "silent";
    const asked = new Promise<void>((resolve) => { kms.onCall = ({ action }) => { if (action === "Sign") resolve(); }; });
    const { publisher } = bench.publisher([bench.directory("a")], { signers: signersOf(vkey, kmsSigner(vkey, access(key))) });
    await publisher.start();
    await asked;
    await publisher.stop(600_000); // longer than the test may take
    expect(publisher.status().signedSize).toBe(0);
  });
});
