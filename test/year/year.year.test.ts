import { describe } from "vitest";
import { holdsAtTheEnd } from "./claims.ts";

// Two hundred and sixty nights: holidays, half days, both changes of the clocks, two splits, a share that is followed by the
// minute for four weeks, and a provider that loses bars, corrects them, and for a week says nothing.
describe("a year of nights with a troubled provider", () => {
  holdsAtTheEnd(
    {
      seed: 2019,
      first: "2019-06-03",
      last: "2020-06-12",
      shares: ["AAA", "BBB", "CCC"],
      splits: [
        { symbol: "AAA", date: "2019-10-16", from: 1, to: 4 },
        { symbol: "BBB", date: "2020-04-15", from: 5, to: 1 },
      ],
      quiet: "2020-01-15",
      minutes: ["2020-02-24", "2020-03-20"],
      patience: 2,
      outage: [120, 121, 122, 123, 124],
      broken: new Map([
        [40, "BBB 1/day"],
        [77, "X:BTCUSD 1/hour"],
        [170, "CCC 1/hour"],
        [171, "CCC 1/hour"],
        [172, "CCC 1/hour"],
        [190, "MIN 1/minute"],
        [201, "AAA 1/week"],
      ]),
      rates: { late: 0.01, preliminary: 0.02, vanished: 0.005, "left out": 0.01 },
      faults: "flaky5xx=0.03,cut=0.02,html=0.01,error200=0.01,storm429=0.002,duplicates=0.05,shuffled=0.05",
      callsPerSecond: 150,
    },
    20 * 60_000,
  );
});
