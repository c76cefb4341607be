import type { Job } from "../../core/dataset/pipeline.ts";

/** The command of the script that this pipeline replaces: only a selector with defaults. */
export const retailJobs: readonly Job[] = [
  {
    name: "etl_ventas_postgres",
    description: "sale lines of all stores, or a few, over an explicit range (its last minute included)",
    selector: "retail.ventas",
    occasion: "ad-hoc",
    tier: "critical",
    cadence: "on demand",
    mode: "backfill",
    days: 90,
    narrow: null,
    print: "standard",
    resultsFile: null,
  },
];
