import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, it } from "vitest";
import { DataDirectoryError, openDataDirectory } from "./data-directory.ts";
import { candlesAt, writeSmallWorld } from "./small-world.ts";

const candles = candlesAt(["2020-01-02T05:00Z", "2020-01-03T05:00Z", "2020-01-06T05:00Z"]);
const daily = { symbol: "AAPL", timeframe: "1d", candles } as const;

async function edit(dir: string, change: (manifest: { series: Record<string, unknown>[] }) => void): Promise<void> {
  const path = join(dir, "manifest.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

describe("a manifest", () => {
  it("is refused with every problem at once", async () => {
    const dir = await writeSmallWorld([daily, { ...daily, symbol: "MSFT" }, { ...daily, symbol: "IBM" }]);
    await edit(dir, ({ series }) => {
      Object.assign(series[0] ?? {}, { timeframe: "2m", adjusted: "yes" });
      Object.assign(series[1] ?? {}, { file: "../secret.csv", zone: "Mars/Base" });
      Object.assign(series[2] ?? {}, { first: "2020-02-01T00:00:00Z" });
    });
    const problem = await openDataDirectory(dir).catch((error: unknown) => error);
    expect(problem).toBeInstanceOf(DataDirectoryError);
    expect(String(problem)).toMatch(/series\[0\]\.timeframe/);
    expect(String(problem)).toMatch(/series\[0\]\.adjusted/);
    expect(String(problem)).toMatch(/series\[1\]\.zone: not a time zone/);
    expect(String(problem)).toMatch(/series\[2\]\.last: is before first/);
  });

  it("must not lead out of the directory", async () => {
    const dir = await writeSmallWorld([daily]);
    await edit(dir, ({ series }) => Object.assign(series[0] ?? {}, { file: "candles/../../secret.csv" }));
    await expect(openDataDirectory(dir)).rejects.toThrow(/series\[0\]\.file: must stay inside/);
  });

  it("must not give two files for one symbol and timeframe", async () => {
    const dir = await writeSmallWorld([daily, { ...daily, file: "candles/AAPL/1d.csv" }]);
    await expect(openDataDirectory(dir)).rejects.toThrow(/series\[1\]: AAPL 1d is already series\[0\]/);
  });

  it("must name files that are there, and be there itself", async () => {
    const dir = await writeSmallWorld([daily, { ...daily, symbol: "MSFT", file: "candles/MSFT/gone.csv" }]);
    await expect(openDataDirectory(dir)).rejects.toThrow(/series\[1\]\.file: candles\/MSFT\/gone\.csv is not there/);
    await expect(openDataDirectory(await mkdtemp(join(tmpdir(), "empty-")))).rejects.toThrow(/manifest\.json: ENOENT/);
  });
});

describe("candles", () => {
  const load = async (dir: string) => {
    const directory = await openDataDirectory(dir);
    try {
      return await directory.load(directory.manifest.series[0] as never);
    } finally {
      await directory.close();
    }
  };

  it("read the same from CSV, gzipped CSV and Parquet", async () => {
    const csv = await writeSmallWorld([daily]);
    const gzip = await writeSmallWorld([{ ...daily, file: "a.csv.gz" }]);
    await writeFile(join(gzip, "a.csv.gz"), gzipSync(await readFile(join(csv, "candles/AAPL/1d.csv"))));
    const parquet = await writeSmallWorld([{ ...daily, file: "a.parquet" }]);
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    await connection.run(`copy (from '${csv}/candles/AAPL/1d.csv') to '${parquet}/a.parquet' (format parquet)`);
    connection.closeSync();
    const plain = await load(csv);
    expect([...plain.t]).toEqual(candles.map(([t]) => t));
    expect(await load(gzip)).toEqual(plain);
    expect(await load(parquet)).toEqual(plain);
  });

  it("may have vw and n, and lack a volume, in any column order", async () => {
    const dir = await writeSmallWorld([{ ...daily, file: "a.csv" }]);
    const rows = candles.map(([t], i) => `${i + 3},,1,1,1,1,${i + 0.5},${t}`).join("\n");
    await writeFile(join(dir, "a.csv"), `n,v,o,h,l,c,vw,t\n${rows}\n`);
    const series = await load(dir);
    expect([...(series.n ?? [])]).toEqual([3, 4, 5]);
    expect([...(series.vw ?? [])]).toEqual([0.5, 1.5, 2.5]);
    expect([...series.v]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });

  it.each([
    ["holds 2 rows", (lines: string[]) => lines.slice(0, -1)],
    ["t = .* does not ascend", (lines: string[]) => [...lines.slice(0, 2), lines[3] ?? "", lines[2] ?? ""]],
    ["outside the manifest's", (lines: string[]) => lines.with(3, "1600000000000,1,1,1,1,1")],
    ["a price is missing", (lines: string[]) => lines.with(2, (lines[2] ?? "").replace(",11,", ",,"))],
    ["column v missing", (lines: string[]) => lines.with(0, "t,o,h,l,c,volume")],
  ])("are refused when the file %s", async (problem, change) => {
    const dir = await writeSmallWorld([daily]);
    const path = join(dir, "candles/AAPL/1d.csv");
    const lines = (await readFile(path, "utf8")).trim().split("\n");
    await writeFile(path, `${change(lines).join("\n")}\n`);
    await expect(load(dir)).rejects.toThrow(new RegExp(`candles/AAPL/1d.csv: .*${problem}`));
  });
});
