import { describe, expect, it } from "vitest";
import { reasonLines } from "./reasons.ts";

const failed = (key: string, reason: string) => ({ key, reason });

describe("the reasons of a step", () => {
  it("are named once each with their count, in the order in which they came", () => {
    const errors = [
      failed("tienda_02", "no branch"),
      failed("tienda_03", "too slow"),
      failed("tienda_02", "no branch"),
      failed("tienda_02", "no branch"),
    ];
    expect(reasonLines(errors)).toEqual(["tienda_02: no branch (3 times)", "tienda_03: too slow"]);
  });

  it("name the stores that share one, the first three of many", () => {
    const stores = ["a", "b", "c", "d", "e", "a"].map((key) => failed(key, "away"));
    expect(reasonLines(stores)).toEqual(["a, b, c and 2 more: away (6 times)"]);
    expect(reasonLines([])).toEqual([]);
  });
});
