import type { DuckDBConnection } from "@duckdb/node-api";
import type { Findings } from "../../core/coverage/segment.ts";
import type { PublishRequest } from "../../engine/store-port.ts";
import type { AxisGroup } from "./axes.ts";
import { findHoles } from "./holes.ts";
import { filledSlots } from "./runs.ts";
import { findThin } from "./thin-slots.ts";

export type Verdict = Pick<Findings, "holes" | "thin">;

/** What the stored rows of each series, in `series_t` too, say of it by the dataset's rule; nothing where it has none. */
export async function judgeStored(
  connection: DuckDBConnection,
  { dataset, series, suspects }: Pick<PublishRequest, "dataset" | "series" | "suspects">,
  groupOf: readonly AxisGroup[],
): Promise<readonly Verdict[]> {
  if (suspects === null) return series.map(() => ({ holes: [] }));
  const filled = await filledSlots(connection, dataset);
  const holes = await findHoles(connection, { filled, series, suspects }, groupOf);
  const thin = await findThin(connection, { filled, series, suspects });
  return series.map((_, i) => {
    const own = thin[i] ?? [];
    return { holes: holes[i] ?? [], ...(own.length > 0 ? { thin: own } : {}) };
  });
}
