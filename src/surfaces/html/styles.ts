/** The page's style sheet. States have a colour and a pattern, in both schemes; what is drawn on canvases reads the same variables. */
export const STYLES = `
:root {
  --font: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --page: #f4f5f7; --card: #ffffff; --ink: #18202c; --muted: #5d6878; --line: #e3e7ed; --track: #eceff3;
  --accent: #2f5fd0; --shadow: 0 1px 2px #1018280d, 0 4px 16px #1018280a;
  --covered: #2a9d78; --empty: #8fb8de; --gap: #dc3a2f; --failed: #9a3ea5; --refused: #d9920f; --waived: #8b96a5; --closed: #c3cad4;
  --covered-ink: #0f6b4e; --empty-ink: #285f92; --gap-ink: #b3231a; --failed-ink: #7c2a86; --refused-ink: #8a5a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1218; --card: #161c25; --ink: #e7ebf1; --muted: #97a3b4; --line: #28313d; --track: #222a35;
    --accent: #7da2ff; --shadow: 0 0 0 1px #ffffff0a;
    --covered: #35ac86; --empty: #4f7fae; --gap: #f2564a; --failed: #c26bce; --refused: #e2a52c; --waived: #7d8898; --closed: #3a4554;
    --covered-ink: #66d3ae; --empty-ink: #9cc8f2; --gap-ink: #ff8d83; --failed-ink: #dd9be6; --refused-ink: #f0c062;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { scroll-padding-top: 150px; }
body { margin: 0; background: var(--page); color: var(--ink); font: 14px/1.5 var(--font); font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%; }
main { max-width: 1440px; margin: 0 auto; padding: 28px 28px 8px; display: grid; gap: 18px; grid-template-columns: minmax(0, 1fr); }
footer { max-width: 1440px; margin: 0 auto; padding: 10px 28px 32px; color: var(--muted); font-size: 12px; }
code { font: 12px/1.5 var(--mono); }
h1 { margin: 0; font-size: 28px; line-height: 1.2; letter-spacing: -0.02em; font-weight: 680; }
h2 { margin: 0; font-size: 16px; letter-spacing: -0.01em; font-weight: 650; }
small { font-size: inherit; font-weight: 400; color: var(--muted); }
.card { background: var(--card); border-radius: 12px; box-shadow: var(--shadow); padding: 18px 20px 20px; min-width: 0; }
.calm { margin: 14px 0 2px; color: var(--muted); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.wide { overflow-x: auto; }
.tall { max-height: min(70vh, 720px); overflow: auto; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.top { display: flex; flex-wrap: wrap; gap: 8px 32px; justify-content: space-between; align-items: flex-end; padding: 0 2px; }
.project { margin: 0 0 2px; color: var(--muted); font-weight: 550; }
.asof { margin: 0; text-align: right; }
.asof dt { color: var(--muted); font-size: 12px; }
.asof dd { margin: 0; font-size: 16px; font-weight: 600; }
.pin { margin-left: 4px; padding: 1px 8px 2px; border-radius: 99px; border: 1px solid var(--line); background: var(--card); color: var(--muted); font-size: 12px; font-weight: 500; }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 14px 28px; margin: 0 0 16px; }
.figures dt { color: var(--muted); font-size: 13px; }
.figures dd { margin: 0; }
.figures .value { font-size: 30px; line-height: 1.25; font-weight: 660; letter-spacing: -0.02em; }
.figures .value small { font-size: 17px; letter-spacing: 0; }
.figures .note { color: var(--muted); font-size: 13px; }
.good { color: var(--covered-ink); }
.bad { color: var(--gap-ink); }
.unfound, .matrix .first .unfound, .block h3 .unfound { color: var(--refused-ink); font-weight: 600; }
p.unfound { margin: 12px 0 0; }
.stack { display: flex; gap: 2px; height: 10px; border-radius: 5px; overflow: hidden; background: var(--track); }
.stack span { min-width: 4px; flex-basis: 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 12px 0 0; padding: 0; list-style: none; color: var(--muted); font-size: 13px; }
.swatch { display: inline-block; width: 18px; height: 11px; margin-right: 7px; border-radius: 2.5px; vertical-align: -0.5px; }
.covered { --state: var(--covered); --state-ink: var(--covered-ink); }
.empty { --state: var(--empty); --state-ink: var(--empty-ink); }
.gap { --state: var(--gap); --state-ink: var(--gap-ink); }
.failed { --state: var(--failed); --state-ink: var(--failed-ink); }
.refused { --state: var(--refused); --state-ink: var(--refused-ink); }
.waived { --state: var(--waived); --state-ink: var(--muted); }
.closed { --state: var(--closed); --state-ink: var(--muted); }
.swatch, .stack span { background-color: var(--state); }
.swatch { box-shadow: inset 0 0 0 1px var(--state); --hatch: color-mix(in srgb, var(--card) 55%, transparent); }
.swatch.gap { background-image: repeating-linear-gradient(135deg, var(--hatch) 0 1.1px, transparent 1.1px 4.2px); }
.swatch.refused { background-image: repeating-linear-gradient(45deg, var(--hatch) 0 1.1px, transparent 1.1px 4.2px); }
.swatch.failed { background-image: repeating-linear-gradient(135deg, var(--hatch) 0 1.1px, transparent 1.1px 4.2px), repeating-linear-gradient(45deg, var(--hatch) 0 1.1px, transparent 1.1px 4.2px); }
.swatch.waived { background-image: repeating-linear-gradient(0deg, var(--hatch) 0 1.1px, transparent 1.1px 4px); }
.swatch.empty { background-image: radial-gradient(circle, var(--card) 0 1.1px, transparent 1.5px); background-size: 6px 6px; }
.swatch.closed { background-color: var(--track); box-shadow: inset 0 0 0 1px var(--line); }

.heading { display: flex; flex-wrap: wrap; gap: 8px 24px; justify-content: space-between; align-items: center; margin-bottom: 12px; }
.tools { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center; }
.tools label { display: inline-flex; gap: 6px; align-items: center; color: var(--muted); cursor: pointer; }
.found { color: var(--muted); font-size: 13px; }
input[type="search"], select, button { font: inherit; color: inherit; }
input[type="search"], select { height: 32px; padding: 0 10px; border: 1px solid var(--line); border-radius: 8px; background: var(--page); }
input[type="search"] { width: 240px; max-width: 100%; }
input::placeholder { color: var(--muted); opacity: 1; }
input[type="checkbox"] { accent-color: var(--accent); width: 15px; height: 15px; margin: 0; }
button { cursor: pointer; }
.buttons { display: flex; flex-wrap: wrap; gap: 4px; }
.buttons button, .copy, .more { min-width: 32px; height: 28px; padding: 0 9px; border: 1px solid var(--line); border-radius: 7px; background: var(--card); font-size: 13px; line-height: 1; }
.buttons button:hover, .copy:hover, .more:hover { border-color: var(--accent); color: var(--accent); }

table { border-collapse: separate; border-spacing: 0; }
th { text-align: left; font-weight: 600; }
.matrix { min-width: 100%; }
.matrix th, .matrix td { padding: 2px; white-space: nowrap; }
.matrix thead th { position: sticky; top: 0; z-index: 2; padding: 4px 8px 6px; background: var(--card); color: var(--muted); font-size: 12px; font-weight: 550; text-align: center; }
.matrix .first { position: sticky; left: 0; z-index: 1; background: var(--card); padding: 2px 18px 2px 2px; text-align: left; }
.matrix thead .first { z-index: 3; }
.matrix .first small { margin-left: 8px; font-size: 12px; }
.matrix .all { padding: 2px 8px; text-align: right; font-weight: 600; }
.matrix thead th:last-child { text-align: right; }
.cell { position: relative; display: block; width: 100%; min-width: 76px; height: 30px; padding: 0 8px 2px; border: 0; border-radius: 6px; overflow: hidden;
  background: color-mix(in srgb, var(--state) 15%, var(--card)); color: var(--state-ink); font-size: 13px; text-align: center; }
.cell.gap { background: color-mix(in srgb, var(--state) calc(12% + 45% * (1 - var(--share))), var(--card)); }
.cell.gap::before, .cell.gap::after { content: ""; position: absolute; left: 0; bottom: 0; height: 3px; width: 100%; background: var(--gap); }
.cell.gap::after { width: calc(var(--share) * 100%); background: var(--covered); }
.cell.closed, .cell.none { background: none; box-shadow: inset 0 0 0 1px var(--line); }
.cell.none { box-shadow: none; }
.cell i { margin-right: 6px; font-style: normal; font-weight: 700; }
.cell:hover { filter: brightness(0.96); box-shadow: inset 0 0 0 1.5px var(--state); }
.cell:focus-visible { outline-offset: -2px; }

.help { margin: 2px 0 0; color: var(--muted); font-size: 12.5px; }
#time-bar { position: sticky; top: 0; z-index: 5; margin: 0 -20px; padding: 10px 20px 0; background: var(--card); box-shadow: 0 1px 0 var(--line); }
#time-bar .tools { justify-content: space-between; margin-bottom: 8px; }
.range { color: var(--muted); font-size: 13px; }
.lane-grid { display: grid; grid-template-columns: 62px minmax(0, 1fr) 56px; gap: 10px; }
.axis-name { align-self: end; padding: 0 6px 18px 0; text-align: right; color: var(--muted); font-size: 11px; }
.plot { min-width: 0; }
canvas { display: block; max-width: 100%; }
canvas.scale, canvas.lanes { cursor: grab; touch-action: pan-y; }
canvas.overview { touch-action: none; margin-bottom: 4px; }
canvas.dragged { cursor: grabbing; }
canvas.lanes:focus-visible, canvas.days:focus-visible { outline-offset: 3px; border-radius: 2px; }
.block { padding-top: 14px; }
.block + .block { margin-top: 12px; border-top: 1px solid var(--line); }
.block h3 { display: flex; gap: 10px; align-items: baseline; margin: 0 0 4px; font-size: 14px; font-weight: 650; }
.block h3 small { font-size: 13px; }
.state { color: var(--muted); font-size: 12.5px; font-weight: 400; }
.state.open { color: var(--gap-ink); }
.labels { display: grid; grid-auto-rows: 20px; }
.labels button { display: flex; gap: 7px; justify-content: flex-end; align-items: center; width: 100%; padding: 0 4px; border: 0; border-radius: 5px; background: none; font-size: 12.5px; color: var(--muted); }
.labels i { width: 11px; font-style: normal; font-weight: 700; text-align: center; color: var(--state-ink); }
.labels button:hover { color: var(--accent); }
.labels button.found { background: var(--accent); color: var(--card); }
.labels button.found i { color: inherit; }
.shares { display: grid; grid-auto-rows: 20px; align-items: center; text-align: right; font-size: 12.5px; color: var(--muted); }

.tip { position: fixed; z-index: 20; top: 0; left: 0; display: grid; gap: 2px; max-width: min(460px, 90vw); padding: 9px 12px 10px; border-radius: 9px; background: var(--card); color: var(--ink); font-size: 13px; pointer-events: none;
  box-shadow: 0 0 0 1px var(--line), 0 8px 28px #00000038; }
.tip b { font-weight: 650; }
.tip em { font-style: normal; font-weight: 400; color: var(--muted); }
.tip .local, .tip span { color: var(--muted); }
.tip .reason { color: var(--ink); }

#gaps > .tools { margin: 10px 0 12px; }
#gaps > .tools .copy { margin-left: auto; height: 32px; }
#gaps input { width: 320px; }
.gaps { width: 100%; font-size: 13px; }
.gaps th { padding: 4px 14px 6px 0; border-bottom: 1px solid var(--line); white-space: nowrap; color: var(--muted); font-size: 12px; font-weight: 550; }
.gaps td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
.gaps .number { text-align: right; padding-right: 20px; }
.gaps .reason { white-space: normal; min-width: 180px; }
.gaps .fill { padding-right: 0; width: 34%; }
.gaps .fill div { display: flex; gap: 8px; align-items: center; }
.gaps .fill code { flex: 1; min-width: 120px; width: 0; overflow: hidden; text-overflow: ellipsis; color: var(--muted); }
.gaps .copy { height: 24px; flex: none; }
.sort, .link { padding: 0; border: 0; background: none; font: inherit; color: inherit; }
.sort:hover { color: var(--accent); }
th[aria-sort="ascending"] .sort::after { content: " ↑"; }
th[aria-sort="descending"] .sort::after { content: " ↓"; }
.link { font-weight: 600; color: var(--accent); }
.link:hover { text-decoration: underline; }
.more { margin-top: 12px; }

@media (max-width: 720px) {
  main { padding: 16px 12px 4px; gap: 12px; }
  footer { padding: 10px 14px 24px; }
  .card { padding: 14px; border-radius: 10px; }
  #time-bar { margin: 0 -14px; padding: 8px 14px 0; }
  .asof { text-align: left; }
  .lane-grid { grid-template-columns: 50px minmax(0, 1fr) 44px; gap: 6px; }
  .figures { grid-template-columns: 1fr 1fr; }
}
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #ccc; --track: #eee; --covered-ink: #0f6b4e; --empty-ink: #285f92; --gap-ink: #b3231a; --refused-ink: #8a5a00; --shadow: none; color-scheme: light; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { display: block; max-width: none; padding: 0; }
  .card { padding: 10px 0; border-radius: 0; border-top: 1px solid var(--line); }
  .buttons, .tools input, .tools label, .tools select, .copy, .more, .help, .tip, .overview { display: none; }
  .tall { max-height: none; overflow: visible; }
  .wide { overflow: visible; }
  #time-bar, .matrix thead th, .matrix .first { position: static; }
  .block, tr { break-inside: avoid; }
  .figures { grid-template-columns: repeat(4, 1fr); }
  #time-bar { margin: 0; padding: 0; }
  .gaps th:last-child, .gaps .fill { display: none; }
}
`.trim();
