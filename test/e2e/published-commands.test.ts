import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FetchStep, Plan } from "../../src/core/plan/plan.ts";
import { instant } from "../../src/core/time/instant.ts";
import { writeExistingTable } from "../../src/existing-table.ts";
import { host } from "../../src/main.ts";
import { EXISTING_FOLDER, SANDBOX_FOLDER, writeRetailProject } from "../../src/new-project.ts";
import {
  days,
  PROSE,
  type PublishedCommand,
  SCRIPT,
  wordsOf,
} from "../../src/pipelines/retail/published-plan-by-hand.ts";
import { type RetailFixture, writeRetailFixture } from "../../src/sandbox/retail/retail-fixture.ts";
import { command } from "./kit.ts";

// The project is the one that `init` writes, with fewer lines a day: which days are there does not depend on them.

/** Store-days that each command has to ask for: the published counts less the common gap and the closed days. */
const CELLS = {
  // 18 stores lack the 16 days, tienda_18 six of them.
  prose: [294, 90 - 2, 37 - 2, 30 - 2, 53 - 16 - 30, 31 - 2, 25 - 2, 48 - 16 - 25, 39, 55, 39, 32, 16],
  script: [294, 74 - 2, 37 - 2, 53 - 16 - 2, 31 - 2, 48 - 16 - 2, 39, 55 + 39 + 32 + 16],
};
const CLOSED = ["2025-12-25", "2026-01-01"];

let dir: string;
let fixture: RetailFixture;
const plans = new Map<PublishedCommand, Plan>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "retrofill-published-"));
  const sandbox = join(dir, SANDBOX_FOLDER);
  fixture = await writeRetailFixture(sandbox, { linesPerDay: 15 });
  await writeExistingTable(fixture, { sandbox, to: join(dir, EXISTING_FOLDER) });
  await writeRetailProject(dir, { kind: "sandbox", now: instant(fixture.nowMs) });
  const retrofill = async (...args: readonly string[]) => command(host, ["--project", dir, "--json", ...args]);
  await retrofill("stores", "add", ...fixture.manifest.stores.map(({ id }) => id));
  await retrofill("run", "retail", "--from-files");
  for (const one of [...PROSE, ...SCRIPT]) {
    const { exit, json, err } = await retrofill("plan", "retail", ...wordsOf(one.flags));
    if (exit !== 0) throw new Error(err);
    plans.set(one, json);
  }
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** The local days of each chunk of a command's plan, with their store. */
function chunksOf(one: PublishedCommand): readonly { readonly store: string; readonly dates: readonly string[] }[] {
  const steps = plans
    .get(one)
    ?.steps.filter((step): step is FetchStep => step.kind === "fetch" && step.source === "klk");
  // Caracas is four hours behind UTC.
  const dateAt = (at: number): string => new Date(at - 4 * 3_600_000).toISOString().slice(0, 10);
  return (steps ?? []).flatMap(({ chunks }) =>
    chunks.map(({ key, start, end }) => ({ store: key, dates: days(dateAt(start), dateAt(end - 1)) })),
  );
}

/** What a command is to ask for, by the days that the table had: `tienda_07 2025-12-04`. */
function owed({ flags }: PublishedCommand): readonly string[] {
  const [first = "", last = ""] = [...flags.matchAll(/"(\S+) \d\d:\d\d"/g)].map(([, date]) => date);
  const named = flags.match(/tienda_\d\d/g);
  const stores = fixture.manifest.stores.map(({ id }) => id).filter((id) => named?.includes(id) ?? true);
  return stores.flatMap((store) =>
    days(first, last)
      .filter((date) => !fixture.present.days[store]?.includes(date) && !CLOSED.includes(date))
      .map((date) => `${store} ${date}`),
  );
}

/** What a command asks for and the table did not have. */
function asked(one: PublishedCommand): readonly string[] {
  const chunks = chunksOf(one).flatMap(({ store, dates }) => dates.map((date) => `${store} ${date}`));
  const has = (cell: string): boolean => fixture.present.days[cell.slice(0, 9)]?.includes(cell.slice(10)) ?? false;
  return chunks.filter((cell) => !has(cell) && !CLOSED.includes(cell.slice(10))).sort();
}

describe("a published command", () => {
  it.each([
    ...PROSE.map((one, n) => ({ ...one, one, form: "text", cells: CELLS.prose[n] })),
    ...SCRIPT.map((one, n) => ({ ...one, one, form: "script", cells: CELLS.script[n] })),
  ])("of the $form plans what is missing in its range and not closed: phase $phase, $cells store-days", (published) => {
    const { one, flags, cells } = published;
    expect(asked(one)).toEqual([...owed(one)].sort());
    expect(asked(one)).toHaveLength(cells ?? Number.NaN);
    const plan = plans.get(one);
    expect(plan?.series.reduce((sum, { gapSlots }) => sum + gapSlots, 0)).toBe(cells);
    const most = Number(/--chunk-days (\d)/.exec(flags)?.[1]);
    for (const { dates } of chunksOf(one)) expect(dates.length).toBeLessThanOrEqual(most);
    expect(plan?.cost.calls).toBe(chunksOf(one).length);
  });
});

describe("the published text and the published script", () => {
  const cellsOf = (commands: readonly PublishedCommand[], phase: string): readonly string[] =>
    commands
      .filter((one) => one.phase === phase)
      .flatMap(asked)
      .sort();
  const callsOf = (commands: readonly PublishedCommand[], phase: string): number =>
    commands.filter((one) => one.phase === phase).reduce((sum, one) => sum + chunksOf(one).length, 0);

  it("differ in one store's days: the text asks again for those of tienda_11 that phase 1 asks for", () => {
    const phases = [...new Set(SCRIPT.map(({ phase }) => phase))];
    expect(phases.filter((phase) => cellsOf(PROSE, phase).join() !== cellsOf(SCRIPT, phase).join())).toEqual(["2.1"]);
    const script = cellsOf(SCRIPT, "2.1");
    const more = cellsOf(PROSE, "2.1").filter((cell) => !script.includes(cell));
    expect(more).toEqual(days("2026-01-10", "2026-01-25").map((date) => `tienda_11 ${date}`));
    expect(cellsOf(PROSE, "1")).toEqual(expect.arrayContaining(more));
  });

  it("ask for the same days of tienda_02 and tienda_05 in other requests", () => {
    for (const phase of ["2.3", "2.5"]) {
      expect(cellsOf(PROSE, phase)).toEqual(cellsOf(SCRIPT, phase));
      expect(callsOf(PROSE, phase)).not.toBe(callsOf(SCRIPT, phase));
    }
  });

  it("leave the same store-days unasked: two of tienda_07 and one of tienda_03", () => {
    for (const commands of [PROSE, SCRIPT]) {
      const held = new Set(commands.flatMap(asked));
      const whole = { phase: "", flags: '--todas --fecha-desde "2025-10-28 00:00" --fecha-hasta "2026-01-26 23:59"' };
      const left = owed({ ...whole, storeDays: 0 }).filter((cell) => !held.has(cell));
      expect(left.map((cell) => cell.slice(0, 9)).sort()).toEqual(["tienda_03", "tienda_07", "tienda_07"]);
    }
  });
});

describe("the gap that nearly all stores share", () => {
  it("is counted alike on screen, as data and in the plan document", async () => {
    const report = join(dir, "plan.md");
    const shown = await command(host, ["--project", dir, "gaps", "retail", "--report", report]);
    // tienda_18 has data on ten of the sixteen days.
    const lacking = fixture.manifest.stores.filter(({ id }) => {
      return days("2026-01-10", "2026-01-25").every((date) => !fixture.present.days[id]?.includes(date));
    });
    expect(lacking).toHaveLength(18);
    const line = "common to 18 of 19 series: 2026-01-10 to 2026-01-25; in part to tienda_18 (PARAISO)";
    expect(shown.out.match(/common to .*/g)).toEqual([line]);
    expect(await readFile(report, "utf8")).toContain(
      "**Gap reciente comun (2026-01-10 a 2026-01-25)**: 16 dias faltantes en 18 de 19 tiendas; solo en parte: tienda_18 (PARAISO)",
    );
    const { json } = await command(host, ["--project", dir, "--json", "gaps", "retail"]);
    expect(json.report.common).toMatchObject([{ whole: lacking.map(({ id }) => id), partly: ["tienda_18"] }]);
  });
});
