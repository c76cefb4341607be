import type { CoverageDocument, DocumentEntry, DocumentSegment, DocumentSeries } from "../document.ts";
import type { PageElement, PageEvent, Pen } from "./browser.ts";
import type { Kit, ScreenBlock } from "./kit.ts";
import type { Painter } from "./painter.ts";
import type { TimeAxis } from "./time-axis.ts";
import type { TimeBar } from "./time-bar.ts";
import type { Span, Viewport } from "./viewport.ts";

/** One lane over time for each series, in a block for each entry and dataset. */
export interface Lanes {
  /** Draws the blocks that are on screen. */
  draw(): void;
  /** Draws all of them, for paper. */
  drawAll(): void;
  filter(isShown: (entry: string) => boolean): void;
  /** Scrolls to a series and looks at `span`, or at all of the series. */
  show(one: DocumentSeries, span: Span | null): void;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function lanes(
  kit: Kit,
  axis: TimeAxis,
  brush: Painter,
  view: Viewport,
  options: { readonly coverage: CoverageDocument; readonly bar: TimeBar; readonly root: PageElement },
): Lanes {
  const LANE_PX = 20;
  const COVERED_PX = 10;
  /** What is not covered is drawn higher and never thinner than this, so that one missing minute in years is seen. */
  const OPEN_PX = 14;
  const LEAST_PX = 3;
  const REACH_PX = 5;
  const { element, browser, count, percent } = kit;
  const { coverage, bar, root } = options;

  interface Block extends ScreenBlock {
    readonly entry: string;
    readonly series: readonly DocumentSeries[];
    readonly labels: readonly PageElement[];
    /** The lane that the keyboard is in, and the stretch that is pointed at. */
    lane: number;
    pointed: DocumentSegment | null;
  }

  const together = new Map<string, DocumentSeries[]>();
  for (const one of coverage.series) {
    const place = `${one.entry}\n${one.dataset}`;
    together.set(place, [...(together.get(place) ?? []), one]);
  }
  const blocks = coverage.entries.flatMap((entry) =>
    coverage.datasets.flatMap((dataset) => {
      const series = together.get(`${entry.entry}\n${dataset}`);
      return series === undefined ? [] : [blockOf(entry, dataset, series)];
    }),
  );
  kit.showBlocks(root, blocks, drawBlock);

  function blockOf(
    { entry, name, isUnfound }: DocumentEntry,
    dataset: string,
    series: readonly DocumentSeries[],
  ): Block {
    const told = coverage.datasets.length > 1 ? [dataset] : [];
    const title = [entry, ...told].join(" ");
    const notes = [...(name === null ? [] : [name]), ...told];
    const canvas = browser.document.createElement("canvas");
    canvas.className = "lanes";
    canvas.setAttribute("tabindex", "0");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title} over time. ${series.map(spoken).join(". ")}`);
    canvas.setAttribute("aria-describedby", "lanes-help");
    canvas.style.setProperty("height", `${series.length * LANE_PX}px`);
    const labels = series.map((one) =>
      element(
        "button",
        {
          type: "button",
          title: `look at all of ${one.name}`,
          class: kit.marks[one.mark].state,
          click: () => glideTo(one, null),
        },
        one.column,
        element("i", { "aria-hidden": "true" }, one.mark),
      ),
    );
    const section = element(
      "section",
      { class: "block", "aria-label": title },
      element(
        "h3",
        {},
        entry,
        ...notes.map((note) => element("small", {}, note)),
        ...(isUnfound ? [element("small", { class: "unfound" }, kit.unfound)] : []),
        stateOf(series),
      ),
      element(
        "div",
        { class: "lane-grid" },
        element("div", { class: "labels" }, ...labels),
        element("div", { class: "plot" }, canvas),
        element("div", { class: "shares" }, ...series.map(shareOf)),
      ),
    );
    const block: Block = { entry, series, canvas, labels, section, isOnScreen: false, lane: 0, pointed: null };
    bar.listen(canvas, { plainWheel: false });
    canvas.addEventListener("pointermove", (event) => pointAt(block, event));
    canvas.addEventListener("pointerleave", () => point(block, null));
    canvas.addEventListener("keydown", (event) => press(block, event));
    canvas.addEventListener("blur", () => point(block, null));
    return block;
  }

  function shareOf({ slots }: DocumentSeries): PageElement {
    const title = `${count(slots.covered + slots.empty)} of ${count(slots.due)} due slots`;
    return element("span", { title }, percent(slots.covered + slots.empty, slots.due));
  }

  function stateOf(series: readonly DocumentSeries[]): PageElement {
    const gaps = series.reduce((sum, one) => sum + one.gaps.length, 0);
    const slots = series.reduce((sum, one) => sum + one.slots.gap, 0);
    if (gaps === 0) return element("span", { class: "state" }, "no gaps");
    const words = `${kit.plural(gaps, "gap", "gaps")}, ${kit.plural(slots, "slot", "slots")}`;
    return element("span", { class: "state open" }, `✗ ${words}`);
  }

  function spoken(one: DocumentSeries): string {
    const share = percent(one.slots.covered + one.slots.empty, one.slots.due);
    const gaps = one.gaps.length === 0 ? "" : `, ${kit.plural(one.gaps.length, "gap", "gaps")}`;
    return `${one.column}: ${kit.marks[one.mark].label}, ${share}${gaps}`;
  }

  function draw(): void {
    for (const block of blocks) if (block.isOnScreen) drawBlock(block);
  }

  function drawBlock({ canvas, series, pointed, lane }: Block): void {
    const width = bar.width();
    const pen = brush.pen(canvas, width, series.length * LANE_PX);
    if (pen === null) return;
    const { start, end } = view.span;
    const x = (at: number): number => Math.min(Math.max(((at - start) / (end - start)) * width, -9), width + 9);
    drawGrid(pen, x, series.length * LANE_PX);
    series.forEach((one, i) => {
      const middle = (i + 0.5) * LANE_PX;
      if (one.scope !== null) {
        pen.fillStyle = brush.color("track");
        pen.fillRect(x(one.scope.start), middle - COVERED_PX / 2, x(one.scope.end) - x(one.scope.start), COVERED_PX);
      }
      const visible = segmentsIn(one.segments);
      drawBars(
        pen,
        x,
        visible.filter(({ state }) => state === "covered"),
        middle,
      );
      drawBars(
        pen,
        x,
        visible.filter(({ state }) => state !== "covered"),
        middle,
      );
      if (pointed !== null && i === lane) drawOutline(pen, x, pointed, middle);
    });
  }

  function drawGrid(pen: Pen, x: (at: number) => number, height: number): void {
    const { start, end } = view.span;
    const { minor } = axis.ticks(start, end, bar.width());
    pen.lineWidth = 1;
    pen.strokeStyle = brush.color("line");
    pen.beginPath();
    for (const { at } of minor) {
      pen.moveTo(Math.round(x(at)) + 0.5, 0);
      pen.lineTo(Math.round(x(at)) + 0.5, height);
    }
    pen.stroke();
    pen.strokeStyle = brush.color("accent");
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x(coverage.businessNow.at), 0);
    pen.lineTo(x(coverage.businessNow.at), height);
    pen.stroke();
    pen.setLineDash([]);
  }

  /** The segments that the view meets; they are sorted and disjoint. */
  function segmentsIn(segments: readonly DocumentSegment[]): readonly DocumentSegment[] {
    const first = (isBeyond: (segment: DocumentSegment) => boolean): number => {
      let low = 0;
      let high = segments.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (isBeyond(segments[middle] as DocumentSegment)) high = middle;
        else low = middle + 1;
      }
      return low;
    };
    const { start, end } = view.span;
    return segments.slice(
      first((one) => one.end > start),
      first((one) => one.start >= end),
    );
  }

  function drawBars(pen: Pen, x: (at: number) => number, segments: readonly DocumentSegment[], middle: number): void {
    let drawnTo = Number.NEGATIVE_INFINITY;
    let drawnState = "";
    for (const { start, end, state } of segments) {
      const least = state === "covered" ? 0.6 : LEAST_PX;
      const height = state === "covered" ? COVERED_PX : OPEN_PX;
      const from = x(start);
      const width = Math.max(x(end) - from, least);
      // Thousands of stretches may share a pixel.
      if (state === drawnState && from + width <= drawnTo + 0.3) continue;
      drawnTo = from + width;
      drawnState = state;
      pen.fillStyle = brush.fill(state);
      pen.beginPath();
      pen.roundRect(from, middle - height / 2, width, height, Math.min(2, width / 2));
      pen.fill();
      if (state === "covered") continue;
      pen.strokeStyle = brush.color(state);
      pen.lineWidth = 1;
      if (width > 4) pen.strokeRect(from + 0.5, middle - height / 2 + 0.5, width - 1, height - 1);
    }
  }

  function drawOutline(
    pen: Pen,
    x: (at: number) => number,
    { start, end, state }: DocumentSegment,
    middle: number,
  ): void {
    const height = (state === "covered" ? COVERED_PX : OPEN_PX) + 2;
    pen.strokeStyle = brush.color("ink");
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.roundRect(x(start) - 1, middle - height / 2, Math.max(x(end) - x(start), LEAST_PX) + 2, height, 3);
    pen.stroke();
  }

  function pointAt(block: Block, event: PageEvent): void {
    if (event.buttons !== 0) return;
    const { left, top } = block.canvas.getBoundingClientRect();
    const lane = Math.min(block.series.length - 1, Math.max(0, Math.floor((event.clientY - top) / LANE_PX)));
    const one = block.series[lane] as DocumentSeries;
    const found = segmentAt(one, event.clientX - left);
    block.lane = lane;
    point(block, found);
    if (found !== null) kit.showTip(event.clientX, event.clientY, tipOf(one, found));
  }

  /** The stretch under a pixel; what is open wins over what is covered, within a few pixels. */
  function segmentAt({ segments }: DocumentSeries, x: number): DocumentSegment | null {
    const { start, end } = view.span;
    const msPerPx = (end - start) / bar.width();
    const at = start + x * msPerPx;
    const reach = REACH_PX * msPerPx;
    const distance = (one: DocumentSegment): number => Math.max(one.start - at, at - one.end, 0);
    const near = segmentsIn(segments).filter((one) => distance(one) <= (one.state === "covered" ? 0 : reach));
    const open = near.filter((one) => one.state !== "covered");
    const nearest = (open.length > 0 ? open : near).reduce<DocumentSegment | null>(
      (best, one) => (best === null || distance(one) < distance(best) ? one : best),
      null,
    );
    return nearest;
  }

  function point(block: Block, segment: DocumentSegment | null): void {
    if (segment === null) kit.hideTip();
    block.pointed = segment;
    if (block.isOnScreen) drawBlock(block);
  }

  function tipOf(one: DocumentSeries, segment: DocumentSegment): readonly PageElement[] {
    const { start, end, state, reason, slots } = segment;
    const { sign, label } = kit.states[state];
    const size = [...(slots === null ? [] : [kit.plural(slots, "due slot", "due slots")]), axis.length(end - start)];
    return [
      element("b", {}, kit.swatch(state), `${sign} ${one.name} `, element("em", {}, label)),
      element("code", {}, `${axis.interval(start, end)} UTC`),
      ...(one.zone === "UTC"
        ? []
        : [element("code", { class: "local" }, `${axis.intervalIn(one.zone, start, end)} ${one.zone}`)]),
      element("span", {}, size.join(" · ")),
      ...(reason === null ? [] : [element("span", { class: "reason" }, reason)]),
    ];
  }

  function press(block: Block, event: PageEvent): void {
    const { start, end } = view.span;
    const glideBy = (share: number): void =>
      view.glide({ start: start + (end - start) * share, end: end + (end - start) * share });
    const step = (by: 1 | -1): void => (event.shiftKey ? glideBy(by * 0.25) : stepBy(block, by));
    const keys: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      ArrowUp: () => enterLane(block, block.lane - 1),
      ArrowDown: () => enterLane(block, block.lane + 1),
      "+": () => view.zoom(0.5, 0.5),
      "=": () => view.zoom(0.5, 0.5),
      "-": () => view.zoom(2, 0.5),
      "0": () => view.glide(view.whole),
      Home: () => view.glide(view.whole),
      Escape: () => point(block, null),
    };
    const act = keys[event.key];
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  function enterLane(block: Block, lane: number): void {
    block.lane = Math.min(block.series.length - 1, Math.max(0, lane));
    const one = block.series[block.lane] as DocumentSeries;
    point(block, null);
    const first = segmentsIn(one.segments)[0];
    if (first) pointByKey(block, one, first);
    else kit.announce(`${one.name}: ${kit.marks[one.mark].label}`);
  }

  /** To the next or previous stretch of the lane; the view follows. */
  function stepBy(block: Block, by: 1 | -1): void {
    const one = block.series[block.lane] as DocumentSeries;
    const from = block.pointed === null ? -1 : one.segments.indexOf(block.pointed);
    const visible = segmentsIn(one.segments);
    const segment = from < 0 ? visible[by === 1 ? 0 : visible.length - 1] : one.segments[from + by];
    if (!segment) return;
    const { start, end } = view.span;
    if (segment.end <= start || segment.start >= end) {
      const middle = (segment.start + segment.end) / 2;
      view.set({ start: middle - (end - start) / 2, end: middle + (end - start) / 2 });
    }
    pointByKey(block, one, segment);
  }

  function pointByKey(block: Block, one: DocumentSeries, segment: DocumentSegment): void {
    point(block, segment);
    const { left, top } = block.canvas.getBoundingClientRect();
    const { start, end } = view.span;
    const middle = (Math.max(segment.start, start) + Math.min(segment.end, end)) / 2;
    const lines = tipOf(one, segment);
    kit.showTip(left + ((middle - start) / (end - start)) * bar.width(), top + (block.lane + 0.8) * LANE_PX, lines);
    kit.announce(lines.map((line) => line.textContent).join(", "));
  }

  function glideTo({ scope, segments }: DocumentSeries, span: Span | null): void {
    if (span !== null) {
      // Seen with what surrounds it: a gap that fills the view tells nothing.
      const around = Math.max((span.end - span.start) * 1.5, 2 * 3_600_000);
      view.glide({ start: span.start - around, end: span.end + around });
      return;
    }
    const shown = scope ?? segments[0];
    if (!shown) return;
    const margin = (shown.end - shown.start) * 0.02;
    view.glide({ start: shown.start - margin, end: shown.end + margin });
  }

  function show(one: DocumentSeries, span: Span | null): void {
    const block = blocks.find(({ series }) => series.includes(one));
    if (!block) return;
    const lane = block.series.indexOf(one);
    block.section.hidden = false;
    block.section.scrollIntoView({ block: "center", behavior: "auto" });
    block.canvas.focus({ preventScroll: true });
    block.lane = lane;
    block.pointed = span === null ? null : (one.segments.find(({ start }) => start === span.start) ?? null);
    glideTo(one, span);
    const label = block.labels[lane];
    label?.classList.toggle("found", true);
    browser.setTimeout(() => label?.classList.toggle("found", false), 1800);
  }

  return {
    draw,
    drawAll() {
      for (const block of blocks) drawBlock(block);
    },
    filter(isShown) {
      for (const { entry, section } of blocks) section.hidden = !isShown(entry);
    },
    show,
  };
}
