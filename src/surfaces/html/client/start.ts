import type { CoverageDocument, DocumentDay, DocumentSeries } from "../document.ts";
import type { Browser, PageElement } from "./browser.ts";
import type { calendars } from "./calendar.ts";
import type { gapsTable } from "./gaps-table.ts";
import type { kit } from "./kit.ts";
import type { lanes } from "./lanes.ts";
import type { MatrixCell, MatrixModel, matrix } from "./matrix.ts";
import type { painter } from "./painter.ts";
import type { timeAxis } from "./time-axis.ts";
import type { timeBar } from "./time-bar.ts";
import type { Span, viewport } from "./viewport.ts";
import type { words } from "./words.ts";

/** The page's parts, as they are embedded. */
export interface Parts {
  readonly words: typeof words;
  readonly kit: typeof kit;
  readonly timeAxis: typeof timeAxis;
  readonly painter: typeof painter;
  readonly viewport: typeof viewport;
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
  const isDays = coverage.layout === "days";
  let isDue = false;
  const view = parts.viewport(browser, wholeOf(coverage), redraw);
  const drawn = isDays ? drawCalendars() : drawLanes();
  const grid = parts.matrix(kit, isDays ? byMonth() : byColumn(), by("matrix"));
  const gaps = parts.gapsTable(kit, axis, coverage, {
    root: by("gaps"),
    show: (key, gap) => show(key, { start: gap.start, end: gap.end }),
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
    show(key: string, entry: string, span: Span | null): void;
  }

  function drawLanes(): Drawn {
    const bar = parts.timeBar(kit, axis, brush, view, { coverage, root: by("time-bar") });
    const all = parts.lanes(kit, axis, brush, view, { coverage, bar, root: by("over-time") });
    const draw = (of: () => void): void => {
      bar.draw();
      of();
    };
    return {
      draw: () => draw(all.draw),
      drawAll: () => draw(all.drawAll),
      filter: all.filter,
      show: (key, _, span) => all.show(key, span),
    };
  }

  function drawCalendars(): Drawn {
    const all = parts.calendars(kit, brush, { coverage, root: by("over-time") });
    return {
      ...all,
      show: (_, entry, span) => all.show(entry, span === null ? null : new Date(span.start).toISOString().slice(0, 7)),
    };
  }

  function byColumn(): MatrixModel {
    const found = new Map(coverage.series.map((one) => [`${one.entry}\n${one.column}`, one]));
    return {
      noun: coverage.noun.one,
      columns: coverage.columns,
      counted: "due slots",
      showsLast: false,
      rows: coverage.entries.map(({ entry, name }) => ({
        entry,
        name,
        cells: coverage.columns.map((column): MatrixCell | null => {
          const one = found.get(`${entry}\n${column}`);
          if (!one) return null;
          const { due, covered, empty } = one.slots;
          return { mark: one.mark, due, there: covered + empty, open: () => show(one.key, null) };
        }),
      })),
    };
  }

  function byMonth(): MatrixModel {
    const columns = new Set<string>();
    const rows = coverage.entries.map(({ entry, name, days = [] }) => {
      const months = new Map<string, DocumentDay[]>();
      for (const day of days) {
        const month = day.date.slice(0, 7);
        columns.add(month);
        months.set(month, [...(months.get(month) ?? []), day]);
      }
      return { entry, name, months };
    });
    const sorted = [...columns].sort();
    return {
      noun: coverage.noun.one,
      columns: sorted,
      counted: "days",
      showsLast: true,
      rows: rows.map(({ entry, name, months }) => ({
        entry,
        name,
        cells: sorted.map((month) => {
          const days = months.get(month);
          const at = Date.parse(`${month}-01`);
          return days ? { ...monthCell(days), open: () => drawn.show("", entry, { start: at, end: at }) } : null;
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

  function show(key: string, span: Span | null): void {
    const one = coverage.series.find((series) => series.key === key);
    if (!one) return;
    drawn.show(key, one.entry, span);
    browser.history.replaceState(null, "", `#${encodeURIComponent(key)}`);
  }

  function followHash(): void {
    const key = decodeURIComponent(browser.location.hash.slice(1));
    if (key !== "") show(key, null);
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
