import { resolve } from "node:path";
import { RetrofillError } from "../../../core/errors.ts";
import { findDataset, narrowedSeries } from "../../../engine/place.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { bytes, plural } from "../output.ts";
import { listOf, readTime } from "../request.ts";

export interface ExportFlags {
  readonly format: "parquet" | "csv";
  readonly out: string;
  readonly symbols?: string;
  readonly keys?: string;
  readonly timeframes?: string;
  readonly from?: string;
  readonly to?: string;
  readonly force?: boolean;
}

/** Writes a dataset's rows to one file. */
export function exportRows(name: string, flags: ExportFlags) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const place = findDataset(project, name);
      const { dataset } = place;
      const series = await narrowedSeries(project, place, {
        entries: listOf(flags.symbols ?? flags.keys),
        values: listOf(flags.timeframes),
      });
      const from = flags.from === undefined ? null : readTime("--from", flags.from);
      const to = flags.to === undefined ? null : readTime("--to", flags.to);
      if (from !== null && to !== null && from >= to) {
        throw new RetrofillError("USAGE", `the range is empty: it ends at ${flags.to}, before it starts`);
      }
      const path = resolve(flags.out);
      const { format } = flags;
      const written = await project.store.exportTo({
        dataset,
        series,
        from,
        to,
        format,
        path,
        overwrites: flags.force === true,
      });
      context.output.line(`${path}  ${plural(written.rows, "row")}, ${bytes(written.bytes)}`);
      context.output.document({ dataset: dataset.name, version: dataset.version, format, path, ...written });
      return EXIT.done;
    });
}
