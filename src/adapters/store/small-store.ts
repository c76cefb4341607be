import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { applyFindings, type Segments } from "../../core/coverage/segment.ts";
import { dueSet } from "../../core/dataset/axis.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import type { SuspectRule } from "../../core/dataset/pipeline.ts";
import type { Series, SeriesKey } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type IntervalSet, intersect, normalize, spanOf, union } from "../../core/time/interval-set.ts";
import { layoutOf } from "../../engine/fetch/layout.ts";
import { isStrict, recordsOf } from "../../engine/fetch/probe.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";
import type { RecordShape } from "../../engine/ports.ts";
import type { Receipt, RecordPlace, Store } from "../../engine/store-port.ts";
import { isOneLine } from "../bronze/bronze.ts";
import type { Lock } from "../ledger/leases.ts";
import { duckdbStore, type StoreWaits } from "./duckdb-store.ts";

/** What a test needs around a real data file: bronze to put bodies in, and the coverage that a ledger would keep. */
export interface SmallStore extends AsyncDisposable {
  readonly dir: string;
  readonly store: Store;
  /** Stores a body as fetched; `records` are wrapped as the source does. */
  put(series: Series, answer: Answer): Promise<ObjectRecord>;
  publish(objects: readonly ObjectRecord[], options?: PublishOptions): Promise<Receipt>;
  /** The coverage of a series after all publications so far. */
  segments(key: SeriesKey): Segments;
  rows(sql: string): Promise<readonly (readonly unknown[])[]>;
}

export interface Answer {
  readonly window: Interval;
  readonly records?: readonly unknown[];
  readonly body?: string | Buffer;
  /** Default: long after the window. */
  readonly now?: number;
  /** Default: as the fetch would judge it. */
  readonly strict?: boolean;
}

export interface PublishOptions {
  readonly restore?: ReadonlyMap<SeriesKey, IntervalSet>;
  readonly rejudge?: ReadonlyMap<SeriesKey, IntervalSet>;
  readonly released?: readonly RecordPlace[];
  readonly fence?: number;
  readonly suspects?: SuspectRule;
}

export async function smallStore(declared: {
  readonly dataset: Dataset;
  readonly shape: RecordShape;
  readonly suspects: SuspectRule;
  readonly waits?: StoreWaits;
  readonly lock?: Lock;
}): Promise<SmallStore> {
  const { dataset, shape } = declared;
  const dir = await mkdtemp(join(tmpdir(), "small-store-"));
  const bronze = join(dir, "bronze");
  await mkdir(join(bronze, "run_id=r1"), { recursive: true });
  const store = duckdbStore({
    path: join(dir, "data.duckdb"),
    bronze,
    history: join(dir, "history"),
    lock: declared.lock ?? freeLock,
    ...(declared.waits ? { waits: declared.waits } : {}),
  });
  const seriesOf = new Map<SeriesKey, Series>();
  const answered = new Map<SeriesKey, IntervalSet>();
  const segments = new Map<SeriesKey, Segments>();
  let ordinal = 0;
  let publications = 0;

  return {
    dir,
    store,

    async put(series, answer) {
      seriesOf.set(series.key, series);
      const no = ++ordinal;
      const { window } = answer;
      const list = answer.records ?? [];
      const wrapped = shape.path === "" ? list : { [shape.path]: list, status: "OK" };
      const body = Buffer.from(answer.body ?? JSON.stringify(wrapped));
      const json: unknown = JSON.parse(body.toString("utf8"));
      const records = recordsOf(json, shape) ?? [];
      const strict = answer.strict ?? isStrict(records, shape);
      const path = `run_id=r1/c${no}.json.gz`;
      await writeFile(join(bronze, path), gzipSync(body, { level: 1 }));
      return {
        ordinal: no,
        id: `r1/c${no}`,
        path,
        sha256: createHash("sha256").update(body).digest("hex"),
        bytes: body.byteLength,
        oneLine: isOneLine(body),
        chunkId: `r1.c${no}`,
        runId: "r1",
        dataset: dataset.name,
        version: dataset.version,
        key: series.key,
        keys: [series.key],
        source: SOURCE,
        page: 0,
        target: `/asked/${no}`,
        answered: window,
        rows: (records as readonly unknown[]).length,
        strict,
        layout: strict ? layoutOf(json, shape) : null,
        businessNow: instant(answer.now ?? window.end + 400 * 86_400_000),
        receivedAt: window.end,
      };
    },

    async publish(objects, options = {}) {
      publications++;
      const keys = [...new Set(objects.map((object) => object.key))];
      const now = instant(objects.reduce((latest, object) => Math.max(latest, object.businessNow), 0));
      for (const key of keys) {
        const windows = objects.filter((object) => object.key === key).map((object) => object.answered);
        answered.set(key, union(answered.get(key) ?? [], normalize(windows)));
      }
      const receipt = await store.publish({
        chunkId: `r1.b${publications}`,
        fence: options.fence ?? 1,
        dataset,
        sources: new Map([[SOURCE, { system: SOURCE, records: shape, match: null }]]),
        objects,
        series: keys.map((key) => {
          const series = seriesOf.get(key) as Series;
          const all = answered.get(key) ?? [];
          const span = spanOf(all);
          return {
            series,
            answered: all,
            due: span === null ? [] : intersect(dueSet(series.axis, span, now), all),
          };
        }),
        suspects: options.suspects ?? declared.suspects,
        restore: options.restore ?? new Map(),
        ...(options.rejudge === undefined ? {} : { rejudge: options.rejudge }),
        released: options.released ?? [],
      });
      for (const key of keys) {
        const findings = receipt.findings[key];
        if (findings) segments.set(key, applyFindings(segments.get(key) ?? [], findings));
      }
      return receipt;
    },

    segments: (key) => segments.get(key) ?? [],
    rows: async (sql) => (await store.query(sql)).rows,
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

/** Who all bodies come from. */
const SOURCE = "polygon";

const freeLock: Lock = {
  hold: (_purpose, _waitMs, work) => work(1),
  holder: async () => null,
};
