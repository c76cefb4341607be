import { describe, expect, it } from "vitest";
import type { Dataset, DatasetName, TransformInput } from "./dataset.ts";
import { downstreamOf, inputsOf, upstreamOf } from "./lineage.ts";
import { sql } from "./sql.ts";

// trades ── bars ──┬── features ── scores
//                  │                 │
// calendar ────────┴── volumes ──────┘        fees alone; bars also from finer bars
const datasets = [
  dataset("trial.trades"),
  dataset("trial.calendar"),
  dataset("trial.fees"),
  dataset("trial.bars", "trial.bars", "trial.trades"),
  dataset("trial.features", "trial.bars"),
  dataset("trial.volumes", "trial.bars", "trial.calendar", "trial.bars"),
  dataset("trial.scores", "trial.features", "trial.volumes"),
];

describe("what a dataset is made from", () => {
  it("is all of its inputs and theirs, without itself", () => {
    expect(names(upstreamOf(datasets, "trial.scores"))).toEqual([
      "trial.bars",
      "trial.calendar",
      "trial.features",
      "trial.trades",
      "trial.volumes",
    ]);
    expect(names(upstreamOf(datasets, "trial.bars"))).toEqual(["trial.trades"]);
  });

  it("is nothing where rows come from a source alone, or nobody declares it", () => {
    expect(names(upstreamOf(datasets, "trial.trades"))).toEqual([]);
    expect(names(upstreamOf(datasets, "trial.absent"))).toEqual([]);
  });

  it("names direct inputs once, in their order, and not the dataset's own finer series", () => {
    expect(inputsOf(datasets, "trial.volumes")).toEqual(["trial.bars", "trial.calendar"]);
    expect(inputsOf(datasets, "trial.bars")).toEqual(["trial.trades"]);
    expect(inputsOf(datasets, "trial.fees")).toEqual([]);
  });
});

describe("what is made from a dataset", () => {
  it("is everything that reads it, directly or not, without itself", () => {
    expect(names(downstreamOf(datasets, "trial.trades"))).toEqual([
      "trial.bars",
      "trial.features",
      "trial.scores",
      "trial.volumes",
    ]);
    expect(names(downstreamOf(datasets, "trial.bars"))).toEqual(["trial.features", "trial.scores", "trial.volumes"]);
    expect(names(downstreamOf(datasets, "trial.calendar"))).toEqual(["trial.scores", "trial.volumes"]);
  });

  it("is nothing at the end of the line, nor for what nobody reads", () => {
    expect(names(downstreamOf(datasets, "trial.scores"))).toEqual([]);
    expect(names(downstreamOf(datasets, "trial.fees"))).toEqual([]);
  });
});

it("reads the same upwards and downwards", () => {
  for (const { name: one } of datasets) {
    for (const { name: other } of datasets) {
      expect(upstreamOf(datasets, one).has(other), `${other} above ${one}`).toBe(
        downstreamOf(datasets, other).has(one),
      );
    }
  }
});

it("ends also where two datasets are made from each other", () => {
  const ring = [dataset("trial.hen", "trial.egg"), dataset("trial.egg", "trial.hen")];
  expect(names(upstreamOf(ring, "trial.hen"))).toEqual(["trial.egg"]);
  expect(names(downstreamOf(ring, "trial.hen"))).toEqual(["trial.egg"]);
});

function dataset(name: DatasetName, ...from: readonly DatasetName[]): Dataset {
  const inputs = from.map((one): TransformInput => ({ dataset: one, reach: { kind: "within" }, required: true }));
  return {
    name,
    layer: "silver",
    version: 1,
    description: name,
    columns: [],
    key: ["key"],
    time: "ts",
    extract: null,
    transform: from.length === 0 ? null : { kind: "transform", query: sql`select 1`, inputs },
  };
}

function names(found: ReadonlySet<DatasetName>): readonly DatasetName[] {
  return [...found].sort();
}
