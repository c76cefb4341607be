import { describe, expect, it } from "vitest";
import { timeAxis } from "./time-axis.ts";

const axis = timeAxis();
const at = (text: string): number => Date.parse(text);

describe("the time axis", () => {
  const cases: readonly (readonly [string, string, string, number, string, string])[] = [
    ["years", "2016-06-01", "2021-06-01", 300, "2017 2018 2019 2020 2021", ""],
    ["quarters", "2023-11-20", "2025-02-01", 250, "Jan Apr Jul Oct Jan", "2023 2024 2025"],
    ["months", "2023-11-20", "2024-03-10", 250, "Dec Jan Feb Mar", "2023 2024"],
    // 2024-02-26 and 2024-03-04 are Mondays.
    ["Mondays", "2024-02-22", "2024-03-18", 200, "26 4 11 18", "Feb 2024 Mar 2024"],
    ["days over a leap day", "2024-02-27T12:00:00Z", "2024-03-02", 200, "28 29 1 2", "Feb 2024 Mar 2024"],
    ["hours", "2024-03-10T01:30:00Z", "2024-03-10T05:00:00Z", 300, "02:00 03:00 04:00 05:00", "10 Mar 2024"],
    [
      "minutes over midnight",
      "2024-12-31T23:50:00Z",
      "2025-01-01T00:05:00Z",
      200,
      "23:50 23:55 00:00 00:05",
      "31 Dec 2024 1 Jan 2025",
    ],
  ];
  it.each(cases)("marks %s", (_, start, end, width, minor, major) => {
    const ticks = axis.ticks(at(start), at(end), width);
    expect(ticks.minor.map(({ label }) => label).join(" ")).toBe(minor);
    // The unit in which the view begins is named at the left edge: what the edge cuts belongs to it.
    expect(
      ticks.major
        .map(({ label }) => label)
        .slice(-major.split(/(?<=\d{4}) /).length)
        .join(" "),
    ).toBe(major);
  });

  it("leaves room for each label, from minutes to centuries", () => {
    for (let span = 10 * 60_000; span < 300 * 365 * 86_400_000; span *= 1.7) {
      for (const width of [120, 700, 1900]) {
        const start = at("2024-02-29T11:17:00Z");
        const { minor } = axis.ticks(start, start + span, width);
        const px = (ms: number): number => ((ms - start) / span) * width;
        // Months and years differ in length: the shortest is February, 28 of 30.4 days.
        minor.slice(1).forEach((tick, i) => {
          expect(px(tick.at) - px(minor[i]?.at ?? 0)).toBeGreaterThan(25);
        });
        expect(minor.length).toBeLessThanOrEqual(width / 25);
      }
    }
  });

  it("writes intervals half-open, short where nothing is lost, and on a zone's clocks", () => {
    const [start, end] = [at("2024-03-08T05:00:00Z"), at("2024-03-11T04:00:00Z")];
    expect(axis.interval(start, end)).toBe("[2024-03-08 05:00, 2024-03-11 04:00)");
    // New York went from UTC-5 to UTC-4 on 2024-03-10.
    expect(axis.intervalIn("America/New_York", start, end)).toBe("[2024-03-08, 2024-03-11)");
    expect(axis.instant(at("2024-03-08T05:00:07Z"))).toBe("2024-03-08 05:00:07");
    expect([60_000, 90 * 60_000, 86_400_000 * 3.5, 0].map(axis.length)).toEqual([
      "1 min",
      "1 h 30 min",
      "3 d 12 h",
      "0 ms",
    ]);
  });
});
