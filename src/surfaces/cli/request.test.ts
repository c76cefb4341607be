import { describe, expect, it } from "vitest";
import type { Grid } from "../../core/time/grid.ts";
import { formatInstant } from "../../core/time/instant.ts";
import { readSlot } from "./request.ts";

describe("the slot that a time means", () => {
  const newYork = "America/New_York";
  const cases: readonly (readonly [string, Grid, string, string])[] = [
    ["2026-01-30", { grain: "1d", zone: newYork }, "2026-01-30T05:00:00Z", "2026-01-31T05:00:00Z"],
    ["2026-01-30T02:00:00Z", { grain: "1d", zone: newYork }, "2026-01-29T05:00:00Z", "2026-01-30T05:00:00Z"],
    ["2026-01-30", { grain: "1h", zone: newYork }, "2026-01-30T05:00:00Z", "2026-01-30T06:00:00Z"],
    ["2026-01-30 14:42", { grain: "15m", zone: newYork }, "2026-01-30T14:30:00Z", "2026-01-30T14:45:00Z"],
    // A Friday: its week starts on Sunday the 25th.
    ["2026-01-30", { grain: "1w", zone: newYork }, "2026-01-25T05:00:00Z", "2026-02-01T05:00:00Z"],
    ["2026-01-30", { grain: "1d", zone: "Asia/Tokyo" }, "2026-01-29T15:00:00Z", "2026-01-30T15:00:00Z"],
    ["2026-01-30", { grain: "1d", zone: "UTC" }, "2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z"],
  ];

  it.each(cases)("%s on %o", (text, grid, start, end) => {
    const slot = readSlot("TIME", text, grid);
    expect([formatInstant(slot.start), formatInstant(slot.end)]).toEqual([start, end]);
  });

  it("is refused for what is no time", () => {
    for (const text of ["yesterday", "2026-02-30", ""]) {
      expect(() => readSlot("TIME", text, { grain: "1d", zone: "UTC" })).toThrow("not a date or time");
    }
  });
});
