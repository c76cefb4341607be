import type { DuckDBConnection } from "@duckdb/node-api";
import { instant } from "../../core/time/instant.ts";
import type { SlotRows, SlotRowsRequest } from "../../engine/store-port.ts";
import { fillTable, rowsOf } from "./rows.ts";
import { tableName } from "./tables.ts";

/** How many rows stand in each of the asked slots that holds any, in the order in which they were asked for. */
export async function rowsInSlots(
  connection: DuckDBConnection,
  { dataset, slots }: SlotRowsRequest,
): Promise<readonly SlotRows[]> {
  const asked = slots.flatMap(({ series, starts }) => starts.map((start) => ({ series, start })));
  await fillTable(
    connection,
    "asked_t",
    `no integer, ${dataset.key.map((name) => `${name} varchar`).join(", ")}, slot_ms bigint`,
    asked.map(({ series, start }, no) => [no, ...dataset.key.map((name) => series.parts[name] ?? ""), start]),
  );
  const rows = await rowsOf(
    connection,
    `select a.no, count(*) as n from ${tableName(dataset)} c
     join asked_t a on c.${dataset.time} = epoch_ms(a.slot_ms)
       and ${dataset.key.map((name) => `c.${name} = a.${name}`).join(" and ")}
     group by a.no order by a.no`,
  );
  return rows.flatMap((row) => {
    const found = asked[Number(row.no)];
    return found ? [{ key: found.series.key, start: instant(found.start), rows: Number(row.n) }] : [];
  });
}
