/** A target that is a folder. */
import { randomBytes } from "node:crypto";
import { accessSync, constants, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DirectoryConfig } from "../anchor/targets.ts";
import { type Check, messageOf, ok, problem, warning } from "./check.ts";

export function checkDirectory({ name, path }: DirectoryConfig, dataDir: string): readonly Check[] {
  const check = `target ${name}`;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) return [problem(check, `there is no folder ${path}`, "mount the disk that it is on; a new one is never made in its place")];
  const probe = join(path, `.doctor-${randomBytes(6).toString("hex")}`); // outside v1/: no ledger's
  try {
    accessSync(path, constants.R_OK | constants.X_OK);
    writeFileSync(probe, "", { flag: "wx" });
  } catch (error) {
    return [problem(check, `${path} cannot be read and written: ${messageOf(error)}`, "give it to the daemon's user, or mount it read-write; and run this as that user")];
  } finally {
    rmSync(probe, { force: true });
  }
  const isHere = statSync(dataDir, { throwIfNoEntry: false })?.dev === stat.dev;
  return [
    ok(check, `${path} can be read and written`),
    warning(`${check}: WORM`, `directory anchors are not WORM: whoever is root on this host can change them${isHere ? ", and they are on the ledger's own disk" : ""}`, "add a target of type s3, or let auditors copy the folder often"),
  ];
}
