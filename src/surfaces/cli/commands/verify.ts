import { formatInterval } from "../../../core/time/interval.ts";
import { verifyDataset } from "../../../engine/prove/verify.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, plural, rowObjects, table } from "../output.ts";
import type { RequestFlags } from "../request.ts";
import { readScope } from "./reading.ts";

/** Ledger against stored data; always tells by its exit code. */
export function verify(selector: string | null, flags: RequestFlags & { readonly queries?: boolean }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { scoped, dataset, bound } = await readScope(opened, selector, flags);
      const { output } = context;
      if (flags.queries === true) {
        const answers = [];
        for (const { title, sql } of bound.pipeline.verification) {
          const result = await opened.project.store.query(sql);
          answers.push({ title, sql, columns: result.columns, rows: rowObjects(result) });
          output.line(`-- ${title}`);
          output.line(sql);
          const rows = result.rows.map((row) => row.map(String));
          for (const line of table(
            result.columns.map((column) => column.name),
            rows,
          ))
            output.line(`  ${line}`);
          output.line();
        }
        output.document(answers);
        return EXIT.done;
      }
      const found = await verifyDataset(opened.project, dataset, scoped);
      const open = scoped.reduce((sum, one) => sum + one.standing.gaps.length, 0);
      output.line(`${dataset.name}: ${plural(found.series, "series", "series")}, ${count(found.rows)} rows`);
      for (const dispute of found.disputes) {
        const first = dispute.spans[0];
        output.line(
          `  ${output.paint("red", "disputed")} ${dispute.key}: ${dispute.reason}${first ? `, from ${formatInterval(first)}` : ""}`,
        );
      }
      if (found.doubled > 0)
        output.line(`  ${output.paint("red", "doubled")} ${count(found.doubled)} keys stand more than once`);
      if (found.disputes.length > 0) output.line(`  restore from bronze, 0 calls: retrofill run ${dataset.name}`);
      output.line(`  ${open === 0 ? "no gaps" : plural(open, "gap")}`);
      output.document({ dataset: dataset.name, ...found, gaps: open });
      if (found.disputes.length > 0 || found.doubled > 0) return EXIT.failed;
      return open > 0 ? EXIT.incomplete : EXIT.done;
    });
}
