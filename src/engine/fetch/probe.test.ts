import { describe, expect, it } from "vitest";
import type { RecordShape } from "../ports.ts";
import { isStrict, probe, recordsOf } from "./probe.ts";

const SHAPE: RecordShape = {
  path: "results",
  stamp: "t",
  fields: {
    t: { type: "integer", required: true },
    c: { type: "number", required: true },
    n: { type: "integer", required: false },
    s: { type: "string", required: false },
    d: { type: "date", required: false, nullable: true },
  },
};

describe("probe", () => {
  it("reads JSON and keeps the first 2,000 characters of its text", () => {
    const text = JSON.stringify({ status: "OK", pad: "é".repeat(3_000) });
    const seen = probe(Buffer.from(text));
    expect(seen).toMatchObject({ isJson: true, json: { status: "OK" } });
    expect(seen.text).toBe(text.slice(0, 2_000));
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["a page", Buffer.from("<html></html>")],
    ["a cut body", Buffer.from('{"results":[{"t":1')],
    ["two documents", Buffer.from("{}{}")],
    ["NaN", Buffer.from('{"c":NaN}')],
    ["bad UTF-8 inside a text", Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    ["a byte order mark", Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])],
  ])("finds that %s is not JSON", (_what, body) => {
    expect(probe(body)).toMatchObject({ isJson: false, json: null });
  });

  it("still shows the text of what is not JSON, damaged bytes replaced", () => {
    expect(probe(Buffer.from([0x6f, 0x6b, 0xff])).text).toBe("ok\u{fffd}");
    expect(probe(Buffer.from("x".repeat(9_000))).text).toHaveLength(2_000);
  });
});

describe("isStrict", () => {
  it.each([
    ["no records", "[]"],
    ["required fields only", '[{"t":1,"c":1.5}]'],
    ["all fields", '[{"t":1,"c":-1e-7,"n":0,"s":""}]'],
    ["undeclared fields", '[{"t":1,"c":1,"otc":true,"x":null}]'],
    ["a day of the calendar", '[{"t":1,"c":1,"d":"2024-02-29"}]'],
    ["null in a nullable field", '[{"t":1,"c":1,"d":null}]'],
    ["an integer written as a float", '[{"t":1.0,"c":1,"n":1e3}]'],
  ])("accepts %s", (_what, json) => {
    expect(isStrict(JSON.parse(json), SHAPE)).toBe(true);
  });

  it.each([
    ["a missing required field", '[{"t":1}]'],
    ["a text for a number", '[{"t":1,"c":"1"}]'],
    ["a text for an integer", '[{"t":"1","c":1}]'],
    ["null in a required field", '[{"t":1,"c":null}]'],
    ["null in an optional field", '[{"t":1,"c":1,"n":null}]'],
    ["a fraction for an integer", '[{"t":1.5,"c":1}]'],
    ["an integer beyond 2^53", '[{"t":9007199254740993,"c":1}]'],
    ["a number beyond all", '[{"t":1,"c":1e400}]'],
    ["a truth value", '[{"t":1,"c":true}]'],
    ["a number for a text", '[{"t":1,"c":1,"s":5}]'],
    ["a day that is none", '[{"t":1,"c":1,"d":"2023-02-29"}]'],
    ["a time for a date", '[{"t":1,"c":1,"d":"2024-02-29T00:00:00Z"}]'],
    ["a list as a record", "[[1,2]]"],
    ["null as a record", "[null]"],
    ["one bad record among good ones", '[{"t":1,"c":1},{"t":2,"c":[]},{"t":3,"c":1}]'],
    ["an object for the list", '{"0":{"t":1,"c":1}}'],
  ])("refuses %s", (_what, json) => {
    expect(isStrict(JSON.parse(json), SHAPE)).toBe(false);
  });
});

describe("isStrict of records that are lists", () => {
  const LISTS: RecordShape = {
    path: "",
    stamp: "t",
    fields: {
      t: { type: "integer", required: true, at: 0 },
      c: { type: "decimal-text", required: true, at: 2 },
      vw: { type: "number", required: false, at: null },
      n: { type: "integer", required: false, at: 3 },
    },
  };

  it.each([
    ["no records", "[]"],
    ["required fields only", '[[1,"no matter","1.5"]]'],
    ["all fields and more", '[[1,null,"-0.5E-3",7,true]]'],
  ])("accepts %s", (_what, json) => {
    expect(isStrict(JSON.parse(json), LISTS)).toBe(true);
  });

  it.each([
    ["a list that is too short", '[[1,"x"]]'],
    ["an empty list", "[[]]"],
    ["a number for a decimal text", '[[1,"x",1.5]]'],
    ["null at an optional place", '[[1,"x","1.5",null]]'],
    ["an object as a record", '[{"t":1,"c":"1.5"}]'],
    ["an object with places as names", '[{"0":1,"2":"1.5"}]'],
    ["one bad record among good ones", '[[1,"x","1.5"],[2]]'],
  ])("refuses %s", (_what, json) => {
    expect(isStrict(JSON.parse(json), LISTS)).toBe(false);
  });
});

describe("a text that stands for a number or a day", () => {
  const strict = (type: "decimal-text" | "date", value: unknown): boolean =>
    isStrict([{ x: value }], { path: "", stamp: "x", fields: { x: { type, required: true } } });

  it.each(["0", "-0", "1", "0.01634790", "1e5", "1E-400", "123456789012345678901234567890"])(
    "%j is decimal",
    (text) => {
      expect(strict("decimal-text", text)).toBe(true);
    },
  );

  it.each(["", " 1", "1 ", "1\n", "+1", "01", ".5", "1.", "1,5", "0x1", "NaN", "Infinity", "1e999", "١", 1])(
    "%j is not decimal",
    (text) => {
      expect(strict("decimal-text", text)).toBe(false);
    },
  );

  it.each(["2024-02-29", "2000-02-29", "1969-12-31"])("%j is a day", (text) => {
    expect(strict("date", text)).toBe(true);
  });

  it.each([
    "2023-02-29",
    "1900-02-29",
    "2024-04-31",
    "2024-00-01",
    "2024-1-1",
    "2024-01-01 ",
    "2024-01-01T00:00Z",
    20240101,
  ])("%j is not a day", (text) => {
    expect(strict("date", text)).toBe(false);
  });
});

describe("recordsOf", () => {
  it("is the body itself where the shape has no path", () => {
    const shape = { ...SHAPE, path: "" };
    expect(recordsOf([1], shape)).toEqual([1]);
    expect(recordsOf({ results: [1] }, shape)).toEqual({ results: [1] });
  });

  it("is the member at the shape's path", () => {
    expect(recordsOf({ results: [1] }, SHAPE)).toEqual([1]);
    expect(recordsOf({ rows: [1] }, SHAPE)).toBeUndefined();
    expect(recordsOf(null, SHAPE)).toBeUndefined();
  });

  it("is the body itself when the shape has no path", () => {
    expect(recordsOf([1], { ...SHAPE, path: "" })).toEqual([1]);
  });
});
