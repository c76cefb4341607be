import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { recordsOf } from "../../sources/files/files.ts";
import { fileLayout } from "../../sources/files/layout.ts";
import { patternReader } from "../../sources/files/pattern.ts";
import { type IndexedLayout, indexFiles } from "./file-index.ts";

const COLUMNS = { t: "t", o: "o", h: "h", l: "l", c: "c" };
const DAY = 86_400_000;

let dir: string;
let notes: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "file-index-"));
  await mkdir(join(dir, "prices", "deep"), { recursive: true });
  notes = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it("knows the first and last readable stamp of each file, newest first or not", async () => {
  await put("prices/b.csv.gz", [
    "t,o,h,l,c",
    `${3 * DAY},1,1,1,1`,
    `${DAY},1,1,1,1`,
    `${9 * DAY},x,1,1,1`,
    "x,1,1,1,1",
  ]);
  await put("prices/a.csv.gz", ["T,C,L,H,O", `${DAY},1,1,1,1`]);
  await put("prices/a.txt", ["nothing"]);
  await put("prices/deep/c.csv.gz", ["t,o,h,l,c", `${DAY},1,1,1,1`]);
  expect(await holdings({})).toEqual([
    { path: "prices/a.csv.gz", named: { symbol: "a" }, key: null, first: DAY, last: DAY, rows: 1 },
    { path: "prices/b.csv.gz", named: { symbol: "b" }, key: null, first: DAY, last: 3 * DAY, rows: 2 },
  ]);
  expect(notes).toEqual([]);
});

it("knows what a file holds of each of its symbols, in capitals", async () => {
  const lines = [`${DAY},1,1,1,1,msft`, `${2 * DAY},1,1,1,1,AAPL`, `${3 * DAY},1,1,1,1,aapl`, `${4 * DAY},1,1,1,1,`];
  await put("prices/all.csv.gz", ["t,o,h,l,c,s", ...lines]);
  const found = await holdings({ pattern: "*.csv.gz", columns: { ...COLUMNS, symbol: "s" } });
  expect(found.map(({ key, first, last, rows }) => [key, first / DAY, last / DAY, rows])).toEqual([
    ["AAPL", 2, 3, 2],
    ["MSFT", 1, 1, 1],
  ]);
});

it("opens a file again only when its size or age changed, or its layout", async () => {
  await put("prices/a.csv.gz", ["t,o,h,l,c", `${DAY},1,1,1,1`]);
  await holdings({});
  const cache = JSON.parse(await readFile(join(dir, "index.json"), "utf8"));
  const [id] = Object.keys(cache) as [string];
  // What only the memory says is believed while the file looks the same.
  cache[id]["prices/a.csv.gz"].holds[0][2] = 77 * DAY;
  await writeFile(join(dir, "index.json"), JSON.stringify(cache));
  expect((await holdings({}))[0]?.last).toBe(77 * DAY);
  expect((await holdings({ scale: 10 }))[0]?.last).toBe(DAY);
  await put("prices/a.csv.gz", ["t,o,h,l,c", `${DAY},1,1,1,1`], 5);
  expect((await holdings({}))[0]?.last).toBe(DAY);
  await writeFile(join(dir, "index.json"), "{half");
  expect((await holdings({}))[0]?.last).toBe(DAY);
});

it("tells what it cannot read, with the nearest column", async () => {
  await put("prices/a.csv.gz", ["t,o,h,l,close", `${DAY},1,1,1,1`]);
  await put("prices/b.csv.gz", ["t,o,h,l,closed", "1,2", "x"]);
  await writeFile(join(dir, "prices", "c.csv.gz"), "no gzip");
  expect(await holdings({ columns: { ...COLUMNS, c: "closed" } })).toEqual([]);
  expect(notes).toEqual([
    'files: prices/a.csv.gz has no column "closed" (did you mean "close"?)',
    "files: prices/b.csv.gz has no record that can be read as declared",
    expect.stringMatching(/^files: prices\/c\.csv\.gz cannot be read: /),
  ]);
  notes = [];
  await holdings({ folder: "price" });
  expect(notes).toEqual(["files: nothing in price is named as layout says"]);
});

async function holdings(layout: object) {
  const plain = {
    folder: "prices",
    pattern: "{symbol}.csv.gz",
    timeframe: "1d",
    columns: COLUMNS,
    time: { format: "epoch_ms" },
  };
  const parsed = fileLayout.parse({ ...plain, ...layout });
  const indexed: IndexedLayout = {
    name: "layout",
    folder: parsed.folder,
    readName: patternReader(parsed.pattern),
    records: recordsOf(parsed),
  };
  const options = { root: dir, cachePath: join(dir, "index.json"), note: (line: string) => notes.push(line) };
  return (await indexFiles([indexed], options)).get("layout") ?? [];
}

async function put(path: string, lines: readonly string[], age = 0): Promise<void> {
  await writeFile(join(dir, path), gzipSync(lines.join("\n")));
  await utimes(join(dir, path), age, age);
}
