/**
 * Overrides: `RECEIPTD_` and the setting's path in upper case, joined with `__`, as in RECEIPTD_ANCHOR__SCHEDULE.
 *
 * Lists and maps (RECEIPTD_ANCHOR__TARGETS) are JSON and replaced whole. A variable that is nobody's setting is an
 * error: a misspelt limit would otherwise look as if it were in force.
 */
import type { ConfigIssue } from "./errors.ts";
import { nearest } from "./nearest.ts";
import { isRecord } from "./values.ts";
import { readYaml } from "./yaml.ts";

const PREFIX = "RECEIPTD_";
/** Read by the command line and by clients to find the file and the socket; no settings of the daemon. */
const NOT_SETTINGS = new Set(["RECEIPTD_CONFIG", "RECEIPTD_SOCKET"]);
/** Of clients, docs/CLIENTS.md. */
const CLIENTS = "RECEIPTD_CLIENT_";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Override {
  readonly variable: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

interface Overrides {
  readonly overrides: readonly Override[];
  readonly issues: readonly ConfigIssue[];
}

interface Setting {
  readonly path: readonly string[];
  readonly usual: unknown;
}

/** The overrides in `env`. `defaults`, a whole configuration, says which settings there are and what each is like; most often nobody asks. */
export function overridesIn(env: Environment, defaults: () => object): Overrides {
  const variables = Object.entries(env).filter(([variable]) => variable.startsWith(PREFIX) && !NOT_SETTINGS.has(variable) && !variable.startsWith(CLIENTS));
  if (variables.length === 0) return { overrides: [], issues: [] };
  const settings = new Map(settingsIn(defaults(), []).map((it) => [PREFIX + it.path.join("__").toUpperCase(), it]));
  const overrides: Override[] = [];
  const issues: ConfigIssue[] = [];
  const complain = (code: ConfigIssue["code"], path: string, message: string): void => {
    issues.push({ code, path, line: undefined, column: undefined, message: `environment: ${message}` });
  };
  for (const [variable, text] of variables) {
    if (text === undefined) continue;
    const setting = settings.get(variable);
    if (setting === undefined) {
      const { name } = nearest(variable, [...settings.keys()]);
      complain("unknown_variable", "", `${variable}: unknown variable; did you mean ${name}?`);
    } else if (Array.isArray(setting.usual) || setting.usual instanceof Map) {
      const { value, faults } = readYaml(text); // which JSON is a part of; JSON.parse would take a key twice
      const path = setting.path.join(".");
      for (const { code, message } of faults) complain(code, path, `${variable}: ${path}: not JSON: ${message}`);
      overrides.push({ variable, path: setting.path, value });
    } else {
      overrides.push({ variable, path: setting.path, value: scalar(text, setting.usual) });
    }
  }
  return { overrides, issues };
}

function settingsIn(value: object, path: readonly string[]): readonly Setting[] {
  return Object.entries(value).flatMap(([name, usual]): readonly Setting[] => {
    const at = [...path, name];
    return isRecord(usual) && !(usual instanceof Map) ? settingsIn(usual, at) : [{ path: at, usual }];
  });
}

/** A variable has no type, so the setting's default decides: only where that is no string can digits be a number, or a word be true or false. */
function scalar(text: string, usual: unknown): unknown {
  if (usual === null && text === "") return null;
  if (typeof usual === "boolean" && (text === "true" || text === "false")) return text === "true";
  return typeof usual !== "string" && /^[0-9]{1,15}$/.test(text) ? Number(text) : text;
}

/** `value`, what the file says, with the overrides put in. A section that is no map is left for zod to refuse. */
export function overridden(value: unknown, overrides: readonly Override[]): unknown {
  const root = value ?? {};
  for (const override of overrides) {
    let at: unknown = root;
    for (const [i, name] of override.path.entries()) {
      if (!isRecord(at)) break;
      if (i === override.path.length - 1) at[name] = override.value;
      else at = at[name] ??= {};
    }
  }
  return root;
}
