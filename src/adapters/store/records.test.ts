import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layoutOf } from "../../engine/fetch/layout.ts";
import { isStrict, recordsOf } from "../../engine/fetch/probe.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { MemberPath, RecordShape } from "../../engine/ports.ts";
import { isOneLine } from "../bronze/bronze.ts";
import { recordsQuery } from "./records.ts";

/** Lists, as an exchange sends candles; `x` is a column that it has not. */
const LISTS: RecordShape = {
  path: "",
  stamp: "t",
  fields: {
    t: { type: "integer", required: true, at: 0 },
    o: { type: "decimal-text", required: true, at: 1 },
    x: { type: "number", required: false, at: null },
    n: { type: "integer", required: false, at: 3 },
  },
};
/** Objects with dates, as an archive sends days. */
const DAYS: RecordShape = {
  path: "",
  stamp: "date",
  fields: {
    date: { type: "date", required: true },
    price: { type: "decimal-text", required: false },
    name: { type: "string", required: false },
  },
};
const WRAPPED: RecordShape = { ...DAYS, path: "rows" };
/** Objects in which null is a value of some fields, as a list of reports has those to come. */
const REPORTS: RecordShape = {
  path: "",
  stamp: "date",
  fields: {
    symbol: { type: "string", required: true },
    date: { type: "date", required: true },
    eps: { type: "number", required: false, nullable: true },
    revenue: { type: "decimal-text", required: true, nullable: true },
    note: { type: "string", required: false },
  },
};
/** Objects with members that only their case tells apart, as a market's day has tickers and times. */
const TICKERS: RecordShape = {
  path: "results",
  stamp: "t",
  key: "ticker",
  fields: {
    ticker: { type: "string", required: true, member: "T" },
    t: { type: "integer", required: true },
    n: { type: "integer", required: false, nullable: true },
  },
};
/** Objects that need not say whose they are, where the body says it of all. */
const SIGNED: RecordShape = {
  path: "lines",
  stamp: "date",
  fields: {
    date: { type: "date", required: true },
    owner: { type: "string", required: false, nullable: true, around: ["head", "owner"] },
  },
};

/** Objects with parts, each a list of one or by itself, whose members have an old and a new name. */
const PARTS: RecordShape = {
  path: "lines",
  isBare: true,
  stamp: "date",
  fields: {
    date: { type: "date", required: true },
    amount: { type: "decimal", required: true, members: partOf("sum", "amount_new", "amount") },
    weight: { type: "decimal", required: false, nullable: true, members: partOf("sum", "weight") },
    name: { type: "string", required: false, nullable: true, members: partOf("product", "name_new", "name") },
    never: { type: "string", required: false, members: [] },
  },
};

function partOf(part: string, ...names: readonly string[]): readonly MemberPath[] {
  return names.flatMap((name) => [
    [part, 0, name],
    [part, name],
  ]);
}

let dir: string;
let instance: DuckDBInstance;
let connection: DuckDBConnection;
let bodies = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "records-"));
  await mkdir(join(dir, "bronze"));
  instance = await DuckDBInstance.create(":memory:");
  connection = await instance.connect();
});
afterAll(async () => {
  connection.closeSync();
  instance.closeSync();
  await rm(dir, { recursive: true, force: true });
});

describe("a body that is the list of records", () => {
  it("is read from several objects, each record with its place", async () => {
    const one = await put('[[1000,"1.5","h",7,"more"],[2000,"2.5","h",8]]');
    const two = await put('[[3000,"0.00000001","h",9]]');
    const rows = [
      { object_no: one.ordinal, row_no: 0, t: 1000, o: 1.5, x: null, n: 7, unreadable: false },
      { object_no: one.ordinal, row_no: 1, t: 2000, o: 2.5, x: null, n: 8, unreadable: false },
      { object_no: two.ordinal, row_no: 0, t: 3000, o: 1e-8, x: null, n: 9, unreadable: false },
    ];
    expect(await read([one, two], LISTS)).toEqual(rows);
    expect(await read([one, two].map(careful), LISTS)).toEqual(rows);
    expect(await read([await put("[]")], LISTS)).toEqual([]);
  });

  it("keeps each record as it came, on either path", async () => {
    const text = '[1000,"1.50",null,7,{"a":[1]}]';
    const object = await put(`[${text}]`);
    for (const one of [object, careful(object)]) {
      const sql = recordsQuery([one], { shape: LISTS, bronze: join(dir, "bronze") });
      const reader = await connection.runAndReadAll(`select to_json(record)::varchar from (${sql})`);
      expect(reader.getRows()).toEqual([[text]]);
    }
  });

  it("may hold objects, with or without a member that names the list", async () => {
    const days = '[{"date":"2024-02-29","price":"1e-2"},{"date":"1969-12-31","name":"x"}]';
    const rows = [
      { date: Date.UTC(2024, 1, 29), price: 0.01, name: null, unreadable: false },
      { date: -86_400_000, price: null, name: "x", unreadable: false },
    ];
    for (const [body, shape] of [
      [days, DAYS],
      [`{"rows":${days}}`, WRAPPED],
    ] as const) {
      const object = await put(body);
      expect(await read([object], shape)).toMatchObject(rows);
      expect(await read([careful(object)], shape)).toMatchObject(rows);
    }
  });
});

it("what the body says around its records stands for those that do not say it, on either path", async () => {
  const lines = '[{"date":"2024-02-29"},{"date":"2024-03-01","owner":"B"},{"date":"2024-03-02","owner":null}]';
  const bodies: readonly (readonly [string, RecordShape, readonly (string | null)[]])[] = [
    [`{"head":{"owner":"A"},"lines":${lines}}`, SIGNED, ["A", "B", "A"]],
    [`{"head":{"owner":"A"},"lines":${lines}}`, { ...SIGNED, isBare: true }, ["A", "B", "A"]],
    [lines, { ...SIGNED, isBare: true }, [null, "B", null]],
    [`{"lines":${lines},"head":{}}`, SIGNED, [null, "B", null]],
    [`{"lines":${lines}}`, SIGNED, [null, "B", null]],
  ];
  for (const [body, shape, owners] of bodies) {
    const object = await put(body);
    expect((await read([object], shape)).map(({ owner }) => owner)).toEqual(owners);
    expect((await read([careful(object)], shape)).map(({ owner }) => owner)).toEqual(owners);
  }
  const both = [await put('{"head":{"owner":"A"},"lines":[{"date":"2024-02-29"}]}'), await put(bodies[0]?.[0] ?? "")];
  expect((await read(both, SIGNED)).map(({ owner }) => owner)).toEqual(["A", "A", "B", "A"]);
});

it("null is a value where the field is nullable, on either path", async () => {
  const object = await put(
    `[{"symbol":"A","date":"2024-02-29","eps":null,"revenue":"5"},{"symbol":"A","date":"1969-12-31","eps":1.5,"revenue":null},
      {"symbol":"B","date":"2024-03-01","revenue":"7.25","note":"x"}]`,
  );
  const rows = [
    { symbol: "A", date: Date.UTC(2024, 1, 29), eps: null, revenue: 5, note: null, unreadable: false },
    { symbol: "A", date: -86_400_000, eps: 1.5, revenue: null, note: null, unreadable: false },
    { symbol: "B", date: Date.UTC(2024, 2, 1), eps: null, revenue: 7.25, note: "x", unreadable: false },
  ];
  expect(object.strict).toBe(true);
  expect(await read([object], REPORTS)).toMatchObject(rows);
  expect(await read([careful(object)], REPORTS)).toMatchObject(rows);
});

it("a member that only its case tells from another is read under the field's name, on either path", async () => {
  const object = await put('{"results":[{"T":"A","t":7,"n":1},{"t":8,"T":"a","n":null,"o":1.5}]}');
  const rows = [
    { ticker: "A", t: 7, n: 1, unreadable: false },
    { ticker: "a", t: 8, n: null, unreadable: false },
  ];
  expect(object.strict).toBe(true);
  expect(await read([object], TICKERS)).toMatchObject(rows);
  expect(await read([careful(object)], TICKERS)).toMatchObject(rows);
  const [swapped] = await read([careful(await put('{"results":[{"T":7,"t":"A"}]}'))], TICKERS);
  expect(swapped).toMatchObject({ ticker: null, t: null, unreadable: true });
});

describe("records that may keep a field in one of several places", () => {
  const date = "2024-02-29";
  const day = Date.UTC(2024, 1, 29);

  it.each([
    ["lists of one part", { lines: [{ date, sum: [{ amount: 1.5, weight: "0.250" }], product: [{ name: "x" }] }] }],
    ["parts", { lines: [{ date, sum: { amount: 1.5, weight: "0.250" }, product: { name: "x", more: 1 } }] }],
    ["parts in a body that is the list", [{ date, sum: { amount: 1.5, weight: "0.250" }, product: { name_new: "x" } }]],
    [
      "parts with both names",
      [{ date, sum: [{ amount_new: 1.5, amount: "?", weight: "0.250" }], product: { name: "x" } }],
    ],
  ])("are read at once where all have %s", async (_what, body) => {
    const object = await put(JSON.stringify(body));
    expect(object).toMatchObject({ strict: true, layout: expect.any(String) });
    const rows = [{ date: day, amount: 1.5, weight: 0.25, name: "x", never: null, unreadable: false }];
    expect(await read([object], PARTS)).toMatchObject(rows);
    expect(await read([{ ...object, layout: null }], PARTS)).toMatchObject(rows);
    expect(await read([careful(object)], PARTS)).toMatchObject(rows);
  });

  it("have one layout where one lacks what another has, so that bodies with and without it are read together", async () => {
    const whole = await put(JSON.stringify([{ date, sum: { amount: 1, weight: 2 }, product: { name: "x" } }]));
    const bare = await put(
      JSON.stringify([
        { date, sum: { amount: 1 }, product: null },
        { date, sum: { amount: 2 } },
      ]),
    );
    expect(bare.layout).not.toBe(null);
    expect(await read([bare], PARTS)).toMatchObject([
      { amount: 1, weight: null, name: null },
      { amount: 2, weight: null, name: null },
    ]);
    expect(await read([whole], PARTS)).toMatchObject([{ amount: 1, weight: 2, name: "x" }]);
  });

  it.each([
    [
      "differ",
      [
        { date, sum: { amount: 1 } },
        { date, sum: [{ amount: 2 }] },
      ],
      null,
    ],
    [
      "have two parts",
      [
        { date, sum: [{ amount: 1 }, { amount: "?" }] },
        { date, sum: [{ amount: 2 }] },
      ],
      null,
    ],
    [
      "have something else in a part's place",
      [
        { date, sum: { amount: 1 }, product: "x" },
        { date, sum: { amount: 2 } },
      ],
      // The name lies nowhere, the others where they do.
      "bare 3 1 -1 short",
    ],
  ])("that %s are read all the same", async (_what, body, layout) => {
    const object = await put(JSON.stringify(body));
    const rows = [
      { amount: 1, name: null },
      { amount: 2, name: null },
    ];
    for (const one of [object, careful(object)]) expect(await read([one], PARTS)).toMatchObject(rows);
    expect(object).toMatchObject({ strict: true, layout });
  });

  it("are the same decimals on either path", async () => {
    const figures = ["1.50", "12345678901234567.25", "1e3", "-0", "100000000000000000000", "0.1", "1e-7"];
    const object = await put(`[${figures.map((n) => `{"date":"${date}","sum":{"amount":${n}}}`).join(",")}]`);
    expect(object.layout).not.toBe(null);
    const amounts = async (one: ObjectRecord) => {
      const sql = recordsQuery([one], { shape: PARTS, bronze: join(dir, "bronze") });
      return (await connection.runAndReadAll(`select amount::decimal(38, 9)::varchar from (${sql})`)).getRows().flat();
    };
    expect(await amounts(object)).toEqual(await amounts({ ...object, layout: null }));
    expect((await amounts(object))[0]).toBe("1.500000000");
  });

  it("are read as decimals at once where all are short numbers, and are the same", async () => {
    const whole = fc.sample(fc.integer({ min: -1e15 + 1, max: 1e15 - 1 }), { numRuns: 3_000, seed: 20_261_126 });
    const figures = [...whole, ...whole.map((n) => n % 1_000_000), 0].map((n) => n / 10_000);
    const short = await put(JSON.stringify(figures.map((amount) => ({ date, sum: { amount } }))));
    expect(short.layout).toMatch(/ short$/);
    const typed = async (one: ObjectRecord) => {
      const sql = recordsQuery([one], { shape: PARTS, bronze: join(dir, "bronze") });
      const reader = await connection.runAndReadAll(
        `select typeof(amount), amount::decimal(18, 4)::varchar from (${sql}) order by row_no`,
      );
      return reader.getRows();
    };
    const rows = await typed(short);
    expect(rows.map(([, amount]) => Number(amount))).toEqual(figures);
    expect(rows[0]?.[0]).toBe("DECIMAL(18,4)");
    const carefully = await typed(careful(short));
    expect(rows.map(([, amount]) => amount)).toEqual(carefully.map(([, amount]) => amount));
    expect(carefully[0]?.[0]).toBe("VARCHAR");
  });

  it.each([1e11, 0.12345, -1e300, "1.5", "7"])("are not taken for short numbers with %j among them", async (amount) => {
    const object = await put(
      JSON.stringify([
        { date, sum: { amount: 1 } },
        { date, sum: { amount } },
      ]),
    );
    expect(object.layout).toBe("bare 3 1 0");
    const sql = recordsQuery([object], { shape: PARTS, bronze: join(dir, "bronze") });
    const reader = await connection.runAndReadAll(`select amount from (${sql}) order by row_no`);
    expect(Number(reader.getRows()[1]?.[0])).toBe(Number(amount));
  });
});

describe("bodies of one line and of several", () => {
  const records = [{ date: "2024-02-29" }, { date: "2024-03-01" }];
  const lines = JSON.stringify(records);

  it.each([
    ["one line", lines, true],
    ["a line that is ended", `${lines}\n`, true],
    ["a line that is ended as on Windows", `${lines}\r\n`, true],
    ["space around it", ` \t${lines} \r`, true],
    ["a line before it", `\n${lines}`, false],
    ["lines", JSON.stringify(records, null, 2), false],
    ["an empty line after it", `${lines}\n\n`, false],
  ])("are read alike: %s", async (_what, body, oneLine) => {
    const object = await put(body);
    expect(object).toMatchObject({ oneLine, strict: true });
    const rows = [{ date: Date.UTC(2024, 1, 29) }, { date: Date.UTC(2024, 2, 1) }];
    for (const one of [object, careful(object), { ...object, oneLine: false }]) {
      expect(await read([one], DAYS)).toMatchObject(rows);
    }
  });

  it("are read each under its own number, in whatever order they are stored", async () => {
    const one = await put('[{"date":"2024-02-29"}]');
    const other = await put('[{"date":"2024-03-01"}]');
    const dates = (await read([other, one], DAYS)).map(({ object_no, date }) => [object_no, date]);
    expect(dates).toEqual([
      [one.ordinal, Date.UTC(2024, 1, 29)],
      [other.ordinal, Date.UTC(2024, 2, 1)],
    ]);
  });
});

describe("the careful path", () => {
  it.each<readonly [string, boolean]>([
    ['[1,"1.5"]', true],
    ['[1,"1.5",null]', true],
    ['[1,"1.5",null,null]', false],
    ["[1]", false],
    ["[]", false],
    ["null", false],
    ["7", false],
    ['{"t":1,"o":"1.5"}', false],
    ['["1","1.5"]', false],
    ["[1,1.5]", false],
    ['[1.5,"1.5"]', false],
    ...["-0", "0.5", "12E+3", "123456789.123456789123456789", "1e-999"].map((o) => [`[1,"${o}"]`, true] as const),
    ...["NaN", "1e999", " 1", "1 ", "", "+1", ".5", "1.", "007", "1,5", "0x10", "Infinity", "1_000", "1\\n"].map(
      (o) => [`[1,"${o}"]`, false] as const,
    ),
  ])("finds of %s that it is readable: %s", async (record, readable) => {
    expect(isStrict([JSON.parse(record)], LISTS)).toBe(readable);
    const [row] = await read([careful(await put(`[${record}]`))], LISTS);
    expect(row?.unreadable).toBe(!readable);
  });

  it.each([
    ["2024-02-29", true],
    ["0001-01-01", true],
    ["9999-12-31", true],
    ["2023-02-29", false],
    ["2024-13-01", false],
    ["2024-00-10", false],
    ["2024-1-5", false],
    ["2024/01/05", false],
    ["2024-01-05T00:00:00Z", false],
    ["20240105", false],
    [" 2024-01-05", false],
    ["epoch", false],
    ["infinity", false],
  ])("finds of the date %j that it is readable: %s", async (date, readable) => {
    const records = [{ date }];
    expect(isStrict(records, DAYS)).toBe(readable);
    const [row] = await read([careful(await put(JSON.stringify(records)))], DAYS);
    expect([row?.unreadable, row?.date]).toEqual([!readable, readable ? Date.parse(`${date}T00:00:00Z`) : null]);
  });
});

describe("the careful path of nullable fields", () => {
  it.each<readonly [string, object]>([
    ["null for a date", { date: null }],
    ["a number for a date", { date: 20240209 }],
    ["a missing field that may only be null", { revenue: undefined }],
    ["null in a field that is not nullable", { note: null }],
    ["a text in a nullable field", { eps: "1" }],
    ["a number for a nullable text", { revenue: 2 }],
  ])("finds a record with %s unreadable", async (_what, wrong) => {
    const good = { symbol: "A", date: "2024-02-29", eps: 1, revenue: "2" };
    const records = [good, { ...good, ...wrong }];
    expect(isStrict(JSON.parse(JSON.stringify(records)), REPORTS)).toBe(false);
    const rows = await read([careful(await put(JSON.stringify(records)))], REPORTS);
    expect(rows.map(({ unreadable }) => unreadable)).toEqual([false, true]);
  });
});

it("both paths read the same of what is strict, and the careful one finds unreadable what is not", async () => {
  for (const shape of [LISTS, DAYS, REPORTS, { ...TICKERS, path: "" }, PARTS]) {
    const sample = fc.sample(shape === PARTS ? anyParts() : anyRecord(shape), { numRuns: 4_000, seed: 20_260_130 });
    // As JSON has them: it writes null for what is no number.
    const records = JSON.parse(JSON.stringify(sample)) as readonly unknown[];
    const good = records.filter((record) => isStrict([record], shape));
    expect(good.length).toBeGreaterThan(300);
    expect(records.length - good.length).toBeGreaterThan(300);

    const carefully = await read([careful(await put(JSON.stringify(records)))], shape);
    expect(carefully.map((row) => !row.unreadable)).toEqual(records.map((record) => isStrict([record], shape)));
    const strict = await put(JSON.stringify(good));
    expect(await read([strict], shape)).toEqual(await read([careful(strict)], shape));
    // What has a layout by itself is read by it.
    if (shape !== PARTS) continue;
    const single = await Promise.all(good.slice(0, 300).map((record) => put(JSON.stringify([record]))));
    for (const layout of new Set(single.map((one) => one.layout))) {
      const some = single.filter((one) => one.layout === layout);
      expect(await read(some, shape)).toEqual(await read(some.map(careful), shape));
    }
    expect(new Set(single.map((one) => one.layout)).size).toBeGreaterThan(5);
  }
});

/** Records of parts in which a part may lie in either way, or be something else. */
function anyParts(): fc.Arbitrary<unknown> {
  const figure = fc.constantFrom<unknown>(1, 2.5, 0.12345, "3.25", "1e-2", null, "?", true);
  const word = fc.constantFrom<unknown>("x", "", null, 7);
  const some = (members: Readonly<Record<string, fc.Arbitrary<unknown>>>) => fc.record(members, { requiredKeys: [] });
  const laid = (part: fc.Arbitrary<unknown>) =>
    fc.oneof(
      { weight: 8, arbitrary: part },
      { weight: 8, arbitrary: part.map((one) => [one]) },
      { weight: 1, arbitrary: fc.tuple(part, part) },
      { weight: 1, arbitrary: fc.constantFrom<unknown>(null, "x", [], {}, [[]], [null]) },
    );
  return fc.record(
    {
      date: fc.constantFrom("2024-02-29", "2024-03-01"),
      sum: laid(fc.record({ amount: figure, amount_new: figure, weight: figure }, { requiredKeys: ["amount"] })),
      product: laid(some({ name: word, name_new: word })),
    },
    { requiredKeys: ["date", "sum"] },
  );
}

/** Records in which any value may be something else than it should be. */
function anyRecord(shape: RecordShape): fc.Arbitrary<unknown> {
  const odd = fc.constantFrom<unknown>(null, true, "", "x", [], {}, 1.5, "1", "1e999", "2024-02-30", -1, 2 ** 60);
  const anyOf = (type: string): fc.Arbitrary<unknown> => {
    const good: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
      integer: fc.maxSafeInteger(),
      "decimal-text": fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      date: fc
        .integer({ min: -700_000, max: 2_900_000 })
        .map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10)),
      string: fc.string(),
      number: fc.double(),
    };
    return fc.oneof({ weight: 9, arbitrary: good[type] ?? fc.constant(null) }, { weight: 1, arbitrary: odd });
  };
  const fields = Object.entries(shape.fields);
  if (fields[0]?.[1].at === undefined) {
    const members = fields.map(([name, { type, member, nullable, required }]) => {
      const value = nullable ? fc.option(anyOf(type), { freq: 3 }) : anyOf(type);
      // Absent in half of the records, or in few where it must be there.
      const isThere = fc.integer({ min: 0, max: 19 }).map((n) => n >= (required ? 1 : 10));
      return fc.tuple(fc.constant(member ?? name), value, isThere);
    });
    return fc
      .tuple(...members)
      .map((all) => Object.fromEntries(all.filter(([, , isThere]) => isThere).map(([name, value]) => [name, value])));
  }
  const places = [0, 1, 2, 3].map((i) => anyOf(fields.find(([, { at }]) => at === i)?.[1].type ?? "any"));
  return fc.tuple(fc.tuple(...places), fc.integer({ min: 0, max: 12 })).map(([list, length]) => list.slice(0, length));
}

/** A body in bronze, judged as the fetch does. */
async function put(body: string): Promise<ObjectRecord> {
  const ordinal = ++bodies;
  const path = `${ordinal}.json.gz`;
  const json = JSON.parse(body);
  const shape = [LISTS, PARTS, DAYS, WRAPPED, REPORTS, TICKERS, SIGNED, { ...SIGNED, isBare: true }].find((one) =>
    isStrict(recordsOf(json, one), one),
  );
  const layout = shape === undefined ? null : layoutOf(json, shape);
  const bytes = Buffer.from(body);
  await writeFile(join(dir, "bronze", path), gzipSync(bytes));
  return {
    ordinal,
    path,
    bytes: bytes.byteLength,
    oneLine: isOneLine(bytes),
    strict: shape !== undefined,
    layout,
  } as ObjectRecord;
}

function careful(object: ObjectRecord): ObjectRecord {
  return { ...object, strict: false };
}

async function read(objects: readonly ObjectRecord[], shape: RecordShape): Promise<Record<string, unknown>[]> {
  const sql = recordsQuery(objects, { shape, bronze: join(dir, "bronze") });
  const decimals = Object.entries(shape.fields).filter(([, { type }]) => type === "decimal");
  // As a column that is a DECIMAL has them.
  const cast = decimals.map(([name]) => `${name}::decimal(38, 9)::double as ${name}`).join(", ");
  const columns = `* exclude (record)${cast === "" ? "" : ` replace (${cast})`}`;
  const reader = await connection.runAndReadAll(`select ${columns} from (${sql}) order by object_no, row_no`);
  return reader
    .getRowObjects()
    .map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, typeof v === "bigint" ? Number(v) : v])));
}
