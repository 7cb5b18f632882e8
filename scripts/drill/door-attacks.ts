/** Attacks by whoever may write to the daemon's socket. They are made while a real daemon works, and audited afterwards. */
import { randomUUID } from "node:crypto";
import { PLAIN } from "./auditor.ts";
import { call, decision, type Reply } from "./days.ts";
import { type Ground, NotShown, requirePass, type Shown, type Trial } from "./trial.ts";

const ID = randomUUID();
const append = (receipt: object): string => call("append", { receipt });
const raw = (receipt: string): string => `{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":${receipt}}}`;
const honest = append(decision(1));

/** What is sent, and what has to be answered: a code, or null where it is taken. An honest receipt is the control of each. */
const CALLS = {
  smuggled: [
    [honest, null],
    [append({ ...decision(1), type: "anchor", details: {} }), "reserved_type"],
    [append({ ...decision(1), type: "key_revocation" }), "reserved_type"],
    [append({ ...decision(1), organization: "_ledger" }), "bad_field"],
    [append({ ...decision(1), signature: `hmac-sha256:${"0".repeat(64)}` }), "reserved_field"],
    [append({ ...decision(1), log_index: 1, recorded_at: "2020-01-01T00:00:00.000Z" }), "reserved_field"],
  ],
  "same-id": [
    [append({ ...decision(1), receipt_id: ID }), null],
    [append({ ...decision(2), receipt_id: ID }), "conflict"],
    [append({ ...decision(1), receipt_id: ID }), null], // the very same once more: the very same acknowledgement
  ],
  malformed: [
    [honest, null],
    [raw('{"system_id":"a","decision":"DENY","decision":"APPROVE","inputs":{}}'), "duplicate_name"],
    [raw('{"system_id":"a","decision":1,"inputs":{"amount":1e400}}'), "number_out_of_range"],
    [raw('{"system_id":"a","decision":1,"inputs":{"__proto__":{"isAdmin":true}}}'), "forbidden_name"],
    [Buffer.from([0x7b, 0xff, 0x7d]), "not_utf8"],
  ],
} as const satisfies Record<string, readonly (readonly [string | Uint8Array, string | null])[]>;

/** With a lie, which is well-formed. */
export const AT_DOOR: ReadonlyMap<string, readonly (string | Uint8Array)[]> = new Map([
  ...Object.entries(CALLS).map(([id, calls]) => [id, calls.map(([line]) => line)] as const),
  ["lie", [append({ ...decision(1), inputs: { applicant: "nobody", amount: 1 }, reasons: ["an applicant who does not exist"] })]],
]);

function codeOf(reply: Reply): string | null {
  return "error" in reply ? reply.error.data.code : null;
}

/** `code`: that of the refusal that is shown. */
function atDoor(id: keyof typeof CALLS, code: string): Trial["run"] {
  return async ({ day, auditor, disabled }: Ground): Promise<Shown> => {
    const replies = disabled.includes("door") ? [] : day.door.get(id)!;
    const [expected, said] = [CALLS[id].map(([, one]) => one), replies.map(codeOf)];
    if (JSON.stringify(expected) !== JSON.stringify(said)) throw new NotShown(`the daemon answered ${said.join(", ")} and not ${expected.join(", ")}`);
    if (id === "same-id" && hashOf(replies[0]!) !== hashOf(replies[2]!)) throw new NotShown("the very same receipt once more was not answered the same");
    requirePass(await auditor.ask(day.host, { ...PLAIN, pins: day.host.pins }), "the ledger afterwards");
    const refusal = replies.find((reply) => codeOf(reply) === code) as Extract<Reply, { error: object }>;
    return { code, where: "the socket", says: `${refusal.error.message}; an honest receipt beside it was taken`, notWithout: [] };
  };
}

function hashOf(reply: Reply): unknown {
  return "result" in reply ? reply.result["receipt_hash"] : null;
}

export const DOOR_ATTACKS: readonly Trial[] = [
  { id: "smuggled", attack: "A caller sends a receipt of the ledger's own types, of its own organization, or with fields that only the daemon writes", caughtBy: "the daemon, at its socket", artefact: "the refusal; nothing is stored", run: atDoor("smuggled", "reserved_type") },
  { id: "same-id", attack: "A caller sends other content under a receipt_id that is there", caughtBy: "the daemon, at its socket", artefact: "request_mac of the receipt that is there", run: atDoor("same-id", "conflict") },
  { id: "malformed", attack: "A caller sends what two parsers would read differently", caughtBy: "the daemon, at its socket", artefact: "the refusal; nothing is stored", run: atDoor("malformed", "duplicate_name") },
];
