import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { host } from "../../src/main.ts";
import type { RetailSettings } from "../../src/sandbox/retail/retail.ts";
import type { SalesManifest } from "../../src/sandbox/retail/sale-directory.ts";
import { type SmallLine, writeSmallSales } from "../../src/sandbox/retail/small-sales.ts";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { command, days, type Ended } from "./kit.ts";

/** A project of stores whose endpoint is a small sandbox. */
export interface RetailWorld extends AsyncDisposable {
  readonly dir: string;
  readonly sandbox: Sandbox;
  cli(...args: readonly string[]): Promise<Ended>;
  /** The command with `--json`, its one document parsed. */
  json(...args: readonly string[]): Promise<Ended>;
  /** The rows of a query, by column. */
  rows(query: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  configure(changes: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface RetailWorldOptions {
  /** Business now, and the sandbox's present. */
  readonly now: string;
  readonly contract?: "klk" | "sales";
  readonly stores?: readonly string[];
  readonly manifest?: Partial<SalesManifest>;
  /** What the contracts leave open. */
  readonly settings?: RetailSettings;
  readonly sandbox?: Omit<SandboxOptions, "dataDir" | "nowMs" | "retail">;
  readonly retail?: Readonly<Record<string, unknown>>;
  readonly source?: Readonly<Record<string, unknown>>;
}

export async function retailWorld(lines: readonly SmallLine[], options: RetailWorldOptions): Promise<RetailWorld> {
  const { contract = "klk", stores = ["tienda_01"] } = options;
  const data = await writeSmallSales(lines, options.manifest);
  const dir = await mkdtemp(join(tmpdir(), "retrofill-retail-"));
  const sandbox = await startSandbox({
    dataDir: data,
    nowMs: Date.parse(options.now),
    ...(options.settings === undefined ? {} : { retail: options.settings }),
    ...options.sandbox,
  });
  let config: Record<string, unknown> = {
    now: options.now,
    retail: {
      since: "2026-01-01",
      backoff: { baseMs: 1, capMs: 5 },
      ...options.retail,
      source: { kind: contract, baseUrl: sandbox.url, limit: "500/s", ...options.source },
    },
  };
  const write = async (): Promise<void> => {
    const { now, retail } = config;
    await writeFile(
      join(dir, "retrofill.config.ts"),
      `export default ${JSON.stringify({ now, pipelines: { retail } }, null, 2)};\n`,
    );
  };
  await write();
  process.env.SALES_API_KEY = "k3y-of-sales";
  const cli = (...args: readonly string[]): Promise<Ended> => command(host, ["--project", dir, ...args]);
  const added = await cli("stores", "add", ...stores);
  if (added.exit !== 0) throw new Error(added.err);
  return {
    dir,
    sandbox,
    cli,
    json: (...args) => cli("--json", ...args),
    async rows(query) {
      const { json, err } = await cli("--json", "sql", query);
      if (json === null || json.rows === undefined) throw new Error(err);
      return json.rows;
    },
    async configure({ now, ...retail }) {
      config = { now: now ?? config.now, retail: { ...(config.retail as object), ...retail } };
      await write();
    },
    async [Symbol.asyncDispose]() {
      await sandbox.close();
      await rm(dir, { recursive: true, force: true });
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** A door before an endpoint, which edits the lines of its answers; whatever a test makes of a line is sent. */
export async function linesDoor(
  upstream: string,
  edit: (lines: Record<string, unknown>[]) => readonly object[],
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "GET", headers, url } = request;
    const answer = await fetch(`${upstream}${url}`, {
      method,
      headers: { authorization: headers.authorization ?? "", "content-type": headers["content-type"] ?? "" },
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
    });
    const body = (await answer.json()) as Record<string, unknown>;
    for (const name of ["ventas", "lines"]) {
      const lines = body[name];
      if (Array.isArray(lines)) body[name] = edit(lines);
    }
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** A line at noon of every date from `first` to `last`, each its own invoice. */
export function noonLines(first: string, last: string, own: Partial<SmallLine> = {}): SmallLine[] {
  return days(first, last).map((date, i) => ({
    sold_at: `${date} 12:00:00`,
    invoice: String(1 + i).padStart(4, "0"),
    version: 1 + i,
    ...own,
  }));
}
