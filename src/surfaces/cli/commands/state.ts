import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import { datasetStates } from "../../../engine/prove/dataset-state.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, duration, table } from "../output.ts";

/** How far each dataset has come: watermark and its age, who moved it, what is stale. */
export function show() {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { project, pinnedNow } = opened;
      const { output } = context;
      const now = project.businessNow();
      const states = await datasetStates(project);
      output.line(`As of ${formatInstant(now)}${pinnedNow === null ? "" : " (pinned)"}, UTC`);
      output.line();
      const rows = states.map(({ dataset, version, watermark, ageMs, staleness, lastIncremental }) => [
        dataset,
        `v${version}`,
        watermark === null ? "none" : formatShort(watermark.at),
        ageMs === null ? "" : duration(ageMs),
        watermark === null ? "" : `${watermark.runId} at ${formatShort(watermark.movedAt)} (${watermark.why})`,
        `${count(staleness.stale.length)} of ${count(staleness.series)}`,
        lastIncremental === null ? "none" : `${lastIncremental.id} (${lastIncremental.status})`,
      ]);
      const header = ["DATASET", "VERSION", "WATERMARK", "AGE", "MOVED BY", "STALE SERIES", "LAST INCREMENTAL RUN"];
      for (const line of table(header, rows, [3, 5])) output.line(line);
      output.document({
        business_now: formatInstant(now),
        datasets: states.map(({ dataset, version, watermark, ageMs, staleness, lastIncremental }) => ({
          dataset,
          version,
          watermark: watermark === null ? null : formatInstant(watermark.at),
          age_ms: ageMs,
          moved_by: watermark?.runId ?? null,
          moved_at: watermark === null ? null : formatInstant(watermark.movedAt),
          why: watermark?.why ?? null,
          series: staleness.series,
          stale: staleness.stale,
          stale_slots: staleness.slots,
          last_incremental:
            lastIncremental === null
              ? null
              : {
                  run_id: lastIncremental.id,
                  status: lastIncremental.status,
                  opened_at: formatInstant(lastIncremental.openedAt),
                },
        })),
      });
      return EXIT.done;
    });
}
