import type { RegistryField } from "../../core/dataset/pipeline.ts";

/** What the registry takes of a symbol; kept apart, since the command line reads it at every start. */
export const SYMBOL_FIELDS: readonly RegistryField[] = [
  { flag: "asset-class <class>", attribute: "assetClass", description: "stock, etf, index, crypto or fx" },
  { flag: "calendar <name>", attribute: "calendar", description: "when it is not the asset class's own" },
  { flag: "listed <date>", attribute: "listed", description: "first day of its life" },
  { flag: "delisted <date>", attribute: "delisted", description: "first day without it" },
  {
    flag: "timeframes <list>",
    attribute: "timeframes",
    description: "which it owes, such as 1h,1d",
    read: (text) => text.split(","),
  },
  {
    flag: "source <name>",
    attribute: "source",
    description: "who is asked for it: polygon, binance (no key, coins) or files",
  },
];
