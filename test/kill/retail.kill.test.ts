import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setOf } from "../../src/core/coverage/segment.ts";
import { verifyAudit } from "../../src/engine/prove/audit.ts";
import { host, openProject } from "../../src/main.ts";
import { randomNumbers } from "../../src/sandbox/random.ts";
import { minuteLines, writeSmallSales } from "../../src/sandbox/retail/small-sales.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { command, days } from "../e2e/kit.ts";
import { fill, type Kill, killAt as p, SEED } from "./campaign.ts";

const NOW = "2026-02-02T06:00:00Z";
const CONCURRENCY = 2;

const STORES = [
  { id: "tienda_01", name: "PERIFERICO", branch: "SUC001", warehouse: "APP-TPF", region: "Valencia" },
  { id: "tienda_08", name: "BOSQUE", branch: "SUC002", warehouse: "APP-TBQ", region: "Valencia" },
];

/** Named instants, each list the kills of one fill in this order. */
const NAMED: Readonly<Record<string, readonly Kill[]>> = {
  "between pages of one window": [
    p("ledger.commitPage", "before", 2),
    p("ledger.commitPage", "inside", 3),
    p("ledger.commitPage", "after", 4),
    p("rename", "after", 5, "\\.json\\.gz$"),
    p("http.send", "inside", 6),
  ],
  "around a publication": [
    p("ledger.beginPublication", "after"),
    p("duckdb", "inside", 1, "^insert into v1"),
    p("duckdb", "before", 1, "^commit"),
    p("duckdb", "after", 1, "^commit"),
    p("ledger.commitPublication", "inside"),
  ],
  "as the run is opened and closed": [
    // Before its commit there is no run to go on with; after it there is.
    p("ledger.openRun", "inside"),
    p("ledger.openRun", "after"),
    p("ledger.takeOver", "after"),
    p("ledger.closeRun", "before"),
    p("ledger.closeRun", "inside"),
  ],
};

const folders: string[] = [];
let data: string;

beforeAll(async () => {
  console.log(`KILL_SEED=${SEED}`);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  spawnSync(process.execPath, [join(root, "bin", "retrofill.mjs"), "--version"]);
  const lines = STORES.flatMap(({ id, warehouse }) =>
    days("2026-01-05", "2026-02-01")
      .filter((date) => date !== "2026-01-20")
      .flatMap((date, i) => minuteLines(date, 12, 1 + 100 * i).map((line) => ({ ...line, store: id, warehouse }))),
  );
  data = await writeSmallSales(lines, { stores: STORES });
  folders.push(data);
  // Compiling alone takes a minute where other work goes on.
}, 180_000);

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

describe.each(["klk", "sales"] as const)("a fill by the %s contract that is killed and resumed", (contract) => {
  const kills = Object.entries(NAMED);

  it.each(kills)("equals one that was not: %s", async (_, list) => {
    const calm = await suffer(contract, []);
    const struck = await suffer(contract, list);
    expect(struck.missed).toEqual([]);
    expect(struck.rows).toEqual(calm.rows);
    expect(struck.coverage).toEqual(calm.coverage);
    expect(struck.faults).toEqual([]);
    // Only what was under way at a kill may be asked again.
    expect(struck.repeated).toBeLessThanOrEqual(list.length * CONCURRENCY);
    expect(calm.repeated).toBe(0);
  });

  it("equals one that was not: at random instants", async () => {
    const random = randomNumbers(SEED);
    const calm = await suffer(contract, []);
    const list = Array.from({ length: 6 }, (): Kill => ({ afterMs: 600 + random() * 2_500 }));
    const struck = await suffer(contract, list);
    expect([struck.rows, struck.coverage, struck.faults]).toEqual([calm.rows, calm.coverage, []]);
  });
});

/** A new project, filled through `kills`, and what it holds then. */
async function suffer(contract: "klk" | "sales", kills: readonly Kill[]) {
  const dir = await mkdtemp(join(tmpdir(), "kill-retail-"));
  folders.push(dir);
  await using sandbox: Sandbox = await startSandbox({ dataDir: data, nowMs: Date.parse(NOW) });
  const retail = {
    source: { kind: contract, limit: "40/s", ...(contract === "sales" ? { pageLimit: 5 } : {}) },
    since: "2026-01-05",
    concurrency: CONCURRENCY,
    publishRows: 20,
    backoff: { baseMs: 20, capMs: 100 },
    thin: { minRows: 100 },
  };
  await writeFile(
    join(dir, "retrofill.config.ts"),
    `export default ${JSON.stringify({ now: NOW, pipelines: { retail } })};\n`,
  );
  const added = await command(host, ["--project", dir, "stores", "add", ...STORES.map(({ id }) => id)]);
  expect(added.exit, added.err).toBe(0);
  const env = { KLK_BASE_URL: sandbox.url, SALES_BASE_URL: sandbox.url, SALES_API_KEY: "key-of-sales" };
  const campaign = await fill(dir, kills, env, "retail");
  expect(campaign.end.exit, campaign.end.stderr).toBe(0);
  return { missed: campaign.missed, repeated: sandbox.report().repeated.count, ...(await stateOf(dir)) };
}

async function stateOf(dir: string) {
  await using opened = await openProject({ dir });
  const { project, audit } = opened;
  const segments = await project.ledger.segments("retail.ventas", 1);
  const coverage = [...segments]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, list]) => [key, setOf(list, "covered"), setOf(list, "empty")]);
  const { faults } = await verifyAudit(project, audit, () => undefined);
  return { coverage, faults, rows: await rowsOf(dir) };
}

/** Every stored row but for the object it came from. */
async function rowsOf(dir: string): Promise<readonly unknown[]> {
  const instance = await DuckDBInstance.create(join(dir, ".retrofill", "data.duckdb"), { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(
      "select * exclude (object_no) from v1.ventas order by ubicacion_id, numero_factura",
    );
    return reader.getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
