import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, it } from "vitest";
import { instant } from "../../core/time/instant.ts";
import { type Http, isTransportFailure, type RawAnswer } from "../../engine/fetch/http.ts";
import { fileHttp } from "./file-http.ts";

let dir: string;
let http: Http;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "file-http-"));
  http = fileHttp({ root: dir, clock: { now: () => instant(7) } });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it.each([
  ["a.csv", Buffer.from("t,o\n1,2\n3,4")],
  ["a.csv.gz", gzipSync("t,o\n1,2\n3,4")],
  // Two gzip members are one file.
  ["b.csv.gz", Buffer.concat([gzipSync("t,o\n1,"), gzipSync("2\n3,4")])],
])("answers %s with its text and the count of its records", async (name, bytes) => {
  await writeFile(join(dir, name), bytes);
  const answer = await ask(name);
  expect([answer.status, answer.headers.rows, answer.body.toString(), answer.receivedAt]).toEqual([
    200,
    "2",
    "t,o\n1,2\n3,4",
    7,
  ]);
});

it("answers Parquet as it is, counted by its footer", async () => {
  const path = join(dir, "a.parquet");
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(`copy (select range as t from range(4321)) to '${path}'`);
  connection.closeSync();
  instance.closeSync();
  const answer = await ask("a.parquet", { format: "parquet" });
  expect([answer.status, answer.headers.rows, answer.body.subarray(0, 4).toString()]).toEqual([200, "4321", "PAR1"]);
});

it.each([
  ["none.csv", null, 404, /^$/],
  ["none/none.csv", null, 404, /^$/],
  ["cut.csv.gz", gzipSync("t,o\n1,2\n".repeat(99)).subarray(0, 30), 422, /cannot be read: unexpected end of file/],
  ["no.csv.gz", Buffer.from("t,o\n"), 422, /cannot be read: incorrect header check/],
  ["latin.csv", Buffer.from([0x31, 0x2c, 0xe9]), 422, /it is no text in UTF-8/],
  ["binary.csv", Buffer.from("1,2\0\n"), 422, /it is no text in UTF-8/],
  ["no.parquet", Buffer.from("PAR1"), 422, /cannot be read/],
])("answers %s with why it is no answer", async (name, bytes, status, text) => {
  if (bytes !== null) await writeFile(join(dir, name), bytes);
  const answer = await ask(name, { format: name.endsWith("parquet") ? "parquet" : "csv" });
  expect([answer.status, answer.headers.rows]).toEqual([status, undefined]);
  expect(answer.body.toString()).toMatch(text);
});

it("does not take a folder for a file", async () => {
  expect((await ask("")).status).toBe(404);
});

it("does not answer with a file that grows while it is read", async () => {
  const path = join(dir, "grows.csv");
  await writeFile(path, "1,2\n".repeat(500_000));
  const reading = ask("grows.csv");
  let isOver = false;
  const over = reading.finally(() => {
    isOver = true;
  });
  while (!isOver) await appendFile(path, "3,4\n");
  await over;
  expect((await reading).status).toBe(409);
});

async function ask(name: string, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
  const request = {
    method: "GET",
    target: `file:${name}`,
    headers: { format: "csv", "header-lines": "1", ...headers },
  } as const;
  const answer = await http.send(request);
  if (isTransportFailure(answer)) throw new Error(answer.message);
  return answer;
}
