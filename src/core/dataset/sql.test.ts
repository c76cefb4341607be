import { describe, expect, it } from "vitest";
import type { Dataset } from "./dataset.ts";
import { logicOf, readsOf, renderSql, sql } from "./sql.ts";

const RATES = { name: "trial.rates" } as const;
const TRADES = { name: "trial.trades" } as const;

describe("a query with datasets in it", () => {
  const weekly = sql`select * from ${RATES}`;
  const query = sql`with w as (${weekly}) select ${"price"}, avg(price) over (rows ${4} preceding)
    from ${TRADES} join w using (day) join ${RATES} r using (day)`;

  it("names what it reads, each once, in order of first mention", () => {
    expect(readsOf(query)).toEqual(["trial.rates", "trial.trades"]);
    expect(readsOf(sql`select 1`)).toEqual([]);
  });

  it("is text once each dataset has its relation; numbers, names and other queries stand as they are", () => {
    expect(renderSql(query, (dataset) => `"${dataset}"`)).toBe(
      `with w as (select * from "trial.rates") select price, avg(price) over (rows 4 preceding)
    from "trial.trades" join w using (day) join "trial.rates" r using (day)`,
    );
  });

  it("keeps zero and the empty text", () => {
    expect(renderSql(sql`select ${0}${""}, ${-1.5} from ${RATES}`, () => "r")).toBe("select 0, -1.5 from r");
  });
});

describe("the logic of a version", () => {
  const declared: Dataset = {
    name: "trial.means",
    layer: "gold",
    version: 1,
    description: "means of rates",
    columns: [
      { name: "currency", type: "VARCHAR" },
      { name: "day", type: "TIMESTAMP" },
      { name: "mean", type: "DOUBLE" },
    ],
    key: ["currency"],
    time: "day",
    extract: null,
    transform: {
      kind: "transform",
      query: sql`select series_no, slot_ms, avg(rate) as mean from ${RATES} group by all`,
      inputs: [{ dataset: RATES.name, reach: { kind: "slots", count: 4 }, required: true }],
    },
  };
  const made = declared.transform as NonNullable<Dataset["transform"]>;
  const withQuery = (query: ReturnType<typeof sql>): Dataset => ({ ...declared, transform: { ...made, query } });

  it("does not change with comments, line breaks or what people read", () => {
    const same = withQuery(sql`
      -- the mean over everything that is in reach
      select series_no, slot_ms,
        avg(rate) as mean /* unweighted,
        as the bank prints it */
      from ${RATES}
      group by all`);
    expect(logicOf({ ...same, description: "means" })).toBe(logicOf(declared));
  });

  it.each<[string, Dataset]>([
    ["the query", withQuery(sql`select series_no, slot_ms, median(rate) as mean from ${RATES} group by all`)],
    ["what is read", withQuery(sql`select series_no, slot_ms, avg(rate) as mean from ${TRADES} group by all`)],
    [
      "a literal",
      withQuery(sql`select series_no, slot_ms, avg(rate) as mean from ${RATES} where x <> 'A' group by all`),
    ],
    ["a column", { ...declared, columns: [...declared.columns, { name: "n", type: "BIGINT" }] }],
    ["the key", { ...declared, key: [] }],
    ["the time", { ...declared, time: "date" }],
    [
      "a reach",
      {
        ...declared,
        transform: {
          ...made,
          inputs: [{ dataset: RATES.name, reach: { kind: "slots", count: 5 }, required: true }],
        },
      },
    ],
    [
      "an input's series",
      {
        ...declared,
        transform: { ...made, inputs: made.inputs.map((one) => ({ ...one, with: { currency: "USD" } })) },
      },
    ],
    [
      "whether an input must be there",
      { ...declared, transform: { ...made, inputs: made.inputs.map((one) => ({ ...one, required: false })) } },
    ],
    ["how records are read", { ...declared, extract: { select: { mean: "raw.m" }, checks: [], errorThreshold: 0.5 } }],
    ["that rows are made at all", { ...declared, transform: null }],
  ])("changes with %s", (_, other) => {
    expect(logicOf(other)).not.toBe(logicOf(declared));
  });

  it.each([
    ["case", "usd", "USD"],
    ["spaces", "a  b", "a b"],
    ["what looks like a comment", "a -- b", "a -- c"],
    ["what looks like the start of a long one", "/* a", "/* b"],
    ["what follows a doubled quote", "it''s -- b", "it''s -- c"],
  ])("tells two literals apart that differ by %s", (_, one, other) => {
    const where = (value: string): Dataset => withQuery(sql`select * from ${RATES} where currency = '${value}' -- end`);
    expect(logicOf(where(one))).not.toBe(logicOf(where(other)));
  });

  it("goes on after a long comment that holds the mark of a short one", () => {
    const rest = (column: string): Dataset => withQuery(sql`/* a -- b */ select ${column} from ${RATES}`);
    expect(logicOf(rest("rate"))).not.toBe(logicOf(rest("fee")));
    expect(logicOf(rest("rate"))).toBe(logicOf(withQuery(sql`select rate from ${RATES}`)));
  });

  it("does not end a comment at an apostrophe", () => {
    const noted = (note: string): Dataset =>
      withQuery(sql`select rate -- ${note}
      from ${RATES} where currency = 'USD'`);
    expect(logicOf(noted("the bank's"))).toBe(logicOf(noted("theirs")));
  });
});
