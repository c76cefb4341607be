import type { Findings } from "../core/coverage/segment.ts";
import type { Dataset } from "../core/dataset/dataset.ts";
import type { SuspectRule } from "../core/dataset/pipeline.ts";
import type { Series, SeriesKey } from "../core/dataset/series.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Interval } from "../core/time/interval.ts";
import type { IntervalSet } from "../core/time/interval-set.ts";
import type { ObjectRecord, RowCounts, SeriesRows } from "./ledger-port.ts";
import type { RecordShape } from "./ports.ts";

/** One series in a publication, with everything the store needs to judge its rows. */
export interface PublishedSeries {
  readonly series: Series;
  /** Everything that will have been answered once this publication is committed. */
  readonly answered: IntervalSet;
  /** Of `answered`, the due slots. */
  readonly due: IntervalSet;
}

/** How the bodies of one source are read. */
export interface SourceShape {
  /** The provider, as rows name it. */
  readonly system: string;
  readonly records: RecordShape;
  /** Where a body holds many series: the value of `records.key` for one of them. */
  readonly match: ((series: Series) => string) | null;
}

export interface PublishRequest {
  readonly chunkId: string;
  readonly fence: number;
  readonly dataset: Dataset;
  /** By the name that objects give their source. */
  readonly sources: ReadonlyMap<string, SourceShape>;
  readonly objects: readonly ObjectRecord[];
  readonly series: readonly PublishedSeries[];
  readonly suspects: SuspectRule | null;
  /** Disputed stretches that these objects restore; they were answered long ago and are not asked now. */
  readonly restore: ReadonlyMap<SeriesKey, IntervalSet>;
}

/** All rows of a dataset anew, from all objects in ingest order. */
export interface RebuildRequest extends PublishRequest {
  /** Rows that are published together. */
  readonly groupRows: number;
  /** Every publication that the ledger committed, in order. */
  readonly publications: readonly { readonly chunkId: string; readonly fence: number }[];
}

/** What the publications of one run did to a dataset, to be taken back. */
export interface RevertRequest {
  readonly chunkId: string;
  readonly fence: number;
  readonly dataset: Dataset;
  readonly publications: readonly string[];
  /** Ingest numbers of the objects that count no more. */
  readonly objects: readonly number[];
  /** As they will have been answered without the run. */
  readonly series: readonly PublishedSeries[];
  readonly suspects: SuspectRule | null;
}

/** One stretch of a made series to build, and what has to be read of each input for it. */
export interface BuildWindow extends Interval {
  readonly series: Series;
  /** In the order of the transform's inputs. */
  readonly reads: readonly {
    readonly dataset: Dataset;
    readonly parts: Readonly<Record<string, string>>;
    readonly span: Interval;
  }[];
}

export interface BuildRequest {
  readonly chunkId: string;
  readonly fence: number;
  readonly dataset: Dataset;
  /** Of one series they are disjoint. */
  readonly windows: readonly BuildWindow[];
  /** Everything of its series is made anew: rows are counted. */
  readonly isWhole: boolean;
}

/** How the stored rows of one series agree with rows made of the same slots. */
export interface Comparison {
  readonly key: SeriesKey;
  /** Slots that have both. */
  readonly both: number;
  /** Slots with a made row only, and with a stored one only. */
  readonly onlyMade: number;
  readonly onlyStored: number;
  /** Slots whose rows differ beyond rounding. */
  readonly differing: number;
  /** By column: slots that differ, and the largest difference, as a share of the larger value. */
  readonly columns: readonly { readonly name: string; readonly differing: number; readonly worst: number }[];
  /** The first slot that differs, or null. */
  readonly first: Instant | null;
}

/** What the store's own transaction recorded: everything that the ledger's commit needs. */
export interface Receipt {
  readonly chunkId: string;
  readonly fence: number;
  readonly counts: RowCounts;
  readonly quarantinedBy: Readonly<Record<string, number>>;
  readonly rowsBySeries: Readonly<Record<string, SeriesRows>>;
  readonly findings: Readonly<Record<string, Findings>>;
  readonly changes: readonly (Interval & { readonly key: SeriesKey })[];
  /** After everything was made anew: how many rows each series has. */
  readonly totals?: Readonly<Record<string, number>>;
}

export interface QueryResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Values as JSON would show them; integers beyond 2^53 and decimals as text. */
  readonly rows: readonly (readonly unknown[])[];
}

/** The past: datasets as they stood once a publication was committed. */
export interface AsOf {
  /** The last publication that counts; null: before all. */
  readonly publication: string | null;
  readonly datasets: readonly Dataset[];
}

/** Which slots of a series the stored rows fill, as stretches of neighbouring slots. */
export type StoredSlots = ReadonlyMap<SeriesKey, IntervalSet>;

/** Typed tables in one file that is opened only for the length of each call. */
export interface Store {
  readonly path: string;
  /** One transaction: rows, before-images, quarantine, receipt. */
  publish(request: PublishRequest): Promise<Receipt>;
  /** The same for rows made from other datasets: computed, compared, and only what differs written. */
  build(request: BuildRequest): Promise<Receipt>;
  /** All rows anew beside the data file, then what differs in one transaction. */
  rebuild(request: RebuildRequest): Promise<Receipt>;
  /** Each slot that a run touched stands again as before; what stood there is kept as a before-image. */
  revert(request: RevertRequest): Promise<Receipt>;
  /** Publications of others that touched slots after these had: a revert would pull the ground from under them. */
  laterTouches(dataset: Dataset, publications: readonly string[]): Promise<readonly string[]>;
  /** Rows of a source held against rows made of the same slots from finer ones; writes nothing. */
  compare(dataset: Dataset, windows: readonly BuildWindow[]): Promise<readonly Comparison[]>;
  receipt(chunkId: string): Promise<Receipt | null>;
  /** A read-only query; waits up to 10 s for a writer, then names it. @throws RetrofillError STORE_BUSY, SQL_INVALID */
  query(sql: string, asOf?: AsOf): Promise<QueryResult>;
  /** Row counts and first and last slot by series. */
  totals(
    dataset: Dataset,
  ): Promise<ReadonlyMap<SeriesKey, { readonly rows: number; readonly first: Instant; readonly last: Instant }>>;
  /** How many keys stand more than once. */
  doubledKeys(dataset: Dataset): Promise<number>;
  /** Of each series' rows: the slots that hold one. */
  storedSlots(dataset: Dataset, series: readonly Series[]): Promise<StoredSlots>;
}
