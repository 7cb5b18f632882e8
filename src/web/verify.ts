/** verify.html: a file of evidence or an export, checked in the browser. What is in the file, and its name, may be anybody's. */
import { MAX_EVIDENCE_BYTES } from "../format/evidence.ts";
import { isExport } from "../format/export.ts";
import { part } from "./dom.ts";
import { type Said, show } from "./said.ts";
import { evidenceSaid } from "./verify-evidence.ts";
import { exportSaid, firstLine } from "./verify-export.ts";

const CHECKING = "The file is being checked. Nothing is known of it before its end.";

const key = part("vkey") as HTMLInputElement;
const auditor = part("auditor") as HTMLInputElement;
const file = part("file") as HTMLInputElement;
const bar = part("progress") as HTMLProgressElement;
const drop = part("drop");
/** Says what the file given last is, with the keys that are put in then; null: nobody wants to know any more. */
let judge: ((isWanted: () => boolean) => Said | null | Promise<Said | null>) | null = null;
/** Checks that were begun: what an earlier one finds is not shown. */
let begun = 0;

async function check(): Promise<void> {
  if (judge === null) return;
  const own = ++begun;
  bar.hidden = true;
  const said = await judge(() => own === begun);
  if (said === null || own !== begun) return;
  bar.hidden = true;
  show(said);
}

function progress(done: number): void {
  bar.hidden = false;
  bar.value = done;
  const at = part("verdict");
  if (at.textContent === CHECKING) return;
  at.className = "";
  at.textContent = CHECKING;
  part("detail").replaceChildren();
}

/** Throws where the file cannot be read. */
async function judgeOf(given: File): Promise<NonNullable<typeof judge>> {
  const line = await firstLine(given);
  const put = (): { readonly key: string; readonly auditor: string } => ({ key: key.value.trim(), auditor: auditor.value.trim() });
  if (isExport(line)) return (isWanted) => exportSaid(given, line, { ...put(), isWanted, progress });
  if (given.size > MAX_EVIDENCE_BYTES) return () => ({ verdict: "invalid", sentence: `The file is no export, and larger than any file of evidence (${MAX_EVIDENCE_BYTES} bytes).`, more: ["Code: too_large"] });
  const bytes = new Uint8Array(await given.arrayBuffer());
  return () => evidenceSaid(bytes, put().key, put().auditor);
}

async function take(given: File | undefined): Promise<void> {
  if (given === undefined) return;
  judge = null;
  const own = ++begun;
  try {
    const found = await judgeOf(given);
    if (own !== begun) return;
    judge = found;
  } catch (error) {
    if (own === begun) show({ verdict: "not_checked", sentence: "The file could not be read.", more: [String(error)] });
    return;
  }
  await check();
}

part("form").addEventListener("submit", (event) => event.preventDefault());
for (const field of [key, auditor]) field.addEventListener("input", () => void check());
file.addEventListener("change", () => void take(file.files?.[0]));
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault()); // a file beside the mark would replace the page
drop.addEventListener("dragover", () => drop.classList.add("over"));
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => void take((event as DragEvent).dataTransfer?.files[0]));
