import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** Makes objects of which many survive, as a flood of receipts does; prints the room that V8 took for new ones, in MB. */
const script = (bound: string): string => `
  import { getHeapSpaceStatistics } from "node:v8";
  import { tuneHeap } from ${JSON.stringify(new URL("../../src/cli/heap.ts", import.meta.url).href)};
  ${bound}
  const kept = [];
  let most = 0;
  for (let round = 0; round < 150; round++) {
    for (let i = 0; i < 20_000; i++) kept[(round * 20_000 + i) % 200_000] = { i, pair: [i, i + 1], text: "x" + i };
    most = Math.max(most, getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);
    await new Promise((resolve) => setTimeout(resolve, round < 40 ? 5 : 0));
  }
  console.log(most / 1e6);`;

const room = async (bound: string): Promise<number> => Number((await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script(bound)])).stdout);

test("V8 takes less room for new objects than it would, and enough", async () => {
  const [bounded, free] = await Promise.all([room("tuneHeap();"), room("")]);
  expect(bounded).toBeLessThan(free);
  expect(bounded).toBeGreaterThanOrEqual(16);
});
