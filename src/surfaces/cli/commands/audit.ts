import { verifyAudit } from "../../../engine/prove/audit.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, plural } from "../output.ts";

/** Recomputes everything that can be recomputed and names what differs. */
export function auditVerify() {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project, audit }) => {
      const { output } = context;
      const report = await verifyAudit(project, audit, (text) => output.status(text));
      output.status("");
      output.line(
        `${plural(report.runs, "run")}, ${count(report.events)} events, ${count(report.objects)} bronze objects`,
      );
      for (const fault of report.faults) output.line(`  ${output.paint("red", "✗")} ${fault}`);
      if (report.faults.length === 0)
        output.line(`  ${output.paint("green", "✓")} chains, coverage, totals and bronze agree`);
      output.line(`  head ${report.head.hash} at event ${report.head.length} (pin it elsewhere to compare later)`);
      output.document(report);
      return report.faults.length > 0 ? EXIT.failed : EXIT.done;
    });
}
