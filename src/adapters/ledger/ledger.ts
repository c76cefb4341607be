import type { Ledger } from "../../engine/ledger-port.ts";
import { chunkLedger } from "./chunks.ts";
import type { LedgerDatabase } from "./database.ts";
import { planLedger } from "./plans.ts";
import { publicationLedger } from "./publications.ts";
import { runLedger } from "./runs.ts";

/** The engine's ledger on an open database. */
export function createLedger(database: LedgerDatabase): Ledger {
  return {
    ...planLedger(database),
    ...runLedger(database),
    ...chunkLedger(database),
    ...publicationLedger(database),
  };
}
