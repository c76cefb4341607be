import { describe, expect, it } from "vitest";
import type { Dataset } from "../dataset/dataset.ts";
import { diskSpace } from "./disk-space.ts";

const EXTRACT: NonNullable<Dataset["extract"]> = {
  select: { name: "series.name", price: "raw.p", size: "raw.s" },
  checks: [],
  errorThreshold: 0,
};

/** A text, an instant, two figures, a number: 1 + 4.5 + 2 x 2.5 + 1 bytes a row. */
const SENT: Pick<Dataset, "columns" | "key" | "extract"> = {
  columns: [
    { name: "name", type: "VARCHAR" },
    { name: "ts", type: "TIMESTAMP" },
    { name: "price", type: "DOUBLE" },
    { name: "size", type: "DECIMAL(18,4)" },
    { name: "object_no", type: "BIGINT" },
  ],
  key: ["name"],
  extract: EXTRACT,
};

/** The same, computed: its DOUBLE takes 5.5. */
const COMPUTED = { ...SENT, extract: null };

const BLOCKS = 524_288;

describe("the disk space of what arrives", () => {
  it("is for each received row its columns, its place in the history and its two sent fields in bronze", () => {
    const arrivals = [{ dataset: SENT, received: 100_000, made: 0, answers: 0 }];
    expect(diskSpace(arrivals)).toBe(100_000 * (11.5 + 3 + 2 * 3.5) + BLOCKS);
  });

  it("is for each made row its columns and its place in the history: nothing of it is in bronze", () => {
    expect(diskSpace([{ dataset: SENT, received: 0, made: 100_000, answers: 0 }])).toBe(100_000 * 14.5 + BLOCKS);
    expect(diskSpace([{ dataset: COMPUTED, received: 0, made: 100_000, answers: 0 }])).toBe(100_000 * 17.5 + BLOCKS);
  });

  it("is 10 KB for each answer, however few rows it has", () => {
    expect(diskSpace([{ dataset: SENT, received: 0, made: 0, answers: 28 }])).toBe(28 * 10_240 + BLOCKS);
  });

  it("adds up over datasets, and is nothing where nothing arrives", () => {
    const sent = { dataset: SENT, received: 2, made: 0, answers: 1 };
    const computed = { dataset: COMPUTED, received: 0, made: 2, answers: 0 };
    const idle = { dataset: SENT, received: 0, made: 0, answers: 0 };
    expect(diskSpace([sent, computed, idle])).toBe(2 * 21.5 + 10_240 + BLOCKS + 2 * 17.5 + BLOCKS);
    expect(diskSpace([idle])).toBe(0);
  });
});
