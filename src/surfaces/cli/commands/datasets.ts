import { setOf } from "../../../core/coverage/segment.ts";
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
      for (const { pipeline, source } of project.pipelines) {
        for (const dataset of pipeline.datasets) {
          const segments = await project.ledger.segments(dataset.name, dataset.version);
          const covered = spanOf(union(...[...segments.values()].map((list) => setOf(list, "covered", "empty"))));
          found.push({
            name: dataset.name,
            layer: dataset.layer,
            version: dataset.version,
            key: [...dataset.key, dataset.time],
            source: source.name,
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
      ]);
      for (const line of table(["DATASET", "LAYER", "VERSION", "KEY", "SOURCE", "SERIES", "COVERED"], rows, [5]))
        output.line(line);
      output.document(found);
      return EXIT.done;
    });
}
