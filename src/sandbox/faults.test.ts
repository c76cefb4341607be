import fc from "fast-check";
import { expect, it } from "vitest";
import { ANSWER_FAULTS, DATA_FAULTS, decideFaults, FAULT_PROFILES, faultRates } from "./faults.ts";

const anyRates = fc.constantFrom(...Object.values(FAULT_PROFILES));

it("decides the same for the same seed, request and attempt", () => {
  fc.assert(
    fc.property(
      anyRates,
      fc.integer(),
      fc.string(),
      fc.integer({ min: 1, max: 9 }),
      (rates, seed, request, attempt) => {
        const decided = decideFaults(rates, seed, request, attempt);
        decideFaults(rates, seed + 1, `${request}x`, attempt);
        expect(decideFaults(rates, seed, request, attempt)).toEqual(decided);
      },
    ),
  );
});

it("answers every request by its third attempt, and truly by its fifth, but for caps", () => {
  fc.assert(
    fc.property(anyRates, fc.integer(), fc.webUrl(), (rates, seed, request) => {
      expect(decideFaults(rates, seed, request, 3).answer).toBeNull();
      const lasting = decideFaults(rates, seed, request, 5).data.filter((kind) => !kind.startsWith("cap"));
      expect(lasting).toEqual([]);
    }),
  );
});

it("strikes different requests under different seeds", () => {
  const struck = (seed: number) =>
    requests(200).filter((request) => decideFaults(FAULT_PROFILES.transport, seed, request, 1).answer !== null);
  expect(struck(1)).not.toEqual(struck(2));
});

it.each(ANSWER_FAULTS)("strikes with %s as often as its rate says", (kind) => {
  const hits = requests(4_000).filter((request) => decideFaults({ [kind]: 0.2 }, 7, request, 1).answer === kind);
  expect(hits.length / 4_000).toBeCloseTo(0.2, 1);
});

it("gives a first fill of 60 requests a handful of faults under demo, and nothing under none", () => {
  const transport = requests(6_000).filter((request) => decideFaults(FAULT_PROFILES.demo, 1, request, 1).answer);
  expect((transport.length / 6_000) * 60).toBeGreaterThan(4);
  expect((transport.length / 6_000) * 60).toBeLessThan(6);
  expect(requests(100).flatMap((request) => decideFaults({}, 1, request, 1).data)).toEqual([]);
});

it("reads names and rates joined by commas", () => {
  expect(faultRates("transport,holes=0.2")).toEqual({ ...FAULT_PROFILES.transport, holes: 0.2 });
  expect(faultRates("none")).toEqual({});
  expect(faultRates(undefined)).toEqual({});
});

it("names every unknown fault and every impossible rate", () => {
  expect(() => faultRates("storms,cut=2")).toThrow(/unknown fault 'storms'; rate of cut is 2.*(demo)/);
  expect(() => faultRates({ cut: 0.6, html: 0.6 })).toThrow(/sum to 1.2/);
  expect(() => faultRates("cut=lots")).toThrow(/rate of cut is NaN/);
});

it("has a profile for every kind", () => {
  for (const kind of [...ANSWER_FAULTS, ...DATA_FAULTS]) expect(FAULT_PROFILES[kind][kind]).toBeGreaterThan(0);
});

function requests(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `GET /v2/aggs/ticker/A${i}/range/1/day/2020-01-01/2020-02-01`);
}
