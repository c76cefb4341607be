import type { Findings } from "../core/coverage/segment.ts";
import type { Dataset } from "../core/dataset/dataset.ts";
import type { SuspectRule } from "../core/dataset/pipeline.ts";
import type { Series, SeriesKey } from "../core/dataset/series.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Interval } from "../core/time/interval.ts";
import type { IntervalSet } from "../core/time/interval-set.ts";
import type { ObjectRecord, PublishedAnswer, RowCounts, SeriesRows } from "./ledger-port.ts";
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
}

export interface QueryResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Values as JSON would show them; integers beyond 2^53 and decimals as text. */
  readonly rows: readonly (readonly unknown[])[];
}

/** Which slots of a series the stored rows fill, as stretches of neighbouring slots. */
export type StoredSlots = ReadonlyMap<SeriesKey, IntervalSet>;

/** Asks how much happened where publications changed rows, beside what usually happens there. */
export interface VolumeRequest {
  readonly dataset: Dataset;
  readonly series: readonly Series[];
  /** Only what these changed is looked at. */
  readonly publications: readonly string[];
  /** Only slots and days that meet it. */
  readonly recent: Interval;
  /** How far back usual values are looked for. */
  readonly weeks: number;
  /** How long a writer is waited for. */
  readonly waitMs: number;
}

/** What one slot of a day or longer adds up to, or one local day of shorter slots. */
export interface VolumeObservation extends Interval {
  readonly key: SeriesKey;
  readonly value: number;
  /** The same of earlier ones on the same local weekday, newest first; those without a row are not among them. */
  readonly history: readonly number[];
}

/** Asks for slots whose rows came, changed or went although the slot had been answered before. */
export interface ArrivalsRequest {
  readonly dataset: Dataset;
  /** Series and the group that each is counted in. */
  readonly series: readonly { readonly series: Series; readonly group: number }[];
  readonly answers: readonly PublishedAnswer[];
  readonly waitMs: number;
}

/** Late slots of one group; delays count from a slot's end. */
export interface LateSlots {
  readonly group: number;
  readonly slots: number;
  readonly slowestMs: number;
  /** The 99.9th percentile by nearest rank: the slowest of fewer than a thousand. */
  readonly highMs: number;
  /** Slots that came later than their series' lookback. */
  readonly beyondLookback: number;
}

/** Typed tables in one file that is opened only for the length of each call. */
export interface Store {
  readonly path: string;
  /** One transaction: rows, before-images, quarantine, receipt. */
  publish(request: PublishRequest): Promise<Receipt>;
  /** The same for rows made from other datasets: computed, compared, and only what differs written. */
  build(request: BuildRequest): Promise<Receipt>;
  /** All rows anew beside the data file, then what differs in one transaction. */
  rebuild(request: RebuildRequest): Promise<Receipt>;
  receipt(chunkId: string): Promise<Receipt | null>;
  /** A read-only query; waits up to 10 s for a writer, then names it. @throws RetrofillError STORE_BUSY, SQL_INVALID */
  query(sql: string): Promise<QueryResult>;
  /** Row counts and first and last slot by series. */
  totals(
    dataset: Dataset,
  ): Promise<ReadonlyMap<SeriesKey, { readonly rows: number; readonly first: Instant; readonly last: Instant }>>;
  /** How many keys stand more than once. */
  doubledKeys(dataset: Dataset): Promise<number>;
  /** Of each series' rows: the slots that hold one. */
  storedSlots(dataset: Dataset, series: readonly Series[]): Promise<StoredSlots>;
  /** By series, oldest first. @throws RetrofillError STORE_BUSY */
  volumes(request: VolumeRequest): Promise<readonly VolumeObservation[]>;
  /** By group; those without a late slot are not listed. @throws RetrofillError STORE_BUSY */
  arrivals(request: ArrivalsRequest): Promise<readonly LateSlots[]>;
}
