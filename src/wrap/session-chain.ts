/** The session as a chain (docs/FORMAT.md section 19): an event for each call and each outcome, and one receipt when it ends. */
import type { Client } from "../clients/client.ts";
import type { Chain, ChainEvent } from "../clients/chain.ts";
import { ReceiptError } from "../clients/errors.ts";
import { newId } from "../clients/receipts.ts";
import type { Session } from "./session.ts";

/** The daemon closed it, or it has as many events as a chain may have: the session goes on in another. */
const ENDED: ReadonlySet<string> = new Set(["chain_closed", "chain_full"]);

export class SessionChain {
  readonly #client: Client;
  readonly #session: Session;
  readonly #organization: string | undefined;
  #open: Promise<Chain> | null = null;
  /** Which one of the session; its id follows from that, so that an attempt that got lost leaves none behind. */
  #number = 1;

  constructor(client: Client, session: Session, organization: string | undefined) {
    this.#client = client;
    this.#session = session;
    this.#organization = organization;
  }

  /** The chain of now, opened if need be. */
  async current(): Promise<Chain> {
    this.#open ??= this.#client.openChain({
      chainId: this.#id(),
      systemId: this.#session.systemId,
      metadata: this.#session.metadata,
      ...(this.#organization === undefined ? {} : { organization: this.#organization }),
    });
    const opening = this.#open;
    try {
      return await opening;
    } catch (error) {
      if (this.#open === opening) this.#open = null;
      throw error;
    }
  }

  /** Records an event; returns the id of the chain that has it. */
  async event(event: Omit<ChainEvent, "agent" | "eventId">): Promise<string> {
    const whole = { ...event, eventId: newId(), agent: this.#session.agent };
    const chain = await this.current();
    try {
      await chain.event(whole);
      return chain.chainId;
    } catch (error) {
      if (!(error instanceof ReceiptError) || !ENDED.has(error.code)) throw error;
      await this.#leave(chain, error.code);
      const next = await this.current();
      await next.event(whole);
      return next.chainId;
    }
  }

  /** The session has ended. */
  async complete(outcome: "completed" | "failed"): Promise<void> {
    if (this.#open === null) return;
    const chain = await this.#open;
    await chain.complete({ outcome });
  }

  async #leave(chain: Chain, code: string): Promise<void> {
    if (this.#id() !== chain.chainId) return; // another event has
    this.#number++;
    this.#open = null;
    if (code === "chain_full") await chain.complete();
  }

  #id(): string {
    return `mcp_${this.#session.id}${this.#number === 1 ? "" : `_${this.#number}`}`;
  }
}
