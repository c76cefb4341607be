import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DAY } from "../../src/core/time/instant.ts";
import { parseDate, startOfLocalDate } from "../../src/core/time/zone.ts";
import { host as realHost } from "../../src/main.ts";
import type { EventsInput } from "../../src/sandbox/events.ts";
import type { CandleRow } from "../../src/sandbox/simulate.ts";
import { type SmallSeries, writeSmallWorld } from "../../src/sandbox/small-world.ts";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { runCli } from "../../src/surfaces/cli/cli.ts";
import type { Host, OpenProject } from "../../src/surfaces/cli/host.ts";

/** A credential that must turn up nowhere. */
export const KEY = "k3y-that-nobody-may-see-9f2c";

/** What a provider is asked through the door. */
export interface Asked {
  readonly url: string;
  readonly ticker: string;
  /** Such as `1/day`. */
  readonly size: string;
  readonly from: number;
  /** Requests so far, this one included, and those of exactly this address. */
  readonly total: number;
  readonly nth: number;
}

/** What the door answers instead of the provider; `edit` changes the provider's own answer. */
export interface Reply {
  readonly status?: number;
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: a provider's body, whatever a test makes of it
  readonly edit?: (body: any) => object;
  /** Ends the connection in the middle of the body. */
  readonly cut?: boolean;
  /** Sends nothing for so long. */
  readonly stallMs?: number;
}

export type Script = (asked: Asked) => Reply | null;

/** One command's end. */
export interface Ended {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read the fields they expect
  readonly json: any;
}

export interface World extends AsyncDisposable {
  readonly dir: string;
  /** The door's address. */
  readonly url: string;
  readonly sandbox: Sandbox;
  /** Every request that reached the provider's door, in order. */
  readonly asked: readonly Asked[];
  /** Puts a script before the provider, or takes it away. */
  script(script: Script | null): void;
  cli(...args: readonly string[]): Promise<Ended>;
  /** The command with `--json`, its one document parsed. */
  json(...args: readonly string[]): Promise<Ended>;
  /** Changes what commands see of the project from here on. */
  wrap(change: ((opened: OpenProject) => OpenProject) | null): void;
  configure(changes: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface WorldOptions {
  /** Business now. */
  readonly now: string;
  /** Symbols to register: name and flags of `symbols add`. */
  readonly symbols?: Readonly<Record<string, string>>;
  readonly limit?: string;
  readonly sandbox?: Omit<SandboxOptions, "dataDir">;
  /** What happens to companies, by ticker. */
  readonly events?: EventsInput["tickers"];
  readonly ohlcv?: Readonly<Record<string, unknown>>;
  readonly source?: Readonly<Record<string, unknown>>;
  readonly alerts?: Readonly<Record<string, unknown>>;
  readonly script?: Script;
}

/** A project whose provider is a small sandbox behind a door that tests can script. */
export async function world(series: readonly SmallSeries[], options: WorldOptions): Promise<World> {
  const data = await writeSmallWorld(series, options.events);
  const dir = await mkdtemp(join(tmpdir(), "retrofill-e2e-"));
  const sandbox = await startSandbox({ dataDir: data, nowMs: Date.parse(options.now), ...options.sandbox });
  const door = new Door(sandbox.url);
  door.script = options.script ?? null;
  const url = await door.open();
  let ohlcv: Record<string, unknown> = {
    backoff: { baseMs: 1, capMs: 5 },
    ...options.ohlcv,
    source: { kind: "polygon", baseUrl: url, limit: options.limit ?? "500/s", ...options.source },
  };
  let now = options.now;
  const write = (): Promise<void> =>
    writeFile(
      join(dir, "retrofill.config.ts"),
      `export default ${JSON.stringify({ now, pipelines: { ohlcv }, alerts: options.alerts }, null, 2)};\n`,
    );
  await write();
  process.env.POLYGON_API_KEY = KEY;
  let change: ((opened: OpenProject) => OpenProject) | null = null;
  const host: Host = {
    ...realHost,
    openProject: async (at) => {
      const opened = await realHost.openProject(at);
      return change === null ? opened : change(opened);
    },
  };
  const cli = (...args: readonly string[]): Promise<Ended> => command(host, ["--project", dir, ...args]);
  const byFlags = new Map<string, string[]>();
  for (const [name, flags] of Object.entries(options.symbols ?? {})) {
    byFlags.set(flags, [...(byFlags.get(flags) ?? []), name]);
  }
  for (const [flags, names] of byFlags) {
    const added = await cli("symbols", "add", ...names, ...flags.split(" ").filter(Boolean));
    if (added.exit !== 0) throw new Error(added.err);
  }
  return {
    dir,
    url,
    sandbox,
    asked: door.asked,
    script: (script) => {
      door.script = script;
    },
    cli,
    json: (...args) => cli("--json", ...args),
    wrap: (next) => {
      change = next;
    },
    async configure({ now: later, source, ...rest }) {
      if (typeof later === "string") now = later;
      ohlcv = { ...ohlcv, ...rest, source: { ...(ohlcv.source as object), ...(source as object) } };
      await write();
    },
    async [Symbol.asyncDispose]() {
      await door.close();
      await sandbox.close();
      await rm(dir, { recursive: true, force: true });
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Performs a command in this process and keeps what it printed. */
export async function command(host: Host, args: readonly string[]): Promise<Ended> {
  const out: string[] = [];
  const err: string[] = [];
  const { stdout, stderr } = process;
  const [writeOut, writeErr] = [stdout.write, stderr.write];
  stdout.write = ((text: string) => out.push(String(text)) > 0) as typeof stdout.write;
  stderr.write = ((text: string) => err.push(String(text)) > 0) as typeof stderr.write;
  let exit: number;
  try {
    exit = await runCli(args, host);
  } finally {
    stdout.write = writeOut;
    stderr.write = writeErr;
  }
  const text = out.join("");
  return { exit, out: text, err: err.join(""), json: args.includes("--json") ? JSON.parse(text) : null };
}

/** A proxy before the provider: it records what is asked and answers what a script says. */
class Door {
  readonly asked: Asked[] = [];
  readonly #upstream: string;
  readonly #server: Server;
  readonly #counts = new Map<string, number>();
  script: Script | null = null;

  constructor(upstream: string) {
    this.#upstream = upstream;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async open(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = this.#record(request.url ?? "/");
    const reply = this.script?.(asked) ?? {};
    if (reply.stallMs !== undefined) {
      setTimeout(() => response.destroy(), reply.stallMs).unref();
      return;
    }
    const passes = reply.body === undefined && reply.status === undefined;
    const upstream = passes
      ? await fetch(`${this.#upstream}${asked.url}`, {
          headers: Object.fromEntries(
            ["authorization", "apikey"].flatMap((name) => {
              const value = request.headers[name];
              return typeof value === "string" ? [[name, value]] : [];
            }),
          ),
          redirect: "manual",
        }).catch(() => "broken" as const)
      : null;
    // What breaks off at the provider breaks off here.
    let text = upstream === null ? textOf(reply.body ?? "") : await bodyOf(upstream);
    if (upstream === "broken" || text === null) {
      response.destroy();
      return;
    }
    if (reply.edit) text = edited(text, reply.edit);
    // Pages come back to this door, as a provider's come back to the provider.
    text = text.replaceAll(this.#upstream, `http://${request.headers.host}`);
    const type = text.startsWith("<") ? "text/html" : "application/json";
    response.writeHead(reply.status ?? upstream?.status ?? 200, {
      "content-type": type,
      "content-length": Buffer.byteLength(text),
      ...reply.headers,
    });
    if (reply.cut) response.write(text.slice(0, text.length / 2), () => response.destroy());
    else response.end(text);
  }

  #record(url: string): Asked {
    const nth = (this.#counts.get(url) ?? 0) + 1;
    this.#counts.set(url, nth);
    const [, , , , ticker = "", , multiplier = "", span = "", from = ""] = url.split(/[/?]/);
    const asked = { url, ticker, size: `${multiplier}/${span}`, from: Number(from), nth, total: this.asked.length + 1 };
    this.asked.push(asked);
    return asked;
  }
}

async function bodyOf(upstream: Response | "broken"): Promise<string | null> {
  return upstream === "broken" ? null : upstream.text().catch(() => null);
}

/** A body that is no JSON passes as it is. */
function edited(text: string, edit: NonNullable<Reply["edit"]>): string {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return text;
  }
  return JSON.stringify(edit(body));
}

function textOf(body: string | object): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** Monday to Friday from `first` to `last`. */
export function weekdays(first: string, last: string): readonly string[] {
  return days(first, last).filter((date) => ![0, 6].includes(new Date(parseDate(date)).getUTCDay()));
}

/** Every date from `first` to `last`. */
export function days(first: string, last: string): readonly string[] {
  const dates: string[] = [];
  for (let at = parseDate(first); at <= parseDate(last); at += DAY) {
    dates.push(new Date(at).toISOString().slice(0, 10));
  }
  return dates;
}

/** A daily bar for each date, stamped at midnight of `zone`. */
export function dailyBars(dates: readonly string[], zone = "America/New_York"): CandleRow[] {
  return dates.map((date, i) => bar(startOfLocalDate(zone, date), i));
}

/** Bars every `stepMs` from each `open` for `count` steps. */
export function barsFrom(opens: readonly string[], count: number, stepMs: number): CandleRow[] {
  return opens.flatMap((open) => Array.from({ length: count }, (_, i) => bar(Date.parse(open) + i * stepMs, i)));
}

function bar(t: number, i: number): CandleRow {
  const price = 100 + (i % 50);
  return [t, price, price + 2, price - 1, price + 1, 1_000 + i];
}
