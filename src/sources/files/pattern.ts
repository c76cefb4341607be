import { nearestNames } from "../../core/errors.ts";

/** What the name of a file tells, such as `{ symbol: "aapl", timeframe: "1d" }`; names as they stand there. */
export type Named = Readonly<Partial<Record<"symbol" | "timeframe" | "date", string>>>;

const PLACEHOLDERS = {
  symbol: "[^/]+?",
  timeframe: "[A-Za-z0-9]+",
  date: "\\d{4}-?\\d{2}-?\\d{2}",
} as const;

/** The placeholders of a pattern, in order. */
export function placeholdersOf(pattern: string): readonly string[] {
  return [...pattern.matchAll(/\{([^}]*)\}/g)].map((found) => found[1] ?? "");
}

/** What is wrong with a pattern, in words; null when nothing is. */
export function patternProblem(pattern: string): string | null {
  const known = Object.keys(PLACEHOLDERS);
  const found = placeholdersOf(pattern);
  const unknown = found.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const [near] = nearestNames(unknown, known);
    return `{${unknown}} means nothing${near === undefined ? "" : `, did you mean {${near}}?`} Known: ${known.map((name) => `{${name}}`).join(" ")} and *`;
  }
  const twice = found.find((name, i) => found.indexOf(name) < i);
  return twice === undefined ? null : `{${twice}} stands twice`;
}

/**
 * Reads the names of files by a pattern such as `{symbol}/{date}.csv.gz`; `*` is anything but a folder's end. Null for
 * a path that does not match.
 */
export function patternReader(pattern: string): (path: string) => Named | null {
  const source = pattern
    .split(/(\{[^}]*\}|\*)/)
    .map((part) => {
      if (part === "*") return "[^/]*";
      const name = /^\{(.*)\}$/.exec(part)?.[1];
      if (name === undefined) return part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
      return `(?<${name}>${PLACEHOLDERS[name as keyof typeof PLACEHOLDERS]})`;
    })
    .join("");
  const whole = new RegExp(`^${source}$`);
  return (path) => {
    const found = whole.exec(path);
    return found === null ? null : { ...found.groups };
  };
}
