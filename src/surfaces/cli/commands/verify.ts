import type { Dataset } from "../../../core/dataset/dataset.ts";
import { formatInterval } from "../../../core/time/interval.ts";
import { type Verification, verifyDataset } from "../../../engine/prove/verify.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, type Output, plural, rowObjects, table } from "../output.ts";
import type { RequestFlags } from "../request.ts";
import { readScope } from "./reading.ts";

/** Ledger against stored data; always tells by its exit code. */
export function verify(selector: string | null, flags: RequestFlags & { readonly queries?: boolean }) {
  return (context: Context): Promise<number> =>
    withProject(context, async (opened) => {
      const { scoped, datasets, bound } = await readScope(opened, selector, flags);
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
      const all = [];
      for (const dataset of datasets) {
        const own = scoped.filter((one) => one.dataset === dataset);
        const found = await verifyDataset(opened.project, dataset, own);
        const gaps = own.reduce((sum, one) => sum + one.standing.gaps.length, 0);
        print(output, dataset, found, gaps);
        all.push({ dataset: dataset.name, ...found, gaps });
      }
      output.document(all.length === 1 ? all[0] : all);
      if (all.some((found) => found.disputes.length > 0 || found.doubled > 0)) return EXIT.failed;
      return all.some(({ gaps }) => gaps > 0) ? EXIT.incomplete : EXIT.done;
    });
}

function print(output: Output, dataset: Dataset, found: Verification, gaps: number): void {
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
  output.line(`  ${gaps === 0 ? "no gaps" : plural(gaps, "gap")}`);
}
