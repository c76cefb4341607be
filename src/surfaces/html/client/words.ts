import type { DayState, DocumentSeries } from "../document.ts";

/** How numbers and states are written, in the page's text as in what its script draws. */
export interface Words {
  /** `1,234`. */
  count(n: number): string;
  /** `1 gap`, `2 gaps`. */
  plural(n: number, one: string, many: string): string;
  /** Share in percent, rounded down: only what is whole is 100%. */
  percent(part: number, whole: number): string;
  /** What is said beside the name of an entry of which there is nothing. */
  readonly unfound: string;
  readonly states: Readonly<Record<DayState, { readonly sign: string; readonly label: string }>>;
  /** The state whose colour a mark has, and what the mark means. */
  readonly marks: Readonly<Record<DocumentSeries["mark"], { readonly state: DayState; readonly label: string }>>;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function words(): Words {
  function count(n: number): string {
    return n.toLocaleString("en-US");
  }

  function plural(n: number, one: string, many: string): string {
    return `${count(n)} ${n === 1 ? one : many}`;
  }

  function percent(part: number, whole: number): string {
    if (whole === 0) return "–";
    if (part >= whole) return "100%";
    const tenths = Math.floor((part * 1000) / whole) / 10;
    return part > 0 && tenths === 0 ? "<0.1%" : `${tenths}%`;
  }

  return {
    count,
    plural,
    percent,
    unfound: "no data at all",
    states: {
      covered: { sign: "✓", label: "covered" },
      empty: { sign: "○", label: "empty at source" },
      gap: { sign: "✗", label: "gap" },
      failed: { sign: "!", label: "failed" },
      refused: { sign: "⊘", label: "refused by the source" },
      waived: { sign: "~", label: "waived" },
      closed: { sign: "·", label: "nothing due" },
    },
    marks: {
      "✓": { state: "covered", label: "complete" },
      "○": { state: "empty", label: "complete, some slots empty at source" },
      "◇": { state: "waived", label: "complete but for waived slots" },
      "✗": { state: "gap", label: "gaps" },
      "⊘": { state: "refused", label: "refused by the source" },
      "·": { state: "closed", label: "nothing due" },
    },
  };
}
