import { expect, it } from "vitest";
import { DAY, HOUR, MINUTE } from "../../core/time/instant.ts";
import { suggestedLookback } from "./arrivals.ts";

it.each([
  // A quarter more, then whole hours below a day and whole days from there on.
  [20 * MINUTE, HOUR],
  [3 * HOUR, 4 * HOUR],
  [19 * HOUR, 24 * HOUR],
  [20 * HOUR, 2 * DAY],
  [26 * HOUR, 2 * DAY],
  [3 * DAY, 4 * DAY],
  [0, HOUR],
])("suggests a lookback that holds delays of %d ms with a margin: %d ms", (delay, lookback) => {
  expect(suggestedLookback(delay)).toBe(lookback);
});
