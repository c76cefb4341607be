import { calendars } from "./client/calendar.ts";
import { gapsTable } from "./client/gaps-table.ts";
import { kit } from "./client/kit.ts";
import { lanes } from "./client/lanes.ts";
import { matrix } from "./client/matrix.ts";
import { painter } from "./client/painter.ts";
import { type Parts, start } from "./client/start.ts";
import { timeAxis } from "./client/time-axis.ts";
import { timeBar } from "./client/time-bar.ts";
import { timeProfile } from "./client/time-profile.ts";
import { viewport } from "./client/viewport.ts";
import { words } from "./client/words.ts";

const PARTS: Parts = {
  words,
  kit,
  timeAxis,
  painter,
  viewport,
  timeProfile,
  timeBar,
  lanes,
  calendars,
  matrix,
  gapsTable,
};

/**
 * The page's script. Each part under `client/` is one function that uses nothing from outside itself, so its own text,
 * compiled or not, is what the page runs: no bundler, and the same source is type-checked and tested.
 */
export function pageScript(): string {
  const parts = Object.entries(PARTS).map(([name, part]) => `  ${name}: ${part},`);
  // tsx wraps inner functions in a call that keeps their names; compiled code has no such call.
  return `"use strict";
const __name = (named) => named;
(${start})(window, {
${parts.join("\n")}
});`;
}
