import { type Context, EXIT, withProject } from "../context.ts";
import { plural, rowObjects, table } from "../output.ts";

/** Runs a read-only query and prints its rows. */
export function sql(query: string) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const result = await project.store.query(query);
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
