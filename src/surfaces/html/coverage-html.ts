import { words } from "./client/words.ts";
import type { CoverageDocument, DayState } from "./document.ts";
import { pageScript } from "./page-script.ts";
import { STYLES } from "./styles.ts";
import { totalsOf } from "./totals.ts";

const { count, percent, plural, states } = words();

/** One page that shows a coverage document and needs nothing else: no network, no server, no other file. */
export function coverageHtml(document: CoverageDocument): string {
  const { title, project, generatedAt } = document;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(title)} · ${escapeHtml(project)}</title>
<style>
${STYLES}
</style>
</head>
<body>
<main>
${header(document)}
${totals(document)}
${document.entries.length === 0 ? nothing(document) : explorer(document)}
</main>
<footer>Made by retrofill at ${escapeHtml(generatedAt)}. Times are UTC unless a zone is named; intervals hold their start and not their end: <code>[start, end)</code>.</footer>
<script type="application/json" id="coverage">${embeddedJson(document)}</script>
${document.entries.length === 0 ? "" : `<script>\n${pageScript()}\n</script>\n`}</body>
</html>
`;
}

/** Text as HTML, also inside quoted attributes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** JSON that cannot end the script element it stands in, nor open a comment there. */
function embeddedJson(document: CoverageDocument): string {
  return JSON.stringify(document).replaceAll("<", "\\u003c");
}

function header({ title, project, businessNow: { text, pinned } }: CoverageDocument): string {
  const pin = pinned ? '<span class="pin" title="not the clock on the wall">pinned</span>' : "";
  return `<header class="top">
<div><p class="project">${escapeHtml(project)}</p><h1>${escapeHtml(title)}</h1></div>
<dl class="asof"><dt>as of business now</dt><dd><time datetime="${escapeHtml(text)}">${escapeHtml(readable(text))}</time> UTC ${pin}</dd></dl>
</header>`;
}

/** `2026-01-30T14:30:00Z` as people read it. */
function readable(utc: string): string {
  return utc
    .replace(/^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}):00Z$/, "$1 $2")
    .replace(/Z$/, "")
    .replace("T", " ");
}

function totals(document: CoverageDocument): string {
  const { series, complete, gaps, due, covered, empty, gap } = totalsOf(document);
  const mood = due === 0 ? "" : gaps === 0 ? "good" : "bad";
  const incomplete = series - complete;
  return `<section class="card totals" aria-label="Totals">
<dl class="figures">
${figure("Present", percent(covered + empty, due), `of ${plural(due, "due slot", "due slots")}`, mood)}
${figure("Series complete", `${count(complete)}<small> of ${count(series)}</small>`, incomplete === 0 ? "none with gaps" : `${count(incomplete)} with gaps`)}
${figure("Gaps", count(gaps), gaps === 0 ? "nothing is missing" : `${plural(gap, "slot", "slots")} missing`, mood)}
${figure("Empty at source", count(empty), "slots, asked at least twice")}
</dl>
<div class="stack" role="img" aria-label="${count(covered)} slots covered, ${count(empty)} empty at source, ${count(gap)} missing">${stack({ covered, empty, gap })}</div>
${document.unfound === null ? "" : `<p class="unfound">${escapeHtml(document.unfound)}</p>\n`}<ul class="legend" aria-label="Colours and patterns">${statesIn(document).map(legendOf).join("")}</ul>
</section>`;
}

function figure(name: string, value: string, note: string, mood = ""): string {
  return `<div><dt>${name}</dt><dd class="value ${mood}">${value}</dd><dd class="note">${note}</dd></div>`;
}

function stack(slots: Readonly<Record<"covered" | "empty" | "gap", number>>): string {
  return Object.entries(slots)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => `<span class="${state}" style="flex-grow:${n}" title="${count(n)} ${state}"></span>`)
    .join("");
}

/** The states that the page draws somewhere, in the order of the legend. */
function statesIn({ layout, entries, series }: CoverageDocument): readonly DayState[] {
  const used = new Set<DayState>(
    layout === "days"
      ? entries.flatMap(({ days = [] }) => days.map((day) => day.state))
      : series.flatMap(({ segments }) => segments.map((segment) => segment.state)),
  );
  return (Object.keys(states) as DayState[]).filter((state) => used.has(state));
}

function legendOf(state: DayState): string {
  const { sign, label } = states[state];
  return `<li><span class="swatch ${state}" aria-hidden="true"></span>${sign} ${label}</li>`;
}

function nothing({ noun }: CoverageDocument): string {
  return `<section class="card"><h2>Nothing in this scope</h2><p class="calm">No ${escapeHtml(noun.one)} owes anything in what was asked for.</p></section>`;
}

function explorer(document: CoverageDocument): string {
  return `<noscript><section class="card"><p class="calm">The matrix, the lanes and the list of gaps are drawn by a script, which this browser does not run.</p></section></noscript>
${completeness(document)}
${overTime(document)}
<section class="card" aria-labelledby="gaps-title">
<h2 id="gaps-title">Gaps</h2>
<div id="gaps"></div>
</section>`;
}

function completeness({ noun, layout }: CoverageDocument): string {
  const against = layout === "days" ? "months" : "columns";
  // Reports of days have two other shares, of every day of a window and from first to last.
  const help =
    layout === "days"
      ? '<p class="help">Shares of the days that are due: closed days count in neither part.</p>\n'
      : "";
  return `<section class="card" aria-labelledby="matrix-title">
<div class="heading"><h2 id="matrix-title">Completeness</h2>
<div class="tools"><input id="filter" type="search" placeholder="Filter ${escapeHtml(noun.many)}" aria-label="Filter ${escapeHtml(noun.many)}">
<label><input id="only-open" type="checkbox"> only with gaps</label><span id="shown" class="found" role="status"></span></div></div>
${help}<div id="matrix" class="wide tall" tabindex="0" role="region" aria-label="Completeness, ${escapeHtml(noun.many)} against ${against}"></div>
<p id="none-shown" class="calm" hidden>Nothing matches.</p>
</section>`;
}

function overTime({ layout, noun }: CoverageDocument): string {
  const help =
    layout === "days"
      ? "Point at a day for its state; with the keyboard, arrow keys go from day to day."
      : "The strip is all of time: green is what is there of the slots due, red marks where anything is missing. Drag to pan; wheel over the axis, or Ctrl + wheel over the lanes, to zoom; double-click to see all. Keyboard: arrow keys go from stretch to stretch and lane to lane, Shift + arrows pan, + − 0 zoom.";
  const bar = layout === "days" ? "" : '<div id="time-bar"></div>\n';
  return `<section class="card time" aria-labelledby="time-title">
<h2 id="time-title">${layout === "days" ? `Day by day, per ${escapeHtml(noun.one)}` : `Over time, per ${escapeHtml(noun.one)}`}</h2>
<p id="lanes-help" class="help">${help}</p>
${bar}<div id="over-time"></div>
</section>`;
}
