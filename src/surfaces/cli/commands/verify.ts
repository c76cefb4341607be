import type { Dataset } from "../../../core/dataset/dataset.ts";
import { formatShort } from "../../../core/time/instant.ts";
import { formatInterval } from "../../../core/time/interval.ts";
import { compareWithMade } from "../../../engine/prove/compare.ts";
import { type Verification, verifyDataset } from "../../../engine/prove/verify.ts";
import type { Comparison } from "../../../engine/store-port.ts";
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
        const compared = await compareWithMade(opened.project, bound, dataset, own);
        print(output, dataset, found, gaps);
        printCompared(output, compared);
        all.push({ dataset: dataset.name, ...found, gaps, compared });
      }
      output.document(all.length === 1 ? all[0] : all);
      if (all.some((found) => found.disputes.length > 0 || found.doubled > 0)) return EXIT.failed;
      return all.some(({ gaps }) => gaps > 0) ? EXIT.incomplete : EXIT.done;
    });
}

/** Where a source's own candles differ from those that its minutes make. */
function printCompared(output: Output, compared: readonly Comparison[]): void {
  if (compared.length === 0) return;
  const both = compared.reduce((sum, one) => sum + one.both, 0);
  const differing = compared.filter((one) => one.differing + one.onlyMade + one.onlyStored > 0);
  output.line(
    `  ${count(both)} bars of the source held against its own minutes: ${differing.length === 0 ? "all equal" : ""}`,
  );
  for (const one of differing) {
    const columns = one.columns
      .filter((column) => column.differing > 0)
      .map(({ name, differing: n, worst }) => `${name} ${count(n)} (up to ${(worst * 100).toPrecision(2)} %)`);
    const only = [
      one.onlyMade > 0 ? `${count(one.onlyMade)} only from minutes` : "",
      one.onlyStored > 0 ? `${count(one.onlyStored)} only from the source` : "",
    ].filter((text) => text !== "");
    const first = one.first === null ? "" : `, first ${formatShort(one.first)}`;
    output.line(
      `    ${one.key}: ${count(one.differing)} of ${count(one.both)} differ${first}: ${[...columns, ...only].join(", ")}`,
    );
  }
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
