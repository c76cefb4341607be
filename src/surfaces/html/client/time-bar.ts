import type { PageElement, PageEvent } from "./browser.ts";
import type { Kit } from "./kit.ts";
import type { Painter } from "./painter.ts";
import type { TimeAxis } from "./time-axis.ts";
import type { TimeProfile } from "./time-profile.ts";
import type { Viewport } from "./viewport.ts";

/** What stays above the lanes: buttons, all of time with the part that is looked at, the axis of that part. */
export interface TimeBar {
  /** Width of the lanes in CSS pixels. */
  width(): number;
  draw(): void;
  /** Lets `element` zoom by wheel and pan by dragging. */
  listen(element: PageElement, options: { readonly plainWheel: boolean }): void;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function timeBar(
  kit: Kit,
  axis: TimeAxis,
  brush: Painter,
  view: Viewport,
  options: {
    readonly now: number;
    /** All of time in as many parts as are asked for. */
    readonly profileOf: (parts: number) => TimeProfile;
    readonly root: PageElement;
  },
): TimeBar {
  const OVERVIEW_PX = 34;
  const AXIS_PX = 36;
  const HANDLE_PX = 7;
  /** What is there is never lower than this, what is open anywhere never less than this. */
  const LEAST_PX = 1.5;
  const OPEN_PX = 3;
  const DAY = 86_400_000;
  const { element, browser } = kit;
  const { now, root } = options;

  const overview = browser.document.createElement("canvas");
  const scale = browser.document.createElement("canvas");
  for (const canvas of [overview, scale]) canvas.setAttribute("aria-hidden", "true");
  overview.className = "overview";
  scale.className = "scale";
  const plot = element("div", { class: "plot" }, overview, scale);
  const range = element("output", { class: "range" });
  root.replaceChildren(
    element("div", { class: "tools" }, buttons(), range),
    element("div", { class: "lane-grid" }, element("div", { class: "axis-name" }, "UTC"), plot, element("div")),
  );
  listen(scale, { plainWheel: true });
  wheel(overview, true);
  dragOverview();

  function buttons(): PageElement {
    const whole = view.whole.end - view.whole.start;
    const presets = [
      ["10Y", 3652.5],
      ["5Y", 1826],
      ["1Y", 365.25],
      ["3M", 92],
      ["1M", 31],
      ["1W", 7],
      ["1D", 1],
    ] as const;
    const button = (label: string, spoken: string, click: () => void): PageElement =>
      element("button", { type: "button", title: spoken, "aria-label": spoken, click }, label);
    return element(
      "div",
      { class: "buttons", role: "group", "aria-label": "Zoom and move" },
      button("−", "zoom out", () => zoomBy(2)),
      button("+", "zoom in", () => zoomBy(0.5)),
      button("‹", "earlier", () => panBy(-0.5)),
      button("›", "later", () => panBy(0.5)),
      ...presets
        .filter(([, days]) => days * DAY < whole * 0.8)
        .map(([label, days]) =>
          button(label, `the last ${label} to business now`, () => view.glide({ start: now - days * DAY, end: now })),
        ),
      button("All", "all of time", () => view.glide(view.whole)),
    );
  }

  function zoomBy(factor: number): void {
    const { start, end } = view.span;
    const by = ((end - start) * (factor - 1)) / 2;
    view.glide({ start: start - by, end: end + by });
  }

  function panBy(share: number): void {
    const { start, end } = view.span;
    view.glide({ start: start + (end - start) * share, end: end + (end - start) * share });
  }

  let measured = 0;

  /** Measured once a drawing, before anything changes: asking later would lay out the whole page again. */
  function width(): number {
    if (measured === 0) measured = Math.max(60, plot.clientWidth);
    return measured;
  }

  function draw(): void {
    measured = 0;
    width();
    const { start, end } = view.span;
    range.textContent = `${roundedInterval(start, end)} UTC · ${axis.length(end - start)}`;
    drawOverview();
    drawScale();
  }

  function roundedInterval(start: number, end: number): string {
    const step = end - start > 20 * DAY ? DAY : 60_000;
    return axis.interval(Math.round(start / step) * step, Math.round(end / step) * step);
  }

  let profile: TimeProfile | null = null;

  function drawOverview(): void {
    const px = Math.floor(width());
    const pen = brush.pen(overview, px, OVERVIEW_PX);
    if (pen === null) return;
    if (profile?.due.length !== px) profile = options.profileOf(px);
    const { due, there, open } = profile;
    const top = 4;
    const floor = OVERVIEW_PX - 4;
    pen.fillStyle = brush.color("track");
    pen.fillRect(0, top, px, floor - top);
    for (let x = 0; x < px; x++) {
      const owed = due[x] ?? 0;
      if (owed === 0) continue;
      const height = (there[x] ?? 0) === 0 ? 0 : Math.max(LEAST_PX, ((there[x] ?? 0) / owed) * (floor - top));
      pen.fillStyle = brush.color("covered");
      pen.fillRect(x, floor - height, 1, height);
      if (open[x] !== 1) continue;
      pen.fillStyle = brush.color("gap");
      pen.globalAlpha = 0.22;
      pen.fillRect(x, top, 1, floor - top - height);
      pen.globalAlpha = 1;
    }
    pen.fillStyle = brush.color("gap");
    for (let x = 0; x < px; x++) if (open[x] === 1) pen.fillRect(x - 0.5, top, 2, OPEN_PX);
    const { from, to } = windowPx(px);
    pen.globalAlpha = 0.62;
    pen.fillStyle = brush.color("card");
    pen.fillRect(0, 0, from, OVERVIEW_PX);
    pen.fillRect(to, 0, px - to, OVERVIEW_PX);
    pen.globalAlpha = 1;
    pen.strokeStyle = brush.color("accent");
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.roundRect(from + 0.75, 1.75, Math.max(3, to - from - 1.5), OVERVIEW_PX - 3.5, 3);
    pen.stroke();
    if (view.isWhole()) return;
    pen.fillStyle = brush.color("accent");
    pen.beginPath();
    for (const x of [from, to]) pen.roundRect(Math.min(Math.max(x - 2.5, 0), px - 5), OVERVIEW_PX / 2 - 6, 5, 12, 2.5);
    pen.fill();
  }

  function windowPx(px: number): { readonly from: number; readonly to: number } {
    const { whole, span } = view;
    const at = (ms: number): number => ((ms - whole.start) / (whole.end - whole.start)) * px;
    return { from: at(span.start), to: Math.max(at(span.end), at(span.start) + 4) };
  }

  function drawScale(): void {
    const px = width();
    const pen = brush.pen(scale, px, AXIS_PX);
    if (pen === null) return;
    const { start, end } = view.span;
    const x = (at: number): number => ((at - start) / (end - start)) * px;
    const { minor, major } = axis.ticks(start, end, px);
    const font = brush.color("font");
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    pen.font = `11px ${font}`;
    pen.strokeStyle = brush.color("line");
    pen.fillStyle = brush.color("muted");
    pen.beginPath();
    for (const { at, label } of minor) {
      const half = pen.measureText(label).width / 2;
      const middle = Math.min(Math.max(x(at), half + 1), px - half - 1);
      if (Math.abs(middle - x(at)) < half) pen.fillText(label, middle, 9);
      pen.moveTo(x(at), 18);
      pen.lineTo(x(at), 22);
    }
    pen.stroke();
    pen.textAlign = "left";
    pen.font = `600 11px ${font}`;
    pen.fillStyle = brush.color("ink");
    major.forEach(({ at, label }, i) => {
      const left = Math.max(x(at), 0) + 3;
      const right = i + 1 < major.length ? x((major[i + 1] as { at: number }).at) : px;
      if (left + pen.measureText(label).width + 4 <= right) pen.fillText(label, left, 29);
    });
    if (now < start || now > end) return;
    pen.fillStyle = brush.color("accent");
    pen.beginPath();
    pen.arc(x(now), AXIS_PX - 4, 3, 0, 7);
    pen.fill();
  }

  function listen(target: PageElement, { plainWheel }: { readonly plainWheel: boolean }): void {
    wheel(target, plainWheel);
    target.addEventListener("dblclick", () => view.glide(view.whole));
    let last: number | null = null;
    target.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      last = event.clientX;
      target.setPointerCapture(event.pointerId);
    });
    target.addEventListener("pointermove", (event) => {
      if (last === null || event.clientX === last) return;
      target.classList.toggle("dragged", true);
      kit.hideTip();
      view.pan((last - event.clientX) / width());
      last = event.clientX;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      target.addEventListener(end, () => {
        last = null;
        target.classList.toggle("dragged", false);
      });
    }
  }

  /** A wheel over the axis zooms; over the lanes it scrolls the page, and zooms with Ctrl, as on a map in a page. */
  function wheel(target: PageElement, plain: boolean): void {
    const turned = (event: PageEvent): void => {
      const unit = event.deltaMode === 1 ? 16 : 1;
      const across = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (sideways) {
        event.preventDefault();
        view.pan((across * unit) / width());
      } else if (plain || event.ctrlKey || event.metaKey || event.altKey) {
        event.preventDefault();
        const { left, width: px } = target.getBoundingClientRect();
        const nearer = Math.min(2, Math.max(0.5, Math.exp(event.deltaY * unit * 0.0022)));
        view.zoom(nearer, Math.min(1, Math.max(0, (event.clientX - left) / px)));
      }
    };
    target.addEventListener("wheel", turned, { passive: false });
  }

  /** The window is dragged in the middle, widened at its edges, and put where one presses outside it. */
  function dragOverview(): void {
    let held: {
      readonly part: "start" | "end" | "both";
      readonly startX: number;
      readonly from: number;
      readonly to: number;
    } | null = null;
    const place = (event: PageEvent): number => event.clientX - overview.getBoundingClientRect().left;
    overview.addEventListener("dblclick", () => view.glide(view.whole));
    overview.addEventListener("pointerdown", (event) => {
      overview.setPointerCapture(event.pointerId);
      const x = place(event);
      const { start, end } = view.span;
      const { from, to } = windowPx(width());
      const onStart = Math.abs(x - from) <= HANDLE_PX;
      const onEnd = Math.abs(x - to) <= HANDLE_PX;
      if (!onStart && !onEnd && (x < from || x > to)) {
        const middle = view.whole.start + (x / width()) * (view.whole.end - view.whole.start);
        view.set({ start: middle - (end - start) / 2, end: middle + (end - start) / 2 });
      }
      const part = onEnd ? "end" : onStart ? "start" : "both";
      held = { part, startX: x, from: view.span.start, to: view.span.end };
    });
    overview.addEventListener("pointermove", (event) => {
      const x = place(event);
      if (held === null) {
        const { from, to } = windowPx(width());
        const isEdge = Math.min(Math.abs(x - from), Math.abs(x - to)) <= HANDLE_PX;
        overview.style.setProperty("cursor", isEdge ? "ew-resize" : x > from && x < to ? "grab" : "pointer");
        return;
      }
      const by = ((x - held.startX) / width()) * (view.whole.end - view.whole.start);
      const start = held.part === "end" ? held.from : held.from + by;
      const end = held.part === "start" ? held.to : held.to + by;
      if (start < end) view.set({ start, end });
    });
    for (const end of ["pointerup", "pointercancel"]) {
      overview.addEventListener(end, () => {
        held = null;
      });
    }
  }

  return { width, draw, listen };
}
