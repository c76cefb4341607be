import { styleText } from "node:util";
import type { QueryResult, StoredRow } from "../../engine/store-port.ts";

type Style = Parameters<typeof styleText>[0];

/** Where a command's words go: results to stdout, progress and notes to stderr, one JSON document with `--json`. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Whether a person watches stderr: only then lines are redrawn. */
  readonly live: boolean;
  readonly width: number;
  /** A line of the result; nothing with `--json`. */
  line(text?: string): void;
  /** A note beside the result, on stderr. */
  note(text: string): void;
  /** Replaces the live status line, or clears it. */
  status(text: string): void;
  /** The result itself, with `--json`. */
  document(value: unknown): void;
  paint(style: Style, text: string): string;
}

export function createOutput(options: {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: boolean;
}): Output {
  const { json, quiet } = options;
  const color = options.color && process.env.NO_COLOR === undefined && process.stdout.isTTY === true;
  const live = process.stderr.isTTY === true && !quiet && process.env.TERM !== "dumb";
  const width = process.stderr.columns ?? 100;
  let drawn = "";
  const clear = (): void => {
    if (drawn !== "") process.stderr.write("\r\u001b[2K");
    drawn = "";
  };
  return {
    json,
    quiet,
    live,
    width,
    line(text = "") {
      if (json) return;
      clear();
      process.stdout.write(`${text}\n`);
    },
    note(text) {
      if (quiet) return;
      clear();
      process.stderr.write(`${text}\n`);
    },
    status(text) {
      if (!live) return;
      clear();
      drawn = text.slice(0, width - 1);
      process.stderr.write(drawn);
    },
    document(value) {
      clear();
      if (json) process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    },
    paint: (style, text) => (color ? styleText(style, text) : text),
  };
}

/** Rows as aligned columns, two spaces apart; numbers to the right. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): readonly string[] {
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
  const render = (row: readonly string[]): string =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [render(header), render(widths.map((width) => "─".repeat(width))), ...rows.map(render)];
}

/** A query's rows as objects by column, for documents. */
export function rowObjects({ columns, rows }: QueryResult): readonly Readonly<Record<string, unknown>>[] {
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])));
}

/** A stored row as `column value`; what is null says nothing. */
export function rowText(row: StoredRow): string {
  return Object.entries(row)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${value}`)
    .join("  ");
}

/** `12,345`. */
export function count(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** `1 gap`, `2 gaps`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `3.2 MB`. */
export function bytes(n: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}
