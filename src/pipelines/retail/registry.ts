import type { RegistryField } from "../../core/dataset/pipeline.ts";

/** What the registry takes of a store; kept apart, since the command line reads it at every start. */
export const STORE_FIELDS: readonly RegistryField[] = [
  { flag: "name <name>", attribute: "name", description: "what people call it" },
  { flag: "type <type>", attribute: "type", description: "store, or cedi: a distribution centre without sales" },
  { flag: "branch <code>", attribute: "branch", description: "its branch code in KLK, such as SUC013" },
  { flag: "warehouse <code>", attribute: "warehouse", description: "its sales-floor warehouse" },
  { flag: "region <region>", attribute: "region", description: "where it lies" },
  {
    flag: "hours <from-to>",
    attribute: "hours",
    description: "such as 07:00-21:00; midnight is 24:00",
    read: (text) => {
      const [open = "", close = ""] = text.split("-");
      return { open, close };
    },
  },
  { flag: "opened <date>", attribute: "opened", description: "first day of trade" },
  { flag: "closed <date>", attribute: "closed", description: "first day without it" },
  {
    flag: "exceptions <list>",
    attribute: "exceptions",
    description: "closed dates with their reason, such as 2026-02-16=Carnaval,2026-02-17=Carnaval",
    read: (text) =>
      text
        .split(",")
        .filter(Boolean)
        .map((item) => {
          const [date = "", reason = "closed"] = item.split("=");
          return { date, hours: null, reason };
        }),
  },
];
