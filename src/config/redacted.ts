/** Secrets that somebody has put where something else belongs – a setting, a recipient, a file's name – are not quoted in what is said of it. */

/** An age identity, also one that was cut off; the seed in a receiptd-seed/1. */
const AGE_IDENTITY = /AGE-SECRET-KEY-[0-9A-Z-]+(\.\.\.)?/gi;
const SEED = /(\\?"seed\\?"\s*:\s*\\?")[^"\\]*/g;

export function redacted(text: string): string {
  return text.replace(AGE_IDENTITY, "AGE-SECRET-KEY-…").replace(SEED, "$1…");
}
