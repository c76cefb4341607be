import { describe } from "vitest";
import { holdsAtTheEnd } from "./claims.ts";

// The year's simulation in small: one month of nights with one of everything.
describe("thirty nights of a troubled provider", () => {
  holdsAtTheEnd(
    {
      seed: 7,
      first: "2019-10-21",
      last: "2019-12-03",
      shares: ["AAA", "BBB"],
      // New York's clocks change on 3 November, and the day after Thanksgiving is a half day.
      splits: [{ symbol: "AAA", date: "2019-11-13", from: 1, to: 4 }],
      quiet: "2019-11-20",
      minutes: ["2019-10-28", "2019-11-08"],
      patience: 1,
      outage: [22, 23, 24, 25],
      broken: new Map([[12, "BBB 1/hour"]]),
      rates: { late: 0.02, preliminary: 0.04, vanished: 0.01, "left out": 0.02 },
      faults: "flaky5xx=0.03,cut=0.02,html=0.01,error200=0.01,storm429=0.004,duplicates=0.05,shuffled=0.05",
      callsPerSecond: 150,
    },
    300_000,
  );
});
