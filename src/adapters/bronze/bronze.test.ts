import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asSeriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { BronzeObject, BronzePlace, BronzeSidecar } from "../../engine/bronze-port.ts";
import { fileBronze, writeDurably } from "./bronze.ts";

const body = Buffer.from('{"results":[{"t":1,"c":"é"}],"status":"OK"}');
const place: BronzePlace = {
  source: "polygon",
  dataset: "ohlcv.market_data",
  ingestDate: "2026-03-20",
  runId: "r1",
  chunkId: "r1.c7",
  page: 2,
};

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "bronze-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("a body that is put", () => {
  it("stands compressed and as received, in a folder that names where it came from", async () => {
    const { object } = await fileBronze(root).put(place, body, sidecar);
    expect(dirname(object.path)).toBe(
      "source_system=polygon/dataset=ohlcv.market_data/ingest_date=2026-03-20/run_id=r1",
    );
    expect(gunzipSync(await readFile(join(root, object.path)))).toEqual(body);
    expect(object.bytes).toBe(body.byteLength);
    expect(object.sha256).toBe(createHash("sha256").update(body).digest("hex"));
  });

  it("reads back, with its hash; what cannot be read has none", async () => {
    const bronze = fileBronze(root);
    const { object } = await bronze.put(place, body, sidecar);
    expect(await bronze.read(object.path)).toEqual(body);
    expect(await bronze.hash(object.path)).toBe(object.sha256);
    expect(await bronze.hash("nothing.json.gz")).toBeNull();
  });

  it("has no hash of its own any more after one byte was flipped", async () => {
    const bronze = fileBronze(root);
    const { object } = await bronze.put(place, body, sidecar);
    const file = await readFile(join(root, object.path));
    for (const i of [10, file.length >> 1, file.length - 6]) {
      const damaged = Buffer.from(file);
      damaged[i] = (damaged[i] as number) ^ 1;
      await writeFile(join(root, object.path), damaged);
      expect(await bronze.hash(object.path)).not.toBe(object.sha256);
    }
  });

  it("never takes the place of another one, even of the same page", async () => {
    const bronze = fileBronze(root);
    const first = await bronze.put(place, body, sidecar);
    const second = await bronze.put(place, Buffer.from("{}"), sidecar);
    expect(second.object.path).not.toBe(first.object.path);
    expect(await bronze.read(first.object.path)).toEqual(body);
  });

  it.each([
    ["csv", ".csv.gz"],
    ["parquet", ".parquet"],
  ] as const)("ends as what it is, and is found by a sweep: %s", async (format, end) => {
    const bronze = fileBronze(root);
    const { object } = await bronze.put({ ...place, format }, body, sidecar);
    expect(object.path.endsWith(end)).toBe(true);
    const stored = await readFile(join(root, object.path));
    expect(format === "parquet" ? stored : gunzipSync(stored)).toEqual(body);
    expect([await bronze.read(object.path), await bronze.hash(object.path)]).toEqual([body, object.sha256]);
    await rm(join(root, (await bronze.put({ ...place, format }, body, sidecar)).object.path));
    expect((await bronze.sweep("r1")).map((one) => one.object.path)).toEqual([object.path]);
    expect(await filesBelow(root)).toHaveLength(2);
  });

  it("leaves no temporary file", async () => {
    await fileBronze(root).put(place, body, sidecar);
    expect((await filesBelow(root)).filter((file) => !/\.json\.gz$|\.meta\.json$/.test(file))).toEqual([]);
  });
});

describe("a sweep", () => {
  it("finds the complete bodies of its run with what the sidecar says, and no other run's", async () => {
    const bronze = fileBronze(root);
    const one = await bronze.put(place, body, sidecar);
    const two = await bronze.put({ ...place, ingestDate: "2026-03-21", page: 3 }, body, sidecar);
    await bronze.put({ ...place, runId: "r10", chunkId: "r10.c1" }, body, sidecar);
    const byPath = (a: BronzeSidecar, b: BronzeSidecar): number => (a.object.path < b.object.path ? -1 : 1);
    expect([...(await bronze.sweep("r1"))].sort(byPath)).toEqual([one, two].sort(byPath));
  });

  it("deletes temporaries and sidecars that stand alone, and passes over a body that does", async () => {
    const bronze = fileBronze(root);
    const kept = await bronze.put(place, body, sidecar);
    const alone = await bronze.put({ ...place, page: 3 }, body, sidecar);
    const folder = join(root, dirname(kept.object.path));
    await rm(join(root, alone.object.path.replace(/\.json\.gz$/, ".meta.json")));
    await writeFile(join(folder, "c8-0-abcdef.meta.json"), "{}");
    await writeFile(join(folder, "c9-0-abcdef.json.gz.0011.part"), "half");
    expect(await bronze.sweep("r1")).toEqual([kept]);
    const left = await readdir(folder);
    const bodies = [kept, alone].map(({ object }) => object.path.split("/").at(-1) ?? "");
    expect(left).toEqual([...bodies, bodies[0]?.replace(".json.gz", ".meta.json")].sort());
  });

  it("finds nothing where nothing was ever put", async () => {
    expect(await fileBronze(join(root, "none")).sweep("r1")).toEqual([]);
    expect(await fileBronze(join(root, "none")).manifests()).toEqual([]);
  });
});

describe("a seal", () => {
  it("leaves a manifest and a mark in each folder of its run only", async () => {
    const bronze = fileBronze(root);
    const one = await bronze.put(place, body, sidecar);
    const other = await bronze.put({ ...place, runId: "r10", chunkId: "r10.c1" }, body, sidecar);
    await bronze.seal("r1", { run: "r1", head: "abc" });
    expect(await bronze.manifests()).toEqual([{ run: "r1", head: "abc" }]);
    expect((await stat(join(root, dirname(one.object.path), "_SUCCESS"))).size).toBe(0);
    expect(await readdir(join(root, dirname(other.object.path)))).not.toContain("_SUCCESS");
  });
});

describe("a durable write", () => {
  it("replaces the whole file or leaves it as it was", async () => {
    const path = join(root, "file");
    await writeDurably(path, Buffer.from("one"));
    await writeDurably(path, Buffer.from("two"));
    expect(await readFile(path, "utf8")).toBe("two");
    await expect(writeDurably(join(root, "absent", "file"), Buffer.from("x"))).rejects.toThrow("ENOENT");
    expect(await readdir(root)).toEqual(["file"]);
  });
});

function sidecar(file: BronzeObject): BronzeSidecar {
  return {
    object: {
      ...file,
      chunkId: "r1.c7",
      runId: "r1",
      dataset: "ohlcv.market_data",
      version: 1,
      key: asSeriesKey("BTC/1m"),
      keys: [asSeriesKey("BTC/1m")],
      source: "polygon",
      page: 2,
      target: "/v2/aggs",
      answered: { start: instant(0), end: instant(60_000) },
      rows: 1,
      strict: false,
      layout: null,
      businessNow: instant(120_000),
      receivedAt: instant(120_000),
    },
    progress: { page: 3, from: instant(60_000), next: null, complete: true },
  };
}

async function filesBelow(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}
