import type { Ledger } from "../../engine/ledger-port.ts";
import { chunkLedger } from "./chunks.ts";
import { claimLedger } from "./claims.ts";
import type { LedgerDatabase } from "./database.ts";
import { decisionLedger } from "./decisions.ts";
import { historyLedger } from "./history.ts";
import { pageLedger } from "./pages.ts";
import { planLedger } from "./plans.ts";
import { publicationLedger } from "./publications.ts";
import { runLedger } from "./runs.ts";
import { settlementLedger } from "./settlements.ts";

/** The engine's ledger on an open database. */
export function createLedger(database: LedgerDatabase): Ledger {
  return {
    ...planLedger(database),
    ...runLedger(database),
    ...chunkLedger(database),
    ...claimLedger(database),
    ...pageLedger(database),
    ...settlementLedger(database),
    ...publicationLedger(database),
    ...decisionLedger(database),
    copyTo: (path) => database.copyTo(path),
    ...historyLedger(database),
  };
}
