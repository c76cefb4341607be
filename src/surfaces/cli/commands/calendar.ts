import { calendarNamed } from "../../../core/calendar/calendars.ts";
import { RetrofillError } from "../../../core/errors.ts";
import { DAY, formatInstant, instant, plus } from "../../../core/time/instant.ts";
import { type Context, EXIT } from "../context.ts";
import { table } from "../output.ts";
import { readTime } from "../request.ts";

/** A calendar's sessions; the next 30 days unless a range is given. Needs no project. */
export function calendar(name: string, flags: { readonly from?: string; readonly to?: string }) {
  return async ({ output }: Context): Promise<number> => {
    let found: ReturnType<typeof calendarNamed>;
    try {
      found = calendarNamed(name);
    } catch (error) {
      throw new RetrofillError("USAGE", (error as Error).message);
    }
    const from =
      flags.from === undefined ? instant(Math.floor(Date.now() / DAY) * DAY) : readTime("--from", flags.from);
    const to = flags.to === undefined ? plus(from, 30 * DAY) : readTime("--to", flags.to);
    if (to <= from) throw new RetrofillError("USAGE", "the range is empty");
    const sessions = found.sessions({ start: from, end: to });
    const rows = sessions.map((one) => [
      one.date,
      formatInstant(one.open),
      formatInstant(one.close),
      one.early ? "early" : "",
    ]);
    output.line(`${found.name} version ${found.version}, ${found.zone}; times in UTC`);
    for (const line of table(["DATE", "OPEN", "CLOSE", ""], rows)) output.line(line);
    output.document({
      calendar: found.name,
      version: found.version,
      zone: found.zone,
      sessions: sessions.map(({ date, open, close, early }) => ({
        date,
        open: formatInstant(open),
        close: formatInstant(close),
        early,
      })),
    });
    return EXIT.done;
  };
}
