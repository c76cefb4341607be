import { describe, expect, it } from "vitest";
import type { Browser } from "./browser.ts";
import { viewport } from "./viewport.ts";

const HOUR = 3_600_000;
const whole = { start: 0, end: 1000 * HOUR };

describe("the view of time", () => {
  it("keeps the instant under the pointer where it is, nearer and farther", () => {
    const { view } = opened();
    view.set({ start: 400 * HOUR, end: 500 * HOUR });
    view.zoom(0.5, 0.25);
    expect(view.span).toEqual({ start: 412.5 * HOUR, end: 462.5 * HOUR });
    view.zoom(2, 0.25);
    expect(view.span).toEqual({ start: 400 * HOUR, end: 500 * HOUR });
  });

  it("never leaves the whole, and never goes finer than minutes", () => {
    const { view } = opened();
    view.zoom(10, 0.3);
    expect(view.span).toEqual(whole);
    view.set({ start: 900 * HOUR, end: 950 * HOUR });
    view.pan(5);
    expect(view.span).toEqual({ start: 950 * HOUR, end: 1000 * HOUR });
    view.zoom(1e-9, 0.5);
    expect(view.span.end - view.span.start).toBe(10 * 60_000);
    expect(view.isWhole()).toBe(false);
  });

  it("glides there in steps and ends exactly, or jumps where motion is unwanted", () => {
    const gliding = opened();
    gliding.view.glide({ start: 0, end: 500 * HOUR });
    gliding.frame(110);
    expect(gliding.view.span.end).toBeLessThan(1000 * HOUR);
    expect(gliding.view.span.end).toBeGreaterThan(500 * HOUR);
    gliding.frame(300);
    expect(gliding.view.span).toEqual({ start: 0, end: 500 * HOUR });
    const still = opened({ reducedMotion: true });
    still.view.glide({ start: 0, end: 500 * HOUR });
    expect(still.view.span).toEqual({ start: 0, end: 500 * HOUR });
  });

  it("lets a hand that takes over end a glide", () => {
    const { view, frame } = opened();
    view.glide({ start: 0, end: 500 * HOUR });
    view.set({ start: 10 * HOUR, end: 20 * HOUR });
    frame(300);
    expect(view.span).toEqual({ start: 10 * HOUR, end: 20 * HOUR });
  });
});

/** A viewport whose frames are drawn by hand. */
function opened({ reducedMotion = false } = {}) {
  const frames: ((atMs: number) => void)[] = [];
  const browser: Pick<Browser, "matchMedia" | "performance" | "requestAnimationFrame"> = {
    matchMedia: () => ({ matches: reducedMotion, addEventListener() {} }),
    performance: { now: () => 0 },
    requestAnimationFrame: (draw) => frames.push(draw),
  };
  return {
    view: viewport(browser, whole, () => {}),
    frame: (atMs: number) => frames.shift()?.(atMs),
  };
}
