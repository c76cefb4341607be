import type { Interval } from "../../core/time/interval.ts";
import type { ObjectRecord } from "../../engine/ledger-port.ts";

/** The pages that one question was answered with. */
export interface Question {
  /** The ordinal of its first page. */
  readonly no: number;
  /** What all pages together answer; empty while the last one is not there. */
  readonly claimed: Interval;
}

/**
 * The question of each object, by ordinal. Where a slot's records go on from page to page, a page alone claims nothing
 * (its `answered` is empty): the last one claims for all that its chunk received before.
 */
export function questionsOf(objects: readonly ObjectRecord[]): ReadonlyMap<number, Question> {
  const questions = new Map<number, Question>();
  const open = new Map<string, number[]>();
  for (const { ordinal, chunkId, answered } of [...objects].sort((a, b) => a.ordinal - b.ordinal)) {
    const pages = [...(open.get(chunkId) ?? []), ordinal];
    const no = pages[0] as number;
    for (const page of pages) questions.set(page, { no, claimed: answered });
    if (answered.start < answered.end) open.delete(chunkId);
    else open.set(chunkId, pages);
  }
  return questions;
}

/** Whether the last page of the object's question is missing. */
export function isDangling({ claimed }: Question): boolean {
  return claimed.start >= claimed.end;
}
