import { once, setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { instant } from "../core/time/instant.ts";
import { ArrivalWindows, type Limit } from "./arrival-windows.ts";
import {
  type AnswerFault,
  decideFaults,
  draw,
  type FaultProfile,
  type FaultProfileName,
  faultRates,
} from "./faults.ts";
import { openWorld, type World, type WorldOptions } from "./open-world.ts";
import { type Answer, type Provider, type Providers, providerOf } from "./provider.ts";
import { type SandboxReport, Tally } from "./sandbox-report.ts";

export interface SandboxOptions extends WorldOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /**
   * Requests let in per provider and API key (per provider where it has no keys); more are answered with 429. Default
   * none. A contract with its own gate has that.
   */
  readonly limits?: readonly Limit[];
  /** Absent = any key that is not empty. */
  readonly apiKeys?: readonly string[];
  /** Rates, a profile name, or names joined by commas. Default none. */
  readonly faults?: FaultProfile | FaultProfileName | (string & {});
  /** Decides which requests the faults strike. Default 1. */
  readonly seed?: number;
  /** The sandbox's present: bars that start later are not there yet. Absent = after all data. It can be moved. */
  readonly nowMs?: number;
  /** Wait before each answer. */
  readonly latencyMs?: number;
  /** Send `Retry-After` with a 429. Absent = as the contract has it: Polygon does not. */
  readonly retryAfter?: boolean;
  /** How long a request struck by `timeouts` gets no byte before its connection is ended. Default 30 s. */
  readonly stallMs?: number;
  /** Windows up to this many days are answered without `holes`. Default 20. */
  readonly holeMinDays?: number;
}

/** A running sandbox. */
export interface Sandbox extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, the base of the providers' paths. */
  readonly url: string;
  /** Names of the contracts that it has data for. */
  readonly contracts: readonly string[];
  /**
   * Moves the present, also backwards; requests under way may still see the one before.
   * @throws RangeError when `ms` is no instant
   */
  setNow(ms: number): void;
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
 * Starts a server on loopback that answers under the providers' contracts from a data directory, and counts.
 * `GET /sandbox/report` is what it counted, `POST /sandbox/reset` starts the count, the limits and the faults afresh,
 * `POST /sandbox/now?ms=` moves the present.
 * @throws DataDirectoryError when the directory cannot be served, RangeError for unknown faults
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const rates = faultRates(options.faults);
  const present = { nowMs: options.nowMs ?? null };
  const world = await openWorld(options, present);
  const front = new Front({ world, present, options, rates });
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
  return {
    url: front.origin,
    contracts: world.providers.map(({ name }) => name),
    setNow: (ms) => front.setNow(ms),
    report: () => front.report(),
    close,
    [Symbol.asyncDispose]: close,
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
  readonly #providers: Providers;
  readonly #present: { nowMs: number | null };
  readonly #options: SandboxOptions;
  readonly #rates: FaultProfile;
  readonly #seed: number;
  readonly #windows: ArrivalWindows;
  readonly #stopped = new AbortController();
  #tally = new Tally();
  #attempts = new Map<string, number>();
  origin = "";

  constructor(given: {
    readonly world: World;
    readonly present: { nowMs: number | null };
    readonly options: SandboxOptions;
    readonly rates: FaultProfile;
  }) {
    const { world, present, options, rates } = given;
    this.#providers = world.providers;
    this.#present = present;
    this.#options = options;
    this.#rates = rates;
    this.#seed = options.seed ?? 1;
    this.#windows = new ArrivalWindows(options.limits ?? []);
    // One listener a request under way: as many as clients send at once.
    setMaxListeners(0, this.#stopped.signal);
  }

  report(): SandboxReport {
    const gates = this.#providers.flatMap(({ gate }) => (gate === undefined ? [] : [gate.report()]));
    return this.#tally.report(this.#windows.report(), gates);
  }

  setNow(ms: number): void {
    const nowMs = instant(ms);
    if (nowMs !== this.#present.nowMs) this.#tally.moved();
    this.#present.nowMs = nowMs;
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
    if (path.startsWith("/sandbox/")) return this.#serveOwnPath(`${method} ${path}`, url.searchParams, response);

    const provider = providerOf(this.#providers, path);
    const tally = this.#tally;
    tally.arrived(provider.pathKind(path) ?? "unknown");
    const key = provider.isOpen ? "everybody" : provider.keyOf(request.headers, url.searchParams);
    const isLetIn = provider.isOpen || this.#isKnown(key);
    const refusal = provider.gate?.arrive(path, arrivedAt) ?? null;
    const isLimited = isLetIn && provider.gate === undefined;
    const waitMs = isLimited ? this.#windows.arrive(`${provider.name} ${key}`, arrivedAt) : 0;
    const body = method === "POST" ? await readBody(request) : "";
    const identity = `${method} ${path}${queryText(url.searchParams, provider.keyParameters)}${bodyText(body)}`;
    await this.#latency();
    if (!isLetIn) return this.#send(response, provider.refuseKey(this.#requestId(identity, 0)));
    if (refusal !== null) return this.#send(response, refusal);
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
      return this.#fail(response, faults.answer, { provider, identity, requestId, path });
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

  #serveOwnPath(call: string, query: URLSearchParams, response: ServerResponse): void {
    const { status, body } = this.#ownAnswer(call, query);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }

  #ownAnswer(call: string, query: URLSearchParams): { readonly status: number; readonly body: object } {
    switch (call) {
      case "GET /sandbox/report":
        return { status: 200, body: this.report() };
      case "POST /sandbox/reset":
        this.#tally = new Tally();
        this.#attempts = new Map();
        this.#windows.reset();
        for (const { gate } of this.#providers) gate?.reset();
        return { status: 200, body: this.report() };
      case "POST /sandbox/now": {
        const text = query.get("ms") ?? "";
        if (!/^\d{1,15}$/.test(text)) return { status: 400, body: { error: "ms must be Unix milliseconds" } };
        this.setNow(Number(text));
        return { status: 200, body: { nowMs: this.#present.nowMs } };
      }
      default:
        return { status: 404, body: { error: `no such path: ${call}` } };
    }
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
    fault: Exclude<AnswerFault, "cut">,
    asked: {
      readonly provider: Provider;
      readonly identity: string;
      readonly requestId: string;
      readonly path: string;
    },
  ): Promise<void> {
    const { provider, identity, requestId, path } = asked;
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
