import type { Browser } from "./browser.ts";

/** A half-open stretch of time in epoch milliseconds. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The part of time that is looked at: never wider than the whole, never finer than some minutes. */
export interface Viewport {
  readonly whole: Span;
  readonly span: Span;
  isWhole(): boolean;
  /** Jumps there, cut to what is allowed. */
  set(span: Span): void;
  /** The same, gliding. */
  glide(span: Span): void;
  /** Below 1 nearer, above 1 farther; the instant at `share` of the width (0..1) stays where it is. */
  zoom(factor: number, share: number): void;
  /** Moves by a share of the width. */
  pan(share: number): void;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function viewport(
  browser: Pick<Browser, "matchMedia" | "performance" | "requestAnimationFrame">,
  whole: Span,
  changed: () => void,
): Viewport {
  const FINEST_MS = Math.min(10 * 60_000, whole.end - whole.start);
  const GLIDE_MS = 220;
  let span = whole;
  let target = whole;
  let isGliding = false;

  function allowed({ start, end }: Span): Span {
    const width = Math.min(Math.max(end - start, FINEST_MS), whole.end - whole.start);
    const centre = (start + end) / 2;
    const from = Math.min(Math.max(centre - width / 2, whole.start), whole.end - width);
    return { start: from, end: from + width };
  }

  function set(next: Span): void {
    isGliding = false;
    target = span = allowed(next);
    changed();
  }

  function glide(next: Span): void {
    if (browser.matchMedia("(prefers-reduced-motion: reduce)").matches) {
      set(next);
      return;
    }
    const from = span;
    target = allowed(next);
    const startedAt = browser.performance.now();
    isGliding = true;
    const goal = target;
    const move = (atMs: number): void => {
      if (!isGliding || target !== goal) return;
      const t = Math.min(1, Math.max(0, (atMs - startedAt) / GLIDE_MS));
      const eased = 1 - (1 - t) ** 3;
      span =
        t === 1
          ? goal
          : {
              start: from.start + (goal.start - from.start) * eased,
              end: from.end + (goal.end - from.end) * eased,
            };
      if (t === 1) isGliding = false;
      else browser.requestAnimationFrame(move);
      changed();
    };
    browser.requestAnimationFrame(move);
  }

  function zoomed(from: Span, factor: number, share: number): Span {
    const width = Math.min(Math.max((from.end - from.start) * factor, FINEST_MS), whole.end - whole.start);
    const at = from.start + (from.end - from.start) * share;
    return { start: at - width * share, end: at + width * (1 - share) };
  }

  return {
    whole,
    get span() {
      return span;
    },
    isWhole: () => span.start <= whole.start && span.end >= whole.end,
    set,
    glide,
    zoom(factor, share) {
      // A wheel turns faster than a glide: what it adds to is where the view is going.
      set(zoomed(target, factor, share));
    },
    pan(share) {
      const by = (target.end - target.start) * share;
      set({ start: target.start + by, end: target.end + by });
    },
  };
}
