/**
 * `npm run drill`: every attack that is known here, on real components, each caught where it should be, with a control that passes and,
 * where there is one, the defence without which nobody notices; and what cannot be caught, each tried. `-- --long`: random choices
 * repeated, more sizes, every audit that can be one a process. Exit code 0: all is as it should be; 1: it is not; 2: it was asked wrongly.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { bundleIfOld } from "./bundle.ts";
import { DEFENCES } from "./drill/auditor.ts";
import { ATTACKS, drill, UNCATCHABLE } from "./drill/drill.ts";
import { Table } from "./drill/table.ts";

function refuse(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function asked() {
  try {
    return parseArgs({
      options: {
        long: { type: "boolean", default: false },
        "no-s3": { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        "seed-number": { type: "string" },
        only: { type: "string", multiple: true, default: [] },
        /** Defences that nobody has: the drill then has to fail. */
        without: { type: "string", multiple: true, default: [] },
      },
    }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

const values = asked();
const seedNumber = values["seed-number"] === undefined ? randomInt(2 ** 32 - 1) : Number(values["seed-number"]);
if (!Number.isInteger(seedNumber) || seedNumber < 0 || seedNumber >= 2 ** 32) refuse("--seed-number is a whole number below 4294967296");
const known = new Set([...ATTACKS, ...UNCATCHABLE].map(({ id }) => id));
const unknown = values.only.find((id) => !known.has(id));
if (unknown !== undefined) refuse(`there is no attack ${unknown}; there are: ${[...known].join(", ")}`);
const disabled = DEFENCES.filter((one) => values.without.includes(one));
if (disabled.length < new Set(values.without).size) refuse(`--without is one of: ${DEFENCES.join(", ")}`);

await bundleIfOld();
const table = new Table(seedNumber, values.json, disabled);
const figures = await drill({ seedNumber, isLong: values.long, hasS3: !values["no-s3"], only: new Set(values.only), disabled }, table);
process.exitCode = table.finish(figures);
