import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { vi } from "vitest";
import { type SandboxSet, writeRealData } from "../../scripts/sandbox-data.ts";
import { main, openProject } from "../../src/main.ts";
import { registerSymbols } from "../../src/new-project.ts";
import { servedSymbol } from "../../src/sandbox/bundled-data.ts";
import { writeEvents } from "../../src/sandbox/data-directory.ts";
import type { EventsInput } from "../../src/sandbox/events.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/start-sandbox.ts";
import type { RawBar } from "./raw-bars.ts";

/** A symbol to register: the timeframes it owes, its first day unless it is that of its files, the first day without it. */
export interface RealSymbol {
  readonly symbol: string;
  readonly timeframes: readonly string[];
  readonly start: string | null;
  readonly end: string;
}

export interface RealProjectOptions {
  readonly root: string;
  readonly set: SandboxSet;
  /** Business now, and the sandbox's present. */
  readonly now: string;
  readonly symbols: readonly RealSymbol[];
  /** What happens to companies, by ticker. */
  readonly events?: EventsInput["tickers"];
}

/** What a command answered with `--json`, and its exit code. */
export interface Answered<T> {
  readonly exit: number;
  readonly document: T;
}

/** A project in a temporary folder whose provider is a sandbox on one set of real files. */
export class RealProject {
  readonly #dir: string;
  readonly #sandbox: Sandbox;

  private constructor(dir: string, sandbox: Sandbox) {
    this.#dir = dir;
    this.#sandbox = sandbox;
  }

  static async make({ root, set, now, symbols, events }: RealProjectOptions): Promise<RealProject> {
    const dir = await mkdtemp(join(tmpdir(), "retrofill-real-"));
    const data = join(dir, "sandbox");
    const { series } = await writeRealData(root, data, [set]);
    if (events !== undefined) await writeEvents(data, { tickers: events });
    const sandbox = await startSandbox({ dataDir: data, nowMs: Date.parse(now) });
    await writeFile(join(dir, "retrofill.config.ts"), configText(sandbox.url, now));
    const opened = await openProject({ dir });
    try {
      const served = symbols.map(({ symbol, timeframes, start, end }) => {
        const own = series.filter((entry) => entry.symbol === symbol);
        const first = own.map((entry) => entry.first.slice(0, 10)).sort()[0] ?? "";
        const all = servedSymbol(own, { listed: start ?? first, delisted: end });
        return { ...all, timeframes: all.timeframes.filter((timeframe) => timeframes.includes(timeframe)) };
      });
      const pipeline = opened.project.pipelines[0]?.pipeline;
      if (!pipeline) throw new Error("unreachable: the configuration declares a pipeline");
      await registerSymbols(opened.project.ledger, pipeline, served, opened.project.clock.now());
    } finally {
      await opened[Symbol.asyncDispose]();
    }
    return new RealProject(dir, sandbox);
  }

  /** Moves business now and the provider's present. */
  async moveTo(now: string): Promise<void> {
    this.#sandbox.setNow(Date.parse(now));
    await writeFile(join(this.#dir, "retrofill.config.ts"), configText(this.#sandbox.url, now));
  }

  /** Performs a command in this process, as the program does. */
  async command<T>(...args: readonly string[]): Promise<Answered<T>> {
    const written: string[] = [];
    const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    vi.stubEnv("POLYGON_API_KEY", "real-data-test");
    try {
      const exit = await main(["--project", this.#dir, "--json", "--quiet", ...args]);
      return { exit, document: JSON.parse(written.join("")) as T };
    } finally {
      stdout.mockRestore();
      vi.unstubAllEnvs();
    }
  }

  /** What is stored of one series, oldest first; read from the data file itself. */
  async stored(symbol: string, timeframe: string): Promise<readonly RawBar[]> {
    const instance = await DuckDBInstance.create(join(this.#dir, ".retrofill", "data.duckdb"), {
      access_mode: "READ_ONLY",
    });
    const connection = await instance.connect();
    try {
      const rows = await connection.runAndReadAll(
        `select epoch_ms(ts)::double as t, open, high, low, close, volume from market_data
         where symbol = '${symbol}' and timeframe = '${timeframe}' order by ts`,
      );
      const [t = [], o = [], h = [], l = [], c = [], v = []] = rows.getColumns() as number[][];
      return t.map((at, i) => ({
        t: at,
        o: o[i] as number,
        h: h[i] as number,
        l: l[i] as number,
        c: c[i] as number,
        v: v[i] as number,
      }));
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  /** What arrived at the provider's door. */
  report(): ReturnType<Sandbox["report"]> {
    return this.#sandbox.report();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandbox.close();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

function configText(url: string, now: string): string {
  const since = Object.fromEntries(
    ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"].map((name) => [name, "1998-01-01"]),
  );
  return `export default {
  now: ${JSON.stringify(now)},
  pipelines: { ohlcv: { source: { kind: "polygon", baseUrl: ${JSON.stringify(url)}, limit: "200/s" }, since: ${JSON.stringify(since)}, eventsSince: "1998-01-01" } },
};
`;
}
