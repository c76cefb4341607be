import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { datesOf, missingDays } from "./missing-days.ts";
import { type RetailFixture, writeRetailFixture } from "./retail-fixture.ts";

/** Missing days and percent covered as a person counted them on 2026-01-26; of tienda_07 the person wrote 39. */
const REPORT = {
  tienda_11: [90, 1],
  tienda_07: [55, 40],
  tienda_02: [53, 42],
  tienda_03: [48, 47],
  tienda_05: [48, 47],
  tienda_18: [47, 48],
  tienda_16: [40, 56],
  tienda_15: [36, 60],
  tienda_13: [33, 64],
  tienda_10: [32, 65],
  tienda_06: [31, 66],
  tienda_08: [30, 67],
  tienda_17: [29, 68],
  tienda_12: [29, 68],
  tienda_20: [28, 69],
  tienda_19: [26, 71],
  tienda_04: [23, 75],
  tienda_09: [21, 77],
  tienda_01: [18, 80],
} as const;

let dir: string;
let fixture: RetailFixture;
/** Days with a line in the source, by store. */
let served: Map<string, Set<string>>;

beforeAll(async () => {
  dir = await newDir();
  fixture = await writeRetailFixture(dir, { linesPerDay: 3 });
  served = await soldDays(dir, fixture);
});

describe("the days that the user has", () => {
  it("leave the counts and percentages of the report", async () => {
    const present = JSON.parse(await readFile(join(dir, "present.json"), "utf8"));
    expect(present).toEqual(JSON.parse(JSON.stringify(fixture.present)));
    const days = datesOf([present.from, present.to]).length;
    expect(days).toBe(91);
    const counted = Object.entries<string[]>(present.days).map(([store, dates]) => {
      expect(new Set(dates).size).toBe(dates.length);
      return [store, [days - dates.length, Math.floor((100 * dates.length) / days + 0.5)]];
    });
    expect(Object.fromEntries(counted)).toEqual(REPORT);
  });

  it("lack the closed days everywhere", () => {
    for (const dates of Object.values(fixture.present.days)) {
      expect(dates).not.toContain("2025-12-25");
      expect(dates).not.toContain("2026-01-01");
    }
  });

  it("lack January 10 to 25 in all stores but one, which share no other day but the closed ones", () => {
    const { tienda_18: partly, ...others } = fixture.present.days;
    const common = datesOf(["2025-10-28", "2026-01-26"]).filter(
      (date) => !Object.values(others).some((dates) => dates.includes(date)),
    );
    expect(common).toEqual(["2025-12-25", "2026-01-01", ...datesOf(["2026-01-10", "2026-01-25"])]);
    // 39 days before its first and two closed days leave 6 of the 47 to the common gap.
    expect(partly?.filter((date) => date >= "2026-01-10" && date <= "2026-01-25")).toHaveLength(10);
  });

  it("follow what the report says of single stores", () => {
    const { days } = fixture.present;
    expect(days.tienda_11).toEqual(["2026-01-26"]);
    expect(days.tienda_18?.[0]).toBe("2025-12-06");
    const missing = (store: string, first: string, last: string) =>
      datesOf([first, last]).every((date) => !days[store]?.includes(date));
    expect(missing("tienda_07", "2025-12-04", "2026-01-09")).toBe(true);
    expect(missing("tienda_02", "2025-12-11", "2026-01-09")).toBe(true);
    expect(missing("tienda_03", "2025-12-10", "2026-01-09")).toBe(true);
    expect(missing("tienda_05", "2025-12-16", "2026-01-09")).toBe(true);
    const scattered = (store: string, before: string) => missingDays(store).filter((date) => date < before);
    expect(scattered("tienda_02", "2025-12-11")).toHaveLength(7);
    expect([scattered("tienda_02", "2025-12-11")[0], scattered("tienda_02", "2025-12-11").at(-1)]).toEqual([
      "2025-10-28",
      "2025-11-23",
    ]);
    expect([scattered("tienda_05", "2025-12-16")[0], scattered("tienda_05", "2025-12-16").at(-1)]).toEqual([
      "2025-10-31",
      "2025-11-23",
    ]);
  });

  it("are refused for a store that the report does not have", () => {
    expect(() => missingDays("tienda_14")).toThrow(/no gap report of tienda_14/);
  });
});

describe("the source", () => {
  it("has sales of every store on every day but the closed ones", () => {
    const open = datesOf(["2025-10-28", "2026-01-26"]).filter((date) => !["2025-12-25", "2026-01-01"].includes(date));
    expect(served.size).toBe(19);
    for (const days of served.values()) expect([...days].sort()).toEqual(open);
  });

  it("says that it is simulated", () => {
    expect(fixture.manifest).toMatchObject({ simulated: true, note: expect.stringContaining("simulated") });
  });

  it("has nothing before the day on which a store is said to have opened", async () => {
    const later = await newDir();
    const opened = { tienda_18: "2025-12-06" };
    const written = await writeRetailFixture(later, { linesPerDay: 1, opened, from: "2025-12-01", to: "2025-12-10" });
    const days = await soldDays(later, written);
    expect([...(days.get("tienda_18") ?? [])].sort()[0]).toBe("2025-12-06");
    expect([...(days.get("tienda_17") ?? [])].sort()[0]).toBe("2025-12-01");
    expect(written.manifest.stores.find(({ id }) => id === "tienda_18")?.opened).toBe("2025-12-06");
  });
});

it("is the same to the byte every time, and other amounts do not move the missing days", async () => {
  const [again, other] = [await newDir(), await newDir()];
  await writeRetailFixture(again, { linesPerDay: 3 });
  await writeRetailFixture(other, { linesPerDay: 3, seed: 2 });
  for (const file of ["sales.json", "present.json", ...fixture.manifest.files.map((entry) => entry.file)]) {
    expect((await readFile(join(again, file))).equals(await readFile(join(dir, file)))).toBe(true);
  }
  expect(await readFile(join(other, "present.json"), "utf8")).toBe(await readFile(join(dir, "present.json"), "utf8"));
  expect(await lines(other, "sales/tienda_01.csv.gz")).not.toEqual(await lines(dir, "sales/tienda_01.csv.gz"));
});

async function newDir(): Promise<string> {
  return await mkdtemp(join(tmpdir(), "retail-fixture-"));
}

async function lines(folder: string, file: string): Promise<string[]> {
  return gunzipSync(await readFile(join(folder, file)))
    .toString()
    .trim()
    .split("\n");
}

async function soldDays(folder: string, { manifest }: RetailFixture): Promise<Map<string, Set<string>>> {
  const days = new Map<string, Set<string>>();
  for (const { file, rows } of manifest.files) {
    const [header = "", ...written] = await lines(folder, file);
    expect(written).toHaveLength(rows);
    const [store, soldAt] = ["store", "sold_at"].map((name) => header.split(",").indexOf(name));
    for (const line of written) {
      const cells = line.split(",");
      const id = cells[store ?? -1] ?? "";
      days.set(id, (days.get(id) ?? new Set()).add(cells[soldAt ?? -1]?.slice(0, 10) ?? ""));
    }
  }
  return days;
}
