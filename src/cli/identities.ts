/** age identities, for an archive that is encrypted: as `age-keygen` files them, one a line; # begins a comment. */
import { readFileSync } from "node:fs";
import { checkIdentities } from "../anchor/archive-object.ts";
import { CliError } from "./errors.ts";

/** Those in the file; none where no file is given. Throws `bad_identity`. */
export async function identitiesIn(file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) return [];
  const lines = readFileSync(file, "utf8").split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (lines.length === 0) throw new CliError("bad_usage", `${file} holds no age identity`);
  await checkIdentities(lines);
  return lines;
}
