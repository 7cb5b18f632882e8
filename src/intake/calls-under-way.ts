/** Which connections have calls that change a chain, and are being stored: what they ask next has to see them. */
import type { Connection } from "./connection.ts";

export class CallsUnderWay {
  readonly #count = new Map<Connection, number>();

  of(connection: Connection): number {
    return this.#count.get(connection) ?? 0;
  }

  /** Returns what to call when it is over. */
  begin(connection: Connection): () => void {
    this.#count.set(connection, this.of(connection) + 1);
    return () => {
      const left = this.of(connection) - 1;
      if (left > 0) this.#count.set(connection, left);
      else this.#count.delete(connection);
    };
  }
}
