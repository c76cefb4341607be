import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { MINUTE } from "../../src/core/time/instant.ts";
import type { Project } from "../../src/engine/project.ts";
import type { OpenProject } from "../../src/surfaces/cli/host.ts";
import { barsFrom, days, type Reply, type World, world } from "./kit.ts";

/** Big enough for a run to start on, small enough to be filled in a moment. */
const SIZE = "200m";
const DAYS = days("2026-03-01", "2026-03-19");
const ROWS = DAYS.length * 96;

const mounted = mkdtempSync(join(tmpdir(), "full-disk-"));
const canMount = process.getuid?.() === 0 && mount("-t", "tmpfs", "-o", `size=${SIZE}`, "tmpfs", mounted);
const before = process.env.TMPDIR;

beforeAll(() => {
  if (!canMount) console.log("not run: a full disk is tried on a small file system, and nothing can be mounted here");
  process.env.TMPDIR = mounted;
});
afterEach(freeDisk);
afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  if (canMount) spawnSync("umount", ["-l", mounted]);
  rmSync(mounted, { recursive: true, force: true });
});

interface Point {
  readonly when: string;
  readonly part: "bronze" | "ledger" | "store";
  readonly method: string;
  /** Of the run's calls, the one before which the disk is filled. */
  readonly nth: number;
  /** Bytes that stay free: the store's lease is entered in the ledger before the store itself writes. */
  readonly left?: number;
  /** What could not be written. */
  readonly file: RegExp;
}

const POINTS: readonly Point[] = [
  { when: "the first answer is kept", part: "bronze", method: "put", nth: 1, file: /json|ledger/ },
  { when: "a later answer is kept", part: "bronze", method: "put", nth: 3, file: /json|ledger/ },
  { when: "an answer is entered in the ledger", part: "ledger", method: "commitPage", nth: 2, file: /json|ledger/ },
  { when: "a publication is announced", part: "ledger", method: "beginPublication", nth: 1, file: /ledger/ },
  { when: "rows are published", part: "store", method: "publish", nth: 1, left: 160_000, file: /data.duckdb/ },
  {
    when: "a publication is entered in the ledger",
    part: "ledger",
    method: "commitPublication",
    nth: 1,
    file: /ledger/,
  },
  { when: "features are made", part: "store", method: "build", nth: 1, left: 160_000, file: /data.duckdb/ },
  { when: "features are entered in the ledger", part: "ledger", method: "commitPublication", nth: 2, file: /ledger/ },
  { when: "the run is closed", part: "ledger", method: "closeRun", nth: 1, file: /ledger/ },
];

describe.runIf(canMount)("a disk that is full when", () => {
  it.each(POINTS)("$when ends the run with DISK_FULL, loses nothing, and resume completes it", async (point) => {
    await using at = await coins();
    const scope = ["ohlcv.market_data_v2", "--with-inputs"];
    // What is there already must survive, too.
    expect((await at.json("run", ...scope, "--to", "2026-03-10")).exit).toBe(0);
    at.script(() => dearer);
    at.wrap(fillBefore(point, at.dir));
    const full = await at.json("run", ...scope, "--from", "2026-03-05", "--again");
    at.wrap(null);
    expect([full.exit, full.json?.error?.code], full.err).toEqual([4, "DISK_FULL"]);
    expect(full.json.error.hint).toContain("resume");
    const run = /Run (run-\S+)/.exec(full.err)?.[1] ?? "";
    expect(full.json.error.message).toMatch(point.file);

    freeDisk();
    // The process that met the full disk has ended by then; here it is this one.
    at.wrap((opened) => ({ ...opened, project: { ...opened.project, isAlive: () => false } }));
    const resumed = await at.cli("resume", run);
    expect(resumed.exit, resumed.err).toBe(0);
    const stored =
      "select (select count(*) from market_data) as candles, (select count(*) from market_data_v2) as features";
    expect((await at.json("sql", stored)).json.rows).toEqual([{ candles: ROWS, features: ROWS }]);
    expect((await at.cli("verify")).exit).toBe(0);
    expect((await at.cli("audit", "verify")).exit).toBe(0);
  });
});

function coins(): Promise<World> {
  const candles = barsFrom(
    DAYS.map((date) => `${date}T00:00:00Z`),
    96,
    15 * MINUTE,
  );
  return world([{ symbol: "X:COIN", assetClass: "crypto", timeframe: "15m", candles }], {
    now: "2026-03-20T01:00:00Z",
    symbols: { "X:COIN": "--asset-class crypto --timeframes 15m" },
    ohlcv: { since: { "15m": "2026-03-01" }, repairRounds: 0 },
    // Some days a page, so that there is a later answer; the limit counts minutes.
    source: { pageLimit: 6_000 },
  });
}

/** Every bar closes at another price than before, so that rows are replaced and their before-images kept. */
const dearer: Reply = {
  edit: (body) => ({
    ...body,
    results: (body.results ?? []).map((one: { c: number }) => ({ ...one, c: one.c + 0.25 })),
  }),
};

function fillBefore({ part, method, nth, left = 0 }: Point, dir: string): (opened: OpenProject) => OpenProject {
  let calls = 0;
  return (opened) => {
    const { project } = opened;
    const whole = project[part] as unknown as Record<string, (...args: unknown[]) => unknown>;
    const watched = {
      ...whole,
      [method]: (...args: unknown[]) => {
        calls++;
        if (calls === nth) {
          emptyWal(dir);
          fillDisk(left);
        }
        return whole[method]?.(...args);
      },
    };
    return { ...opened, project: { ...project, [part]: watched } as Project };
  };
}

/** Takes the ledger's write-ahead file its reserve, which would hold some more commits. */
function emptyWal(dir: string): void {
  const ledger = new Database(join(dir, ".retrofill", "ledger.db"));
  ledger.exec("pragma wal_checkpoint(truncate)");
  ledger.close();
}

function fillDisk(left: number): void {
  const path = join(mounted, "ballast");
  const file = openSync(path, "w");
  try {
    for (let bytes = 1 << 20; bytes >= 512; bytes >>= 1) {
      const block = Buffer.alloc(bytes, 1);
      try {
        while (writeSync(file, block) === bytes);
      } catch {
        // Smaller pieces may still fit.
      }
    }
    ftruncateSync(file, Math.max(0, fstatSync(file).size - left));
  } finally {
    closeSync(file);
  }
}

function freeDisk(): void {
  rmSync(join(mounted, "ballast"), { force: true });
}

function mount(...args: readonly string[]): boolean {
  return spawnSync("mount", args).status === 0;
}
