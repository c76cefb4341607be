import type { CoverageDocument } from "../document.ts";
import type { Span } from "./viewport.ts";

/** All of time in equal parts, such as the pixels of a strip; slots are shared out where they lie across parts. */
export interface TimeProfile {
  /** Due slots of all series in each part, and those of them that are there, with rows or empty at the source. */
  readonly due: Float64Array;
  readonly there: Float64Array;
  /** Whether any series lacks something in the part, however little: 1 or 0. */
  readonly open: Uint8Array;
}

/** The profile of all series over `whole` in `parts` parts. Embedded in the page as text: it may use nothing from outside itself. */
export function timeProfile(series: CoverageDocument["series"], whole: Span, parts: number): TimeProfile {
  const due = new Float64Array(parts);
  const there = new Float64Array(parts);
  const open = new Uint8Array(parts);
  const place = (ms: number): number => ((ms - whole.start) / (whole.end - whole.start)) * parts;
  for (const { segments } of series) {
    for (const { start, end, state, slots } of segments) {
      const [from, to] = [Math.max(0, place(start)), Math.min(parts, place(end))];
      const isThere = state === "covered" || state === "empty";
      const density = (slots ?? 0) / (place(end) - place(start));
      for (let part = Math.floor(from); part < to; part++) {
        const share = density * (Math.min(to, part + 1) - Math.max(from, part));
        due[part] = (due[part] ?? 0) + share;
        if (isThere) there[part] = (there[part] ?? 0) + share;
        else if (state !== "waived") open[part] = 1;
      }
    }
  }
  return { due, there, open };
}
