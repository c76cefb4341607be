import { HOUR, instant, MINUTE } from "../../core/time/instant.ts";
import { fromLocalMs, offsetAt, toLocalMs } from "../../core/time/zone.ts";

/** `2026-01-10T11:30:17-04:00`: the wall clock in `zone` with its offset, cut to the second or the minute. */
export function zonedText(zone: string, at: number, to: "minute" | "second"): string {
  const wall = new Date(toLocalMs(zone, instant(at))).toISOString().slice(0, to === "minute" ? 16 : 19);
  return `${wall}${offsetText(offsetAt(zone, at))}`;
}

/** The instant of `2026-01-10T11:30` with an offset, `Z`, or none (then on the wall clock in `zone`); null when it is not one. */
export function parseMinute(zone: string, text: string): number | null {
  const [, wall = "", offset] = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(Z|[+-]\d{2}:\d{2})?$/.exec(text) ?? [];
  const local = Date.parse(`${wall}:00Z`);
  if (Number.isNaN(local) || new Date(local).toISOString().slice(0, 16) !== wall) return null;
  return offset === undefined ? fromLocalMs(zone, local) : Date.parse(`${wall}:00${offset}`);
}

function offsetText(offsetMs: number): string {
  const size = Math.abs(offsetMs);
  const part = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${offsetMs < 0 ? "-" : "+"}${part(size / HOUR)}:${part((size % HOUR) / MINUTE)}`;
}
