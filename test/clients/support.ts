/** For tests of the client: what a call was refused with, and a daemon's answers. */
import type { Socket } from "node:net";
import { ReceiptError, type ReceiptInput } from "../../src/clients/index.ts";
import { errorLine, type FakeCall, resultLine } from "../cli/fake-daemon.ts";

export const RECEIPT: ReceiptInput = { system_id: "loan_scorer", decision: { action: "APPROVE" }, inputs: { credit_score: 742 } };

export async function errorOf(promise: Promise<unknown>): Promise<ReceiptError> {
  const error = await promise.then(() => new Error("it succeeded"), (error: unknown) => error);
  if (error instanceof ReceiptError) return error;
  throw error;
}

/** Such an acknowledgement as a daemon's. */
export function stored(receiptId: unknown): object {
  return {
    receipt_id: receiptId, receipt_number: "RCP-2026-00001", organization: "default", org_seq: 1, log_index: 1, recorded_at: "2026-01-01T00:00:00.000Z",
    receipt_hash: `sha256:${"0".repeat(64)}`, key_epoch: 0, ack: "disk", duplicate: false,
  };
}

export function acknowledge({ id, params }: FakeCall, socket: Socket): void {
  socket.write(resultLine(id, stored(params.receipt?.receipt_id)));
}

export function refuse({ id }: FakeCall, socket: Socket, code: string, retry = false): void {
  socket.write(errorLine(id, code, retry));
}
