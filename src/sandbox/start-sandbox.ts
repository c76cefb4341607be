import { once, setMaxListeners } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ArrivalWindows, type Limit } from "./arrival-windows.ts";
import { openDataDirectory } from "./data-directory.ts";
import {
  type AnswerFault,
  decideFaults,
  draw,
  type FaultProfile,
  type FaultProfileName,
  faultRates,
} from "./faults.ts";
import { polygonProvider } from "./polygon/polygon.ts";
import type { PolygonSettings } from "./polygon/world.ts";
import type { Answer, Provider } from "./provider.ts";
import { openRetailProviders, type RetailSettings } from "./retail/retail.ts";
import { SALES_MANIFEST } from "./retail/sale-directory.ts";
import { type SandboxReport, Tally } from "./sandbox-report.ts";

export interface SandboxOptions {
  /** Directory with `manifest.json` and candles, with `sales.json` and sale lines, or with both: see docs/sandbox.md. */
  readonly dataDir: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Requests let in per API key (per contract where it has no keys); more are answered with 429. Default none. */
  readonly limits?: readonly Limit[];
  /** Absent = any key that is not empty. */
  readonly apiKeys?: readonly string[];
  /** Rates, a profile name, or names joined by commas. Default none. */
  readonly faults?: FaultProfile | FaultProfileName | (string & {});
  /** Decides which requests the faults strike. Default 1. */
  readonly seed?: number;
  /** The sandbox's present: bars that start later are not there yet. Absent = after all data. */
  readonly nowMs?: number;
  /** Answers are cut at this many rows without saying so. */
  readonly silentCapRows?: number;
  /** Wait before each answer. */
  readonly latencyMs?: number;
  /** Send `Retry-After` with a 429. Absent = as the contract has it: Polygon does not. */
  readonly retryAfter?: boolean;
  /** How long a request struck by `timeouts` gets no byte before its connection is ended. Default 30 s. */
  readonly stallMs?: number;
  /** Windows up to this many days are answered without `holes`. Default 20. */
  readonly holeMinDays?: number;
  readonly polygon?: PolygonSettings;
  readonly retail?: RetailSettings;
}

/** A running sandbox. */
export interface Sandbox extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, the base of the provider's paths. */
  readonly url: string;
  report(): SandboxReport;
  /** Ends every connection, also those that stall. */
  close(): Promise<void>;
}

const DEFAULT_STALL_MS = 30_000;
const DEFAULT_HOLE_MIN_DAYS = 20;

/** Longer than any client keeps an idle connection, so that the sandbox never ends one under a request. */
const KEEP_ALIVE_MS = 120_000;

const FLAKY_STATUSES = [500, 502, 503, 504, 499] as const;
const BLOCK_PAGE =
  "<!DOCTYPE html><html><head><title>Attention</title></head><body><h1>Please wait...</h1></body></html>";

/**
 * Starts a server on loopback that answers under a provider's contract from a data directory, and counts.
 * `GET /sandbox/report` is what it counted, `POST /sandbox/reset` starts the count, the limits and the faults afresh.
 * @throws DataDirectoryError when the directory cannot be served, RangeError for unknown faults
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const rates = faultRates(options.faults);
  const world = await openWorld(options);
  const front = new Front(world.providers, options, rates);
  const server = createServer((request, response) => void front.handle(request, response));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.listen(options.port ?? 0, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (cause) {
    await world.close();
    throw cause;
  }
  const { port } = server.address() as AddressInfo;
  front.origin = `http://127.0.0.1:${port}`;
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= stop(server, front).then(() => world.close());
    return closing;
  };
  return { url: front.origin, report: () => front.report(), close, [Symbol.asyncDispose]: close };
}

interface World {
  /** The first answers for paths that are nobody's. */
  readonly providers: readonly [Provider, ...Provider[]];
  close(): Promise<void>;
}

/** Every contract that the directory has data for. */
async function openWorld(options: SandboxOptions): Promise<World> {
  const { dataDir, nowMs = null, silentCapRows = null } = options;
  const hasSales = existsSync(join(dataDir, SALES_MANIFEST));
  const opened: World[] = [];
  try {
    // A directory without any manifest is refused for its lack of candles.
    if (existsSync(join(dataDir, "manifest.json")) || !hasSales) {
      const directory = await openDataDirectory(dataDir);
      const settings = options.polygon ?? {};
      const polygon = polygonProvider({ directory, settings, nowMs, silentCapRows });
      opened.push({ providers: [polygon], close: () => directory.close() });
    }
    if (hasSales)
      opened.push(await openRetailProviders(dataDir, { settings: options.retail ?? {}, nowMs, silentCapRows }));
  } catch (cause) {
    for (const world of opened) await world.close();
    throw cause;
  }
  return {
    providers: opened.flatMap(({ providers }) => providers) as [Provider, ...Provider[]],
    async close() {
      for (const world of opened) await world.close();
    },
  };
}

async function stop(server: Server, front: Front): Promise<void> {
  front.stop();
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

/** The door: keys, limits, faults and counts, in this order; what is behind it is the provider's. */
class Front {
  readonly #providers: World["providers"];
  readonly #options: SandboxOptions;
  readonly #rates: FaultProfile;
  readonly #seed: number;
  readonly #windows: ArrivalWindows;
  readonly #stopped = new AbortController();
  #tally = new Tally();
  #attempts = new Map<string, number>();
  origin = "";

  constructor(providers: World["providers"], options: SandboxOptions, rates: FaultProfile) {
    this.#providers = providers;
    this.#options = options;
    this.#rates = rates;
    this.#seed = options.seed ?? 1;
    this.#windows = new ArrivalWindows(options.limits ?? []);
    // One listener a request under way: as many as clients send at once.
    setMaxListeners(0, this.#stopped.signal);
  }

  report(): SandboxReport {
    return this.#tally.report(this.#windows.report());
  }

  stop(): void {
    this.#stopped.abort();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrivedAt = performance.now();
    try {
      await this.#answer(request, response, arrivedAt);
    } catch (cause) {
      if (this.#stopped.signal.aborted) return;
      const problem = cause instanceof Error ? cause.message : String(cause);
      this.#tally.failed(problem);
      this.#send(response, { status: 500, contentType: "text/plain", body: `sandbox: ${problem}\n`, isData: false });
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, arrivedAt: number): Promise<void> {
    const url = new URL(request.url ?? "/", this.origin);
    const method = request.method ?? "GET";
    const path = url.pathname;
    if (path.startsWith("/sandbox/")) return this.#serveOwnPath(`${method} ${path}`, response);

    const provider = this.#providers.find((each) => each.pathKind(path) !== null) ?? this.#providers[0];
    const tally = this.#tally;
    const kind = provider.pathKind(path) ?? "unknown";
    tally.arrived(kind);
    const key = provider.isOpen ? `everybody at ${kind}` : provider.keyOf(request.headers, url.searchParams);
    const isLetIn = provider.isOpen || this.#isKnown(key);
    const waitMs = isLetIn ? this.#windows.arrive(key ?? "", arrivedAt) : 0;
    const body = method === "POST" ? await readBody(request) : "";
    const identity = `${method} ${path}${queryText(url.searchParams, provider.keyParameters)}${bodyText(body)}`;
    await this.#latency();
    if (!isLetIn) return this.#send(response, provider.refuseKey(this.#requestId(identity, 0)));
    if (waitMs > 0) return this.#refuseRate(response, provider, identity, waitMs);

    if (method !== (provider.methodOf?.(path) ?? "GET")) {
      return this.#send(response, { status: 405, contentType: "text/plain", body: "", isData: false });
    }
    const attempt = (this.#attempts.get(identity) ?? 0) + 1;
    this.#attempts.set(identity, attempt);
    const requestId = this.#requestId(identity, attempt);
    const faults = decideFaults(this.#rates, this.#seed, identity, attempt);
    if (faults.answer !== null && faults.answer !== "cut") {
      tally.injected(faults.answer);
      return this.#fail(response, provider, faults.answer, identity, requestId, path);
    }
    const answer = await provider.answer({
      path,
      query: url.searchParams,
      body,
      origin: this.origin,
      requestId,
      dataFaults: faults.data,
      faultSettings: {
        seed: this.#seed,
        request: identity,
        holeMinDays: this.#options.holeMinDays ?? DEFAULT_HOLE_MIN_DAYS,
      },
    });
    if (answer.isStalled) return this.#stall(response);
    if (faults.answer === "cut") {
      tally.injected("cut");
      return this.#sendCut(response, answer, identity);
    }
    for (const fault of answer.faults ?? []) tally.injected(fault);
    if (answer.isData) response.once("finish", () => tally.answered(identity));
    this.#send(response, answer);
  }

  #serveOwnPath(call: string, response: ServerResponse): void {
    if (call === "POST /sandbox/reset") {
      this.#tally = new Tally();
      this.#attempts = new Map();
      this.#windows.reset();
    }
    const isKnown = call === "GET /sandbox/report" || call === "POST /sandbox/reset";
    response.writeHead(isKnown ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(isKnown ? this.report() : { error: `no such path: ${call}` }));
  }

  #isKnown(key: string | null): key is string {
    if (key === null || key === "") return false;
    return this.#options.apiKeys === undefined || this.#options.apiKeys.includes(key);
  }

  async #latency(): Promise<void> {
    const { latencyMs = 0 } = this.#options;
    if (latencyMs > 0) await sleep(latencyMs, undefined, { signal: this.#stopped.signal });
  }

  #refuseRate(response: ServerResponse, provider: Provider, identity: string, waitMs: number): void {
    const answer = provider.refuseRate(this.#requestId(identity, 0));
    const headers = { "retry-after": String(Math.ceil(waitMs / 1000)) };
    const isTold = this.#options.retryAfter ?? provider.sendsRetryAfter ?? false;
    this.#send(response, isTold ? { ...answer, headers } : answer);
  }

  async #fail(
    response: ServerResponse,
    provider: Provider,
    fault: Exclude<AnswerFault, "cut">,
    identity: string,
    requestId: string,
    path: string,
  ): Promise<void> {
    const variant = draw(this.#seed, "variant", identity);
    switch (fault) {
      case "storm429":
        return this.#refuseRate(response, provider, identity, 1000);
      case "flaky5xx":
        return this.#send(response, flakyAnswer(variant));
      case "error200":
        return this.#send(response, provider.failInside200(requestId));
      case "html":
        return this.#send(response, {
          status: variant < 0.5 ? 200 : 503,
          contentType: "text/html; charset=utf-8",
          body: BLOCK_PAGE,
          isData: false,
        });
      case "redirect": {
        const headers = { location: `http://elsewhere.invalid${path}` };
        return this.#send(response, { status: 302, contentType: "text/plain", body: "", headers, isData: false });
      }
      case "timeouts":
        return this.#stall(response);
      default:
        return fault satisfies never;
    }
  }

  /** Not a byte until the client gives up, the stall is over or the sandbox stops. */
  async #stall(response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#stopped.signal]);
    await sleep(this.#options.stallMs ?? DEFAULT_STALL_MS, undefined, { signal }).catch(() => undefined);
    response.destroy();
  }

  /** Half a body: either it says so in its length, or it announces all and the connection ends. */
  #sendCut(response: ServerResponse, answer: Answer, identity: string): void {
    const body = Buffer.from(answer.body);
    const half = body.subarray(0, Math.floor(body.length / 2));
    const isHonest = draw(this.#seed, "variant", identity) < 0.5;
    this.#tally.sent(answer.status);
    response.writeHead(answer.status, {
      "content-type": answer.contentType,
      "content-length": isHonest ? half.length : body.length,
    });
    if (isHonest) response.end(half);
    else response.write(half, () => response.destroy());
  }

  #send(response: ServerResponse, answer: Answer): void {
    if (response.destroyed) return;
    this.#tally.sent(answer.status);
    const body = Buffer.from(answer.body);
    response.writeHead(answer.status, {
      "content-type": answer.contentType,
      "content-length": body.length,
      ...answer.headers,
    });
    response.end(body);
  }

  #requestId(identity: string, attempt: number): string {
    const text = `${identity}|${attempt}`;
    return Array.from({ length: 4 }, (_, i) => hex8(draw(this.#seed, `request id ${i}`, text))).join("");
  }
}

function hex8(fraction: number): string {
  return Math.floor(fraction * 2 ** 32)
    .toString(16)
    .padStart(8, "0");
}

/** The query without keys, in one order: what is asked does not depend on who asks or how it is written. */
function queryText(query: URLSearchParams, keyParameters: readonly string[]): string {
  const asked = [...query].filter(([name]) => !keyParameters.includes(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return asked.length === 0 ? "" : `?${new URLSearchParams(asked)}`;
}

async function readBody(request: IncomingMessage): Promise<string> {
  request.setEncoding("utf8");
  let text = "";
  for await (const part of request) text += part;
  return text;
}

/** A JSON object with its keys in one order, so that the same question is one request however it is written. */
function bodyText(body: string): string {
  if (body === "") return "";
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json !== "object" || json === null) return ` ${body}`;
    return ` ${JSON.stringify(Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1))))}`;
  } catch {
    return ` ${body}`;
  }
}

/** A gateway's answer: JSON, a page, or nothing. */
function flakyAnswer(variant: number): Answer {
  const status = FLAKY_STATUSES[Math.floor(variant * FLAKY_STATUSES.length)] ?? 500;
  const shape = Math.floor(variant * 97) % 3;
  const bodies = [
    { contentType: "application/json", body: JSON.stringify({ status: "ERROR", error: "Internal Server Error" }) },
    { contentType: "text/html", body: `<html><head><title>${status}</title></head><body>${status}</body></html>` },
    { contentType: "text/plain", body: "" },
  ] as const;
  return { status, isData: false, ...(bodies[shape] ?? bodies[0]) };
}
