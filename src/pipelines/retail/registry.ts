import type { RegistryField } from "../../core/dataset/pipeline.ts";
import { type DeclaredException, exceptionsText, readExceptions } from "./day-exceptions.ts";
import { type DeclaredHours, hoursText, readHours } from "./weekly-hours.ts";

/** What the registry takes of a store; kept apart, since the command line reads it at every start. */
export const STORE_FIELDS: readonly RegistryField[] = [
  { flag: "name <name>", attribute: "name", description: "what people call it" },
  { flag: "type <type>", attribute: "type", description: "store, or cedi: a distribution centre without sales" },
  { flag: "branch <code>", attribute: "branch", description: "its branch code in KLK, such as SUC013" },
  { flag: "warehouse <code>", attribute: "warehouse", description: "its sales-floor warehouse" },
  { flag: "region <region>", attribute: "region", description: "where it lies" },
  {
    flag: "hours <hours>",
    attribute: "hours",
    description: 'such as 07:00-21:00 or "mon-sat=07:00-21:00,sun=closed"; midnight is 24:00; other weekdays stay',
    read: (text, before) => readHours(text, before as DeclaredHours | undefined),
    show: (hours) => hoursText(hours as DeclaredHours),
  },
  { flag: "opened <date>", attribute: "opened", description: "first day of trade" },
  { flag: "closed <date>", attribute: "closed", description: "first day without it" },
  {
    flag: "exceptions <list>",
    attribute: "exceptions",
    description:
      'dates with other hours, open, or closed and why: "2025-12-24=08:00-14:00,2025-12-25=open,2026-02-16=Carnaval"; other dates stay, "" takes all back',
    read: (text, before) => readExceptions(text, (before ?? []) as readonly DeclaredException[]),
    show: (exceptions) => exceptionsText(exceptions as readonly DeclaredException[]),
  },
];
