import { resolve } from "node:path";
import { RetrofillError } from "../../../core/errors.ts";
import { backupProject } from "../../../engine/prove/backup.ts";
import type { CopiedTree } from "../../../engine/prove/ports.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { bytes, count, plural } from "../output.ts";

/** Copies the project into an empty folder and checks the copy; exit 4 when it is not good. */
export function backup(dir: string) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project, copies }) => {
      const { output, host } = context;
      if (dir === "") throw new RetrofillError("USAGE", "backup: name a folder");
      const report = await backupProject(
        project,
        { dir: resolve(dir), copies, open: (at) => host.openProject({ dir: at }) },
        (text) => output.status(text),
      );
      output.status("");
      const { ledger, tables, bronze, history, unfinished, faults } = report;
      const rows = Object.values(tables).reduce((sum, n) => sum + n, 0);
      output.line(`${report.dir}`);
      output.line(
        `  ledger   ${plural(ledger.runs, "run")}, ${plural(ledger.events, "event")}, head ${ledger.head.hash}`,
      );
      output.line(`  data     ${plural(Object.keys(tables).length, "table")}, ${plural(rows, "row")}`);
      output.line(`  bronze   ${treeText(bronze)}`);
      output.line(`  history  ${treeText(history)}`);
      if (unfinished.length > 0)
        output.line(`  under way: ${unfinished.join(", ")}; the copy holds what they had committed`);
      for (const fault of faults) output.line(`  ${output.paint("red", "✗")} ${fault}`);
      if (faults.length === 0)
        output.line(`  ${output.paint("green", "✓")} rows, chains, coverage, totals and bronze agree`);
      output.document(report);
      return faults.length > 0 ? EXIT.failed : EXIT.done;
    });
}

function treeText({ files, bytes: size, linked }: CopiedTree): string {
  return `${plural(files, "file")}, ${bytes(size)}${linked === 0 ? "" : `, ${count(linked)} by hard link`}`;
}
