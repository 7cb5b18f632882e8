/**
 * The control socket's calls (docs/PROTOCOL.md): those of the daemon's own processes that hold no key and write no file, above all the HTTP
 * API. Whoever may open it is the daemon's user. One line at a time, and then a rest: whatever is asked, and however often, it has no more
 * than a share of the writer's thread.
 */
import { processorTime } from "../audit/pace.ts";
import type { Json } from "../format/strict-json.ts";
import { FormatError } from "../format/errors.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Connection } from "./connection.ts";
import { needed, only, readIndex } from "./params.ts";
import { type Call, errorLine, parseCall, resultLine, type RpcId, RpcError } from "./protocol.ts";
import type { LineServer } from "./server.ts";

export interface ControlPort {
  /** Stores an `access` receipt; its place. Survives power loss. */
  recordAccess(accesses: Json): Json;
  /** Is this receipt's MAC right? Only of the open epoch, of which alone there is a key. */
  checkMac(logIndex: number): Json;
  /** What the HTTP API says of the daemon. */
  state(): Json;
  /** All that `status` says on the other socket. */
  status(): Json;
  /** An error after which the process must end. */
  fatal(error: Error): void;
}

/** Of the writer's thread. */
const SHARE = 0.05;
/** ms */
const LONGEST_REST = 1000;

export class Control implements LineServer {
  readonly #port: ControlPort;
  readonly #onInternalError: (error: unknown) => void;
  readonly #ready = new Set<Connection>();
  #scheduled = false;
  #notBefore = 0;

  constructor(port: ControlPort, onInternalError: (error: unknown) => void) {
    this.#port = port;
    this.#onInternalError = onInternalError;
  }

  readonly report = (error: unknown): void => this.#onInternalError(error);

  readonly ready = (connection: Connection): void => {
    this.#ready.add(connection);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => this.#turn(), Math.max(0, this.#notBefore - performance.now()));
  };

  forget(connection: Connection): void {
    this.#ready.delete(connection);
  }

  #turn(): void {
    this.#scheduled = false;
    for (const connection of this.#ready) {
      this.#ready.delete(connection);
      const line = connection.nextLine();
      if (line === null) continue;
      const began = { at: performance.now(), used: processorTime() };
      const hasWaited = this.#answer(connection, line);
      const now = performance.now();
      const taken = hasWaited ? now - began.at : processorTime() - began.used; // a disk holds up the writer; that others have the processor is not this call's doing
      this.#notBefore = now + Math.min(LONGEST_REST, taken * (1 / SHARE - 1));
      this.ready(connection); // behind the others
      return;
    }
  }

  /** True: it has waited for the disk. */
  #answer(connection: Connection, line: Buffer): boolean {
    const slot = connection.slot();
    let id: RpcId = null;
    let writes = false;
    try {
      const call = parseCall(line);
      id = call.id;
      writes = call.method === "record_access";
      connection.answer(slot, resultLine(id, JSON.stringify(this.#result(call))));
      connection.countError(false);
    } catch (error) {
      if (error instanceof RpcError && error.id !== null) id = error.id;
      connection.answer(slot, errorLine(id, error));
      connection.countError(id === null);
      if (error instanceof LedgerError && error.fatal) this.#port.fatal(error);
      else if (!(error instanceof RpcError || error instanceof FormatError || error instanceof LedgerError)) this.#onInternalError(error);
    }
    connection.flush();
    return writes;
  }

  #result({ method, params }: Call): Json {
    switch (method) {
      case "record_access":
        only(params, "accesses");
        return this.#port.recordAccess(needed(params, "accesses"));
      case "check_mac":
        only(params, "log_index");
        return this.#port.checkMac(readIndex(needed(params, "log_index"), "/params/log_index", 0));
      case "state":
        only(params);
        return this.#port.state();
      case "status":
        only(params);
        return this.#port.status();
      default:
        throw new RpcError("unknown_method", `no method ${method.slice(0, 64)}; there are record_access, check_mac, state and status`);
    }
  }
}
