import { describe, expect, it } from "vitest";
import { formatInstant, formatShort, formatUtcDate, instant, plus } from "./instant.ts";
import { formatInterval, interval, lengthMs, overlapOf, overlaps } from "./interval.ts";

describe("an instant", () => {
  it("is whole milliseconds within what a Date can hold", () => {
    expect(instant(0)).toBe(0);
    expect(instant(-8.64e15)).toBe(-8.64e15);
    for (const bad of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 8.64e15 + 1]) {
      expect(() => instant(bad)).toThrow(RangeError);
    }
  });

  it("cannot be moved to where no instant is", () => {
    expect(plus(instant(1_000), -1_500)).toBe(-500);
    expect(() => plus(instant(8.64e15), 1)).toThrow(RangeError);
  });

  it("prints as UTC, with milliseconds only when there are any", () => {
    expect(formatInstant(instant(Date.UTC(2026, 0, 30, 14, 30)))).toBe("2026-01-30T14:30:00Z");
    expect(formatInstant(instant(Date.UTC(2026, 0, 30, 14, 30, 0, 7)))).toBe("2026-01-30T14:30:00.007Z");
    expect(formatUtcDate(instant(Date.UTC(2026, 0, 30, 23, 59)))).toBe("2026-01-30");
  });

  it("prints for people as the date alone at midnight UTC, else with minutes", () => {
    expect(formatShort(instant(Date.UTC(2026, 0, 30)))).toBe("2026-01-30");
    expect(formatShort(instant(Date.UTC(2026, 0, 30, 14, 30)))).toBe("2026-01-30 14:30Z");
  });
});

describe("an interval", () => {
  const [a, b, c, d] = [instant(0), instant(10), instant(20), instant(30)];

  it("is never empty or reversed", () => {
    expect(interval(a, b)).toEqual({ start: 0, end: 10 });
    expect(() => interval(b, b)).toThrow(RangeError);
    expect(() => interval(c, b)).toThrow(RangeError);
  });

  it("does not overlap one that it only touches", () => {
    expect(overlaps(interval(a, b), interval(b, c))).toBe(false);
    expect(overlapOf(interval(a, b), interval(b, c))).toBeNull();
    expect(overlaps(interval(a, c), interval(b, d))).toBe(true);
    expect(overlapOf(interval(a, c), interval(b, d))).toEqual(interval(b, c));
  });

  it("is as long as its end minus its start", () => {
    expect(lengthMs(interval(b, d))).toBe(20);
  });

  it("prints half-open", () => {
    const span = interval(instant(Date.UTC(2026, 0, 30)), instant(Date.UTC(2026, 1, 2, 9, 30)));
    expect(formatInterval(span)).toBe("[2026-01-30, 2026-02-02 09:30Z)");
  });
});
