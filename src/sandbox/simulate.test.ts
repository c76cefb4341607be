import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, HOUR, instant, MINUTE } from "../core/time/instant.ts";
import { type SessionBar, simulateCoin, simulateSessions } from "./simulate.ts";

const OPEN = Date.UTC(2018, 4, 10, 13, 30);

const anyPrices = fc
  .tuple(fc.double({ min: 1, max: 500, noNaN: true }), fc.double({ min: 0, max: 0.2, noNaN: true }), unit(), unit())
  .map(([l, range, o, c]) => ({ l, h: l * (1 + range), o: l * (1 + range * o), c: l * (1 + range * c) }));
const anySession: fc.Arbitrary<SessionBar> = fc
  .record({ prices: anyPrices, v: fc.integer({ min: 0, max: 3e9 }), minutes: fc.integer({ min: 1, max: 400 }) })
  .map(({ prices, v, minutes }) => ({
    open: instant(OPEN),
    close: instant(OPEN + minutes * MINUTE),
    bar: { ...prices, v },
  }));

describe("simulated minutes of a session", () => {
  it("add up to its day exactly", () => {
    fc.assert(
      fc.property(anySession, fc.integer(), (session, seed) => {
        const rows = simulateSessions([session], { seed });
        const { bar } = session;
        expect(rows[0]?.[1]).toBe(bar.o);
        expect(Math.max(...rows.map((row) => row[2]))).toBe(bar.h);
        expect(Math.min(...rows.map((row) => row[3]))).toBe(bar.l);
        expect(rows.at(-1)?.[4]).toBe(bar.c);
        expect(rows.reduce((sum, row) => sum + row[5], 0)).toBe(bar.v);
      }),
    );
  });

  it("are each possible, on the minute, ascending and within the session", () => {
    fc.assert(
      fc.property(anySession, fc.integer(), (session, seed) => {
        const rows = simulateSessions([session], { seed });
        rows.forEach(([t, o, h, l, c, v], i) => {
          expect(l <= Math.min(o, c) && Math.max(o, c) <= h && v >= 0 && Number.isInteger(v)).toBe(true);
          expect(t % MINUTE === 0 && t < session.close && t > (rows[i - 1]?.[0] ?? OPEN - 1)).toBe(true);
        });
      }),
    );
  });

  it("miss some minutes, as quiet markets do, and are the same for the same seed only", () => {
    const session = {
      open: instant(OPEN),
      close: instant(OPEN + 6.5 * HOUR),
      bar: { o: 10, h: 12, l: 9, c: 11, v: 1e6 },
    };
    const rows = simulateSessions([session], { seed: 1 });
    expect(rows.length).toBeGreaterThan(370);
    expect(rows.length).toBeLessThan(390);
    expect(simulateSessions([session], { seed: 1, quietShare: 0 })).toHaveLength(390);
    expect(simulateSessions([session], { seed: 1 })).toEqual(rows);
    expect(simulateSessions([session], { seed: 2 })).not.toEqual(rows);
    const earlier = { ...session, open: instant(OPEN - DAY), close: instant(session.close - DAY) };
    expect(simulateSessions([earlier, session], { seed: 1 }).slice(-rows.length)).toEqual(rows);
  });

  it("are refused when the day contradicts itself", () => {
    const session = { open: instant(OPEN), close: instant(OPEN + HOUR), bar: { o: 13, h: 12, l: 9, c: 11, v: 1 } };
    expect(() => simulateSessions([session], { seed: 1 })).toThrow(/expected low <= open/);
    expect(() => simulateSessions([{ ...session, bar: { ...session.bar, o: 10, v: 0.5 } }], { seed: 1 })).toThrow(
      /whole/,
    );
  });
});

it("simulates a coin at all hours, with quiet minutes", () => {
  const from = instant(Date.UTC(2018, 0, 1));
  const rows = simulateCoin({ seed: 3, from, to: instant(from + 2 * DAY), startPrice: 100 });
  expect(rows.length).toBeGreaterThan(2880 * 0.95);
  expect(rows.length).toBeLessThan(2880);
  for (const [, o, h, l, c, v] of rows) expect(l <= Math.min(o, c) && Math.max(o, c) <= h && l > 0 && v > 0).toBe(true);
});

function unit(): fc.Arbitrary<number> {
  return fc.double({ min: 0, max: 1, noNaN: true });
}
