/** The audit itself, as the last word of every fault: what it finds must be nothing. */
import { join } from "node:path";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import { audit } from "../../src/audit/audit.ts";
import { openKeyring } from "../../src/keys/keyring.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { startsOf } from "../../src/keys/seed.ts";
import type { Places } from "./check.ts";
import { seedsBeside } from "./ground.ts";

export function audited({ data, target }: Places): Promise<readonly string[]> {
  return auditedAt(data, [new DirectoryTarget({ name: "local", path: target })]);
}

/** The same with other targets. */
export async function auditedAt(data: string, targets: readonly AnchorTarget[]): Promise<readonly string[]> {
  const keyring = openKeyring(join(data, "keyring.json"), openRootKeyFile(join(data, "root.key")));
  const report = await audit({
    ledgerPath: join(data, "ledger.db"),
    ledger: keyring,
    targets,
    vkeys: keyring.checkpointKeys.map((key) => key.vkey),
    areVkeysPinned: true,
    keys: { starts: startsOf(keyring, null, seedsBeside(data)), requestSecret: keyring.requestSecret },
    now: Date.now(),
  });
  const found = report.findings.filter((finding) => finding.severity !== "note").map(({ code, message }) => `audit: ${code}: ${message}`);
  return report.exitCode === 0 ? found : [`audit: ${report.sentence}`, ...found];
}
