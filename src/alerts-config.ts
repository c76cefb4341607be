import { z } from "zod";
import { type AlertRule, DEFAULT_RULES } from "./core/alerts/rule.ts";
import { SEVERITIES } from "./core/alerts/severity.ts";
import { DAY, HOUR } from "./core/time/instant.ts";

const severity = z.enum(SEVERITIES);

/** Name of an environment variable; the value itself never stands in a configuration. */
const envName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable, not its value");

const minSeverity = severity.default("low");
const hook = { urlEnv: envName, headerEnv: envName.optional(), minSeverity };

const channel = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("log"), minSeverity }),
  z.strictObject({ kind: z.literal("webhook"), ...hook }),
  z.strictObject({ kind: z.literal("slack"), ...hook }),
]);

const { failed, streak, partial, gap, stale, budget, volume, restated } = DEFAULT_RULES;

/** Settings of a rule, each with its default; false switches the rule off. */
function rule<T extends z.ZodRawShape>(defaults: AlertRule, settings: T) {
  const { repeatAfterMs, tellsEnd } = defaults;
  const repeats = {
    /** Null: said once. */
    repeatAfterHours: z
      .number()
      .positive()
      .nullable()
      .default(repeatAfterMs === null ? null : repeatAfterMs / HOUR),
    tellsEnd: z.boolean().default(tellsEnd),
  };
  return z.union([z.literal(false), z.strictObject({ ...repeats, ...settings })]);
}

const rules = z.strictObject({
  failed: rule(failed, { severity: severity.default(failed.severity) }).prefault({}),
  streak: rule(streak, {
    severity: severity.default(streak.severity),
    runs: z.number().int().min(2).default(streak.runs),
  }).prefault({}),
  partial: rule(partial, { severity: severity.default(partial.severity) }).prefault({}),
  gap: rule(gap, {
    levels: z
      .array(z.strictObject({ olderThanDays: z.number().positive(), severity }))
      .min(1)
      .default(gap.levels.map((level) => ({ olderThanDays: level.olderThanMs / DAY, severity: level.severity }))),
  }).prefault({}),
  stale: rule(stale, {
    severity: severity.default(stale.severity),
    behindHours: z
      .number()
      .positive()
      .default(stale.behindMs / HOUR),
  }).prefault({}),
  budget: rule(budget, {
    severity: severity.default(budget.severity),
    share: z.number().positive().max(1).default(budget.share),
  }).prefault({}),
  volume: rule(volume, {
    drop: severity.default(volume.drop),
    peak: severity.default(volume.peak),
    minHistory: z.number().int().min(3).default(volume.minHistory),
    threshold: z.number().positive().default(volume.threshold),
    minShare: z.number().positive().max(1).default(volume.minShare),
  }).prefault({}),
  restated: rule(restated, { severity: severity.default(restated.severity) }).prefault({}),
});

/** The `alerts` section of a project's configuration; read, its rules are a list of those that are on. */
export const alertsConfig = z.strictObject({
  /** By name: messages and the ledger know a channel by it alone. */
  channels: z
    .record(z.string().regex(/^[\w-]+$/, "letters, digits, _ and -"), channel)
    .default({ log: { kind: "log", minSeverity: "low" } }),
  rules: rules.prefault({}).transform(toRules),
});

function toRules(settings: z.infer<typeof rules>): readonly AlertRule[] {
  const { failed, streak, partial, gap, stale, budget, volume, restated } = settings;
  return [
    ...on(failed, ({ severity }) => ({ kind: "failed", severity })),
    ...on(streak, ({ severity, runs }) => ({ kind: "streak", severity, runs })),
    ...on(partial, ({ severity }) => ({ kind: "partial", severity })),
    ...on(gap, ({ levels }) => ({
      kind: "gap",
      levels: levels.map((level) => ({ olderThanMs: level.olderThanDays * DAY, severity: level.severity })),
    })),
    ...on(stale, ({ severity, behindHours }) => ({ kind: "stale", severity, behindMs: behindHours * HOUR })),
    ...on(budget, ({ severity, share }) => ({ kind: "budget", severity, share })),
    ...on(volume, ({ drop, peak, minHistory, threshold, minShare }) => ({
      kind: "volume",
      drop,
      peak,
      minHistory,
      threshold,
      minShare,
    })),
    ...on(restated, ({ severity }) => ({ kind: "restated", severity })),
  ];
}

type WithoutRepeats<R> = R extends AlertRule ? Omit<R, "repeatAfterMs" | "tellsEnd"> : never;

function on<S extends { readonly repeatAfterHours: number | null; readonly tellsEnd: boolean }>(
  settings: S | false,
  make: (settings: S) => WithoutRepeats<AlertRule>,
): readonly AlertRule[] {
  if (settings === false) return [];
  const { repeatAfterHours, tellsEnd } = settings;
  return [{ ...make(settings), repeatAfterMs: repeatAfterHours === null ? null : repeatAfterHours * HOUR, tellsEnd }];
}
