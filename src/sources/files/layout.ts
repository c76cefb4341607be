import { z } from "zod";
import { nearestNames } from "../../core/errors.ts";
import { GRAINS } from "../../core/time/grid.ts";
import { offsetSpans } from "../../core/time/zone.ts";
import { patternProblem, placeholdersOf } from "./pattern.ts";

/** A name in the header, in any case, or a place from 0. */
const column = z.union([z.string().min(1), z.number().int().min(0)]);

const TIME_FORMATS = ["iso", "date", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"] as const;

const columns = named({
  /** The stamp; of several columns the texts are joined by a blank. */
  t: z.union([column, z.array(column).min(1)]),
  /** Milliseconds since the midnight of `t`, where the stamp is told in two parts. */
  msOfDay: column.optional(),
  o: column,
  h: column,
  l: column,
  c: column,
  v: column.optional(),
  /** Mean price weighted by volume. */
  vw: column.optional(),
  /** Trades. */
  n: column.optional(),
  /** Tells the symbol of a record, where one file holds many. */
  symbol: column.optional(),
});

const time = named({
  /** Or a `strptime` pattern, such as `%Y%m%d %H:%M`. */
  format: z.string().default("iso"),
  /** The clocks that stamps without an offset are read on, and by which days and weeks are stamped. */
  zone: z.string().default("UTC"),
  /** Whether a record is stamped with the start or the end of its slot. */
  at: z.enum(["start", "end"]).default("start"),
});

/** How the files of one folder are named and written. */
export const fileLayout = named({
  /** Names the layout in plans and beside stored answers; its folder and pattern unless it is told. Keep it. */
  name: z.string().min(1).optional(),
  /** From the project's folder. */
  folder: z.string(),
  /** Path below the folder, such as `{symbol}_{timeframe}.csv.gz` or `{date}.csv.gz`; `*` is anything. */
  pattern: z.string(),
  /** By the pattern's ending unless it is told. */
  format: z.enum(["csv", "parquet"]).optional(),
  delimiter: z.string().length(1, "expected one character").default(","),
  /** Lines before the first record; true is one. The first of them names the columns. */
  header: z.union([z.boolean(), z.number().int().min(0)]).default(true),
  columns,
  time: time.prefault({}),
  /** Prices are written as multiples: what stands for 1.00, such as 10000. */
  scale: z.number().positive().default(1),
  /** The project's symbol for the name in files, where that is not the name itself in capitals. */
  symbols: z.record(z.string(), z.string()).default({}),
  /** The project's timeframe for the one in file names, such as `{ daily: "1d" }`. */
  timeframes: z.record(z.string(), timeframe()).default({}),
  /** The timeframe of all files, when names do not tell it. */
  timeframe: timeframe().optional(),
}).superRefine((layout, context) => {
  for (const [path, message] of problemsOf(layout)) context.addIssue({ code: "custom", path: [...path], message });
});

/** A checked declaration. */
export type FileLayout = z.infer<typeof fileLayout>;

/** Several layouts, no two of one name. */
export const fileLayouts = z.array(fileLayout).superRefine((layouts, context) => {
  const names = layouts.map(layoutName);
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) === i) continue;
    const message = `"${name}" is the name of files.${names.indexOf(name)} already`;
    context.addIssue({ code: "custom", path: [i, "name"], message });
  }
});

/** What a layout is called. */
export function layoutName({ name, folder, pattern }: Pick<FileLayout, "name" | "folder" | "pattern">): string {
  return name ?? `${folder.replace(/\/+$/, "")}/${pattern}`;
}

/** What its files are. */
export function formatOf({ format, pattern }: Pick<FileLayout, "format" | "pattern">): "csv" | "parquet" {
  return format ?? (/\.(parquet|pq)$/.test(pattern) ? "parquet" : "csv");
}

/** Lines before the first record. */
export function headerLines({ header }: Pick<FileLayout, "header">): number {
  return typeof header === "number" ? header : header ? 1 : 0;
}

type Problem = readonly [path: readonly (string | number)[], message: string];

function problemsOf(layout: FileLayout): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (path: readonly (string | number)[], message: string): number => problems.push([path, message]);
  const wrong = patternProblem(layout.pattern);
  if (wrong !== null) add(["pattern"], wrong);
  const told = placeholdersOf(layout.pattern);
  if (!told.includes("symbol") && layout.columns.symbol === undefined) {
    add(["pattern"], "nothing tells the symbol: put {symbol} into the pattern, or name the column in columns.symbol");
  }
  if (told.includes("symbol") && layout.columns.symbol !== undefined) {
    add(["columns", "symbol"], "the pattern tells the symbol already");
  }
  if (!told.includes("timeframe") && layout.timeframe === undefined) {
    add(["timeframe"], "nothing tells the timeframe: put {timeframe} into the pattern, or set it here");
  }
  if (told.includes("timeframe") && layout.timeframe !== undefined) {
    add(["timeframe"], "the pattern tells the timeframe already");
  }
  if (!isZone(layout.time.zone)) add(["time", "zone"], `no zone is called "${layout.time.zone}"`);
  const format = formatProblem(layout.time.format);
  if (format !== null) add(["time", "format"], format);
  const isParquet = formatOf(layout) === "parquet";
  for (const [name, value] of Object.entries(layout.columns)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one === "string" && !isParquet && headerLines(layout) === 0) {
        add(["columns", name], `"${one}" is a name, but the files have no header: give the column's place, from 0`);
      }
      if (typeof one === "number" && isParquet)
        add(["columns", name], "columns of Parquet files have names, no places");
    }
  }
  return problems;
}

function formatProblem(format: string): string | null {
  if ((TIME_FORMATS as readonly string[]).includes(format)) return null;
  if (/%z/i.test(format)) return 'stamps with an offset or a zone are "iso"';
  if (format.includes("%")) return null;
  const [near] = nearestNames(format, TIME_FORMATS);
  const hint = near === undefined ? `known: ${TIME_FORMATS.join(", ")}` : `did you mean ${near}?`;
  return `"${format}" is no format: ${hint} A pattern is written like %Y-%m-%d %H:%M`;
}

function isZone(zone: string): boolean {
  try {
    return offsetSpans(zone).length > 0;
  } catch {
    // Not a zone is an answer here.
    return false;
  }
}

function timeframe() {
  return z.string().superRefine((name, context) => {
    if ((GRAINS as readonly string[]).includes(name)) return;
    const [near] = nearestNames(name, GRAINS);
    const hint = near === undefined ? `known: ${GRAINS.join(", ")}` : `did you mean ${near}?`;
    context.addIssue({ code: "custom", message: `"${name}" is no timeframe: ${hint}` });
  });
}

/** An object whose unknown members are told with the nearest names. */
function named<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== "unrecognized_keys") return undefined;
      const known = Object.keys(shape);
      const told = (issue.keys as readonly string[]).map((key) => {
        const [near] = nearestNames(key, known);
        return `"${key}" ${near === undefined ? `(known: ${known.join(", ")})` : `(did you mean ${near}?)`}`;
      });
      return `nothing is called ${told.join(", ")}`;
    },
  });
}
