import type { SeriesKey } from "../../../core/dataset/series.ts";
import { RetrofillError } from "../../../core/errors.ts";
import { formatInstant, formatShort, type Instant } from "../../../core/time/instant.ts";
import { type Released, releaseRecord } from "../../../engine/decide/release.ts";
import { subjectOf } from "../../../engine/decide/releases.ts";
import { allDatasets, type DatasetPlace, narrowedSeries } from "../../../engine/place.ts";
import { type Project, select } from "../../../engine/project.ts";
import { datasetLineage } from "../../../engine/prove/lineage.ts";
import { stalenessOf } from "../../../engine/prove/staleness.ts";
import type { QuarantineCount, QuarantinedRecord } from "../../../engine/store-port.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, plural, rowText, table } from "../output.ts";
import { listOf, positive, type RequestFlags } from "../request.ts";
import { RunSession } from "../run-session.ts";

type Narrowing = Pick<RequestFlags, "symbols" | "keys" | "timeframes">;

/** What is kept out, counted by series and reason. */
export function list(selector: string | null, flags: Narrowing) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const { output } = context;
      const found: (QuarantineCount & { readonly dataset: string })[] = [];
      for (const { place, keys } of await placesOf(project, selector, flags)) {
        const counts = await project.store.quarantineCounts(place.dataset);
        const own = counts.filter(({ key }) => keys === null || keys.includes(key));
        found.push(...own.map((one) => ({ dataset: place.dataset.name, ...one })));
      }
      if (found.length === 0) output.line("Nothing is in quarantine.");
      else {
        const rows = found.map((one) => [
          one.dataset,
          one.key,
          one.reason,
          count(one.records),
          shown(one.first),
          shown(one.last),
        ]);
        for (const line of table(["DATASET", "SERIES", "REASON", "RECORDS", "FIRST SLOT", "LAST SLOT"], rows, [3]))
          output.line(line);
        output.line(
          `${plural(
            found.reduce((sum, one) => sum + one.records, 0),
            "record",
          )}; retrofill quarantine show lists them`,
        );
      }
      output.document(found.map((one) => ({ ...one, first: textOf(one.first), last: textOf(one.last) })));
      return EXIT.done;
    });
}

/** The first records that are kept out, as they came. */
export function show(selector: string | null, flags: Narrowing & { readonly limit: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const { output } = context;
      const limit = positive("--limit", flags.limit);
      const found: QuarantinedRecord[] = [];
      for (const { place, keys } of await placesOf(project, selector, flags)) {
        if (found.length >= limit) break;
        const filter = { limit: limit - found.length, ...(keys === null ? {} : { keys }) };
        found.push(...(await project.store.quarantined(place.dataset, filter)));
      }
      if (found.length === 0) output.line("Nothing is in quarantine.");
      else {
        const rows = found.map((one) => [
          String(one.objectNo),
          String(one.rowNo),
          one.key,
          shown(one.slot),
          one.reason,
          JSON.stringify(one.record),
        ]);
        for (const line of table(["OBJECT", "ROW", "SERIES", "SLOT", "REASON", "RECORD"], rows, [0, 1]))
          output.line(line);
      }
      output.document(found.map(recordOf));
      return EXIT.done;
    });
}

/** Publishes one record in spite of its reason, and says what that changed. */
export function release(objectNo: string, rowNo: string, flags: { readonly reason: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { project } = opened;
      const { output, signal } = context;
      const session = new RunSession(context, opened, null);
      const released = await releaseRecord(
        project,
        { objectNo: wholeNumber("OBJECT_NO", objectNo), rowNo: wholeNumber("ROW_NO", rowNo) },
        {
          connect: (provider) => opened.connect(provider),
          observe: session.observe,
          signal,
          reason: flags.reason,
        },
      );
      output.status("");
      const stale = await staleAfter(project, released.place);
      print(context, released, stale);
      output.document(documentOf(released, stale));
      return released.execution.run.status === "succeeded" ? EXIT.done : EXIT.incomplete;
    });
}

function print(
  { output }: Context,
  { decision, record, place, slot, execution, before, after }: Released,
  stale: readonly Stale[],
): void {
  const { run, summary } = execution;
  output.line(
    `Released record ${subjectOf(record)} of ${record.key} (${record.reason}): decision ${decision.ordinal} by ${decision.actor}: ${decision.reason}`,
  );
  output.line(`  run      ${run.id}, ${run.status}, 0 calls`);
  if (summary !== null) {
    const { inserted, updated, unchanged, retracted } = summary.rows;
    output.line(
      `  rows     ${count(inserted)} inserted, ${count(updated)} updated, ${count(retracted)} taken back, ${count(unchanged)} unchanged`,
    );
  }
  output.line(`  slot     ${formatShort(slot.start)} of ${place.dataset.name}`);
  output.line(`  before   ${before === null ? "no row" : rowText(before)}`);
  const isSame = JSON.stringify(before) === JSON.stringify(after);
  const later = isSame ? "unchanged: a later answer speaks for the slot" : null;
  output.line(`  after    ${later ?? (after === null ? "no row" : rowText(after))}`);
  for (const one of stale)
    output.line(`  stale    ${plural(one.slots, "slot")} of ${one.dataset}: retrofill run ${one.dataset}`);
}

function documentOf({ decision, record, slot, execution, before, after }: Released, stale: readonly Stale[]): object {
  return {
    decision: decision.ordinal,
    actor: decision.actor,
    reason: decision.reason,
    record: recordOf(record),
    slot: { start: formatInstant(slot.start), end: formatInstant(slot.end) },
    run_id: execution.run.id,
    status: execution.run.status,
    rows: execution.summary?.rows ?? null,
    before,
    after,
    stale,
  };
}

interface Stale {
  readonly dataset: string;
  readonly slots: number;
}

/** What is out of date now because it is made from a dataset. */
async function staleAfter(project: Project, place: DatasetPlace): Promise<readonly Stale[]> {
  const { downstream } = await datasetLineage(project, place);
  const stale: Stale[] = [];
  for (const name of [place.dataset.name, ...downstream]) {
    const dataset = allDatasets(project).find((one) => one.dataset.name === name);
    const { slots } = dataset ? await stalenessOf(project, dataset) : { slots: 0 };
    if (slots > 0) stale.push({ dataset: name, slots });
  }
  return stale;
}

/** The datasets that a selector means, by default all that are read from a source, and the series that flags keep. */
async function placesOf(
  project: Project,
  selector: string | null,
  flags: Narrowing,
): Promise<readonly { readonly place: DatasetPlace; readonly keys: readonly SeriesKey[] | null }[]> {
  const all = allDatasets(project);
  const names = selector === null ? null : select(project, selector).datasets.map(({ name }) => name);
  const entries = listOf(flags.symbols ?? flags.keys);
  const values = listOf(flags.timeframes);
  const places = [];
  for (const place of all) {
    const { dataset } = place;
    if (dataset.extract === null || (names !== null && !names.includes(dataset.name))) continue;
    const series = await narrowedSeries(project, place, { entries, values });
    places.push({ place, keys: series === null ? null : series.map(({ key }) => key) });
  }
  return places;
}

function recordOf({ dataset, version, key, objectNo, rowNo, slot, reason, record }: QuarantinedRecord): object {
  return { dataset, version, key, object_no: objectNo, row_no: rowNo, slot: textOf(slot), reason, record };
}

function shown(at: Instant | null): string {
  return at === null ? "" : formatShort(at);
}

function textOf(at: Instant | null): string | null {
  return at === null ? null : formatInstant(at);
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new RetrofillError("USAGE", `${name} ${text}: expected a whole number`, {
    hint: "retrofill quarantine show lists records with their objects and rows",
  });
}
