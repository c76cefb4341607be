import type { Series } from "../core/dataset/series.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Interval } from "../core/time/interval.ts";
import type { IntervalSet } from "../core/time/interval-set.ts";

/** Real time, for leases, limits, retries and expiry. The business clock is an argument, never read. */
export interface Clock {
  now(): Instant;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A request without host and without credential: what is asked. Equal requests have equal `target`s. */
export interface SourceRequest {
  readonly method: "GET" | "POST";
  /** Path and query, starting with `/`. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer as classifiers see it. */
export interface Answer {
  readonly status: number;
  /** Lower-cased header names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body's JSON, or null when it is not JSON (see `text`). */
  readonly json: unknown;
  /** The first 2,000 characters of the body. */
  readonly text: string;
  /** Whether the whole body was valid JSON. */
  readonly isJson: boolean;
}

/** Why an answer is not data; each class has its own retry and wait (engine/fetch/policy.ts). */
export type FailureClass =
  | "transient"
  | "rate-told"
  | "rate-untold"
  | "ban"
  | "quota"
  | "auth"
  | "plan-endpoint"
  | "plan-value"
  | "bad-request"
  | "not-found"
  | "stale-cursor"
  | "partial"
  | "slow-window";

/** What an answer means. */
export type Outcome =
  | {
      readonly kind: "rows";
      /** Records in this page; 0 for an empty answer, which is an answer. */
      readonly rows: number;
      /** The next page, or null on the last. */
      readonly next: SourceRequest | null;
      /** End of the last record's slot, or null without records. */
      readonly through: Instant | null;
      /** The source says its newest rows may still change. */
      readonly provisional: boolean;
      /** Every record has exactly the declared JSON types: it may be read on the fast path. */
      readonly strict: boolean;
    }
  | {
      readonly kind: "failure";
      readonly class: FailureClass;
      readonly message: string;
      /** A told wait in milliseconds, or null. */
      readonly waitMs: number | null;
    };

/**
 * What a source reads in an answer: an outcome but for `strict`, which the engine checks itself; null when the HTTP status
 * and the kind of body alone decide (a 502, a web page).
 */
export type Reading = Omit<Extract<Outcome, { kind: "rows" }>, "strict"> | Extract<Outcome, { kind: "failure" }> | null;

/** A field's JSON type. A `date` is a string YYYY-MM-DD and is read as epoch milliseconds of its UTC midnight. */
export type FieldType = "integer" | "number" | "string" | "date";

/** Where the records of a body lie and which JSON types their fields have. */
export interface RecordShape {
  /** Member of the body that holds the array of records, such as `results`; empty when the body is that array. */
  readonly path: string;
  readonly fields: Readonly<
    Record<
      string,
      {
        readonly type: FieldType;
        readonly required: boolean;
        /** JSON null is a value of this field and reads as null; elsewhere it makes the record unreadable. */
        readonly nullable?: boolean;
      }
    >
  >;
  /** Field with the provider's stamp, epoch milliseconds. */
  readonly stamp: string;
}

/** What a provider speaks: request builder, classifier, record paths. Pure; it has no HTTP of its own. */
export interface Source {
  readonly name: string;
  /** Requests that together answer `gaps` of one series with the fewest calls; whole slots, in order, disjoint. */
  windows(series: Series, gaps: IntervalSet): readonly Interval[];
  /** The request that asks for `window` of `series`. */
  request(series: Series, window: Interval): SourceRequest;
  /** What an answer to `request` means. */
  classify(series: Series, request: SourceRequest, answer: Answer): Reading;
  readonly records: RecordShape;
  /** Row counts at which this source is known to cut an answer without saying so. */
  readonly silentCaps: readonly number[];
}

/** Files that a run leaves for people: its log as JSON lines, and its results. */
export interface RunFiles {
  log(runId: string, line: Readonly<Record<string, unknown>>): void;
  readLog(runId: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Writes the run's results by rename and returns the path. */
  writeResults(runId: string, results: object): Promise<string>;
  /** Writes a copy somewhere else by rename; fails where the path cannot be written. */
  writeTo(path: string, results: object): Promise<void>;
}
