/** How a report looks: on a screen, light or dark, and on A4. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e9ec); --paper: light-dark(#ffffff, #14171a); --soft: light-dark(#59636e, #9aa4af); --line: light-dark(#c4ccd4, #3b434b); --good: light-dark(#0b6b36, #5fd08d); --bad: light-dark(#b3211c, #ff8b84); --unsure: light-dark(#7a5300, #e8b75a); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.verdict { margin: 1rem 0; padding: .75rem 1rem; border-left: 6px solid var(--soft); }
.verdict p { margin: 0; font-size: 1.15rem; }
.verdict strong { text-transform: uppercase; letter-spacing: .03em; }
.ok { border-color: var(--good); } .ok strong { color: var(--good); }
.findings { border-color: var(--bad); } .findings strong { color: var(--bad); }
.not_checked { border-color: var(--unsure); } .not_checked strong { color: var(--unsure); }
.soft { color: var(--soft); }
dl { display: grid; grid-template-columns: minmax(12rem, max-content) 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.25rem; }
li { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .75rem .2rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; min-width: 6rem; }
th { font-weight: 600; color: var(--soft); overflow-wrap: normal; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code, .exact { font-family: ui-monospace, monospace; font-size: .85em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@page { size: A4; margin: 18mm 16mm; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  h2 { break-after: avoid; }
  tr, li, .verdict { break-inside: avoid; }
  thead { display: table-header-group; }
}
`;
