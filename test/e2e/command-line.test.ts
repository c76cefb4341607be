import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { SALES_COVERAGE_SQL } from "../../src/pipelines/retail/verification.ts";
import { noonLines, retailWorld } from "./retail-kit.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/retrofill.mjs", import.meta.url));
const NOW = "2026-01-13T06:00:00Z";

/** The program as a shell starts it. */
function retrofill(...args: readonly string[]): {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: "utf8" });
  return { exit: status, out: stdout, err: stderr };
}

// Compiles when a source is newer: several at once must not.
beforeAll(() => void retrofill("--version"));

describe("retrofill sql", () => {
  it("takes a query that begins with a comment, as it stands", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), { now: NOW });
    await world.cli("run", "retail", "--fecha-desde", "2026-01-05 00:00");
    const { exit, out, err } = retrofill("--project", world.dir, "sql", SALES_COVERAGE_SQL);
    expect([exit, err]).toEqual([0, ""]);
    expect(out).toMatch(/^tienda_01 +2026-01-05 +2026-01-12 +8 +8 +100$/m);
    const [run] = (await world.json("runs")).json;
    const flagged = retrofill("--project", world.dir, "sql", "-- before\nSELECT 1 AS one", "--as-of", run.id, "--json");
    expect(JSON.parse(flagged.out).rows).toEqual([{ one: 1 }]);
  });

  it("still names an option that there is not", () => {
    const { exit, err } = retrofill("sql", "--cheque", "SELECT 1");
    expect([exit, err]).toEqual([2, expect.stringContaining("unknown option '--cheque'")]);
  });
});

describe("a reader that goes away", () => {
  /** Runs the program and stops reading its output before its first word. */
  const unread = (...args: readonly string[]): Promise<{ readonly exit: number | null; readonly err: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "pipe"] });
      child.stdout.destroy();
      let err = "";
      child.stderr.on("data", (text) => {
        err += text;
      });
      child.on("close", (exit) => resolve({ exit, err }));
    });

  it("gets no stack, whatever was being printed", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), { now: NOW });
    for (const command of ["gaps retail", "gaps retail --json", "coverage retail", "plan retail --json", "--help"]) {
      expect(await unread("--project", world.dir, ...command.split(" ")), command).toEqual({ exit: 0, err: "" });
    }
  });

  it("takes no run along: it is finished and its rows are there", async () => {
    await using world = await retailWorld(noonLines("2026-01-05", "2026-01-12"), { now: NOW });
    const { exit, err } = await unread("--project", world.dir, "run", "retail", "--fecha-desde", "2026-01-05 00:00");
    expect([exit, err]).toEqual([0, expect.not.stringContaining("EPIPE")]);
    expect(await world.rows("SELECT count(*) AS n FROM ventas")).toEqual([{ n: 8 }]);
    expect((await world.json("runs")).json).toMatchObject([{ status: "succeeded" }]);
  });
});
