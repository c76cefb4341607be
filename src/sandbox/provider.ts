import type { IncomingHttpHeaders } from "node:http";
import type { WindowReport } from "./arrival-windows.ts";
import type { BarFaultSettings } from "./bar-faults.ts";
import type { DataFault } from "./faults.ts";

/** What is sent back, whole. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether this answers what was asked, even if with nothing; refusals and errors do not. */
  readonly isData: boolean;
  /** Data faults that changed this answer. */
  readonly faults?: readonly DataFault[];
  /** Nothing of this is sent: the client waits for `stallMs`, then the connection ends. */
  readonly isStalled?: boolean;
}

/** A request that has been let in. */
export interface ProviderRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  /** As sent; empty unless the method is POST. */
  readonly body: string;
  /** Scheme, host and port under which the sandbox is reached. */
  readonly origin: string;
  /** Hex text, as providers send to identify an answer. */
  readonly requestId: string;
  readonly dataFaults: readonly DataFault[];
  readonly faultSettings: BarFaultSettings;
}

/** What a gate counted, in its own unit. */
export interface GateReport extends WindowReport {
  readonly of: string;
  readonly bans: number;
}

/** A provider's own limit, where it is not a number of requests per key. */
export interface Gate {
  /** Counts a request that arrived at `at`, monotonic milliseconds; its refusal, or null when it is let in. */
  arrive(path: string, at: number): Answer | null;
  report(): GateReport;
  reset(): void;
}

/**
 * One provider's contract: what its paths, keys, answers and error bodies look like. It counts and limits nothing, but
 * for a gate of its own.
 */
export interface Provider {
  readonly name: string;
  /** Name of the kind of request for the report, or null when the path is not this provider's. */
  pathKind(path: string): string | null;
  /** How a path is asked; absent = every path by GET. */
  methodOf?(path: string): "GET" | "POST";
  /** Whoever asks is answered, without a credential. */
  readonly isOpen?: boolean;
  /** In the place of the limits per key. */
  readonly gate?: Gate;
  /** A 429 says when to come back, also where the options do not ask for it. */
  readonly sendsRetryAfter?: boolean;
  /** The credential sent, or null. */
  keyOf(headers: IncomingHttpHeaders, query: URLSearchParams): string | null;
  /** Query parameters that carry a credential: they are no part of what is asked. */
  readonly keyParameters: readonly string[];
  answer(request: ProviderRequest): Promise<Answer>;
  refuseKey(requestId: string): Answer;
  refuseRate(requestId: string): Answer;
  /** An error written into a 200. */
  failInside200(requestId: string): Answer;
}

/** Providers that one server speaks for, told apart by their paths; the first answers for paths that are nobody's. */
export type Providers = readonly [Provider, ...Provider[]];

export function providerOf(providers: Providers, path: string): Provider {
  return providers.find((each) => each.pathKind(path) !== null) ?? providers[0];
}
