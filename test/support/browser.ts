/** Debian's Chromium, for pages as a person sees them. */
import { existsSync } from "node:fs";
import type { Browser } from "puppeteer-core";

const PROGRAM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

/** In CI a missing browser is not passed over: the test that needs it runs, and fails. */
export function hasBrowser(): boolean {
  return PROGRAM !== undefined || process.env["CI"] !== undefined;
}

export async function openBrowser(): Promise<Browser> {
  if (PROGRAM === undefined) throw new Error("there is no Chromium here: apt-get install chromium");
  const { launch } = await import("puppeteer-core");
  // without it, frames that nobody sees are drawn as a graphics card would, by the processor
  return await launch({ executablePath: PROGRAM, args: ["--disable-gpu", ...process.getuid?.() === 0 ? ["--no-sandbox"] : []] });
}
