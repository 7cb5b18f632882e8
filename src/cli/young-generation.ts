/**
 * A bound for the room in which V8 makes new objects. Where much is taken in at once V8 lets it grow, in Node.js 24 up to 128 MB, and keeps
 * it; the daemon is no faster with more than this. The option for it (--max-semi-space-size) is one of the command line, which a daemon
 * that is started as a program of its own does not have; what V8 goes by while it runs is the factor by which that room grows.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Bytes, both halves: what 8 MB of the option give. */
const ENOUGH = 16e6;
/** ms; it at most doubles each time that it is full, so that it is beyond the bound by little. */
const INTERVAL = 100;

/** For the life of the process. */
export function boundYoungGeneration(): void {
  let grows = true;
  setInterval(() => {
    const size = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")?.space_size ?? 0;
    if (grows === size < ENOUGH) return;
    grows = !grows; // V8 also gives room back
    setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`);
  }, INTERVAL).unref();
}
