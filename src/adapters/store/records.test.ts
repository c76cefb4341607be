import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { RecordShape } from "../../engine/ports.ts";
import { recordsQuery } from "./records.ts";

const SHAPE: RecordShape = {
  path: "",
  stamp: "date",
  fields: {
    symbol: { type: "string", required: true },
    date: { type: "date", required: true },
    eps: { type: "number", required: false, nullable: true },
    revenue: { type: "number", required: true, nullable: true },
    note: { type: "string", required: false },
  },
};

let instance: DuckDBInstance;
let connection: DuckDBConnection;
let bronze: string;

beforeAll(async () => {
  instance = await DuckDBInstance.create(":memory:");
  connection = await instance.connect();
  bronze = await mkdtemp(join(tmpdir(), "records-"));
});
afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

async function read(shape: RecordShape, bodies: readonly unknown[], strict: boolean) {
  const objects: ObjectRecord[] = [];
  for (const [i, body] of bodies.entries()) {
    const text = JSON.stringify(body);
    await writeFile(join(bronze, `${i}.json.gz`), gzipSync(text));
    objects.push({ ordinal: i + 1, path: `${i}.json.gz`, bytes: text.length, strict } as ObjectRecord);
  }
  const query = `select * exclude (record) from (${recordsQuery(objects, { shape, bronze })}) order by object_no, row_no`;
  return (await connection.runAndReadAll(query)).getRowObjectsJson();
}

describe("records of bodies that are lists", () => {
  const bodies = [
    [
      { symbol: "A", date: "2024-02-29", eps: null, revenue: 5 },
      { symbol: "A", date: "1969-12-31", eps: 1.5, revenue: null },
    ],
    [],
    [{ symbol: "B", date: "2024-03-01", revenue: 7, note: "x" }],
  ];

  it.each([true, false])("have dates as UTC midnights, and null where null is a value (strict: %s)", async (strict) => {
    const rows = await read(SHAPE, bodies, strict);
    expect(rows.map((row) => Number(row?.date))).toEqual([1_709_164_800_000, -86_400_000, 1_709_251_200_000]);
    expect(
      rows.map(({ object_no, row_no, eps, revenue, unreadable }) => [object_no, row_no, eps, revenue, unreadable]),
    ).toEqual([
      [1, "0", null, 5, false],
      [1, "1", 1.5, null, false],
      [3, "0", null, 7, false],
    ]);
  });

  it.each([
    ["a day that is none", { date: "2024-02-30" }],
    ["a date in another form", { date: "2024-2-9" }],
    ["a number for a date", { date: 20240209 }],
    ["null for a date", { date: null }],
    ["a missing field that may only be null", { revenue: undefined }],
    ["null in a field that is not nullable", { note: null }],
    ["a text in a nullable field", { eps: "1" }],
  ])("with %s are unreadable", async (_what, wrong) => {
    const good = { symbol: "A", date: "2024-02-29", eps: 1, revenue: 2 };
    const rows = await read(SHAPE, [[good, { ...good, ...wrong }]], false);
    expect(rows.map(({ unreadable }) => unreadable)).toEqual([false, true]);
  });
});
