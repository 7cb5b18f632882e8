/**
 * Elements made of texts. What a file says becomes text and nothing else, never markup; and every character of it is seen: those that control a
 * line, its direction or nothing visible are spelled out, since they would make it look like another text.
 */

type Child = Node | string;

export function element(name: string, attributes: Readonly<Record<string, string>>, ...children: readonly Child[]): HTMLElement {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name: string, attributes: Readonly<Record<string, string>>, ...children: readonly Child[]): SVGElement {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled<T extends Element>(made: T, attributes: Readonly<Record<string, string>>, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.map((child) => (typeof child === "string" ? visible(child) : child)));
  return made;
}

/** Characters that are not seen, or change how others are, spelled out; lines stay lines. */
export function visible(text: string): string {
  return text.replaceAll(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The element of the page with this id. */
export function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}
