import { RetrofillError } from "../../../core/errors.ts";
import { isTerminal } from "../../../core/run/run-state.ts";
import type { Project } from "../../../engine/project.ts";
import type { AsOf } from "../../../engine/store-port.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { plural, rowObjects, table } from "../output.ts";

/** Runs a read-only query and prints its rows; with `--as-of` on the tables as a run left them. */
export function sql(query: string, flags: { readonly asOf?: string }) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const past = flags.asOf === undefined ? undefined : await pastOf(project, flags.asOf);
      const result = await project.store.query(query, past);
      const { output } = context;
      const numeric = result.columns.flatMap((column, i) => (/INT|DOUBLE|DECIMAL|FLOAT/.test(column.type) ? [i] : []));
      const rows = result.rows.map((row) => row.map((value) => (value === null ? "" : String(value))));
      for (const line of table(
        result.columns.map((column) => column.name),
        rows,
        numeric,
      ))
        output.line(line);
      output.line(plural(result.rows.length, "row"));
      output.document({ columns: result.columns, rows: rowObjects(result) });
      return EXIT.done;
    });
}

/** The tables as they stood when a run had ended. @throws RetrofillError RUN_UNKNOWN, RUN_STATE */
async function pastOf(project: Project, runId: string): Promise<AsOf> {
  const run = await project.ledger.run(runId);
  if (!run) throw new RetrofillError("RUN_UNKNOWN", `no run ${runId}`, { hint: "retrofill runs lists them" });
  if (!isTerminal(run.status)) {
    throw new RetrofillError("RUN_STATE", `run ${runId} is ${run.status}: it has left nothing final yet`);
  }
  return {
    publication: await project.ledger.lastPublicationAt(runId),
    datasets: project.pipelines.flatMap(({ pipeline }) => pipeline.datasets),
  };
}
