/** No argument of a process can hold it, so nobody can have typed it. */
const MARK = "\0";

/**
 * Arguments for the parser, which takes whatever begins with a dash for an option. Text that begins with two dashes and
 * white space, or with a line of its own after two dashes, is a comment of SQL: no option has such a name. It is marked.
 */
export function markDashedText(argv: readonly string[]): readonly string[] {
  return argv.map((arg) => (/^--(\s|[^=\n]*\n)/.test(arg) ? MARK + arg : arg));
}

/** What the parser read, as it was typed. */
export function unmarked<T>(value: T): T {
  if (typeof value === "string") return value.replaceAll(MARK, "") as T;
  return Array.isArray(value) ? (value.map(unmarked) as T) : value;
}
