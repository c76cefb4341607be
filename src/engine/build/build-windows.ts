import { oldestSeen, readFor, staleSet } from "../../core/coverage/lineage.ts";
import { type Built, setOf } from "../../core/coverage/segment.ts";
import type { Dataset } from "../../core/dataset/dataset.ts";
import { inputKeyOf, type Series, type SeriesKey } from "../../core/dataset/series.ts";
import { countSlotsOf, slotAt } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { EMPTY, type IntervalSet, normalize, spanOf, subtract, union } from "../../core/time/interval-set.ts";
import type { Ledger, RunRecord } from "../ledger-port.ts";
import type { Clock } from "../ports.ts";
import type { BuildWindow, Receipt, Store } from "../store-port.ts";
import { publishUnit } from "./publication.ts";

export interface MakeContext {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly clock: Clock;
  readonly dataset: Dataset;
  /** A dataset of the pipeline by its name. */
  readonly datasetNamed: (name: Dataset["name"]) => Dataset;
}

/** What is to be made of one series. */
export interface Unmade {
  readonly series: Series;
  readonly windows: IntervalSet;
  /** What was made and cannot be made any more: its rows go. */
  readonly withdrawn: IntervalSet;
}

/**
 * Makes the rows of some stretches of series whose rows come from other datasets, as one unit: announced with the last
 * change of any input that it can have read, one store transaction, then the ledger's commit.
 */
export async function buildWindows(
  context: MakeContext,
  run: RunRecord,
  unmade: readonly Unmade[],
  options: { readonly isWhole: boolean },
): Promise<Receipt | null> {
  const { ledger, store } = context;
  const window = spanOf(normalize(unmade.flatMap((one) => [...one.windows, ...one.withdrawn])));
  if (window === null) return null;
  // Read before the store is: rows of a change that is in the ledger are in the store already.
  const seq = await ledger.lastChange();
  const built = await builtBy(context, unmade, seq);
  return publishUnit(context, run, { window, holds: { members: [], built } }, (unit) =>
    store.build({
      ...unit,
      windows: unmade.flatMap(({ series, windows, withdrawn }) =>
        union(windows, withdrawn).map((span) => buildWindow(context, series, span)),
      ),
      isWhole: options.isWhole,
    }),
  );
}

/** What to make in groups of about `rows` slots; a longer stretch is cut at whole slots. */
export function groupsOf(unmade: readonly Unmade[], rows: number): readonly (readonly Unmade[])[] {
  const groups: { readonly members: Unmade[]; size: number }[] = [];
  for (const one of unmade) {
    for (const part of partsOf(one, rows)) {
      const size = countSlotsOf(part.series.axis.grid, union(part.windows, part.withdrawn));
      const last = groups[groups.length - 1];
      if (last && last.size + size <= rows) {
        last.members.push(part);
        last.size += size;
      } else groups.push({ members: [part], size });
    }
  }
  return groups.map(({ members }) => members);
}

/** A series' windows in parts of at most `rows` slots. */
function partsOf({ series, windows, withdrawn }: Unmade, rows: number): readonly Unmade[] {
  const { grid } = series.axis;
  const parts: Interval[][] = [[]];
  let size = 0;
  const add = (span: Interval): void => {
    const slots = countSlotsOf(grid, [span]);
    const middle = slots > rows ? middleOf(series, span) : null;
    if (middle !== null) {
      add({ start: span.start, end: middle });
      add({ start: middle, end: span.end });
      return;
    }
    if (size > 0 && size + slots > rows) {
      parts.push([]);
      size = 0;
    }
    parts[parts.length - 1]?.push(span);
    size += slots;
  };
  for (const span of windows) add(span);
  const made = parts
    .filter((list) => list.length > 0)
    .map((list) => ({ series, windows: normalize(list), withdrawn: EMPTY }));
  return withdrawn.length === 0 ? made : [...made, { series, windows: EMPTY, withdrawn }];
}

function middleOf({ axis }: Series, { start, end }: Interval): Interval["start"] | null {
  const at = slotAt(axis.grid, instant(Math.floor((start + end) / 2))).start;
  return at > start && at < end ? at : null;
}

/** The stretches, and what besides them no change up to `seq` has reached: it need not be looked at again. */
async function builtBy(
  context: MakeContext,
  unmade: readonly Unmade[],
  seq: number,
): Promise<Readonly<Record<string, Built>>> {
  const { ledger, dataset } = context;
  const keys = [...new Set(unmade.map(({ series }) => series.key))];
  const segments = await ledger.segments(dataset.name, dataset.version, keys);
  const stale = await staleBesides(context, unmade, segments);
  const built: Record<string, Built> = {};
  for (const { series, windows, withdrawn } of unmade) {
    const covered = setOf(segments.get(series.key) ?? [], "covered");
    const before = built[series.key];
    const all = union(before?.windows ?? EMPTY, windows);
    const gone = union(before?.withdrawn ?? EMPTY, withdrawn);
    const current = subtract(subtract(covered, stale.get(series.key) ?? EMPTY), union(all, gone));
    built[series.key] = { windows: all, seq, current, withdrawn: gone };
  }
  return built;
}

async function staleBesides(
  { ledger, dataset, datasetNamed }: MakeContext,
  unmade: readonly Unmade[],
  segments: Awaited<ReturnType<Ledger["segments"]>>,
): Promise<ReadonlyMap<SeriesKey, IntervalSet>> {
  const stale = new Map<SeriesKey, IntervalSet>();
  for (const input of dataset.transform?.inputs ?? []) {
    const { name, version, key } = datasetNamed(input.dataset);
    const after = new Map<SeriesKey, number>();
    for (const { series } of unmade) {
      const seen = oldestSeen(segments.get(series.key) ?? []);
      if (seen === null) continue;
      const place = inputKeyOf(series, input, key);
      // Several made series may share an input: the one that has seen least counts.
      after.set(place, Math.min(after.get(place) ?? seen, seen));
    }
    const changes = await ledger.changesAfter(name, version, after);
    for (const { series } of unmade) {
      const own = segments.get(series.key) ?? [];
      const reached = staleSet(series.axis, input.reach, own, changes.get(inputKeyOf(series, input, key)) ?? []);
      stale.set(series.key, union(stale.get(series.key) ?? EMPTY, reached));
    }
  }
  return stale;
}

/** One stretch of a series and what has to be read to make its rows. */
export function buildWindow(
  { dataset, datasetNamed }: Pick<MakeContext, "dataset" | "datasetNamed">,
  series: Series,
  span: Interval,
): BuildWindow {
  const reads = (dataset.transform?.inputs ?? []).map((input) => {
    const source = datasetNamed(input.dataset);
    const parts = Object.fromEntries(
      source.key.map((column) => [column, input.with?.[column] ?? series.parts[column] ?? ""]),
    );
    return { dataset: source, parts, span: readFor(series.axis, input.reach, span) };
  });
  return { series, reads, start: span.start, end: span.end };
}
