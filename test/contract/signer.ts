/** What every signer of anchors has to do: one suite, which each kind passes (test/anchor/signer.test.ts). */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { AnchorError } from "../../src/anchor/errors.ts";
import { formatVkey, type NoteSigner, parseVkey, signNote, verifyEd25519, verifyNote } from "../../src/format/note.ts";
import { shreds } from "../keys/support.ts";

export interface SignerBench {
  readonly vkey: string;
  /** Of this key, that is to sign as `vkey`. */
  readonly open: (vkey: string) => NoteSigner;
  /** What must not be seen, where the test can know it. */
  readonly secrets: readonly Uint8Array[];
}

export function signerContract(kind: string, make: () => Promise<SignerBench>): void {
  describe(`a signer of the kind ${kind}`, () => {
    test("signs notes that verify under its vkey, the same each time", async () => {
      const { vkey, open } = await make();
      const signer = open(vkey);
      const text = "example.com/test\n5\nAAAA\n";
      const note = await signNote(text, signer);
      expect(verifyNote(note, [vkey])).toMatchObject({ text, verified: [parseVkey(vkey).name], unknown: 0 });
      expect(await signNote(text, open(vkey))).toBe(note);
      expect({ name: signer.name, publicKey: Buffer.from(signer.publicKey) }).toEqual({ name: parseVkey(vkey).name, publicKey: Buffer.from(parseVkey(vkey).publicKey) });
    });

    test.each([0, 1, 63, 4096])("signs %i bytes", async (length) => {
      const { vkey, open } = await make();
      const bytes = new Uint8Array(length).fill(7);
      const signature = await open(vkey).sign(bytes);
      expect(signature).toHaveLength(64);
      expect(verifyEd25519(parseVkey(vkey).publicKey, bytes, signature)).toBe(true);
    });

    test("never gives a signature that is not the vkey's, nor shows the key", async () => {
      const { open, secrets } = await make();
      const stranger = formatVkey("example.com/test", new Uint8Array(Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex"))); // RFC 8032 section 7.1, test 1
      const signer = open(stranger);
      const error = await (async () => signer.sign(new Uint8Array(10)))().then(() => null, (error: unknown) => error);
      expect(error).toBeInstanceOf(AnchorError);
      const shown = [error, signer].map((value) => inspect(value, { depth: 20, showHidden: true, maxArrayLength: null, maxStringLength: null, breakLength: Infinity })).join("\n");
      expect(shreds(secrets).filter((shred) => shown.includes(shred))).toEqual([]);
    });
  });
}
