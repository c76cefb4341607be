import type { Waiver } from "../../core/coverage/gaps.ts";
import type { DatasetName } from "../../core/dataset/dataset.ts";
import { cellKey, type SeriesKey } from "../../core/dataset/series.ts";
import type { Instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import type { Decision } from "../ledger-port.ts";

/** A waiver as it was decided, and whether it holds. */
export interface WaiverRecord {
  /** The decision's place in the log: its name. */
  readonly id: number;
  readonly dataset: DatasetName;
  readonly version: number;
  readonly key: SeriesKey;
  readonly span: Interval;
  readonly reason: string;
  readonly actor: string;
  readonly at: Instant;
  readonly until: Instant | null;
  /** `ended` by a decision, `over` once its own end has passed. */
  readonly standing: "holds" | "over" | "ended";
  readonly endedBy: Pick<Decision, "ordinal" | "actor" | "reason" | "at"> | null;
}

/** Every waiver that `decisions` made, oldest first, as it stands at business `now`. */
export function waiverRecords(decisions: readonly Decision[], now: Instant): readonly WaiverRecord[] {
  const ends = new Map<string, Decision>();
  for (const decision of decisions) {
    if (decision.kind === "unwaive" && decision.subject !== null) ends.set(decision.subject, decision);
  }
  return decisions.flatMap(
    ({ kind, ordinal: id, dataset, version, key, span, until, ...rest }): readonly WaiverRecord[] => {
      if (kind !== "waive" || dataset === null || version === null || key === null || span === null) return [];
      const endedBy = ends.get(String(id)) ?? null;
      const standing = endedBy !== null ? "ended" : until !== null && until <= now ? "over" : "holds";
      const { reason, actor, at } = rest;
      return [{ id, dataset, version, key, span, reason, actor, at, until, standing, endedBy }];
    },
  );
}

/** The waivers that hold at business `now`, by series over all datasets, oldest first. */
export function waiversAt(decisions: readonly Decision[], now: Instant): ReadonlyMap<string, readonly Waiver[]> {
  const waivers = new Map<string, Waiver[]>();
  for (const one of waiverRecords(decisions, now)) {
    if (one.standing !== "holds") continue;
    const { span, reason, actor } = one;
    const id = cellKey(one);
    waivers.set(id, [...(waivers.get(id) ?? []), { ...span, reason, actor }]);
  }
  return waivers;
}
