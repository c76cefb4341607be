import type { CoverageDocument, DayState, DocumentDay, DocumentEntry } from "../document.ts";
import type { PageElement, PageEvent, Pen } from "./browser.ts";
import type { Kit, ScreenBlock } from "./kit.ts";
import type { Painter } from "./painter.ts";

/** A calendar for each entry: months as blocks, days as cells, weeks from Monday. */
export interface Calendars {
  draw(): void;
  drawAll(): void;
  filter(isShown: (entry: string) => boolean): void;
  /** Scrolls to an entry and points at a month of it, `2026-01`. */
  show(entry: string, month: string | null): void;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function calendars(
  kit: Kit,
  brush: Painter,
  options: { readonly coverage: CoverageDocument; readonly root: PageElement },
): Calendars {
  const CELL_PX = 11;
  const STEP_PX = 13;
  const MONTH_PX = 7 * STEP_PX + 9;
  const HEAD_PX = 16;
  const ROW_PX = HEAD_PX + 6 * STEP_PX + 10;
  const YEAR_PX = 40;
  const DAY_MS = 86_400_000;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const { element, browser } = kit;
  const { coverage, root } = options;

  interface Block extends ScreenBlock {
    readonly entry: DocumentEntry;
    readonly byDate: ReadonlyMap<string, DocumentDay>;
    /** `2026-01`, without holes from first to last. */
    readonly months: readonly string[];
    readonly plot: PageElement;
    pointed: string | null;
    /** A month that a click on the matrix led to. */
    found: string | null;
  }

  const blocks = coverage.entries.map(blockOf);
  kit.showBlocks(root, blocks, drawBlock);
  for (const block of blocks) size(block);

  function blockOf(entry: DocumentEntry): Block {
    const days = entry.days ?? [];
    const count = days.filter(({ state }) => state !== "closed").length;
    const open = days.filter(({ state }) => isOpen(state)).length;
    const words = `${open === 0 ? "none" : kit.count(open)} of ${kit.plural(count, "day", "days")} missing`;
    const canvas = browser.document.createElement("canvas");
    canvas.className = "days";
    canvas.setAttribute("tabindex", "0");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${entry.entry} by day: ${words}`);
    canvas.setAttribute("aria-describedby", "lanes-help");
    const plot = element("div", { class: "plot" }, canvas);
    const section = element(
      "section",
      { class: "block", "aria-label": entry.entry },
      element(
        "h3",
        {},
        entry.entry,
        ...(entry.name === null ? [] : [element("small", {}, entry.name)]),
        ...(entry.isUnfound ? [element("small", { class: "unfound" }, kit.unfound)] : []),
        element("span", { class: open === 0 ? "state" : "state open" }, open === 0 ? words : `✗ ${words}`),
      ),
      plot,
    );
    const block: Block = {
      entry,
      byDate: new Map(days.map((day) => [day.date, day])),
      months: monthsOf(days),
      canvas,
      plot,
      section,
      isOnScreen: false,
      pointed: null,
      found: null,
    };
    canvas.addEventListener("pointermove", (event) => pointAt(block, event));
    canvas.addEventListener("pointerleave", () => point(block, null));
    canvas.addEventListener("blur", () => point(block, null));
    canvas.addEventListener("keydown", (event) => press(block, event));
    return block;
  }

  function isOpen(state: DayState): boolean {
    return state === "gap" || state === "failed" || state === "refused";
  }

  function monthsOf(days: readonly DocumentDay[]): readonly string[] {
    const [first, last] = [days[0]?.date, days[days.length - 1]?.date];
    const months: string[] = [];
    if (first === undefined || last === undefined) return months;
    for (let year = Number(first.slice(0, 4)), month = Number(first.slice(5, 7)); ; month++) {
      if (month > 12) {
        month = 1;
        year++;
      }
      const name = `${year}-${String(month).padStart(2, "0")}`;
      months.push(name);
      if (name >= last.slice(0, 7)) return months;
    }
  }

  /** Years as rows where twelve months fit side by side, otherwise months in a row as they come. */
  function placeOf(
    { months, plot }: Block,
    month: string,
  ): { readonly x: number; readonly y: number; readonly isYears: boolean } {
    const first = months[0] as string;
    const width = plot.clientWidth;
    const isYears = width >= YEAR_PX + 12 * MONTH_PX - 9;
    if (isYears) {
      const row = Number(month.slice(0, 4)) - Number(first.slice(0, 4));
      return { x: YEAR_PX + (Number(month.slice(5)) - 1) * MONTH_PX, y: row * ROW_PX, isYears };
    }
    const perRow = Math.max(1, Math.floor((width + 9) / MONTH_PX));
    const i = months.indexOf(month);
    return { x: (i % perRow) * MONTH_PX, y: Math.floor(i / perRow) * ROW_PX, isYears };
  }

  function size(block: Block): { readonly width: number; readonly height: number } {
    const last = block.months[block.months.length - 1];
    const height = last === undefined ? 0 : placeOf(block, last).y + ROW_PX;
    block.canvas.style.setProperty("height", `${height}px`);
    return { width: block.plot.clientWidth, height };
  }

  function draw(): void {
    for (const block of blocks) {
      if (block.isOnScreen) drawBlock(block);
      else size(block);
    }
  }

  function drawBlock(block: Block): void {
    const { width, height } = size(block);
    const pen = brush.pen(block.canvas, width, height);
    if (pen === null || height === 0) return;
    const font = brush.color("font");
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    for (const month of block.months) drawMonth(pen, block, month, font);
  }

  function drawMonth(pen: Pen, block: Block, month: string, font: string): void {
    const { x, y, isYears } = placeOf(block, month);
    const name = MONTHS[Number(month.slice(5)) - 1] as string;
    const year = month.slice(0, 4);
    pen.font = `11px ${font}`;
    pen.fillStyle = brush.color("muted");
    pen.fillText(isYears ? name : `${name} ${year}`, x, y + 7);
    if (isYears && (month.endsWith("-01") || month === block.months[0])) {
      pen.font = `600 12px ${font}`;
      pen.fillStyle = brush.color("ink");
      pen.fillText(year, 0, y + 7);
    }
    for (let at = Date.parse(`${month}-01`); dateOf(at).startsWith(month); at += DAY_MS) {
      const date = dateOf(at);
      const day = block.byDate.get(date);
      const cell = cellOf(at);
      drawDay(pen, x + cell.x, y + cell.y, day?.state ?? null);
      if (block.pointed !== date) continue;
      pen.strokeStyle = brush.color("ink");
      pen.lineWidth = 1.5;
      pen.strokeRect(x + cell.x - 1, y + cell.y - 1, CELL_PX + 2, CELL_PX + 2);
    }
    if (block.found !== month) return;
    pen.strokeStyle = brush.color("accent");
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.roundRect(x - 4, y - 1 + 0.5, MONTH_PX - 3, ROW_PX - 6, 4);
    pen.stroke();
  }

  /** Where a day lies in its month: weekday across, week down. */
  function cellOf(at: number): { readonly x: number; readonly y: number } {
    const date = new Date(at);
    const first = (new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)).getUTCDay() + 6) % 7;
    const place = first + date.getUTCDate() - 1;
    return { x: (place % 7) * STEP_PX, y: HEAD_PX + Math.floor(place / 7) * STEP_PX };
  }

  function drawDay(pen: Pen, x: number, y: number, state: DayState | null): void {
    if (state === null || state === "closed") {
      pen.fillStyle = brush.color("track");
      pen.beginPath();
      if (state === null) pen.arc(x + CELL_PX / 2, y + CELL_PX / 2, 1, 0, 7);
      else pen.roundRect(x, y, CELL_PX, CELL_PX, 2);
      pen.fill();
      return;
    }
    pen.fillStyle = brush.color(state);
    pen.beginPath();
    pen.roundRect(x, y, CELL_PX, CELL_PX, 2.5);
    pen.fill();
    pen.strokeStyle = brush.color("card");
    pen.lineWidth = 1.4;
    pen.beginPath();
    const [near, far, middle] = [3.2, CELL_PX - 3.2, CELL_PX / 2];
    if (state === "gap" || state === "refused" || state === "failed") {
      pen.moveTo(x + far, y + near);
      pen.lineTo(x + near, y + far);
    }
    if (state === "gap" || state === "failed") {
      pen.moveTo(x + near, y + near);
      pen.lineTo(x + far, y + far);
    }
    if (state === "failed") {
      pen.moveTo(x + middle, y + 1.5);
      pen.lineTo(x + middle, y + CELL_PX - 1.5);
    }
    if (state === "waived") {
      pen.moveTo(x + near, y + middle);
      pen.lineTo(x + far, y + middle);
    }
    if (state === "empty") pen.arc(x + middle, y + middle, 2.2, 0, 7);
    pen.stroke();
  }

  function pointAt(block: Block, event: PageEvent): void {
    const { left, top } = block.canvas.getBoundingClientRect();
    const date = dateAt(block, event.clientX - left, event.clientY - top);
    point(block, date);
    const day = date === null ? undefined : block.byDate.get(date);
    if (day) kit.showTip(event.clientX, event.clientY, tipOf(block, day));
    else kit.hideTip();
  }

  function dateAt(block: Block, x: number, y: number): string | null {
    const month = block.months.find((one) => {
      const place = placeOf(block, one);
      return x >= place.x && x < place.x + 7 * STEP_PX && y >= place.y + HEAD_PX && y < place.y + ROW_PX;
    });
    if (month === undefined) return null;
    const place = placeOf(block, month);
    const first = cellOf(Date.parse(`${month}-01`));
    const days =
      Math.floor((y - place.y - HEAD_PX) / STEP_PX) * 7 + Math.floor((x - place.x) / STEP_PX) - first.x / STEP_PX;
    const date = dateOf(Date.parse(`${month}-01`) + days * DAY_MS);
    return date.startsWith(month) ? date : null;
  }

  function point(block: Block, date: string | null): void {
    if (date === null) kit.hideTip();
    if (block.pointed === date) return;
    block.pointed = date;
    if (block.isOnScreen) drawBlock(block);
  }

  function tipOf({ entry }: Block, { date, state, note }: DocumentDay): readonly PageElement[] {
    const { sign, label } = kit.states[state];
    return [
      element("b", {}, kit.swatch(state), `${sign} ${entry.entry} `, element("em", {}, label)),
      element("code", {}, date),
      ...(note === null ? [] : [element("span", { class: "reason" }, note)]),
    ];
  }

  function press(block: Block, event: PageEvent): void {
    const days = block.entry.days ?? [];
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
    if (by === undefined || days.length === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const at = days.findIndex(({ date }) => date === block.pointed);
    const start = days.findIndex(({ date }) => date.startsWith(block.found ?? ""));
    const day = days[Math.min(days.length - 1, Math.max(0, at < 0 ? start : at + by))] as DocumentDay;
    point(block, day.date);
    const { left, top } = block.canvas.getBoundingClientRect();
    const place = placeOf(block, day.date.slice(0, 7));
    const cell = cellOf(Date.parse(day.date));
    const lines = tipOf(block, day);
    kit.showTip(left + place.x + cell.x, top + place.y + cell.y, lines);
    kit.announce(lines.map((line) => line.textContent).join(", "));
  }

  function dateOf(at: number): string {
    return new Date(at).toISOString().slice(0, 10);
  }

  return {
    draw,
    drawAll() {
      for (const block of blocks) drawBlock(block);
    },
    filter(isShown) {
      for (const { entry, section } of blocks) section.hidden = !isShown(entry.entry);
    },
    show(entry, month) {
      const block = blocks.find((one) => one.entry.entry === entry);
      if (!block) return;
      for (const one of blocks) one.found = null;
      block.found = month;
      block.section.hidden = false;
      block.section.scrollIntoView({ block: "center", behavior: "auto" });
      block.canvas.focus({ preventScroll: true });
      draw();
    },
  };
}
