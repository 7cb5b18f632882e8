/** `receiptd http`: the API in a process of its own, beside the daemon. It opens ledger.db and anchor.db to read, and holds no key. */
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { parseCosigner } from "../format/cosignature.ts";
import { createApp, type StaticPage } from "./app.ts";
import { ControlClient } from "./control-client.ts";
import { LedgerSource } from "./ledger-view.ts";
import { Tokens } from "./tokens.ts";
import { Watch } from "./watch.ts";

export interface HttpPlaces {
  readonly ledger: string;
  readonly outbox: string;
  readonly control: string;
  readonly tokens: string;
}

export interface HttpServer {
  readonly url: string;
  /** Takes no more requests, answers those taken. */
  stop(): Promise<void>;
}

export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly code = "http_not_possible";
}

/** ms for what is being answered when it stops. */
const DRAIN = 5000;

function isLoopback(listen: string): boolean {
  return /^(?:127\.|localhost:|\[::1\]:)/.test(listen);
}

/** Throws HttpError where it cannot listen; LedgerError and AnchorError where there is nothing to read. */
export async function startHttp(config: Config, places: HttpPlaces, version: string, log: Logger, pages: readonly StaticPage[] = []): Promise<HttpServer> {
  const { http } = config;
  const ledgerPlaces = { ledger: places.ledger, outbox: places.outbox, targets: config.anchor.targets };
  const source = new LedgerSource(ledgerPlaces);
  source.view();
  const control = new ControlClient(places.control);
  const watch = new Watch(source, control, config.anchor.grace);
  const app = await createApp({ source, places: ledgerPlaces, control, watch, http, auditors: config.auditors.map(parseCosigner), tokens: new Tokens(places.tokens), pages, version, log, isLocal: isLoopback(http.listen) && http.trust_proxy.length === 0 });
  const [, host = "", port = ""] = /^(.*):([0-9]+)$/.exec(http.listen) ?? [];
  try {
    await app.listen({ host: host.replaceAll(/^\[|\]$/g, ""), port: Number(port) });
  } catch (error) {
    watch.stop();
    await control.close();
    await app.close();
    source.close();
    throw new HttpError(`cannot listen on ${http.listen}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const { port: actual } = app.server.address() as AddressInfo;
  return {
    url: `http://${host}:${actual}`,
    async stop() {
      const timer = setTimeout(() => app.server.closeAllConnections(), DRAIN);
      await app.close();
      watch.stop();
      clearTimeout(timer);
      await control.close();
      source.close();
    },
  };
}
