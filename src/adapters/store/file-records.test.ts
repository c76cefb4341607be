import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FileReader, RecordShape } from "../../engine/ports.ts";
import { countLines } from "../files/file-http.ts";
import { fileQueries } from "./file-records.ts";

let dir: string;
let instance: DuckDBInstance;
let connection: DuckDBConnection;
let files = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "file-records-"));
  // As the store opens its file.
  instance = await DuckDBInstance.create(":memory:", { preserve_insertion_order: "false", threads: "2" });
  connection = await instance.connect();
});
afterAll(async () => {
  connection.closeSync();
  instance.closeSync();
  await rm(dir, { recursive: true, force: true });
});

describe("stamps", () => {
  it.each([
    ["iso", "UTC", "2026-03-19 13:30:00", "2026-03-19T13:30:00Z"],
    ["iso", "America/New_York", "2026-03-19 13:30:00", "2026-03-19T17:30:00Z"],
    ["iso", "America/New_York", "2026-01-19 13:30", "2026-01-19T18:30:00Z"],
    ["iso", "America/New_York", "2025-09-26 04:00:00-04:00", "2025-09-26T08:00:00Z"],
    ["iso", "UTC", "2025-09-26 04:00+05:30", "2025-09-25T22:30:00Z"],
    ["iso", "UTC", "2025-09-26 04:00:00-04", "2025-09-26T08:00:00Z"],
    ["iso", "UTC", "2025-09-26 04:00:00 +0200", "2025-09-26T02:00:00Z"],
    ["iso", "Asia/Tokyo", "2026-03-19T13:30:00.250Z", "2026-03-19T13:30:00.250Z"],
    ["iso", "Asia/Tokyo", "2026-03-19", "2026-03-18T15:00:00Z"],
    ["iso", "UTC", "2026-02-30 00:00", null],
    ["iso", "UTC", "19.03.2026", null],
    ["iso", "UTC", "", null],
    // Clocks in New York skip 02:30 on that day and show 01:30 twice on the other, first in summer time.
    ["iso", "America/New_York", "2024-03-10 02:30:00", null],
    ["iso", "America/New_York", "2024-03-10 03:00:00", "2024-03-10T07:00:00Z"],
    ["iso", "America/New_York", "2024-11-03 01:30:00", "2024-11-03T05:30:00Z"],
    ["iso", "America/New_York", "2024-11-03 02:00:00", "2024-11-03T07:00:00Z"],
    ["date", "America/New_York", "2024-04-01 00:00:00+00:00", "2024-04-01T04:00:00Z"],
    ["date", "UTC", "2024-04-01", "2024-04-01T00:00:00Z"],
    ["date", "UTC", "2024-04-01 09:30:00", null],
    [{ strptime: "%Y%m%d %H:%M" }, "America/New_York", "20210331 15:00", "2021-03-31T19:00:00Z"],
    [{ strptime: "%d.%m.%Y" }, "Europe/Berlin", "31.12.2020", "2020-12-30T23:00:00Z"],
    [{ strptime: "%Y%m%d" }, "UTC", "2021-03-31", null],
    ["epoch_s", "America/New_York", "1364774820", "2013-04-01T00:07:00Z"],
    ["epoch_s", "UTC", "1364774820.5", "2013-04-01T00:07:00.500Z"],
    ["epoch_ms", "UTC", "1364774820000.0", "2013-04-01T00:07:00Z"],
    ["epoch_us", "UTC", "1364774820000000", "2013-04-01T00:07:00Z"],
    ["epoch_ns", "UTC", "1364774820000000000", "2013-04-01T00:07:00Z"],
    ["epoch_ns", "UTC", "1364774820000000001", null],
    ["epoch_ms", "UTC", "1.36e12", null],
  ] as const)("written as %j on %s clocks: %s", async (format, zone, text, at) => {
    const [row] = await read(`${text}|1`, { t: 0, v: 1 }, { delimiter: "|", time: { format, zone } });
    const ms = row?.t === null || row === undefined ? null : Number(row.t);
    expect([ms === null ? null : new Date(ms).toISOString().replace(".000Z", "Z"), row?.unreadable]).toEqual([
      at,
      at === null,
    ]);
  });

  it("may stand in two columns, or as a day and milliseconds since its midnight", async () => {
    const two = await read("2006-01-02,09:01:00,7", { v: 2 }, { time: { columns: [0, 1], zone: "Europe/Berlin" } });
    expect(two[0]).toMatchObject({ t: Date.parse("2006-01-02T08:01:00Z"), v: 7 });
    const time = { msOfDay: 1, format: { strptime: "%Y%m%d" }, zone: "America/New_York" } as const;
    const ms = await read("20131004,34200000,7\n20131004,x,7", { v: 2 }, { time });
    expect(ms.map(({ t }) => t)).toEqual([Date.parse("2013-10-04T13:30:00Z"), null]);
  });
});

describe("numbers", () => {
  it.each([
    ["93.25", 93.25],
    [" 1e-7 ", 1e-7],
    [".5", 0.5],
    ["5.", 5],
    ["+3", 3],
    ["-3", -3],
  ])("%j is read", async (text, value) => {
    expect((await read(`0,${text}`))[0]).toMatchObject({ v: value, unreadable: false });
  });

  it.each(["", "NaN", "inf", "1e400", "1_000", "0x10", "true", "1 000", "null", "12a", "--"])(
    "%j makes its record unreadable",
    async (text) => {
      expect((await read(`0,${text}`))[0]).toEqual({
        row_no: 0,
        t: 0,
        v: null,
        w: null,
        n: null,
        unreadable: true,
        record: `0,${text}`,
      });
    },
  );

  it("are divided by what stands for one, exactly", async () => {
    const rows = await read("0,6448000\n60000,136300", undefined, { divisors: { v: 10_000 } });
    expect(rows.map(({ v }) => v)).toEqual([644.8, 13.63]);
  });

  it("that are optional may be empty or not be there, but not be wrong", async () => {
    const columns = { t: 0, v: 1, w: 2, n: 3 };
    const rows = await read("0,1,,\n1,1\n2,1,5.5,7\n3,1,x,7\n4,1,5.5,7.5", columns);
    expect(rows.map(({ w, n, unreadable }) => [w, n, unreadable])).toEqual([
      [null, null, false],
      [null, null, false],
      [5.5, 7, false],
      [null, 7, true],
      [5.5, null, true],
    ]);
  });
});

describe("lines", () => {
  it("are all there, each as it stands, whatever ends them", async () => {
    const body = 't,v\r\n0,1\n\n1,2\r\n  \n"2","3"\nt,v\n3\n4,5,6\n5,"6\n6,7';
    const rows = await read(body, { t: "T", v: "V" }, { headerLines: 1 });
    expect(rows.map(({ row_no, record, unreadable }) => [row_no, record, unreadable])).toEqual([
      [0, "0,1", false],
      [1, "1,2", false],
      [2, '"2","3"', false],
      [3, "t,v", true],
      [4, "3", true],
      [5, "4,5,6", true],
      [6, '5,"6', true],
      [7, "6,7", false],
    ]);
  });

  it("keep their places over several files with the same and with other columns", async () => {
    const bodies = [
      { no: 7, ...(await put("t,v\n0,1\n1,2")) },
      { no: 5, ...(await put("V,x,T\n3,a,2\n4,b,3")) },
      { no: 6, ...(await put("t,v\n4,5\n5,6\n6,7")) },
    ];
    const shape = shapeOf({ t: "t", v: "v" }, { headerLines: 1 });
    const queries = await fileQueries(bodies, shape);
    expect(queries.length).toBe(2);
    const found = await rowsOf(`select object_no, row_no, t, v from (${queries.join(" union all ")}) order by t`);
    expect(found.map(({ object_no, row_no, t, v }) => [object_no, row_no, t, v])).toEqual([
      [7, 0, 0, 1],
      [7, 1, 1, 2],
      [5, 0, 2, 3],
      [5, 1, 3, 4],
      [6, 0, 4, 5],
      [6, 1, 5, 6],
      [6, 2, 6, 7],
    ]);
  });

  it("are cut by other delimiters, with quotes around cells that hold them", async () => {
    for (const delimiter of [";", "\t", "|", "^", "]"]) {
      const rows = await read(`0${delimiter}"5"\n"1"${delimiter}6`, undefined, { delimiter });
      expect([delimiter, rows.map(({ v }) => v)]).toEqual([delimiter, [5, 6]]);
      const quoted = await read(`0${delimiter}"a${delimiter}b ""c"""${delimiter}7`, { t: 0, v: 2 }, { delimiter });
      expect([delimiter, quoted[0]?.v]).toEqual([delimiter, 7]);
    }
  });

  it("begin behind all header lines, of which the first names the columns", async () => {
    const rows = await read(
      "Price,Close,High\nTicker,AAPL,AAPL\nDatetime,,\n5,198.6,199",
      { t: 0, v: "close" },
      { headerLines: 3 },
    );
    expect(rows).toMatchObject([{ t: 5, v: 198.6 }]);
  });

  it("are counted alike by the reader and by the transport", async () => {
    const endings = ["\n", "\r\n", "\r"];
    for (const end of endings) {
      for (const header of [0, 1, 3]) {
        for (const tail of ["", end, end + end, `  ${end}\t`]) {
          const body = ["a,b", "", "0,1", " ", "1,2", "2,x"].join(end) + tail;
          const rows = await read(body, undefined, { headerLines: header });
          expect([JSON.stringify(body), header, countLines(Buffer.from(body), header)]).toEqual([
            JSON.stringify(body),
            header,
            rows.length,
          ]);
        }
      }
    }
  });
});

interface ReaderOptions extends Partial<Omit<FileReader, "time" | "columns">> {
  readonly time?: Partial<FileReader["time"]>;
}

function shapeOf(
  { t = 0, ...columns }: Readonly<Record<string, string | number>>,
  { time, ...reader }: ReaderOptions,
): RecordShape & { readonly reader: FileReader } {
  return {
    path: "",
    fields: {
      t: { type: "integer", required: true },
      v: { type: "number", required: true },
      w: { type: "number", required: false },
      n: { type: "integer", required: false },
    },
    stamp: "t",
    reader: {
      format: "csv",
      delimiter: ",",
      headerLines: 0,
      divisors: {},
      columns,
      ...reader,
      time: { columns: [t], msOfDay: null, format: time?.columns ? "iso" : "epoch_ms", zone: "UTC", ...time },
    },
  };
}

async function put(text: string): Promise<{ readonly path: string; readonly rows: number }> {
  const path = join(dir, `${files++}.csv.gz`);
  await writeFile(path, gzipSync(text));
  return { path, rows: countLines(Buffer.from(text), 1) };
}

async function read(
  text: string,
  columns: Readonly<Record<string, string | number>> = { t: 0, v: 1 },
  options: ReaderOptions = {},
) {
  const queries = await fileQueries([{ no: 1, ...(await put(text)) }], shapeOf(columns, options));
  return rowsOf(`select * exclude (object_no) from (${queries.join(" union all ")}) order by row_no`);
}

async function rowsOf(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const found = (await connection.runAndReadAll(sql)).getRowObjectsJS();
  return found.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]),
    ),
  );
}
