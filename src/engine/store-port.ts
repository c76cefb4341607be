import type { Findings } from "../core/coverage/segment.ts";
import type { Dataset, DatasetName } from "../core/dataset/dataset.ts";
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
  /** Its records fill slots without a row; they replace and take back none, and what lacks is not answered. */
  readonly fillsOnly?: boolean;
}

/** A record by the ordinal of its bronze object and its place in the body. */
export interface RecordPlace {
  readonly objectNo: number;
  readonly rowNo: number;
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
  /** Stretches that these objects answered before and that other decisions judge again; not asked now either. */
  readonly rejudge?: ReadonlyMap<SeriesKey, IntervalSet>;
  /** Records that are published in spite of the dataset's checks, by decision. */
  readonly released?: readonly RecordPlace[];
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

/** A stored row by column; values as JSON would show them. */
export type StoredRow = Readonly<Record<string, unknown>>;

/** What one publication did to the row of a slot. */
export interface SlotChange {
  readonly change: "inserted" | "updated" | "retracted";
  readonly chunkId: string;
  /** The row as it was before; null for one that was not there. */
  readonly before: StoredRow | null;
}

/** The row of a slot, and every change that led to it, oldest first. */
export interface SlotHistory {
  readonly row: StoredRow | null;
  readonly changes: readonly SlotChange[];
}

/** A record that must not become data, and why. */
export interface QuarantinedRecord extends RecordPlace {
  readonly dataset: DatasetName;
  readonly version: number;
  readonly key: SeriesKey;
  /** Null where its time names none. */
  readonly slot: Instant | null;
  readonly reason: string;
  /** As it came. */
  readonly record: unknown;
}

/** Which quarantined records are read: all that fit every member that is given. */
export interface QuarantineFilter {
  readonly keys?: readonly SeriesKey[];
  readonly objectNo?: number;
  readonly slot?: Instant;
  readonly limit: number;
}

/** Quarantined records of one series with one reason. */
export interface QuarantineCount {
  readonly key: SeriesKey;
  readonly reason: string;
  readonly records: number;
  /** First and last slot; null where no record names one. */
  readonly first: Instant | null;
  readonly last: Instant | null;
}

/** Rows to be written to a file of their own. */
export interface ExportRequest {
  readonly dataset: Dataset;
  /** Null: all of them. */
  readonly series: readonly Pick<Series, "parts">[] | null;
  /** First slot; null: from the first row on. */
  readonly from: Instant | null;
  /** Exclusive; null: to the last row. */
  readonly to: Instant | null;
  readonly format: "parquet" | "csv";
  /** Where the file goes. */
  readonly path: string;
  readonly overwrites: boolean;
}

/** Rows by table, such as `v1.market_data`. */
export type TableRows = Readonly<Record<string, number>>;

/** The rows of one series in a stretch. */
export interface RowsWithin {
  readonly rows: number;
  /** First and last slot; null without rows. */
  readonly first: Instant | null;
  readonly last: Instant | null;
  /** The bronze objects they came from, ascending. */
  readonly objects: readonly number[];
}

/** Asks how many rows stand in slots that are told by their starts. */
export interface SlotRowsRequest {
  readonly dataset: Dataset;
  readonly slots: readonly { readonly series: Pick<Series, "key" | "parts">; readonly starts: readonly Instant[] }[];
  /** How long a writer is waited for. */
  readonly waitMs: number;
}

/** The rows of one slot. */
export interface SlotRows {
  readonly key: SeriesKey;
  readonly start: Instant;
  readonly rows: number;
}

/** Asks how much happened where publications changed rows, beside what usually happens there. */
export interface VolumeRequest {
  readonly dataset: Dataset;
  readonly series: readonly Series[];
  /** What these changed is looked at. */
  readonly publications: readonly string[];
  /** Of that only slots and days that meet it. */
  readonly recent: Interval;
  /** Starts of slots and days that are looked at besides, changed or not: what is usual for them may have changed. */
  readonly again: readonly Instant[];
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
  /** Each slot that a run touched stands again as before; what stood there is kept as a before-image. */
  revert(request: RevertRequest): Promise<Receipt>;
  /**
   * Publications of others that touched slots after these had, or brought the row that stands from one of the objects:
   * a revert would pull the ground from under them.
   */
  laterTouches(footprint: Pick<RevertRequest, "dataset" | "publications" | "objects">): Promise<readonly string[]>;
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
  /** What is kept out, by series and reason. */
  quarantineCounts(dataset: Dataset): Promise<readonly QuarantineCount[]>;
  /** Records that are kept out, in the order of their objects and places. */
  quarantined(dataset: Dataset, filter: QuarantineFilter): Promise<readonly QuarantinedRecord[]>;
  /**
   * Writes rows to one file, ordered by key and time: all of it or nothing.
   * @throws RetrofillError USAGE where the file cannot be, INPUT_ABSENT while nothing is stored, STORE_BUSY
   */
  exportTo(request: ExportRequest): Promise<{ readonly rows: number; readonly bytes: number }>;
  /** The rows of every table. */
  tableRows(): Promise<TableRows>;
  /**
   * Copies the data file while nobody can write to it, and lets `alongside` copy what has to agree with it. Returns
   * the rows of every table in the copy; no file is made while nothing is stored.
   */
  copyTo(path: string, alongside: () => Promise<void>): Promise<TableRows>;
  slotHistory(dataset: Dataset, series: Pick<Series, "parts">, slot: Instant): Promise<SlotHistory>;
  rowsWithin(dataset: Dataset, series: Pick<Series, "parts">, span: Interval): Promise<RowsWithin>;
  /** Slots without a row are not listed. @throws RetrofillError STORE_BUSY */
  rowsInSlots(request: SlotRowsRequest): Promise<readonly SlotRows[]>;
  /** By series, oldest first. @throws RetrofillError STORE_BUSY */
  volumes(request: VolumeRequest): Promise<readonly VolumeObservation[]>;
  /** By group; those without a late slot are not listed. @throws RetrofillError STORE_BUSY */
  arrivals(request: ArrivalsRequest): Promise<readonly LateSlots[]>;
}
