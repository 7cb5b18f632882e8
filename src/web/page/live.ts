/** What the server said last, how long ago, and whether it still answers. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Overview, type Server, ServerError } from "./api.ts";
import { usePolling } from "./parts.tsx";

export interface Live {
  readonly overview: Overview | null;
  /** ms, of this machine's steady clock: when that was said. */
  readonly at: number;
  /** Why there is nothing newer; null: there is. */
  readonly lost: { readonly code: string; readonly message: string } | null;
  /** ms, by the server's clock. */
  now(): number;
  /** ms since it was said. */
  age(): number;
}

/** ms between two questions. */
const POLL = 5000;

export function useLive(server: Server): Live {
  const [said, setSaid] = useState<{ readonly overview: Overview; readonly at: number } | null>(null);
  const [lost, setLost] = useState<Live["lost"]>(null);
  const isAsking = useRef(false);
  const ask = useCallback(async () => {
    if (isAsking.current) return;
    isAsking.current = true;
    try {
      const overview = await server.json<Overview>("/v1/overview");
      setSaid({ overview, at: performance.now() });
      setLost(null);
    } catch (error) {
      setLost(error instanceof ServerError ? { code: error.code, message: error.message } : { code: "page", message: String(error) });
    } finally {
      isAsking.current = false;
    }
  }, [server]);
  usePolling(() => void ask(), POLL, "overview");
  const at = said?.at ?? 0;
  return {
    overview: said?.overview ?? null, at, lost,
    age: () => performance.now() - at,
    now: () => (said === null ? Date.now() : Date.parse(said.overview.now) + performance.now() - at),
  };
}

/** Renders again every second: what is shown is so and so old. */
export function useSeconds(): void {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) setTick((tick) => tick + 1); }, 1000);
    return () => clearInterval(timer);
  }, []);
}

export interface Asked<T> {
  readonly value: T | null;
  readonly problem: string | null;
}

/** Asks now, whenever `key` changes, and every `ms`; what was there stays until there is something newer. */
export function useAsked<T>(ask: () => Promise<T>, key: string, ms: number): Asked<T> {
  const [answer, setAnswer] = useState<Asked<T> & { readonly key: string }>({ key: "", value: null, problem: null });
  const newest = useRef(key);
  newest.current = key;
  usePolling(() => {
    ask().then(
      (value) => { if (newest.current === key) setAnswer({ key, value, problem: null }); },
      (error: unknown) => { if (newest.current === key) setAnswer((before) => ({ ...before, key, problem: error instanceof Error ? error.message : String(error) })); },
    );
  }, ms, key);
  return answer;
}
