import { setOf } from "../../../core/coverage/segment.ts";
import { readsOf } from "../../../core/dataset/sql.ts";
import { formatShort } from "../../../core/time/instant.ts";
import { spanOf, union } from "../../../core/time/interval-set.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { table } from "../output.ts";

/** What the project declares; with `--jobs` the named jobs. */
export function datasets(flags: Record<string, unknown>) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const { output } = context;
      if (flags.jobs === true) {
        const jobs = project.pipelines.flatMap(({ pipeline }) => pipeline.jobs);
        const rows = jobs.map((job) => [
          job.name,
          job.selector,
          job.occasion,
          job.tier,
          job.cadence,
          `${job.days} days`,
          job.description,
        ]);
        for (const line of table(["JOB", "SELECTS", "OCCASION", "TIER", "CADENCE", "DEFAULT", "DOES"], rows))
          output.line(line);
        const retired = project.pipelines.flatMap(({ pipeline }) => pipeline.retired);
        for (const one of retired) output.line(`${one.name} is gone: ${one.replacedBy}`);
        output.document({ jobs, retired });
        return EXIT.done;
      }
      const found = [];
      for (const { pipeline, sources } of project.pipelines) {
        for (const dataset of pipeline.datasets) {
          const asked = sources.filter((one) => one.dataset === dataset.name).map(({ source }) => source.name);
          const made = dataset.transform === null ? [] : readsOf(dataset.transform.query).map((name) => `from ${name}`);
          const mark = await project.ledger.watermark(dataset.name, dataset.version);
          const segments = await project.ledger.segments(dataset.name, dataset.version);
          const covered = spanOf(union(...[...segments.values()].map((list) => setOf(list, "covered", "empty"))));
          found.push({
            name: dataset.name,
            layer: dataset.layer,
            version: dataset.version,
            key: [...dataset.key, dataset.time],
            source: [...asked, ...made].join(", "),
            watermark: mark === null ? null : formatShort(mark.at),
            series: segments.size,
            from: covered === null ? null : formatShort(covered.start),
            to: covered === null ? null : formatShort(covered.end),
            description: dataset.description,
          });
        }
      }
      const rows = found.map((one) => [
        one.name,
        one.layer,
        `v${one.version}`,
        one.key.join(", "),
        one.source,
        String(one.series),
        one.from === null ? "nothing yet" : `${one.from} to ${one.to}`,
        one.watermark ?? "none",
      ]);
      for (const line of table(
        ["DATASET", "LAYER", "VERSION", "KEY", "SOURCE", "SERIES", "COVERED", "WATERMARK"],
        rows,
        [5],
      ))
        output.line(line);
      output.document(found);
      return EXIT.done;
    });
}
