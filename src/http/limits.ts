/** What nobody may exceed, before any route is reached: of a request's form, and of all requests without a token together. */
import type { IncomingMessage, Server } from "node:http";
import { isIP, type Socket } from "node:net";
import { ApiError } from "./errors.ts";

/** Characters. */
const MAX_URL = 2048;

/** Bytes of all headers together, and how many they are. */
export const MAX_HEADER_BYTES = 8192;
export const MAX_HEADERS = 64;

/** Throws ApiError. */
export function requireForm({ method, url = "", headers }: IncomingMessage): void {
  if (url.length > MAX_URL) throw new ApiError("url_too_long", `a URL is at most ${MAX_URL} characters`);
  if (method !== "GET") throw new ApiError("method_not_allowed", "everything here is asked for with GET");
  if (headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0") throw new ApiError("body_not_allowed", "no request here has a body");
}

/** A site that has its own name lead to this host would read it in the browser of whoever is here (DNS rebinding). Throws ApiError. */
export function requireOwnName({ headers: { host = "" } }: IncomingMessage): void {
  const name = host.replace(/:\d{1,5}$/, "").replaceAll(/^\[|\]$/g, "");
  if (name !== "" && name !== "localhost" && isIP(name) === 0) throw new ApiError("host_not_served", "this is reached as localhost or by its address; behind a proxy http.trust_proxy names that");
}

/** No more connections of one address than this, so that it cannot take them all. */
export function shareConnections(server: Server, most: number): void {
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const from = socket.remoteAddress ?? "";
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.once("close", () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
    if (count > most) socket.destroy();
  });
}

/** So many a second, and as many at once. */
export class Bucket {
  readonly #perSecond: number;
  #left: number;
  #at = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
  }

  /** False: there is none left now. */
  take(): boolean {
    const now = performance.now();
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

/** One for each of those that ask; of more, those that came first are forgotten. */
export class Buckets {
  readonly #perSecond: number;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number, most: number) {
    [this.#perSecond, this.#most] = [perSecond, most];
  }

  /** Throws ApiError `too_many_requests`. */
  take(id: string): void {
    let bucket = this.#buckets.get(id);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#most) this.#buckets.delete(this.#buckets.keys().next().value!);
      bucket = new Bucket(this.#perSecond);
      this.#buckets.set(id, bucket);
    }
    if (!bucket.take()) throw new ApiError("too_many_requests", `a token has at most ${this.#perSecond} requests a second`);
  }
}

/** Requests of one token that are being worked on. */
export class InFlight {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Throws ApiError `too_many_requests`; returns what to call when it is over. */
  enter(id: string): () => void {
    const count = this.#counts.get(id) ?? 0;
    if (count >= this.#most) throw new ApiError("too_many_requests", `a token has at most ${this.#most} requests at a time`);
    this.#counts.set(id, count + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = this.#counts.get(id)! - 1;
      if (left === 0) this.#counts.delete(id);
      else this.#counts.set(id, left);
    };
  }
}

/** ms between two looks, and that one may be late. */
const LOOK = 100;
const LATE = 750;
/** Of a processor. */
const BUSY = 0.75;

/**
 * Does this process have more to do than it can? Then it says so at once to those without a token, while there is time for the others. Where
 * it is late for others on the machine, it has not.
 */
export class Pressure {
  #isTooHigh = false;
  readonly #timer: NodeJS.Timeout;

  constructor() {
    let before = { at: performance.now(), used: process.cpuUsage() };
    this.#timer = setInterval(() => {
      const now = performance.now();
      const { user, system } = process.cpuUsage(before.used);
      const passed = now - before.at;
      this.#isTooHigh = passed > LOOK + LATE && (user + system) / 1000 > BUSY * passed;
      before = { at: now, used: process.cpuUsage() };
    }, LOOK).unref();
  }

  get isTooHigh(): boolean {
    return this.#isTooHigh;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
