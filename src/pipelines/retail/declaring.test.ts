import { describe, expect, it } from "vitest";
import { tradedCommand } from "./declaring.ts";

describe("the command that declares days on which a store traded", () => {
  it("opens closed days and moves the edges of the store's life, in one", () => {
    expect(
      tradedCommand("tienda_05", [
        { date: "2025-12-02", cause: "not-open-yet" },
        { date: "2025-12-01", cause: "not-open-yet" },
        { date: "2025-12-25", cause: "yearly" },
        { date: "2025-12-28", cause: "weekly" },
        { date: "2026-01-30", cause: "gone" },
        { date: "2026-01-31", cause: "gone" },
      ]),
    ).toBe(
      "retrofill stores set tienda_05 --opened 2025-12-01 --closed 2026-02-01 --exceptions 2025-12-25=open,2025-12-28=open",
    );
  });

  it("is none where no day is the calendar's", () => {
    expect(tradedCommand("tienda_05", [{ date: "2025-12-02", cause: "empty-at-source" }])).toBeNull();
    expect(tradedCommand("tienda_05", [])).toBeNull();
  });
});
