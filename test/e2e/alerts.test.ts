import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { raiseAlerts } from "../../src/engine/alert/raise-alerts.ts";
import { host } from "../../src/main.ts";
import { command, type Ended } from "./kit.ts";

const PATH = "/services/T0/B0/s3cret-hook";

describe("alerts", () => {
  let dir: string;
  let server: Server;
  let status = 200;
  const got: { text: string }[] = [];

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      got.push(JSON.parse(Buffer.concat(parts).toString()));
      response.writeHead(request.url === PATH ? status : 404).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    dir = await mkdtemp(join(tmpdir(), "retrofill-alerts-"));
    // The address comes from the project's .env, as any other secret does.
    await writeFile(
      join(dir, ".env"),
      `RF_TEST_HOOK=http://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}\n`,
    );
    const channels = { log: { kind: "log" }, team: { kind: "slack", urlEnv: "RF_TEST_HOOK" } };
    await writeFile(
      join(dir, "retrofill.config.ts"),
      `export default ${JSON.stringify({ pipelines: {}, alerts: { channels, rules: { partial: false } } })};\n`,
    );
  });
  afterAll(async () => {
    delete process.env.RF_TEST_HOOK;
    server.closeAllConnections();
    server.close();
    await rm(dir, { recursive: true, force: true });
  });

  const cli = async (...args: readonly string[]): Promise<Ended> => {
    const ended = await command(host, ["--project", dir, ...args]);
    expect(ended.out + ended.err).not.toContain("s3cret");
    return ended;
  };

  const finish = async (status: "failed" | "partial" | "succeeded"): Promise<number> => {
    await using opened = await host.openProject({ dir });
    const now = opened.project.clock.now();
    const run = {
      id: "run-1",
      selector: "ohlcv",
      mode: "backfill",
      status,
      recent: [status],
      calls: { planned: 5, made: 2 },
      rowsChanged: 0,
      gapSlots: 9,
      error: null,
    };
    const facts = { at: now, businessNow: now, run, datasets: [], budgets: [], volumes: [], proposals: null };
    return (await raiseAlerts(facts, opened.project.alerts)).queued;
  };

  it("are none at first", async () => {
    expect(await cli("alerts")).toMatchObject({ exit: 0, out: "Nothing is wrong, as far as is known.\n" });
    expect((await cli("--json", "alerts", "deliver")).json).toEqual({ sent: 0, waiting: 0, givenUp: 0, problems: [] });
  });

  it("follow the configured rules", async () => {
    expect(await finish("partial")).toBe(0);
    expect(await finish("failed")).toBe(2);
    const { json } = await cli("--json", "alerts", "list");
    expect(json.map((one: { channel: string; status: string }) => `${one.channel} ${one.status}`)).toEqual([
      "team waiting",
      "log waiting",
    ]);
  });

  it("that cannot be delivered stay, with the reason and exit 4", async () => {
    status = 500;
    const ended = await cli("alerts", "deliver");
    expect(ended).toMatchObject({
      exit: 4,
      out: "1 message delivered, 1 to be tried again.\n  team: HTTP 500\n",
      err: "alert (high): ohlcv: the run failed\n",
    });
    expect((await cli("alerts")).out).toMatch(/team .* tried 1x, next .*Z: HTTP 500 +ohlcv: the run failed/);
    const [line] = (await readFile(join(dir, ".retrofill", "alerts.log"), "utf8")).split("\n");
    expect(JSON.parse(line ?? "")).toMatchObject({ kind: "raised", rule: "failed", run_id: "run-1" });
  });

  it("that wait for their next try are delivered at once with --retry", async () => {
    status = 200;
    expect((await cli("--json", "alerts", "deliver")).json.sent).toBe(0);
    got.splice(0);
    expect(await cli("alerts", "deliver", "--retry")).toMatchObject({ exit: 0, out: "1 message delivered.\n" });
    expect(got.map(({ text }) => text)).toEqual(["ohlcv: the run failed"]);
  });

  it("stay in the list while they hold; --all has what ended, too", async () => {
    expect((await cli("--json", "alerts")).json).toHaveLength(2);
    expect(await finish("succeeded")).toBe(2);
    await cli("alerts", "deliver");
    expect((await cli("--json", "alerts")).json).toEqual([]);
    expect((await cli("alerts", "list", "--all")).out).toContain("told it ended  resolved: ohlcv: the run failed");
  });

  it("can be tried on one channel", async () => {
    got.splice(0);
    expect(await cli("alerts", "test", "team")).toMatchObject({ exit: 0, out: "team took the test message.\n" });
    expect(got).toHaveLength(1);
    status = 403;
    expect(await cli("alerts", "test", "team")).toMatchObject({
      exit: 4,
      out: "team did not take the test message: HTTP 403\n",
    });
    expect((await cli("--json", "alerts", "list", "--all")).json).toHaveLength(4);
    const unknown = await cli("--json", "alerts", "test", "taem");
    expect([unknown.exit, unknown.json.error.hint]).toEqual([2, "did you mean team?"]);
  });
});
