import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calendarNamed } from "../../src/core/calendar/calendars.ts";
import { DAY, HOUR, instant, MINUTE } from "../../src/core/time/instant.ts";
import { openProject } from "../../src/main.ts";
import { type SmallSeries, writeSmallWorld } from "../../src/sandbox/small-world.ts";

/** The business now of these projects, in the middle of an hour. */
export const NOW = "2026-02-02T00:20:00Z";
const END = instant(Date.UTC(2026, 1, 2));
const COIN = "X:KILUSD";
const STOCK = "KIL";

/** Requests that a fill asks at once. */
export const CONCURRENCY = 3;
export const LIMIT = { text: "40/s", count: 40, windowMs: 1_000 };
export const API_KEY = "kill-suite-key";

type WorldState = "early" | "final" | "whole";

/**
 * A small market. In its `early` state the coin's hours and days lack their first and last bars, have some that are
 * taken back later, and other prices; in its `final` state some of both are missing for good. The
 * stock splits and pays dividends. The `whole` one lacks one hour of the coin and little of the stock: less than a run may repair.
 */
export function writeWorld(state: WorldState): Promise<string> {
  const early = state === "early";
  const hours = steps(END - 24 * DAY, END, HOUR);
  const days = steps(END - 24 * DAY, END, DAY);
  const coin = { symbol: COIN, assetClass: "crypto" } as const;
  const series: SmallSeries[] = [
    { ...coin, timeframe: "1m", candles: rows(steps(END - 6 * DAY, END, MINUTE).filter(isTraded)) },
    { ...coin, timeframe: "15m", builds: ["30m", "4h"], candles: rows(steps(END - 24 * DAY, END, 15 * MINUTE)) },
    {
      ...coin,
      timeframe: "1h",
      candles: early
        ? rows(
            hours.filter((_, i) => i % 72 !== 0 && i % 72 !== 71),
            1,
          )
        : rows(hours.filter((_, i) => (state === "whole" ? i !== 550 : i % 100 !== 50))),
    },
    {
      ...coin,
      timeframe: "1d",
      candles: early ? rows(days.slice(1, -1), 1) : rows(days.filter((_, i) => state === "whole" || i !== 9)),
    },
    {
      symbol: STOCK,
      timeframe: "30m",
      candles: rows(stockSlots().filter((_, i) => i !== 40 && i !== 41 && i !== 300)),
    },
    { symbol: STOCK, timeframe: "1d", candles: rows(stockDays().filter((_, i) => i !== 7)) },
  ];
  return writeSmallWorld(
    series.map((one) => {
      const first = one.candles[0]?.[0] ?? 0;
      // The early state's first bars are not there yet, but may be asked for.
      const from = one.timeframe === "1h" || (one.timeframe === "1d" && one.symbol === COIN) ? END - 24 * DAY : first;
      return { ...one, first: new Date(Math.min(from, first)).toISOString().replace(".000Z", "Z") };
    }),
    {
      [STOCK]: {
        splits: [{ executionDate: "2026-01-12", from: 1, to: 2 }],
        dividends: [
          { exDate: "2025-12-29", cashAmount: 0.5 },
          { exDate: "2026-01-20", cashAmount: 0.25 },
        ],
      },
    },
  );
}

/** A new project on a Polygon source whose address comes from the environment; its registry knows both symbols. */
export async function writeProject(state: "early" | "final", into?: string): Promise<string> {
  const dir = into ?? (await mkdtemp(join(tmpdir(), "kill-project-")));
  await writeConfig(dir, { repairRounds: state === "early" ? 0 : 2 });
  await register(dir, state);
  return dir;
}

/**
 * The early project, filled, becomes the final one: the stock and more of the coin are owed, holes are asked again.
 * With `only` fewer timeframes of both.
 */
export async function moveOn(
  dir: string,
  { only, ...settings }: { readonly only?: readonly string[]; readonly publishRows?: number } = {},
): Promise<void> {
  await writeConfig(dir, { repairRounds: 2, ...settings });
  await register(dir, "final", only);
}

/** Writes the project's configuration; `repairRounds` is what the early fill goes without. */
export async function writeConfig(
  dir: string,
  settings: { readonly repairRounds: number; readonly limit?: string; readonly publishRows?: number },
): Promise<void> {
  const since = Object.fromEntries(
    [
      ["1m", END - 6 * DAY],
      ["15m", END - 24 * DAY],
      ["30m", END - 50 * DAY],
      ["1h", END - 24 * DAY],
      ["4h", END - 24 * DAY],
      ["1d", END - 50 * DAY],
    ].map(([timeframe, ms]) => [timeframe, new Date(Number(ms)).toISOString().slice(0, 10)]),
  );
  await writeFile(
    join(dir, "retrofill.config.ts"),
    `export default {
  now: "${NOW}",
  pipelines: {
    ohlcv: {
      source: { kind: "polygon", limit: "${settings.limit ?? LIMIT.text}", pageLimit: 5000 },
      since: ${JSON.stringify(since)},
      dense: ["30m", "1h", "4h", "1d", "1w"],
      adjust: ["30m", "1d"],
      eventsSince: "2025-12-01",
      concurrency: ${CONCURRENCY},
      publishRows: ${settings.publishRows ?? 800},
      repairRounds: ${settings.repairRounds},
      backoff: { baseMs: 20, capMs: 100 },
      timeouts: { connectMs: 1000, headersMs: 1000, bodyMs: 1000 },
    },
  },
};
`,
  );
}

/** What a child process or this one needs in its environment to reach the sandbox. */
export function sourceEnv(url: string): Record<string, string> {
  return { POLYGON_API_KEY: API_KEY, POLYGON_BASE_URL: url };
}

async function register(dir: string, state: "early" | "final", only?: readonly string[]): Promise<void> {
  const early = state === "early";
  const wanted = (...timeframes: readonly string[]): readonly string[] =>
    timeframes.filter((one) => only?.includes(one) ?? true);
  await using opened = await openProject({ dir });
  const { ledger, clock, pipelines } = opened.project;
  const pipeline = pipelines[0]?.pipeline;
  if (!pipeline) throw new Error("unreachable: the project declares a pipeline");
  const coin = pipeline.entry(COIN, {
    assetClass: "crypto",
    listed: dateOf(END - 24 * DAY),
    timeframes: early ? ["1h", "1d"] : wanted("1m", "15m", "1h", "4h", "1d"),
  });
  const stock = pipeline.entry(STOCK, { listed: dateOf(END - 48 * DAY), timeframes: wanted("30m", "1d") });
  await ledger.putEntries("ohlcv", early ? [coin] : [coin, stock], clock.now());
}

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

function steps(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) }, (_, i) => from + i * step);
}

const isTraded = (_: number, i: number): boolean => i % 37 !== 5;

function stockSessions() {
  const span = { start: instant(END - 48 * DAY), end: END };
  return calendarNamed("XNYS").sessions(span);
}

function stockSlots(): number[] {
  return stockSessions().flatMap(({ open, close }) => steps(open, close, 30 * MINUTE));
}

/** Local midnights of the sessions; New York is five hours behind all winter. */
function stockDays(): number[] {
  return stockSessions().map(({ date }) => Date.parse(`${date}T05:00:00Z`));
}

/** Candles at `starts`; `shift` moves every price. */
function rows(starts: readonly number[], shift = 0): (readonly [number, number, number, number, number, number])[] {
  return starts.map((t) => {
    const price = 100 + shift + ((t / MINUTE) % 977) / 16;
    return [t, price, price + 2, price - 2, price + 1, 10 + ((t / MINUTE) % 31)];
  });
}
