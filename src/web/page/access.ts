/** The token of whoever looks: in memory, and in this tab's sessionStorage only where that was wished. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { type Organization, type Server, ServerError } from "./api.ts";

const NAME = "receiptd-token";

export interface Access {
  readonly organizations: readonly Organization[] | null;
  /** There are more than are listed. */
  readonly isPart: boolean;
  readonly problem: string | null;
  readonly hasToken: boolean;
  readonly isKept: boolean;
  use(token: string, keep: boolean): Promise<void>;
  forget(): void;
  refresh(): Promise<void>;
}

function stored(): string | null {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}

function store(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, token);
  } catch {
    // it is in memory then
  }
}

interface State {
  readonly organizations: readonly Organization[] | null;
  readonly isPart: boolean;
  readonly problem: string | null;
}

const NONE: State = { organizations: null, isPart: false, problem: null };

export function useAccess(server: Server): Access {
  const [state, setState] = useState<State>(NONE);
  const [hasToken, setHasToken] = useState(false);
  const load = useCallback(async (): Promise<void> => {
    try {
      const { organizations, next } = await server.contents<{ readonly organizations: readonly Organization[]; readonly next: string | null }>("/v1/organizations");
      setState({ organizations, isPart: next !== null, problem: null });
    } catch (error) {
      const code = error instanceof ServerError ? error.code : "";
      if (code === "scope_missing") return setState({ ...NONE, problem: "this token is not for reading receipts (scope read)" });
      if (code.startsWith("token_")) forget();
      setState({ ...NONE, problem: error instanceof Error ? error.message : String(error) });
    }
  }, [server]);
  const forget = (): void => {
    store(null);
    server.use(null);
    setHasToken(false);
    setState(NONE);
  };
  const use = async (token: string, keep: boolean): Promise<void> => {
    store(keep ? token : null);
    server.use(token);
    setHasToken(true);
    await load();
  };
  useEffect(() => {
    const token = stored();
    if (token !== null) void use(token, true);
  }, []);
  return { ...state, hasToken, isKept: hasToken && stored() !== null, use, forget, refresh: load };
}
