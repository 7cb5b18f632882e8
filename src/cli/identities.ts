/** age identities, for an archive that is encrypted: as `age-keygen` files them, one a line; # begins a comment. */
import { checkIdentities } from "../anchor/archive-object.ts";
import { readBounded } from "../config/input-file.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { CliError } from "./errors.ts";

const MAX_FILE = 1_048_576;

/** Those in the file; none where no file is given. Throws `bad_identity`. */
export async function identitiesIn(file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) return [];
  const bytes = readBounded(file, MAX_FILE, (why) => new CliError("bad_usage", `${file} holds no age identity: ${why}`));
  const lines = fromUtf8(bytes).split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (lines.length === 0) throw new CliError("bad_usage", `${file} holds no age identity`);
  await checkIdentities(lines);
  return lines;
}
