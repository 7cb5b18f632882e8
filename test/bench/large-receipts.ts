/** Section `large`: receipts of 64 KiB and just below 1 MiB, in bytes a second, against hashing and writing the same bytes. */
import { type Bench, eachRun, newFolder, raw, saturate } from "./bench.ts";
import { receiptTexts } from "./receipts.ts";
import { atLeast, compared, type Row } from "./report.ts";
import { startReceiptd } from "./servers.ts";

const KIB = 1024;
/** A receipt's request has at most 1 MiB (docs/FORMAT.md section 3); the daemon adds its own members. */
const SIZES = [
  { name: "64-KiB", size: 64 * KIB, inFlight: 16 },
  { name: "1-MiB", size: 1024 * KIB - 256, inFlight: 2 },
] as const;

export async function largeReceipts(bench: Bench): Promise<readonly Row[]> {
  const usual = receiptTexts(1)[0]!.length;
  const rows: Row[] = [];
  for (const { name, size, inFlight } of SIZES) {
    const padding = size - usual;
    const runs = await eachRun(bench, `large ${name}`, async () => {
      const server = await startReceiptd(newFolder(bench, `large-${name}`));
      const taken = await saturate(bench, server, { padding, inFlight });
      await server.stop();
      const bytes = await raw({ kind: "hash", folder: server.folder, size, count: Math.ceil(((bench.quick ? 64 : 512) * KIB * KIB) / size), write: true });
      return { taken: taken.perSecond, bytes: bytes.perSecond };
    });
    const megabytes = (what: string, values: readonly number[]) => ({ what, unit: "MB/s", values: values.map((value) => (value * size) / 1e6) });
    rows.push(compared(`large/${name}`,
      megabytes(`acknowledged disk, 8 × ${inFlight} in flight`, runs.map(({ taken }) => taken)),
      megabytes("SHA-256, HMAC, write, and an fdatasync at the end", runs.map(({ bytes }) => bytes)), atLeast(0.4)));
  }
  return rows;
}
