import { expect, it } from "vitest";
import { ALWAYS } from "../../core/calendar/always.ts";
import { seriesKey } from "../../core/dataset/series.ts";
import { RetrofillError } from "../../core/errors.ts";
import { instant } from "../../core/time/instant.ts";
import type { SlotRowsRequest } from "../store-port.ts";
import { rowsOnClosedDays } from "./closed-days.ts";
import type { ScopedSeries } from "./scope.ts";

const CARACAS = "America/Caracas";
const at = (text: string) => instant(Date.parse(text));

const scoped = [
  {
    dataset: { name: "trial.days" },
    entry: { key: "store" },
    series: {
      key: seriesKey(["store"]),
      since: at("2025-12-20T04:00:00Z"),
      axis: { grid: { grain: "1d", zone: CARACAS }, calendar: ALWAYS, settleMs: 0 },
    },
  },
] as unknown as readonly ScopedSeries[];
const asked = { from: null, to: null, now: at("2025-12-28T06:00:00Z") };
const reporting = {
  closures: () => [{ date: "2025-12-25", cause: "yearly", reason: "Navidad" } as const],
};

function storeThat(answer: (request: SlotRowsRequest) => readonly { start: number; rows: number }[]) {
  const rowsInSlots = async (request: SlotRowsRequest) =>
    answer(request).map(({ start, rows }) => ({ key: seriesKey(["store"]), start: instant(start), rows }));
  return { store: { rowsInSlots } } as unknown as Parameters<typeof rowsOnClosedDays>[0];
}

it("asks for the days that the calendar calls closed, by the key's own clocks", async () => {
  const starts: number[] = [];
  const store = storeThat(({ slots }) => {
    starts.push(...slots.flatMap((one) => one.starts));
    return starts.map((start) => ({ start, rows: 7 }));
  });
  const found = await rowsOnClosedDays(store, scoped, reporting, asked);
  expect(starts).toEqual([at("2025-12-25T04:00:00Z")]);
  expect([...(found ?? [])].map(([key, days]) => [key, [...days]])).toEqual([["store", [["2025-12-25", 7]]]]);
});

it("asks nobody where no day is closed", async () => {
  const store = storeThat(() => {
    throw new Error("asked");
  });
  expect(await rowsOnClosedDays(store, scoped, { closures: () => [] }, asked)).toEqual(new Map());
});

it("says that it has not looked while somebody writes, and hides no other error", async () => {
  const failing = (code: "STORE_BUSY" | "SQL_INVALID") =>
    storeThat(() => {
      throw new RetrofillError(code, "no");
    });
  expect(await rowsOnClosedDays(failing("STORE_BUSY"), scoped, reporting, asked)).toBeNull();
  await expect(rowsOnClosedDays(failing("SQL_INVALID"), scoped, reporting, asked)).rejects.toThrow("no");
});
