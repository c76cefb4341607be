import type { IncomingHttpHeaders } from "node:http";
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

/** One provider's contract: what its paths, keys, answers and error bodies look like. It counts and limits nothing. */
export interface Provider {
  /** Name of the kind of request for the report, or null when the path is not this provider's. */
  pathKind(path: string): string | null;
  /** How a path is asked; absent = every path by GET. */
  methodOf?(path: string): "GET" | "POST";
  /** Whoever asks is answered, without a credential. */
  readonly isOpen?: boolean;
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
