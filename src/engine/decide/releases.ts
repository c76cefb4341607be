import type { Interval } from "../../core/time/interval.ts";
import type { Decision, Ledger } from "../ledger-port.ts";
import type { RecordPlace } from "../store-port.ts";

/** A record that is published in spite of a check, by decision. */
export interface Release extends RecordPlace {
  readonly decision: Decision;
  /** The slot that it fills; null where the decision does not say. */
  readonly span: Interval | null;
}

/** The records of a dataset version that decisions release: an input of every publication of their objects. */
export async function releasesOf(
  ledger: Pick<Ledger, "decisions">,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<readonly Release[]> {
  const decisions = await ledger.decisions({ kinds: ["release"] });
  return decisions.flatMap((decision): readonly Release[] => {
    const place = placeOf(decision.subject ?? "");
    const isOwn = decision.dataset === name && decision.version === version;
    return isOwn && place !== null ? [{ ...place, decision, span: decision.span }] : [];
  });
}

/** A record's place as decisions name it: `object/row`. */
export function subjectOf({ objectNo, rowNo }: RecordPlace): string {
  return `${objectNo}/${rowNo}`;
}

function placeOf(subject: string): RecordPlace | null {
  const [, objectNo, rowNo] = /^(\d+)\/(\d+)$/.exec(subject) ?? [];
  return objectNo === undefined || rowNo === undefined ? null : { objectNo: Number(objectNo), rowNo: Number(rowNo) };
}
