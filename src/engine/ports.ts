import type { Stamp } from "../core/dataset/axis.ts";
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

/** A request without host and without credential: what is asked. */
export interface SourceRequest {
  readonly method: "GET" | "POST";
  /** Path and query, starting with `/`. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What is asked, as text: equal for equal requests. */
export function requestIdentity({ target, body }: SourceRequest): string {
  return body === undefined ? target : `${target} ${body}`;
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
      /** Of sources with `pagesTogether`: where the last record stands in the order of the pages, as text that sorts. */
      readonly place?: string;
      /** The source says its newest rows may still change. */
      readonly provisional: boolean;
      /** Every record has exactly the declared JSON types: it may be read on the fast path. */
      readonly strict: boolean;
      /** What strict records have in common where the shape leaves something open; null where they have nothing. */
      readonly layout: string | null;
    }
  | {
      readonly kind: "failure";
      readonly class: FailureClass;
      readonly message: string;
      /** A told wait in milliseconds, or null. */
      readonly waitMs: number | null;
    };

/**
 * What a source reads in an answer: an outcome but for `strict` and `layout`, which the engine finds itself; null when
 * the HTTP status and the kind of body alone decide (a 502, a web page).
 */
export type Reading =
  | Omit<Extract<Outcome, { kind: "rows" }>, "strict" | "layout">
  | Extract<Outcome, { kind: "failure" }>
  | null;

/** What a field holds in JSON, and what is read of it. */
export type FieldType =
  /** A number, exact in 64-bit floats; read as BIGINT. */
  | "integer"
  /** A finite number; read as DOUBLE. */
  | "number"
  /** Read as VARCHAR. */
  | "string"
  /** A text that JSON would take for a finite number, such as `"0.01634790"`; read as DOUBLE. */
  | "decimal-text"
  /** A finite number or a text that is one, for a column that is a DECIMAL: read as what can be cast to it exactly. */
  | "decimal"
  /** A text `YYYY-MM-DD`; read as BIGINT, epoch milliseconds of its UTC midnight. */
  | "date"
  /** An ISO 8601 text with an offset; read as BIGINT, epoch milliseconds. */
  | "instant";

/** A place inside a record: names of members, numbers for places in lists, from 0. */
export type MemberPath = readonly (string | number)[];

/** A field of a record that is an object, found by its name. */
export interface NamedField {
  readonly type: FieldType;
  readonly required: boolean;
  /** JSON null is a value of this field and reads as null; elsewhere it makes the record unreadable. */
  readonly nullable?: boolean;
  /** Member of the record, where the field has another name: columns do not tell `T` from `t`. */
  readonly member?: string;
  /** Places inside the record, where it lies deeper or not always in one; the first that is there and not null counts. */
  readonly members?: readonly MemberPath[];
  /** For texts: the place in the body, around its records, that speaks for all records that do not say it themselves. */
  readonly around?: MemberPath;
  readonly at?: never;
}

/**
 * A field of a record that is a list, found by its place, from 0; a list too short for a required one is unreadable.
 * Without a place (`at: null`) the source never sends it: null in every record, for columns that other sources fill.
 */
export type PlacedField = {
  readonly type: FieldType;
  readonly nullable?: never;
  readonly member?: never;
  readonly members?: never;
  readonly around?: never;
} & ({ readonly required: boolean; readonly at: number } | { readonly required: false; readonly at: null });

/** Where the records of a body lie and which JSON types their fields have. */
export interface RecordShape {
  /** Member of the body that holds the array of records, such as `results`; empty when the body is that array. */
  readonly path: string;
  /** The body may also be that array itself. */
  readonly isBare?: boolean;
  /** Records are objects with named fields, or lists with placed ones. */
  readonly fields: Readonly<Record<string, NamedField>> | Readonly<Record<string, PlacedField>>;
  /** Field with the provider's stamp, epoch milliseconds once it is read. */
  readonly stamp: string;
  /** The stamp lies anywhere inside the slot, with its end or with its start, instead of where the axis says. */
  readonly stampWithin?: "(start, end]" | "[start, end)";
  /** Field that tells the series of a record, where one body holds many. */
  readonly key?: string;
  /** How this source stamps, where that is not what the axis says. */
  readonly stamped?: Stamp;
  /** How records are read from bodies that are no JSON; then `path` is empty and fields have names. */
  readonly reader?: FileReader;
}

/** How the records of a file are read: a line or row each, every field a text of one column. */
export interface FileReader {
  readonly format: "csv" | "parquet";
  /** One character; for CSV. */
  readonly delimiter: string;
  /** Lines before the first record, of which the first names the columns; for CSV. */
  readonly headerLines: number;
  /** Column of each field but the stamp, by name in any case or by place from 0; a field without one is null everywhere. */
  readonly columns: Readonly<Record<string, FileColumn>>;
  readonly time: FileTime;
  /** Number fields that are written as multiples: each is divided by its figure. */
  readonly divisors: Readonly<Record<string, number>>;
}

export type FileColumn = string | number;

/** How a file writes the stamp of a record. */
export interface FileTime {
  /** The columns that hold it, joined by a blank. */
  readonly columns: readonly FileColumn[];
  /** Milliseconds that are added to it, since its midnight; null where there is no such column. */
  readonly msOfDay: FileColumn | null;
  /**
   * `iso`: ISO 8601, with a blank or a T; an offset behind it goes before `zone`. `date`: a day, perhaps with 00:00
   * behind it. Anything else is a `strptime` pattern.
   */
  readonly format: "iso" | "date" | "epoch_s" | "epoch_ms" | "epoch_us" | "epoch_ns" | { readonly strptime: string };
  /** The clocks that it is read on. */
  readonly zone: string;
}

/** What one file holds of one series, by the file's own stamps. */
export interface FileHolding {
  /** From the project's folder. */
  readonly path: string;
  /** What the pattern finds in the file's name. */
  readonly named: Readonly<Partial<Record<"symbol" | "timeframe" | "date", string>>>;
  /** The key that its records name, where one file holds many series; otherwise null. */
  readonly key: string | null;
  /** Its first and last stamp, epoch milliseconds. */
  readonly first: number;
  readonly last: number;
  readonly rows: number;
}

/** What a provider speaks: request builder, classifier, record paths. Pure; it has no HTTP of its own. */
export interface Source {
  /** Names this way of asking; unique within a dataset. */
  readonly name: string;
  /** The provider as rows and bronze folders name it: sources that ask the same provider differently share it. */
  readonly system: string;
  /** Whether it can answer for this series. */
  serves(series: Series): boolean;
  /**
   * Requests that together answer `gaps` of one series with the fewest calls; whole slots, in order, disjoint. `most`
   * are the slots that a request asks for at once where somebody has said so; sources without such a choice ignore it.
   */
  windows(series: Series, gaps: IntervalSet, most?: number): readonly Interval[];
  /** The request that asks for `window` of `series`. */
  request(series: Series, window: Interval): SourceRequest;
  /** What an answer to `request` means. */
  classify(series: Series, request: SourceRequest, answer: Answer): Reading;
  readonly records: RecordShape;
  /** Row counts at which this source is known to cut an answer without saying so. */
  readonly silentCaps: readonly number[];
  /** A time-out says that too much was asked: half of the window is asked next, and not more in the rest of the run. */
  readonly splitsOnTimeout?: boolean;
  /**
   * A slot's records may go on from one page to the next: a page alone claims nothing, the last one claims for all. A
   * page must then stand behind the one before (`place`), or the pages would never end.
   */
  readonly pagesTogether?: boolean;
  /** For answers that hold many series: which series one question answers together. */
  group?(series: Series): string;
  /** For answers that hold many series: the value of `records.key` in the rows of `series`. */
  match?(series: Series): string;
  /** For files: what they hold of a series; asking for it is no call. */
  held?(series: Series): IntervalSet;
  /**
   * What was there before anybody asked: it fills slots without a row, replaces and takes back none, says nothing of
   * slots that it lacks, and is not asked about what somebody has answered.
   */
  readonly fillsOnly?: boolean;
}

/** Files that a run leaves for people: its log as JSON lines, and its results. */
export interface RunFiles {
  /** Also writes the line to `copy`, a path from the project's folder. */
  log(runId: string, line: Readonly<Record<string, unknown>>, copy?: string | null): void;
  readLog(runId: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Writes the run's results by rename and returns the path. */
  writeResults(runId: string, results: object): Promise<string>;
  /** Writes a copy somewhere else by rename; fails where the path cannot be written. */
  writeTo(path: string, results: object): Promise<void>;
}
