import { afterEach, describe, expect, test } from "vitest";
import { RpcClient, type RpcFailure } from "../../src/door/client.ts";
import { deliver, type Parcel } from "../../src/door/sender.ts";
import { errorLine, type FakeDaemon, fakeDaemon, resultLine } from "./fake-daemon.ts";

let daemon: FakeDaemon;
afterEach(() => daemon.stop());

/** Delivers receipts 0 … count − 1 in portions of seven; what became of each, and what trouble there was. */
async function deliverMany(count: number, patience = 5000): Promise<{ outcomes: string[]; troubles: string[]; error: RpcFailure | null }> {
  const outcomes: string[] = Array.from({ length: count }, () => "nothing");
  const troubles: string[] = [];
  const parcelOf = (n: number): Parcel => ({
    text: JSON.stringify({ receipt_id: String(n) }),
    done: (answer) => {
      expect(outcomes[n]).toBe("nothing");
      outcomes[n] = "failure" in answer ? answer.failure.code : "stored";
    },
  });
  async function* source() {
    for (let at = 0; at < count; at += 7) yield Array.from({ length: Math.min(7, count - at) }, (_, i) => parcelOf(at + i));
  }
  const connect = () => RpcClient.connect(daemon.path, { timeout: 1000 });
  const error = await deliver(source(), { connect, ack: "disk", patience, onTrouble: ({ code }, again) => troubles.push(again ? `${code} again` : code) })
    .then(() => null, (error: unknown) => error as RpcFailure);
  return { outcomes, troubles, error };
}

const sent = (): number[] => daemon.calls.map(({ params }) => Number(params.receipt?.receipt_id));

describe("deliver", () => {
  test("sends all in order, with what they ask for", async () => {
    daemon = await fakeDaemon(({ id }, socket) => void socket.write(resultLine(id, {})));
    const { outcomes, error } = await deliverMany(2000);
    expect(error).toBeNull();
    expect(new Set(outcomes)).toEqual(new Set(["stored"]));
    expect(sent()).toEqual(Array.from({ length: 2000 }, (_, n) => n));
    expect(daemon.calls[0]!.params.ack).toBe("disk");
  });

  test("never has more than its window on the way", async () => {
    let waiting = 0;
    let most = 0;
    daemon = await fakeDaemon(({ id }, socket) => {
      most = Math.max(most, ++waiting);
      setImmediate(() => {
        waiting--;
        socket.write(resultLine(id, {}));
      });
    });
    await deliverMany(3000);
    expect(most).toBeGreaterThan(100);
    expect(most).toBeLessThanOrEqual(512);
  });

  test("a refusal is settled; the others go on", async () => {
    daemon = await fakeDaemon(({ id, params }, socket) => void socket.write(params.receipt?.receipt_id === "3" ? errorLine(id, "bad_field") : resultLine(id, {})));
    const { outcomes, error } = await deliverMany(10);
    expect(error).toBeNull();
    expect(outcomes.map((code, n) => (code === "stored" ? "" : `${n} ${code}`)).join("")).toBe("3 bad_field");
  });

  test("a lost connection: what has no answer is sent again, first", async () => {
    daemon = await fakeDaemon(({ id, params }, socket, connection) => {
      if (connection === 1 && params.receipt?.receipt_id === "20") socket.destroy();
      else socket.write(resultLine(id, {}));
    });
    const { outcomes, troubles, error } = await deliverMany(100);
    expect(error).toBeNull();
    expect(troubles).toEqual(["connection_lost"]);
    expect(new Set(outcomes)).toEqual(new Set(["stored"]));
    const again = sent().slice(sent().indexOf(20) + 1);
    expect(again).toEqual(Array.from({ length: 100 - again[0]! }, (_, i) => again[0]! + i));
  });

  test("an error that passes: sent again until it has passed", async () => {
    daemon = await fakeDaemon(({ id }, socket, connection) => void socket.write(connection < 3 ? errorLine(id, "disk_full", true) : resultLine(id, {})));
    const { outcomes, troubles, error } = await deliverMany(5);
    expect(error).toBeNull();
    expect(troubles).toEqual(["disk_full", "disk_full again"]);
    expect(new Set(outcomes)).toEqual(new Set(["stored"]));
  });

  test("patience begins with the trouble, not with the last answer", async () => {
    daemon = await fakeDaemon(({ id }, socket, connection) => {
      if (connection === 1 && id > 1) socket.destroy();
      else socket.write(resultLine(id, {}));
    });
    const troubles: string[] = [];
    const codes: string[] = [];
    const parcelOf = (n: number): Parcel => ({ text: JSON.stringify({ receipt_id: String(n) }), done: (answer) => codes.push("failure" in answer ? answer.failure.code : "stored") });
    async function* slow() {
      yield [parcelOf(1)];
      await new Promise((resolve) => setTimeout(resolve, 600));
      yield [parcelOf(2)];
    }
    const connect = () => RpcClient.connect(daemon.path, { timeout: 1000 });
    await deliver(slow(), { connect, ack: undefined, patience: 500, onTrouble: ({ code }) => troubles.push(code) });
    expect([codes, troubles]).toEqual([["stored", "stored"], ["connection_lost"]]);
  });

  test("patience ends", async () => {
    daemon = await fakeDaemon((_, socket) => socket.destroy());
    const { outcomes, troubles, error } = await deliverMany(5, 300);
    expect(error).toMatchObject({ code: "connection_lost" });
    expect(troubles).toEqual(["connection_lost", ...troubles.slice(1).map(() => "connection_lost again")]);
    expect(new Set(outcomes)).toEqual(new Set(["nothing"]));
  });
});
