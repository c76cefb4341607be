import { type Closure, ownClosures } from "../../core/calendar/store-calendar.ts";
import { type Pace, PHASE_SETTINGS, type Phase, type PhaseSettings } from "../../core/coverage/day-phases.ts";
import { DAY_REPORT_SETTINGS, type DayReportSettings } from "../../core/coverage/day-report.ts";
import type { RegistryEntry } from "../../core/dataset/pipeline.ts";
import type { Interval } from "../../core/time/interval.ts";
import { type GapPlan, phaseTitle, renderGapPlan } from "./gap-plan.ts";
import { nationalHolidays } from "./holidays.ts";
import { storeCalendarOf } from "./retail.ts";
import type { RetailSettings } from "./settings.ts";

/** How the gaps of stores are reported; loads the holidays, so import it where it is used. */
export function retailReporting({ report }: Pick<RetailSettings, "report">): {
  readonly report: DayReportSettings;
  readonly phases: PhaseSettings;
  readonly pace: Pace;
  closures(entry: RegistryEntry, span: Interval): readonly Closure[];
  readonly holidays: typeof nationalHolidays;
  render(plan: GapPlan): string;
  title(plan: GapPlan, phase: Phase): string;
} {
  const { high, medium, secondsPerCall, ...phases } = report;
  return {
    report: { ...DAY_REPORT_SETTINGS, priority: { high, medium } },
    phases: { ...PHASE_SETTINGS, ...phases },
    pace: { callsPerChunk: 1, secondsPerCall },
    closures: (entry, span) => ownClosures(storeCalendarOf(entry), span),
    holidays: nationalHolidays,
    render: renderGapPlan,
    title: phaseTitle,
  };
}
