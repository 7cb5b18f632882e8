/** Who talks to whom: what client and server said of themselves when they began (MCP `initialize`). */
import { newId } from "../clients/receipts.ts";
import type { Json } from "../format/strict-json.ts";
import { isMembers, type Members } from "./message.ts";

const LONGEST = 200;
const UNKNOWN = "unknown";

export class Session {
  readonly id = newId();
  /** Of the server, until it has said its name itself: that of its program. */
  readonly #program: string;
  readonly #systemId: string | undefined;
  #client: Members = {};
  #server: Members = {};
  #protocolVersion: string | undefined;

  constructor(program: string, systemId: string | undefined) {
    this.#program = program;
    this.#systemId = systemId;
  }

  /** The params of `initialize`. */
  asked(params: Json | undefined): void {
    this.#client = isMembers(params) ? named(params["clientInfo"]) : {};
  }

  /** Its result. */
  answered(result: Json): void {
    if (!isMembers(result)) return;
    this.#server = named(result["serverInfo"]);
    this.#protocolVersion = short(result["protocolVersion"]);
  }

  get systemId(): string {
    return this.#systemId ?? `mcp:${short(this.#server["name"]) ?? short(this.#program) ?? UNKNOWN}`;
  }

  get agent(): string {
    return short(this.#client["name"]) ?? UNKNOWN;
  }

  get metadata(): Members {
    return { session_id: this.id, client: this.#client, server: this.#server, ...(this.#protocolVersion === undefined ? {} : { protocol_version: this.#protocolVersion }) };
  }
}

function named(info: Json | undefined): Members {
  if (!isMembers(info)) return {};
  return Object.fromEntries(["name", "version"].flatMap((name) => { const text = short(info[name]); return text === undefined ? [] : [[name, text]]; }));
}

/** What has a place in any receipt, shortened. */
function short(text: Json | undefined): string | undefined {
  if (typeof text !== "string" || text === "") return undefined;
  return text.replaceAll("\0", "\ufffd").slice(0, LONGEST).toWellFormed();
}
