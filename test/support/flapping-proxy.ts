/**
 * A TCP proxy in front of a real server that can be away in the ways in which networks and servers are: refused, silent, cut in
 * the middle of what is sent or answered, or answering 503 to everything. What is under way when it changes is cut.
 */
import { createServer, connect, type Server, type Socket } from "node:net";
import { once } from "node:events";

export type Weather =
  | "fair"
  /** Connections are reset as soon as they are made. */
  | "refused"
  /** Connections are taken, and nothing ever comes back. */
  | "silent"
  /** The connection ends in the middle of what a client sends. */
  | "cut_request"
  /** What the client sends arrives, and the answer does not: nobody knows what was done. */
  | "cut_answer"
  /** The server answers 503 SlowDown. */
  | "slow_down";

const BUSY = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';
const SLOW_DOWN = `HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: ${BUSY.length}\r\nConnection: close\r\n\r\n${BUSY}`;

export class FlappingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #to: { readonly host: string; readonly port: number };
  #weather: Weather = "fair";
  /** Connections that came while it was not fair. */
  troubled = 0;

  private constructor(to: { readonly host: string; readonly port: number }) {
    this.#to = to;
    this.#server = createServer({ noDelay: true }, (client) => this.#take(client));
  }

  /** In front of an http endpoint, on a free port of 127.0.0.1. */
  static async before(endpoint: string): Promise<FlappingProxy> {
    const { hostname, port } = new URL(endpoint);
    const proxy = new FlappingProxy({ host: hostname, port: Number(port) });
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as { readonly port: number }).port}`;
  }

  set weather(weather: Weather) {
    this.#weather = weather;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.weather = "refused";
    this.#server.close();
    await once(this.#server, "close");
  }

  #take(client: Socket): void {
    const weather = this.#weather;
    this.#keep(client);
    if (weather !== "fair") this.troubled++;
    if (weather === "refused") return void client.resetAndDestroy();
    if (weather === "silent") return void client.resume();
    if (weather === "slow_down") return void client.once("data", () => client.end(SLOW_DOWN));
    const server = this.#keep(connect({ ...this.#to, noDelay: true }));
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
    if (weather === "cut_request") client.once("data", (data: Buffer) => server.write(data.subarray(0, data.length / 2), () => client.destroy()));
    else client.pipe(server);
    if (weather === "cut_answer") server.once("data", (data: Buffer) => client.write(data.subarray(0, 9), () => client.destroy()));
    else server.pipe(client);
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    return socket;
  }
}
