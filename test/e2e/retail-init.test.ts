import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { host } from "../../src/main.ts";
import { command } from "./kit.ts";

it("a new project of stores has the run that read its table, with its log, and nothing to be alarmed at", async () => {
  const parent = await mkdtemp(join(tmpdir(), "retrofill-init-"));
  const dir = join(parent, "chain");
  try {
    const made = await command(host, ["init", dir, "--pipeline", "retail"]);
    expect([made.exit, made.err]).toEqual([0, ""]);
    const at = (...args: readonly string[]) => command(host, ["--project", dir, "--json", ...args]);
    const [run, ...others] = (await at("runs")).json;
    expect(others).toEqual([]);
    expect(run).toMatchObject({ status: "partial", reason: "what the table held before" });
    const { json: log } = await at("runs", "show", run.id, "--log");
    expect(log[0]).toMatchObject({ run: run.id, event: "START", calls: 0 });
    expect(log.at(-1)).toMatchObject({ run: run.id, event: "PARTIAL", calls: { made: 0 } });
    expect(await readdir(join(dir, "logs"))).toEqual([expect.stringContaining(run.id)]);
    expect((await at("alerts", "list", "--all")).json).toEqual([]);
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
});
