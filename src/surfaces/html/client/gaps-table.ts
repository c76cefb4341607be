import type { CoverageDocument, DocumentGap, DocumentSeries } from "../document.ts";
import type { PageElement } from "./browser.ts";
import type { Kit } from "./kit.ts";
import type { TimeAxis } from "./time-axis.ts";

export interface GapsTable {
  filter(isShown: (entry: string) => boolean): void;
}

/** Every gap with its reason and the command that fills it. Embedded as text: it may use nothing from outside itself. */
export function gapsTable(
  kit: Kit,
  axis: TimeAxis,
  coverage: CoverageDocument,
  options: { readonly root: PageElement; readonly show: (one: DocumentSeries, gap: DocumentGap) => void },
): GapsTable {
  /** Rows drawn at once: more are asked for by hand. */
  const PAGE = 200;
  const { element, count, plural } = kit;
  interface Row {
    readonly one: DocumentSeries;
    readonly gap: DocumentGap;
    /** What the filter looks in. */
    readonly text: string;
  }
  type Value = (row: Row) => string | number;
  const COLUMNS: readonly { readonly title: string; readonly value: Value | null; readonly number?: true }[] = [
    ...(coverage.datasets.length > 1 ? [{ title: "Dataset", value: (row: Row) => row.one.dataset }] : []),
    { title: "Series", value: (row) => row.one.key },
    { title: "From (UTC)", value: (row) => row.gap.start },
    { title: "To (exclusive)", value: (row) => row.gap.end },
    { title: "Slots", value: (row) => row.gap.slots, number: true },
    { title: "Cause", value: (row) => row.gap.cause },
    { title: "Where", value: (row) => row.gap.place },
    { title: "Reason", value: (row) => row.gap.reason },
    { title: "Fill it", value: null },
  ];
  const all: readonly Row[] = coverage.series.flatMap((one) =>
    one.gaps.map((gap) => {
      const text = [one.name, gap.cause, gap.place, gap.reason, axis.interval(gap.start, gap.end)]
        .join(" ")
        .toLowerCase();
      return { one, gap, text };
    }),
  );
  if (all.length === 0) {
    const words = "No gaps: every due slot is covered, or was asked for at least twice and is empty at the source.";
    options.root.replaceChildren(element("p", { class: "calm" }, words));
    return { filter() {} };
  }

  let isShown: (entry: string) => boolean = () => true;
  let sort = { column: COLUMNS.findIndex(({ title }) => title === "Slots"), descending: true };
  let limit = PAGE;
  let shown: readonly Row[] = all;

  const box = element("input", {
    type: "search",
    placeholder: "Filter gaps: series, cause, reason, date",
    "aria-label": "Filter gaps",
    input: () => draw(PAGE),
  });
  const causes = [...new Set(all.map((row) => row.gap.cause))].sort();
  const choice = element(
    "select",
    { "aria-label": "Cause", change: () => draw(PAGE) },
    element("option", { value: "" }, "all causes"),
    ...causes.map((cause) => element("option", { value: cause }, cause)),
  );
  const found = element("span", { class: "found", role: "status" });
  const copyAll = kit.copyButton({
    label: "Copy commands",
    spoken: "Copy the commands of all gaps shown",
    text: () => shown.map((row) => row.gap.command).join("\n"),
  });
  const heads = COLUMNS.map(({ title, value, number }, column) => {
    const head = element("th", { scope: "col", class: number ? "number" : "" });
    if (value === null) head.append(title);
    else head.append(element("button", { type: "button", class: "sort", click: () => sortBy(column) }, title));
    return head;
  });
  const body = element("tbody");
  const more = element("button", { type: "button", class: "more", click: () => draw(limit + PAGE) });
  options.root.replaceChildren(
    element("div", { class: "tools" }, box, choice, found, copyAll),
    element(
      "div",
      { class: "wide" },
      element("table", { class: "gaps" }, element("thead", {}, element("tr", {}, ...heads)), body),
    ),
    more,
  );
  draw(PAGE);

  function sortBy(column: number): void {
    sort = { column, descending: sort.column === column ? !sort.descending : COLUMNS[column]?.number === true };
    draw(limit);
  }

  function draw(rows: number): void {
    limit = rows;
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const cause = choice.value;
    shown = all
      .filter((row) => isShown(row.one.entry) && (cause === "" || row.gap.cause === cause))
      .filter((row) => words.every((word) => row.text.includes(word)))
      .sort(inOrder);
    const slots = shown.reduce((sum, row) => sum + row.gap.slots, 0);
    found.textContent = `${plural(shown.length, "gap", "gaps")}, ${plural(slots, "slot", "slots")}`;
    body.replaceChildren(...shown.slice(0, limit).map(lineOf));
    more.hidden = shown.length <= limit;
    more.textContent = `Show ${count(Math.min(PAGE, shown.length - limit))} of ${count(shown.length - limit)} more`;
    heads.forEach((head, column) => {
      const direction = sort.descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", column === sort.column ? direction : "none");
    });
  }

  function inOrder(a: Row, b: Row): number {
    const value = COLUMNS[sort.column]?.value ?? ((row: Row) => row.one.name);
    const [x, y] = [value(a), value(b)];
    const order = x < y ? -1 : x > y ? 1 : 0;
    return (
      (sort.descending ? -order : order) ||
      (a.one.name < b.one.name ? -1 : a.one.name > b.one.name ? 1 : a.gap.start - b.gap.start)
    );
  }

  function lineOf({ one, gap }: Row): PageElement {
    const state = gap.cause === "failed" || gap.cause === "refused" ? gap.cause : "gap";
    const link = element(
      "button",
      { type: "button", class: "link", title: "Show it over time", click: () => options.show(one, gap) },
      one.key,
    );
    const copy = kit.copyButton({ label: "Copy", spoken: `Copy: ${gap.command}`, text: () => gap.command });
    return element(
      "tr",
      {},
      ...(coverage.datasets.length > 1 ? [element("td", {}, one.dataset)] : []),
      element("td", {}, link),
      element("td", { class: "time" }, axis.instant(gap.start)),
      element("td", { class: "time" }, axis.instant(gap.end)),
      element("td", { class: "number" }, count(gap.slots)),
      element("td", { class: "cause" }, kit.swatch(state), gap.cause),
      element("td", {}, gap.place),
      element("td", { class: "reason" }, gap.reason),
      element("td", { class: "fill" }, element("div", {}, element("code", { title: gap.command }, gap.command), copy)),
    );
  }

  return {
    filter(shows) {
      isShown = shows;
      draw(PAGE);
    },
  };
}
