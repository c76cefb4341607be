import Holidays from "date-holidays";
import type { Holiday } from "../../core/coverage/day-report.ts";
import { type DaySpan, datesOf } from "../../core/time/local-days.ts";

/**
 * Venezuela's public holidays within `span`, in order, named in Spanish. They are for naming days in reports: the
 * stores trade on most of them. The library knows the holidays of today's law and gives them for every year; days that
 * a government grants once are not in it. Loading it takes a tenth of a second: import this module where it is used.
 */
export function nationalHolidays(span: DaySpan): readonly Holiday[] {
  const calendar = new Holidays("VE", { languages: ["es"], types: ["public"] });
  const years = new Set(datesOf(span).map((date) => Number(date.slice(0, 4))));
  return [...years]
    .flatMap((year) => calendar.getHolidays(year))
    .map(({ date, name }) => ({ date: date.slice(0, 10), name }))
    .filter(({ date }) => span.first <= date && date <= span.last)
    .sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0));
}
