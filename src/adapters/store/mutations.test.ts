import { afterAll, beforeAll, expect, it } from "vitest";
import { candlesOnly } from "../../../test/candles-only.ts";
import type { Series } from "../../core/dataset/series.ts";
import { instant, MINUTE } from "../../core/time/instant.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import { marketData } from "../../pipelines/ohlcv/market-data.ts";
import { ohlcvSettings } from "../../pipelines/ohlcv/settings.ts";
import { polygonSource } from "../../sources/polygon/polygon.ts";
import { type SmallStore, smallStore } from "./small-store.ts";

const BODIES = 2_000;
const BARS = 12;
/** A volume that one damage writes on purpose, of more digits than a double holds. */
const WRITTEN = 0.30000000000000004;
const source = polygonSource();
const settings = ohlcvSettings.parse({});
const pipeline = candlesOnly(settings);
const T0 = Date.UTC(2024, 0, 2);
const window = { start: instant(T0), end: instant(T0 + BARS * MINUTE) };

type Bar = Record<string, unknown>;
type Body = Record<string, unknown> & { results: unknown[] };
type Random = () => number;

let world: SmallStore;
beforeAll(async () => {
  world = await smallStore({ dataset: marketData, shape: source.records, suspects: settings.suspects });
});
afterAll(() => world[Symbol.asyncDispose]());

/** Damage to the parsed body, then to its text. */
const damages: Readonly<Record<string, (body: Body, random: Random) => string | Buffer>> = {
  "as it was": (body) => JSON.stringify(body),
  "cut anywhere": (body, random) => cut(JSON.stringify(body), random),
  "cut between two records": (body, random) =>
    JSON.stringify({ ...body, results: body.results.slice(0, at(random, BARS)) }),
  "cut between two records and recounted": (body, random) =>
    recounted({ ...body, results: body.results.slice(0, at(random, BARS)) }),
  "a number as text": (body, random) => changed(body, random, (value) => String(value)),
  "true for a number": (body, random) => changed(body, random, () => true),
  "null for a number": (body, random) => changed(body, random, () => null),
  "a list for a number": (body, random) => changed(body, random, (value) => [value]),
  "an object for a number": (body, random) => changed(body, random, (value) => ({ value })),
  "a negative price": (body, random) =>
    changed(body, random, (value) => -Math.abs(Number(value)), ["o", "h", "l", "c"]),
  "a missing field": (body, random) => changed(body, random, () => undefined),
  "NaN in the text": (body, random) => inText(body, random, "NaN"),
  "Infinity in the text": (body, random) => inText(body, random, "-Infinity"),
  "1e400 in the text": (body, random) => inText(body, random, "1e400"),
  "an integer of 30 digits": (body, random) => inText(body, random, "123456789012345678901234567890"),
  "2^53 + 1": (body, random) => inText(body, random, "9007199254740993"),
  "a fraction of 40 digits": (body, random) =>
    inText(body, random, "0.3000000000000000444089209850062616169453", ["v"]),
  "a member twice": (body, random) => inText(body, random, '1,"o":2'),
  "half a surrogate pair": (body, random) => inText(body, random, '1,"x":"\\ud800"'),
  "records in another order": (body, random) =>
    JSON.stringify({ ...body, results: [...body.results].sort(() => random() - 0.5) }),
  "records twice": (body) => recounted({ ...body, results: [...body.results, ...body.results] }),
  "stamps in seconds": (body) =>
    JSON.stringify({
      ...body,
      results: body.results.map((bar) => ({ ...(bar as Bar), t: Number((bar as Bar).t) / 1000 })),
    }),
  "a stamp off the grid": (body, random) => changed(body, random, (value) => Number(value) + 1, ["t"]),
  "a stamp as a date": (body, random) => changed(body, random, (value) => new Date(Number(value)).toISOString(), ["t"]),
  "nested garbage": (body, random) => changed(body, random, () => JSON.parse(`${"[".repeat(50)}${"]".repeat(50)}`)),
  "garbage among the records": (body, random) =>
    recounted({
      ...body,
      results: body.results.flatMap((bar) => (random() < 0.2 ? [bar, null, 7, "x", [[]], {}] : [bar])),
    }),
  "bad UTF-8": (body, random) => {
    const bytes = Buffer.from(JSON.stringify(body));
    bytes[at(random, bytes.length)] = 0xff;
    return bytes;
  },
  "one byte changed": (body, random) => {
    const bytes = Buffer.from(JSON.stringify({ results: body.results, status: "OK" }));
    // A digit for a digit is another sound number, which nobody can tell.
    const places = [...bytes.keys()].filter((i) => !/[0-9]/.test(String.fromCharCode(bytes[i] as number)));
    bytes[places[at(random, places.length)] as number] = at(random, 95) + 32;
    return bytes;
  },
  "a web page": () => "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
  "an error inside": () =>
    JSON.stringify({ status: "ERROR", error: "You've exceeded the maximum requests per minute" }),
  "results as an object": (body) => JSON.stringify({ ...body, results: { ...body.results } }),
  "results twice": (body) => `{"results":[],${JSON.stringify(body).slice(1)}`,
  empty: () => "",
};

it(`${BODIES} mutated bodies never become wrong data, and every record is accounted for`, async () => {
  const names = Object.keys(damages);
  const objects: ObjectRecord[] = [];
  const originals = new Map<string, readonly (readonly unknown[])[]>();
  const accepted = new Map<string, number>();
  for (let i = 0; i < BODIES; i++) {
    const random = seeded(i);
    const name = names[i % names.length] as string;
    const series = seriesOf(`M${i}`);
    const results = Array.from({ length: BARS }, (_, k) => bar(k, random));
    const body = { ticker: `X:M${i}USD`, adjusted: false, queryCount: BARS, resultsCount: BARS, results, status: "OK" };
    const bytes = Buffer.from((damages[name] as (typeof damages)[string])(structuredClone(body), random));
    const answer = { status: 200, headers: {}, body: bytes, receivedAt: window.end } as const;
    const outcome = classifyAnswer(source, series, source.request(series, window), answer);
    if (outcome.kind === "failure") continue;
    accepted.set(name, (accepted.get(name) ?? 0) + 1);
    const object = await world.put(series, { window, body: bytes, strict: outcome.strict });
    expect(object.rows).toBe(outcome.rows);
    objects.push(object);
    originals.set(
      `M${i}`,
      results.map(({ t, o, h, l, c, v, vw, n }) => [t, o, h, l, c, v, vw, n]),
    );
  }
  // Damage that leaves JSON behind gets as far as the store; the rest is refused at the door.
  expect(accepted.get("as it was")).toBeGreaterThan(50);
  expect(accepted.get("a number as text")).toBeGreaterThan(50);
  expect(accepted.get("cut anywhere")).toBeUndefined();
  expect(accepted.get("a web page")).toBeUndefined();

  const size = Math.ceil(objects.length / 3);
  let [received, stored, quarantined] = [0, 0, 0];
  for (let i = 0; i < objects.length; i += size) {
    const group = objects.slice(i, i + size);
    const { counts } = await world.publish(group);
    expect(counts.received).toBe(group.reduce((n, object) => n + object.rows, 0));
    expect(counts.inserted + counts.unchanged + counts.updated + counts.duplicate + counts.quarantined).toBe(
      counts.received,
    );
    received += counts.received;
    stored += counts.inserted;
    quarantined += counts.quarantined;
  }
  expect(quarantined).toBeGreaterThan(BODIES / 2);
  expect(stored).toBeGreaterThan(received / 2);
  expect(await world.rows("select count(*) from quarantine")).toEqual([[quarantined]]);
  const rows = await world.rows(
    "select symbol, epoch_ms(ts), open, high, low, close, volume, vwap, trades from market_data",
  );
  expect(rows).toHaveLength(stored);
  const wrong = rows.filter(
    ([symbol, ...values]) => !originals.get(String(symbol))?.some((one) => sameBar(one, values)),
  );
  expect(wrong).toEqual([]);
}, 300_000);

/** Stamp and prices as they were; the rest as it was, or none where the body has none or null. */
function sameBar(original: readonly unknown[], stored: readonly unknown[]): boolean {
  return original.every((value, i) => value === stored[i] || (i > 4 && stored[i] === null) || stored[i] === WRITTEN);
}

function bar(k: number, random: Random): Record<string, number> {
  const o = 100 + Math.round(random() * 1000) / 100;
  return { t: T0 + k * MINUTE, o, h: o + 2, l: o - 1, c: o + 1, v: Math.round(random() * 1e6) / 100, vw: o, n: 1 + k };
}

function changed(
  body: Body,
  random: Random,
  change: (value: unknown) => unknown,
  fields = ["t", "o", "h", "l", "c", "v", "vw", "n"],
): string {
  const results = body.results.map((one) => {
    if (random() > 0.3) return one;
    const field = fields[at(random, fields.length)] as string;
    return { ...(one as Bar), [field]: change((one as Bar)[field]) };
  });
  return JSON.stringify({ ...body, results });
}

/** Puts `text` in the place of a value of one record, as no serializer would. */
function inText(body: Body, random: Random, text: string, fields = ["t", "o", "h", "l", "c", "v", "vw", "n"]): string {
  const field = fields[at(random, fields.length)] as string;
  const i = at(random, body.results.length);
  const results = body.results.map((one, k) => (k === i ? { ...(one as Bar), [field]: "@@" } : one));
  return JSON.stringify({ ...body, results }).replace('"@@"', text);
}

function recounted(body: Body): string {
  return JSON.stringify({ ...body, resultsCount: body.results.length });
}

function cut(text: string, random: Random): string {
  return text.slice(0, at(random, text.length));
}

function at(random: Random, length: number): number {
  return Math.floor(random() * length);
}

/** mulberry32: the same bodies in every run. */
function seeded(seed: number): Random {
  let state = seed * 7_919 + 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function seriesOf(symbol: string): Series {
  const entry = pipeline.entry(symbol, { assetClass: "crypto", timeframes: ["1m"] });
  const [series] = pipeline.series(marketData.name, entry, instant(Date.UTC(2025, 0, 1)));
  if (!series) throw new Error("unreachable: one timeframe is asked");
  return series;
}
