/** Attacks on what an auditor keeps. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatRecord } from "../../src/audit/record.ts";
import { receiptd } from "../demo/processes.ts";
import { PLAIN } from "./auditor.ts";
import { NotShown, onCopy, type Trial } from "./trial.ts";

export const RECORD_ATTACKS: readonly Trial[] = [
  {
    id: "record-writable", attack: "Somebody else may write to the auditor's record, and vouch there for what was never read", caughtBy: "receiptd audit --since", artefact: "the file's mode",
    run: ({ day, auditor, disabled }) => onCopy(day.host, async (copy) => {
      const record = join(copy.folder, "audit.json");
      const [vkey] = day.host.pins;
      const asked = (): ReturnType<typeof receiptd> => receiptd(copy, "audit", "--vkey", vkey!, "--since", record);
      writeFileSync(record, formatRecord(await auditor.record(copy, { ...PLAIN, pins: day.host.pins })), { mode: 0o600 });
      const control = await asked();
      if (control.code !== 0) throw new NotShown(`with a record that is the auditor's alone it should have passed: ${control.stderr}${control.stdout}`);
      if (!disabled.includes("record")) chmodSync(record, 0o666);
      const { code, stderr } = await asked();
      if (code !== 2 || !stderr.includes("others can write")) throw new NotShown(`NOT refused: a record that others can write to (exit code ${code})`);
      return { code: "bad_usage", where: "audit.json", says: "others can write to it, so the record proves nothing: refused (exit code 2)", notWithout: [] };
    }),
  },
];
