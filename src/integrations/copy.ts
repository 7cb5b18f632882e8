/** Copies of what others may change: what was recorded is then what is sent, and what is handed out. */

/** With copies of all plain objects, arrays, bytes, dates and addresses in it. Instances of other classes are the same, except those that `isCopied`. */
export function copyOf<T>(value: T, isCopied: (instance: object) => boolean = () => false): T {
  const copies = new Map<object, unknown>(); // a value may contain itself
  const copied = (one: unknown): unknown => {
    if (typeof one !== "object" || one === null) return one;
    if (copies.has(one)) return copies.get(one);
    if (one instanceof Uint8Array) return Uint8Array.prototype.slice.call(one);
    if (one instanceof ArrayBuffer || ArrayBuffer.isView(one) || one instanceof Date) return structuredClone(one);
    if (one instanceof URL) return new URL(one);
    const prototype = Object.getPrototypeOf(one) as object | null;
    const isList = Array.isArray(one);
    if (!isList && prototype !== Object.prototype && prototype !== null && !isCopied(one)) return one;
    const copy = isList ? [] : (Object.create(prototype) as object);
    copies.set(one, copy);
    for (const name of Reflect.ownKeys(one)) {
      if (!Object.prototype.propertyIsEnumerable.call(one, name)) continue;
      const member = copied((one as { readonly [name: PropertyKey]: unknown })[name]);
      Object.defineProperty(copy, name, { value: member, enumerable: true, writable: true, configurable: true }); // __proto__ may be a name, too
    }
    return copy;
  };
  return copied(value) as T;
}

/** What is sent for this in a request whose body is JSON, and the same to record: the body itself is read once, and may say something else the next time. */
export function twiceAsJson<T>(body: T): readonly [sent: T, said: T] {
  const text = JSON.stringify(body);
  return [JSON.parse(text) as T, JSON.parse(text) as T];
}
