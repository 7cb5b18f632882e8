/**
 * How V8 keeps its heap in a daemon that takes in much at once. Both are options of the command line, which a daemon that is started as a
 * program of its own does not have; V8 also goes by what they are while it runs.
 *
 * Room for new objects has a bound: V8 lets it grow, in Node.js 24 up to 128 MB, and keeps it, and the daemon is no faster with more than
 * this. And V8's memory reducer, which makes a heap small for which there is little to do, is off: of buffers that come and go it concludes
 * each 50 ms that there is garbage, and collects all of the heap (3 ms), beside one client that sends receipts of a MiB.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Bytes, both halves: what 8 MB of the option give. */
const ENOUGH = 16e6;
/** ms; it at most doubles each time that it is full, so that it is beyond the bound by little. */
const INTERVAL = 100;

/** For the life of the process. */
export function tuneHeap(): void {
  setFlagsFromString("--no-memory-reducer");
  let grows = true;
  setInterval(() => {
    const size = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")?.space_size ?? 0;
    if (grows === size < ENOUGH) return;
    grows = !grows; // V8 also gives room back
    setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`);
  }, INTERVAL).unref();
}
