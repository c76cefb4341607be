import { describe, expect, it } from "vitest";
import { ownClosures } from "../../core/calendar/store-calendar.ts";
import { intervalOfDays } from "../../core/time/local-days.ts";
import { calendarOf, DISTRIBUTION_CENTRES, STORE_ZONE, STORES } from "./stores.ts";

const during = (first: string, last = first) => intervalOfDays(STORE_ZONE, { first, last });
const storeNamed = (name: string) => {
  const found = STORES.find((store) => store.name === name);
  if (!found) throw new Error(`no store ${name}`);
  return found;
};

describe("the chain's stores", () => {
  it("are tienda_01 to tienda_20 without tienda_14", () => {
    const ids = Array.from({ length: 20 }, (_, n) => `tienda_${String(n + 1).padStart(2, "0")}`);
    expect(STORES.map(({ id }) => id)).toEqual(ids.filter((id) => id !== "tienda_14"));
  });

  it("have the branches SUC001 to SUC019 and a warehouse each", () => {
    expect(STORES.map(({ branch }) => branch).sort()).toEqual(
      Array.from({ length: 19 }, (_, n) => `SUC${String(n + 1).padStart(3, "0")}`),
    );
    expect(new Set(STORES.map(({ warehouse }) => warehouse)).size).toBe(19);
    expect(new Set(STORES.map(({ name }) => name)).size).toBe(19);
  });

  it("do not contain the distribution centres", () => {
    const ids = STORES.map(({ id }) => id);
    expect(DISTRIBUTION_CENTRES).toHaveLength(4);
    expect(DISTRIBUTION_CENTRES.filter(({ id }) => ids.includes(id))).toEqual([]);
  });

  it("trade from 07:00 to 21:00, Bosque from 08:00 to midnight, four hours behind UTC", () => {
    const hours = (name: string) =>
      calendarOf(storeNamed(name))
        .sessions(during("2026-01-30"))
        .map(({ open, close }) => [open, close].map((at) => new Date(at).toISOString().slice(0, 16)));
    expect(hours("CENTRO")).toEqual([["2026-01-30T11:00", "2026-01-31T01:00"]]);
    expect(hours("BOSQUE")).toEqual([["2026-01-30T12:00", "2026-01-31T04:00"]]);
  });

  it("all have calendars, closed on 25 December and 1 January", () => {
    for (const store of STORES) {
      expect(ownClosures(calendarOf(store), during("2025-10-28", "2026-01-26")).map(({ date }) => date)).toEqual([
        "2025-12-25",
        "2026-01-01",
      ]);
    }
  });

  it("take the days that a person has confirmed", () => {
    const days = {
      opened: "2025-12-06",
      closed: "2026-01-10",
      exceptions: [{ date: "2026-01-02", hours: null, reason: "inventario" }],
    };
    const calendar = calendarOf(storeNamed("PARAISO"), days);
    const open = calendar.sessions(during("2025-12-01", "2026-01-31")).map(({ date }) => date);
    expect([open[0], open[open.length - 1], open.length]).toEqual(["2025-12-06", "2026-01-09", 32]);
    expect(calendar.version).not.toBe(calendarOf(storeNamed("PARAISO")).version);
  });
});
