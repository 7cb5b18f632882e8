/** For tests of the integrations: a real daemon, a client of it, and what was stored. */
import { afterAll, afterEach, beforeAll } from "vitest";
import { Client, type StoredReceipt } from "../../src/clients/index.ts";
import { Host } from "../cli/host.ts";
import { must, serveHere } from "../cli/here.ts";

type Daemon = Awaited<ReturnType<typeof serveHere>>;

export interface Here {
  /** Of the daemon that runs. */
  readonly client: Client;
  /** Of no daemon: what a caller sees once it is gone. */
  readonly gone: Client;
  /** The receipts that are new since the test began, oldest first, as they are stored. */
  receipts(): Promise<readonly Stored[]>;
}

export interface Stored {
  readonly system_id: string;
  readonly model_version: string;
  readonly inputs: { readonly [name: string]: unknown };
  readonly decision: { readonly [name: string]: unknown };
  readonly metadata: { readonly [name: string]: unknown };
}

/** One daemon for the tests of a file. */
export function daemonHere(): Here {
  let host: Host;
  let daemon: Daemon;
  const made: { client?: Client; gone?: Client } = {};
  let seen = 0;
  const size = async (): Promise<number> => (await made.client!.head()).size;
  beforeAll(async () => {
    host = new Host();
    await must(host, ["init"]);
    daemon = await serveHere(host);
    made.client = new Client({ socket: host.path("receiptd-data/receiptd.sock"), systemId: "assistant" });
    made.gone = new Client({ socket: host.path("nobody.sock"), systemId: "assistant", timeoutMs: 50 });
    seen = await size();
  });
  afterEach(async () => {
    seen = await size();
  });
  afterAll(async () => {
    await made.client!.close();
    await made.gone!.close();
    daemon.child.kill();
    await daemon.ended;
    await host.remove();
  });
  return {
    get client() { return made.client!; },
    get gone() { return made.gone!; },
    async receipts() {
      const stored: StoredReceipt[] = [];
      for (let logIndex = seen; logIndex < await size(); logIndex++) stored.push(await made.client!.get({ logIndex }));
      return stored.map(({ receipt }) => receipt as unknown as Stored);
    },
  };
}
