import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RetrofillError } from "../errors.ts";
import { formatLimits, isRolling, longestWindowMs, parseLimits } from "./limits.ts";

describe("parseLimits", () => {
  it.each([
    ["5/min", [{ count: 5, per: "minute", every: 1, windowMs: 60_000 }]],
    ["5/2s", [{ count: 5, per: "second", every: 2, windowMs: 2_000 }]],
    [" 300 / Minute ", [{ count: 300, per: "minute", every: 1, windowMs: 60_000 }]],
    ["450/15min", [{ count: 450, per: "minute", every: 15, windowMs: 900_000 }]],
    ["200/h", [{ count: 200, per: "hour", every: 1, windowMs: 3_600_000 }]],
    ["3000000/month", [{ count: 3_000_000, per: "month", every: 1, windowMs: 2_678_400_000 }]],
    [
      "10000/day,50/s",
      [
        { count: 50, per: "second", every: 1, windowMs: 1_000 },
        { count: 10_000, per: "day", every: 1, windowMs: 86_400_000 },
      ],
    ],
  ])("reads %j, shortest window first", (text, limits) => {
    expect(parseLimits(text)).toEqual(limits);
  });

  it.each([
    ["", "is not a count, a slash and a unit"],
    ["5", "is not a count, a slash and a unit"],
    ["2.5/s", "is not a count, a slash and a unit"],
    ["-1/s", "is not a count, a slash and a unit"],
    ["5/fortnight", "has no known unit"],
    ["5/m", "has no known unit"],
    ["0/s", "outside 1 to"],
    ["5/0s", "outside 1 to"],
    ["99999999999/s", "outside 1 to"],
    ["5/2day", "calendar period"],
    ["5/min,10/60s", "second limit for the same window"],
  ])("refuses %j and says what is accepted", (text, why) => {
    const error = refusal(text);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).toContain(why);
    expect(error.hint).toContain("50/s,10000/day");
  });

  it("names every item that it cannot read", () => {
    expect(refusal("five/min,5/s,6/week").message).toMatch(/"five\/min".*"6\/week"/);
  });
});

describe("formatLimits", () => {
  it("writes what parseLimits reads back as the same limits", () => {
    const unit = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 59 }), fc.constantFrom("s", "min", "h")).map(([n, name]) => `${n}${name}`),
      fc.constantFrom("day", "month"),
    );
    const text = fc.tuple(fc.integer({ min: 1, max: 1e9 }), unit).map(([count, window]) => `${count}/${window}`);
    fc.assert(
      fc.property(fc.uniqueArray(text, { minLength: 1, selector: (one) => parseLimits(one)[0]?.windowMs }), (items) => {
        const limits = parseLimits(items.join(","));
        expect(limits).toHaveLength(items.length);
        expect(parseLimits(formatLimits(limits))).toEqual(limits);
      }),
    );
  });

  it("leaves out the number where a window is one unit", () => {
    expect(formatLimits(parseLimits("10000/d,1/1second,5/2s"))).toBe("1/s,5/2s,10000/day");
  });
});

describe("longestWindowMs", () => {
  it.each([
    ["5/min", 60_000],
    ["50/s,10000/day", 1_000],
    ["5/2s,450/15min", 900_000],
    ["250/day", 60_000],
  ])("of %j looks at rolling windows only, a minute without one", (text, ms) => {
    expect(longestWindowMs(parseLimits(text))).toBe(ms);
  });

  it("knows days and months as calendar periods", () => {
    expect(parseLimits("1/s,1/min,1/h,1/d,1/mo").map(isRolling)).toEqual([true, true, true, false, false]);
  });
});

function refusal(text: string): RetrofillError {
  try {
    parseLimits(text);
  } catch (error) {
    if (error instanceof RetrofillError) return error;
  }
  throw new Error(`unreachable: ${text} was accepted`);
}
