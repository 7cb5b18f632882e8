/**
 * The ratchet's place on the disk: a file of two slots, each with one epoch's key wrapped under the root key. Outside SQLite,
 * whose write-ahead log keeps old pages.
 *
 * Order of writes when epoch e closes (docs/ARCHITECTURE.md): the anchor receipt is on the disk; K_{e+1} goes into the slot that
 * holds nothing needed; synced; the slot of K_e is overwritten; synced; only then is the checkpoint signed. A crash between any
 * two leaves a state from which `ratchetAt` reaches the ledger's open epoch.
 */
import { constants, lstatSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { concat, fromUtf8, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { KEY_ID } from "../format/names.ts";
import type { RatchetState } from "./epoch-keys.ts";
import { KeyError } from "./errors.ts";
import type { RootKey } from "./root-key.ts";
import { createSecretFile, eraseSecretFile, notOpened, readSecretFile } from "./secret-file.ts";

const SLOT = 512;

export class RatchetFile {
  readonly #path: string;
  readonly #root: RootKey;
  readonly #ledgerId: string;
  #handle: FileHandle | undefined;
  /** The slot with the newest key. */
  #current = 1;

  constructor(path: string, root: RootKey, ledgerId: string) {
    this.#path = path;
    this.#root = root;
    this.#ledgerId = ledgerId;
  }

  create(state: RatchetState): void {
    createSecretFile(this.#path, concat(this.#slot(state), new Uint8Array(SLOT)));
    this.#current = 0;
  }

  /**
   * The newest readable slot, of those of `keyId` where that is given and there is one; null where neither can be read (a retained key is
   * then stepped from its seed). A slot of a later key than the ledger's is one that was prepared for a rotation that did not happen.
   */
  load(keyId?: string): RatchetState | null {
    let bytes: Uint8Array;
    try {
      bytes = readSecretFile(this.#path);
    } catch (error) {
      if (error instanceof KeyError && error.code === "key_file_missing") return null;
      throw error;
    }
    const states = [0, 1].map((slot) => this.#readSlot(bytes.subarray(slot * SLOT, (slot + 1) * SLOT)));
    const [a, b] = states as [RatchetState | null, RatchetState | null];
    const rank = (state: RatchetState | null): number => (state === null ? -1 : state.epoch + (state.keyId === keyId ? Number.MAX_SAFE_INTEGER / 2 : 0));
    this.#current = rank(b) > rank(a) ? 1 : 0;
    states[1 - this.#current]?.key.fill(0);
    return states[this.#current] ?? null;
  }

  /**
   * Writes the first key of a rotation beside the one that signs; on the disk when it resolves. What is stored next takes its place.
   * `key_file_missing` where the file is gone or another one: a crash would leave the key where nobody looks for it.
   */
  async prepare(state: RatchetState): Promise<void> {
    if (!(await this.#open()) || !(await this.#isInPlace())) throw new KeyError("key_file_missing", `${this.#path} is not there, or not the file that is open: the next anchor makes it anew (receiptd anchor)`);
    await this.#write(1 - this.#current, this.#slot(state));
  }

  /** Writes the new epoch's key, then overwrites the old one's; on the disk when it resolves. A file that is gone, or is another one, is made anew. */
  async store(state: RatchetState): Promise<void> {
    if (!(await this.#open())) return this.create(state);
    if (!(await this.#isInPlace())) return await this.#makeAnew(state);
    const next = 1 - this.#current;
    await this.#write(next, this.#slot(state));
    await this.#write(this.#current, new Uint8Array(SLOT));
    this.#current = next;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** False where there is no file. */
  async #open(): Promise<boolean> {
    if (this.#handle !== undefined) return true;
    try {
      this.#handle = await open(this.#path, constants.O_RDWR | constants.O_NOFOLLOW);
    } catch (cause) {
      const error = notOpened(this.#path, cause);
      if (error.code === "key_file_missing") return false;
      throw error;
    }
    // the slot that was loaded may be one that a killed process wrote and never synced: before the other one is overwritten
    await this.#handle.datasync();
    return true;
  }

  /** Is what is open still what the path names? */
  async #isInPlace(): Promise<boolean> {
    const ours = await this.#handle!.stat();
    const there = statSync(this.#path, { throwIfNoEntry: false });
    return there?.ino === ours.ino && there.dev === ours.dev;
  }

  /** The file that is open was moved or removed, and is on the disk still: no closed epoch's key stays in it, nor in what took its place. */
  async #makeAnew(state: RatchetState): Promise<void> {
    if (lstatSync(this.#path, { throwIfNoEntry: false })?.isFile() === true) eraseSecretFile(this.#path);
    else rmSync(this.#path, { force: true });
    this.create(state); // first: should this be cut short, the key before is in one place at least
    for (const slot of [0, 1]) await this.#write(slot, new Uint8Array(SLOT));
    await this.close();
  }

  async #write(slot: number, bytes: Uint8Array): Promise<void> {
    const handle = this.#handle!;
    const { bytesWritten } = await handle.write(bytes, 0, SLOT, slot * SLOT);
    if (bytesWritten !== SLOT) throw new KeyError("key_file_damaged", `${this.#path}: a slot was written in part`);
    await handle.datasync();
  }

  #slot(state: RatchetState): Uint8Array {
    const metadata = utf8(canonicalize({ key_id: state.keyId, epoch: state.epoch }));
    const body = this.#root.wrap(state.key, this.#context(metadata));
    const slot = new Uint8Array(SLOT);
    slot[0] = metadata.length;
    slot[1] = body.length;
    slot.set(metadata, 2);
    slot.set(body, 2 + metadata.length);
    return slot;
  }

  /** A slot that is torn, erased or of something else than an epoch's key is not an error: the other one, or the seed, is there. */
  #readSlot(slot: Uint8Array): RatchetState | null {
    const metadataLength = slot[0] ?? 0;
    const bodyLength = slot[1] ?? 0;
    if (metadataLength === 0 || bodyLength === 0) return null;
    const metadata = slot.subarray(2, 2 + metadataLength);
    try {
      const key = this.#root.unwrap(slot.subarray(2 + metadataLength, 2 + metadataLength + bodyLength), this.#context(metadata));
      const { key_id, epoch } = JSON.parse(fromUtf8(metadata)) as { key_id: unknown; epoch: unknown };
      if (typeof key_id !== "string" || !KEY_ID.test(key_id) || typeof epoch !== "number" || !Number.isSafeInteger(epoch) || epoch < 0 || key.length !== 32) return null;
      return { keyId: key_id, epoch, key };
    } catch {
      return null;
    }
  }

  #context(metadata: Uint8Array): Uint8Array {
    return concat(utf8(`receiptd/1 ratchet ${this.#ledgerId} `), metadata);
  }
}
