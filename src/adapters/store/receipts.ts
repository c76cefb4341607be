import type { DuckDBConnection } from "@duckdb/node-api";
import type { Receipt } from "../../engine/store-port.ts";
import { text } from "./tables.ts";

/** Records a publication in its own transaction; `seq` is its place among all publications of the data file. */
export async function writeReceipt(
  connection: DuckDBConnection,
  { chunkId, fence }: { readonly chunkId: string; readonly fence: number },
  receipt: Receipt | null,
): Promise<void> {
  const body = text(JSON.stringify(receipt));
  await connection.run(`insert into receipt
    select ${text(chunkId)}, ${fence}, ${body}::json, coalesce(max(seq), 0) + 1 from receipt`);
}
