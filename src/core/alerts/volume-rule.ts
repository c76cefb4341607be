import { formatShort } from "../time/instant.ts";
import type { Finding } from "./alert.ts";
import type { AlertFacts, VolumeFacts } from "./facts.ts";
import type { AlertRule } from "./rule.ts";
import { judgeVolume, type VolumeJudgement } from "./volume.ts";
import { amount, listed, plural } from "./wording.ts";

type VolumeRule = Extract<AlertRule, { readonly kind: "volume" }>;

interface Unusual {
  readonly seen: VolumeFacts;
  readonly judged: VolumeJudgement;
}

/** Series of one dataset that drop, or peak, in the same slot are one condition. */
export function unusualVolumes(rule: VolumeRule, { volumes }: AlertFacts): readonly Finding[] {
  const groups = new Map<string, Unusual[]>();
  for (const seen of volumes) {
    const judged = judgeVolume(seen.value, seen.history, rule);
    if (judged === null) continue;
    const key = `${seen.dataset} ${seen.start} ${judged.direction}`;
    const group = groups.get(key);
    if (group) group.push({ seen, judged });
    else groups.set(key, [{ seen, judged }]);
  }
  return [...groups.values()].flatMap((group) => findingOf(rule, group));
}

function findingOf(rule: VolumeRule, group: readonly Unusual[]): readonly Finding[] {
  const [first] = group;
  if (!first) return [];
  const { dataset, start } = first.seen;
  const { direction } = first.judged;
  const subject = group.length === 1 ? first.seen.series : plural(group.length, "series");
  const farthest = [...group].sort((a, b) => Math.abs(b.judged.share) - Math.abs(a.judged.share));
  return [
    {
      severity: rule[direction],
      subject: { kind: "slot", dataset, start, direction },
      title: `${dataset}: unusually ${direction === "drop" ? "little" : "much"} of ${subject} at ${formatShort(start)}`,
      body: [
        `In ${plural(group.length, "series")}, against the same weekday and slot before:`,
        listed(farthest.map(unusualText)),
      ].join("\n"),
    },
  ];
}

function unusualText({ seen, judged }: Unusual): string {
  const percent = `${judged.share < 0 ? "−" : "+"}${amount(Math.abs(100 * judged.share))} %`;
  const score = judged.z === null ? "a history that does not vary" : `z ${judged.z.toFixed(1)}`;
  return `${seen.series}: ${amount(seen.value)} ${seen.unit} where ${amount(judged.median)} is usual (${percent}, ${score})`;
}
