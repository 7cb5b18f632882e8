/**
 * YAML 1.2 (core schema) read strictly: one document, no key twice, no tags, no aliases (so nothing expands or loops),
 * and for every value the place in the text that it came from.
 */
import { type Document, LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument, visit } from "yaml";
import type { ConfigErrorCode } from "./errors.ts";

/** Where a value is: keys of maps and indexes of lists from the outermost in. */
export type Path = readonly (string | number)[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Fault {
  readonly code: ConfigErrorCode;
  readonly place: Place;
  readonly message: string;
}

export interface Yaml {
  /** Plain JSON-like data; meaningless where there are faults. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  /** The place of the value at `path`, or of the nearest thing around it that exists; with `key`, that of its key. */
  readonly placeOf: (path: Path, key?: boolean) => Place;
}

export function readYaml(text: string): Yaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = [
    ...document.errors.map((error): Fault => {
      const code = error.code === "DUPLICATE_KEY" ? "duplicate_key" : "bad_yaml";
      return { code, place: placeAt(error.pos[0]), message: error.message };
    }),
    ...forbidden(document).map(([offset, message]): Fault => ({ code: "bad_yaml", place: placeAt(offset), message })),
  ];
  return {
    value: faults.length === 0 ? document.toJS({ maxAliasCount: 0 }) : undefined,
    faults,
    placeOf: (path, key = false) => placeAt(offsetOf(document, path, key)),
  };
}

/** What is YAML and yet has no business in a configuration. `__proto__` is a key that zod's records drop silently. */
function forbidden(document: Document.Parsed): readonly (readonly [offset: number, message: string])[] {
  const found: [number, string][] = [];
  visit(document, {
    Node: (key, node) => {
      const complain = (message: string) => found.push([node.range?.[0] ?? 0, message]);
      if (isAlias(node)) complain(`an alias (*${node.source}) is not allowed; write the value out`);
      else if (node.tag !== undefined) complain(`a tag (${node.tag}) is not allowed`);
      else if (key === "key" && isScalar(node) && node.value === "__proto__") complain("a key may not be __proto__");
    },
  });
  return found;
}

function offsetOf(document: Document.Parsed, path: Path, key: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [i, step] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === step);
      if (pair === undefined) return offset;
      node = pair.value;
      const empty = isScalar(node) && node.source === ""; // `name:` and nothing after it: its own place is of no use
      const onKey = empty || (key && i === path.length - 1);
      offset = startOf(onKey ? pair.key : node) ?? offset;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = startOf(node) ?? offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
