/** Secrets that somebody has put where something else belongs – a setting, a recipient, a file's name – are not quoted in what is said of it. */

/** An age identity, also one that was cut off; the seed in a receiptd-seed/1; an auditor's key. */
const AGE_IDENTITY = /AGE-SECRET-KEY-[0-9A-Z-]+(\.\.\.)?/gi;
const AUDITOR_KEY = /PRIVATE\+KEY\+[A-Za-z0-9+/=._-]*(\.\.\.)?/g;
const SEED = /(\\?"seed\\?"\s*:\s*\\?")[^"\\]*/g;

export function redacted(text: string): string {
  return text.replace(AGE_IDENTITY, "AGE-SECRET-KEY-…").replace(AUDITOR_KEY, "PRIVATE+KEY+…").replace(SEED, "$1…");
}
