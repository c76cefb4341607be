import type { CoverageDocument, DocumentDay, DocumentSeries } from "../document.ts";
import type { Browser, PageElement } from "./browser.ts";
import type { Calendars, calendars } from "./calendar.ts";
import type { gapsTable } from "./gaps-table.ts";
import type { kit } from "./kit.ts";
import type { lanes } from "./lanes.ts";
import type { MatrixCell, MatrixModel, matrix } from "./matrix.ts";
import type { painter } from "./painter.ts";
import type { timeAxis } from "./time-axis.ts";
import type { timeBar } from "./time-bar.ts";
import type { timeProfile } from "./time-profile.ts";
import type { Span, viewport } from "./viewport.ts";
import type { words } from "./words.ts";

/** The page's parts, as they are embedded. */
export interface Parts {
  readonly words: typeof words;
  readonly kit: typeof kit;
  readonly timeAxis: typeof timeAxis;
  readonly painter: typeof painter;
  readonly viewport: typeof viewport;
  readonly timeProfile: typeof timeProfile;
  readonly timeBar: typeof timeBar;
  readonly lanes: typeof lanes;
  readonly calendars: typeof calendars;
  readonly matrix: typeof matrix;
  readonly gapsTable: typeof gapsTable;
}

/** Brings the page to life. Embedded in the page as text: it may use nothing from outside itself. */
export function start(browser: Browser, parts: Parts): void {
  const page = browser.document;
  const coverage: CoverageDocument = JSON.parse(by("coverage").textContent ?? "");
  const kit = parts.kit(browser, parts.words());
  const axis = parts.timeAxis();
  const brush = parts.painter(kit);
  let isDue = false;
  const view = parts.viewport(browser, wholeOf(coverage), redraw);
  const calendars =
    coverage.layout === "days" ? parts.calendars(kit, brush, { coverage, root: by("over-time") }) : null;
  const drawn = calendars === null ? drawLanes() : drawCalendars(calendars);
  const grid = parts.matrix(kit, calendars === null ? byColumn() : byMonth(calendars), by("matrix"));
  const gaps = parts.gapsTable(kit, axis, coverage, {
    root: by("gaps"),
    show: (one, gap) => show(one, { start: gap.start, end: gap.end }),
  });
  listen();
  redraw();
  followHash();

  function by(id: string): PageElement {
    const found = page.getElementById(id);
    if (found === null) throw new Error(`unreachable: the page has no #${id}`);
    return found;
  }

  /** Everything that could be due, and business now, with a little room. */
  function wholeOf({ series, businessNow }: CoverageDocument): Span {
    let [first, last] = [businessNow.at - 3_600_000, businessNow.at];
    for (const { scope } of series) {
      if (scope === null) continue;
      first = Math.min(first, scope.start);
      last = Math.max(last, scope.end);
    }
    const room = (last - first) * 0.012;
    return { start: first - room, end: last + room };
  }

  interface Drawn {
    draw(): void;
    drawAll(): void;
    filter(isShown: (entry: string) => boolean): void;
    show(one: DocumentSeries, span: Span | null): void;
  }

  function drawLanes(): Drawn {
    const profileOf = (px: number) => parts.timeProfile(coverage.series, view.whole, px);
    const bar = parts.timeBar(kit, axis, brush, view, {
      now: coverage.businessNow.at,
      profileOf,
      root: by("time-bar"),
    });
    const all = parts.lanes(kit, axis, brush, view, { coverage, bar, root: by("over-time") });
    const draw = (of: () => void): void => {
      bar.draw();
      of();
    };
    return {
      draw: () => draw(all.draw),
      drawAll: () => draw(all.drawAll),
      filter: all.filter,
      show: all.show,
    };
  }

  function drawCalendars(calendars: Calendars): Drawn {
    return {
      ...calendars,
      show: ({ entry }, span) =>
        calendars.show(entry, span === null ? null : new Date(span.start).toISOString().slice(0, 7)),
    };
  }

  function byColumn(): MatrixModel {
    const { datasets } = coverage;
    const place = (...parts: readonly string[]): string => parts.join("\n");
    const found = new Map(coverage.series.map((one) => [place(one.entry, one.dataset, one.column), one]));
    const rows = coverage.entries.flatMap((entry) => datasets.map((dataset) => ({ ...entry, dataset })));
    const cellOf = (one: DocumentSeries): MatrixCell => {
      const { due, covered, empty } = one.slots;
      return { mark: one.mark, due, there: covered + empty, open: () => show(one, null) };
    };
    return {
      noun: coverage.noun.one,
      columns: coverage.columns,
      counted: "due slots",
      showsLast: false,
      rows: rows
        .map(({ entry, name, isUnfound, dataset }) => ({
          entry,
          name,
          warning: isUnfound ? kit.unfound : null,
          dataset: datasets.length > 1 ? dataset : null,
          cells: coverage.columns.map((column) => {
            const one = found.get(place(entry, dataset, column));
            return one ? cellOf(one) : null;
          }),
        }))
        .filter(({ cells }) => cells.some((cell) => cell !== null)),
    };
  }

  function byMonth(calendars: Calendars): MatrixModel {
    const columns = new Set<string>();
    const rows = coverage.entries.map(({ entry, name, isUnfound, days = [] }) => {
      const months = new Map<string, DocumentDay[]>();
      for (const day of days) {
        const month = day.date.slice(0, 7);
        columns.add(month);
        months.set(month, [...(months.get(month) ?? []), day]);
      }
      return { entry, name, isUnfound, months };
    });
    const sorted = [...columns].sort();
    return {
      noun: coverage.noun.one,
      columns: sorted,
      counted: "days",
      showsLast: true,
      rows: rows.map(({ entry, name, isUnfound, months }) => ({
        entry,
        name,
        warning: isUnfound ? kit.unfound : null,
        dataset: null,
        cells: sorted.map((month) => {
          const days = months.get(month);
          return days ? { ...monthCell(days), open: () => calendars.show(entry, month) } : null;
        }),
      })),
    };
  }

  function monthCell(days: readonly DocumentDay[]): Pick<MatrixCell, "mark" | "due" | "there"> {
    const of = (...states: readonly string[]): number => days.filter(({ state }) => states.includes(state)).length;
    const due = days.length - of("closed");
    const open = of("gap", "failed");
    const refused = of("refused");
    const mark: DocumentSeries["mark"] =
      open > 0 ? "✗" : refused > 0 ? "⊘" : due === 0 ? "·" : of("empty") > 0 ? "○" : "✓";
    return { mark, due, there: due - open - refused };
  }

  function show(one: DocumentSeries, span: Span | null): void {
    drawn.show(one, span);
    browser.history.replaceState(null, "", `#${encodeURIComponent(one.name)}`);
  }

  function followHash(): void {
    const name = decodeURIComponent(browser.location.hash.slice(1));
    const one = coverage.series.find((series) => series.name === name);
    if (one) show(one, null);
  }

  function listen(): void {
    const box = by("filter");
    const onlyOpen = by("only-open");
    const narrow = (): void => {
      const words = box.value
        .toLowerCase()
        .split(/[\s,]+/)
        .filter(Boolean);
      const open = new Set(coverage.series.filter((one) => one.gaps.length > 0).map((one) => one.entry));
      const shown = new Set(
        coverage.entries
          .filter(({ entry }) => !onlyOpen.checked || open.has(entry))
          .filter(({ entry, name }) => {
            const text = `${entry} ${name ?? ""}`.toLowerCase();
            return words.length === 0 || words.some((word) => text.includes(word));
          })
          .map(({ entry }) => entry),
      );
      const isShown = (entry: string): boolean => shown.has(entry);
      grid.filter(isShown);
      drawn.filter(isShown);
      gaps.filter(isShown);
      by("shown").textContent =
        shown.size === coverage.entries.length
          ? ""
          : `${kit.count(shown.size)} of ${kit.count(coverage.entries.length)}`;
      by("none-shown").hidden = shown.size > 0 || coverage.entries.length === 0;
    };
    box.addEventListener("input", narrow);
    onlyOpen.addEventListener("change", narrow);
    new browser.ResizeObserver(redraw).observe(by("over-time"));
    browser.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      brush.reset();
      redraw();
    });
    browser.addEventListener("scroll", kit.hideTip);
    browser.addEventListener("beforeprint", () => drawn.drawAll());
    browser.addEventListener("afterprint", redraw);
  }

  /** Draws once in the next frame, however often it is called before. */
  function redraw(): void {
    if (isDue) return;
    isDue = true;
    browser.requestAnimationFrame(() => {
      isDue = false;
      drawn.draw();
    });
  }
}
