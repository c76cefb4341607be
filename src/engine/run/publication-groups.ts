import type { Series } from "../../core/dataset/series.ts";
import { addSlots } from "../../core/time/grid.ts";
import { instant } from "../../core/time/instant.ts";
import type { ChunkRecord } from "../ledger-port.ts";

/**
 * Chunks in groups of about `rows` rows. Repair chunks of one series go into different groups, so that what each of
 * them brought can be told.
 */
export function groupsOf(
  chunks: readonly ChunkRecord[],
  rows: number,
  seriesOf: (chunk: ChunkRecord) => Series | null,
): readonly (readonly ChunkRecord[])[] {
  const groups: { readonly chunks: ChunkRecord[]; size: number }[] = [];
  for (const chunk of chunks) {
    const own = expectedRows(chunk, seriesOf(chunk));
    const fits = (group: (typeof groups)[number]): boolean =>
      group.size + own <= rows && (chunk.round === 0 || !group.chunks.some(({ key }) => key === chunk.key));
    let group = chunk.round === 0 ? groups.slice(-1).find(fits) : groups.find(fits);
    if (!group) {
      group = { chunks: [], size: 0 };
      groups.push(group);
    }
    group.chunks.push(chunk);
    group.size += own;
  }
  return groups.map((group) => group.chunks);
}

/** Rows that a chunk's answer may hold: the slots of its sessions. */
export function expectedRows(chunk: ChunkRecord, series: Series | null): number {
  if (!series) return 1;
  const slotMs = instant(addSlots(series.axis.grid, chunk.window.start, 1)) - chunk.window.start;
  const openShare = series.axis.calendar.name === "24x7" ? 1 : 0.45;
  return Math.ceil(((chunk.window.end - chunk.window.start) / slotMs) * openShare) * chunk.keys.length;
}
