import { expect, it } from "vitest";
import { XNYS } from "../core/calendar/xnys.ts";
import { instant } from "../core/time/instant.ts";
import { newYorkClose } from "./closing-time.ts";

it.each([
  ["2025-11-26", "2025-11-26T21:00Z"],
  ["2025-11-28", "2025-11-28T18:00Z"],
  ["2024-12-24", "2024-12-24T18:00Z"],
  ["2025-07-03", "2025-07-03T17:00Z"],
  ["2020-10-14", "2020-10-14T20:00Z"],
])("ends the session of %s at %s", (date, close) => {
  expect(newYorkClose(date)).toBe(Date.parse(close));
});

it("ends every session since 2013 when the exchange's calendar does", () => {
  const sessions = XNYS.sessions({ start: instant(Date.UTC(2013, 0, 1)), end: instant(Date.UTC(2035, 0, 1)) });
  expect(sessions.length).toBeGreaterThan(5_000);
  expect(sessions.filter(({ date, close }) => newYorkClose(date) !== close).map(({ date }) => date)).toEqual([]);
});
