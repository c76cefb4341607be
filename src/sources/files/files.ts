import type { Axis, Stamp } from "../../core/dataset/axis.ts";
import type { Series } from "../../core/dataset/series.ts";
import { snapIn } from "../../core/time/grid.ts";
import { DAY, instant } from "../../core/time/instant.ts";
import { type Interval, overlaps } from "../../core/time/interval.ts";
import { clip, type IntervalSet, normalize, subtract, union } from "../../core/time/interval-set.ts";
import { fromLocalMs, parseDate } from "../../core/time/zone.ts";
import type {
  Answer,
  FileHolding,
  FileReader,
  Reading,
  RecordShape,
  Source,
  SourceRequest,
} from "../../engine/ports.ts";
import { type FileLayout, formatOf, headerLines, layoutName } from "./layout.ts";
import { slotOfStamp } from "./stamps.ts";

/** How rows and bronze folders name all files. */
export const FILES = "files";

/** What a layout's files hold, as found when somebody last looked. */
export type Holdings = () => readonly FileHolding[];

/**
 * Candles in files that lie here already: for series with the parts `symbol` and `timeframe`. A file answers for all
 * slots from its first stamp to its last, or for its day where its name tells one.
 */
export function filesSource(layout: FileLayout, holdings: Holdings): Source {
  const records = recordsOf(layout);
  const { zone, at } = layout.time;

  /** Files with the series in the order of their names, each with the slots it answers for. */
  const filesOf = (series: Series): readonly { readonly path: string; readonly span: Interval }[] =>
    ownHoldings(layout, holdings(), series).flatMap((holding) => {
      const span = spanHeld(series, holding, { zone, at });
      return span === null ? [] : [{ path: holding.path, span }];
    });

  return {
    name: `${FILES}:${layoutName(layout)}`,
    system: FILES,
    serves: (series) => ownHoldings(layout, holdings(), series).length > 0,
    held: (series) => normalize(filesOf(series).map(({ span }) => span)),
    windows(series, gaps) {
      const windows: Interval[] = [];
      let earlier: IntervalSet = [];
      for (const { span } of filesOf(series)) {
        // A slot that several files hold is asked of the first of them.
        for (const own of subtract([span], earlier)) windows.push(...questions(series, clip(gaps, own)));
        earlier = union(earlier, [span]);
      }
      return windows.sort((a, b) => a.start - b.start);
    },
    request(series, window): SourceRequest {
      const files = filesOf(series);
      const file = files.find(({ span }) => holds(span, window)) ?? files.find(({ span }) => overlaps(span, window));
      return {
        method: "GET",
        target: `file:${file?.path ?? ""}`,
        headers: { format: formatOf(layout), "header-lines": String(headerLines(layout)) },
      };
    },
    classify: (_series, request, answer) => readFile(request, answer),
    records,
    silentCaps: [],
    ...(layout.columns.symbol === undefined ? {} : { match: (series: Series) => nameInFiles(layout, series) }),
  };
}

/** Where the records of a layout's files lie and how they are read. */
export function recordsOf(layout: FileLayout): RecordShape & { readonly reader: FileReader } {
  const { t, msOfDay, ...columns } = layout.columns;
  const { symbol } = columns;
  const price = { type: "number", required: true } as const;
  const { format, zone, at } = layout.time;
  const scaled = layout.scale === 1 ? [] : (["o", "h", "l", "c", "vw"] as const);
  return {
    path: "",
    fields: {
      t: { type: "integer", required: true },
      o: price,
      h: price,
      l: price,
      c: price,
      v: { type: "number", required: false },
      vw: { type: "number", required: false },
      n: { type: "integer", required: false },
      ...(symbol === undefined ? {} : { symbol: { type: "string", required: true } as const }),
    },
    stamp: "t",
    stamped: { zone, at },
    ...(symbol === undefined ? {} : { key: "symbol" }),
    reader: {
      format: formatOf(layout),
      delimiter: layout.delimiter,
      headerLines: headerLines(layout),
      columns: Object.fromEntries(
        Object.entries(columns).flatMap(([name, column]) => (column === undefined ? [] : [[name, column]])),
      ),
      time: {
        columns: Array.isArray(t) ? t : [t],
        msOfDay: msOfDay ?? null,
        format: format.includes("%") ? { strptime: format } : (format as Exclude<FileReader["time"]["format"], object>),
        zone,
      },
      divisors: Object.fromEntries(scaled.map((name) => [name, layout.scale])),
    },
  };
}

/**
 * What one file is asked for. Where nobody else answers for the series one question takes all; otherwise what another
 * source has covered between two gaps stays as it is. Closed time between them holds nothing of anybody.
 */
function questions({ source, axis }: Series, gaps: IntervalSet): readonly Interval[] {
  const asked: Interval[] = [];
  for (const gap of gaps) {
    const last = asked[asked.length - 1];
    const isOne = last !== undefined && (source === FILES || isClosed(axis, { start: last.end, end: gap.start }));
    if (isOne) asked[asked.length - 1] = { start: last.start, end: gap.end };
    else asked.push(gap);
  }
  return asked;
}

function isClosed({ calendar }: Axis, span: Interval): boolean {
  return calendar.sessions(span).length === 0;
}

function holds(span: Interval, window: Interval): boolean {
  return span.start <= window.start && window.end <= span.end;
}

function ownHoldings(layout: FileLayout, all: readonly FileHolding[], series: Series): readonly FileHolding[] {
  const { symbol, timeframe } = series.parts;
  return all.filter(({ named, key }) => {
    const name = key ?? named.symbol ?? "";
    const own =
      named.timeframe === undefined ? layout.timeframe : (layout.timeframes[named.timeframe] ?? named.timeframe);
    return own === timeframe && (layout.symbols[name] ?? name.toUpperCase()) === symbol;
  });
}

/** How records name the series' symbol; compared in capitals. */
function nameInFiles({ symbols }: FileLayout, series: Series): string {
  const symbol = series.parts.symbol ?? series.entry;
  return (Object.keys(symbols).find((name) => symbols[name] === symbol) ?? symbol).toUpperCase();
}

/** The slots that a file answers for, or null where it does not hold one whole slot. */
function spanHeld(series: Series, holding: FileHolding, stamped: Stamp): Interval | null {
  const { grid } = series.axis;
  const { date } = holding.named;
  if (date !== undefined) {
    const day = parseDate(date.replace(/^(\d{4})-?(\d{2})-?(\d{2})$/, "$1-$2-$3"));
    return snapIn(grid, { start: fromLocalMs(stamped.zone, day), end: fromLocalMs(stamped.zone, day + DAY) });
  }
  const first = slotOfStamp(series.axis, instant(holding.first), stamped);
  const last = slotOfStamp(series.axis, instant(holding.last), stamped);
  return { start: first.start, end: last.end };
}

/** What reading a file came to; its reader has counted the records. */
function readFile(request: SourceRequest, answer: Answer): Reading {
  const failure = (of: "not-found" | "transient" | "bad-request", message: string): Reading => ({
    kind: "failure",
    class: of,
    message,
    waitMs: null,
  });
  const path = request.target.slice("file:".length);
  switch (answer.status) {
    case 200:
      return { kind: "rows", rows: Number(answer.headers.rows), next: null, through: null, provisional: false };
    case 404:
      return failure("not-found", path === "" ? "the file that held this is gone" : `${path} is gone`);
    case 409:
      return failure("transient", `${path} changed while it was read`);
    default:
      return failure("bad-request", `${path} ${answer.text}`);
  }
}
