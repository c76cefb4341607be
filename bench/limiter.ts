import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { request } from "undici";
import { ledgerBudget } from "../src/adapters/ledger/budget.ts";
import { LedgerDatabase } from "../src/adapters/ledger/database.ts";
import { parseLimits } from "../src/core/budget/limits.ts";
import { instant } from "../src/core/time/instant.ts";
import { permitsOf } from "../src/engine/fetch/permits.ts";
import { openTrialLedger } from "./ledger-trial.ts";

// The ring at the provider's door: a local server counts arrivals while two processes on one ledger ask as fast as
// they may. `used` is against N per (window + median response time), counted after the first, evenly filled window.

const [, , ledgerPath, limitText = "", url = "", seconds = "0"] = process.argv;
if (ledgerPath === undefined) await compare();
else await askAsFastAsAllowed(ledgerPath, limitText, url, Number(seconds));

async function compare(): Promise<void> {
  const rows: Record<string, Record<string, number | string>> = {};
  for (const { text, latencyMs, seconds } of [
    { text: "5/2s", latencyMs: 0, seconds: 21 },
    { text: "5/2s", latencyMs: 150, seconds: 21 },
    { text: "50/s", latencyMs: 0, seconds: 11 },
    { text: "50/s", latencyMs: 150, seconds: 11 },
  ]) {
    rows[`${text}, answers after ${latencyMs} ms`] = await measure(text, latencyMs, seconds);
  }
  console.log("limiter, two processes on one ledger, counted at the server (target: never over, 98 % used)");
  console.table(rows);
}

async function measure(text: string, latencyMs: number, seconds: number): Promise<Record<string, number | string>> {
  await using trial = await openTrialLedger();
  const arrivals: number[] = [];
  const responses: number[] = [];
  const server = createServer((_, response) => {
    arrivals.push(performance.now());
    setTimeout(() => response.end("ok"), latencyMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const [limit] = parseLimits(text);
  if (!limit) throw new Error("unreachable: there is one limit");
  const args = ["--import", "tsx", import.meta.filename, trial.path, text, target, String(seconds)];
  await Promise.all(
    [1, 2].map(async () => {
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const chunks = await child.stdout.toArray();
      responses.push(...(JSON.parse(Buffer.concat(chunks).toString()) as number[]));
    }),
  );
  server.close();
  const most = Math.max(
    ...arrivals.map((from) => arrivals.filter((at) => at >= from && at < from + limit.windowMs).length),
  );
  const counted = arrivals.slice(limit.count);
  const spanMs = (counted.at(-1) ?? 0) - (counted[0] ?? 0);
  const median = responses.sort((a, b) => a - b)[responses.length >> 1] ?? 0;
  const possible = (spanMs / (limit.windowMs + median)) * limit.count;
  return {
    requests: arrivals.length,
    limit: limit.count,
    "most in a window": most,
    "median response ms": Number(median.toFixed(1)),
    "used %": Number((((counted.length - 1) / possible) * 100).toFixed(1)),
  };
}

/** One process' share: ten requests under way at most, each with a permit; prints how long each answer took. */
async function askAsFastAsAllowed(path: string, text: string, target: string, forSeconds: number): Promise<void> {
  await using database = await LedgerDatabase.open(path, Date.now);
  const clock = {
    now: () => instant(Date.now()),
    sleep: async (ms: number, signal?: AbortSignal) => delay(ms, undefined, signal ? { signal } : {}),
  };
  const limits = parseLimits(text);
  const budget = ledgerBudget(database);
  const permits = permitsOf({ budget, credential: "key", limits, lane: "backfill", holdMs: 30_000, clock });
  const stop = AbortSignal.timeout(forSeconds * 1_000);
  const responses: number[] = [];
  const work = async (): Promise<void> => {
    for (;;) {
      const permit = await permits.acquire(stop).catch(() => null);
      if (permit === null) return;
      const began = performance.now();
      await (await request(target)).body.text();
      responses.push(performance.now() - began);
      await permits.release(permit);
    }
  };
  await Promise.all(Array.from({ length: 10 }, work));
  process.stdout.write(JSON.stringify(responses));
}
