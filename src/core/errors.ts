/** What every surface needs to know of an error code: the process exit code and the HTTP status. */
const CODES = {
  USAGE: { exit: 2, status: 400 },
  CONFIG_INVALID: { exit: 2, status: 400 },
  PROJECT_NOT_FOUND: { exit: 2, status: 404 },
  SELECTOR_UNKNOWN: { exit: 2, status: 404 },
  KEY_UNKNOWN: { exit: 2, status: 404 },
  NO_ACTIVE_KEYS: { exit: 2, status: 409 },
  PLAN_UNKNOWN: { exit: 2, status: 404 },
  RUN_UNKNOWN: { exit: 2, status: 404 },
  SQL_INVALID: { exit: 2, status: 400 },
  SOURCE_UNCONFIGURED: { exit: 2, status: 409 },
  PLAN_EXPIRED: { exit: 5, status: 409 },
  PLAN_DRIFTED: { exit: 5, status: 409 },
  PLAN_APPLIED: { exit: 5, status: 409 },
  LOGIC_CHANGED: { exit: 5, status: 409 },
  INPUT_ABSENT: { exit: 5, status: 409 },
  INPUT_STALE: { exit: 5, status: 409 },
  REVERT_REFUSED: { exit: 5, status: 409 },
  RELEASE_REFUSED: { exit: 5, status: 409 },
  RUN_STATE: { exit: 5, status: 409 },
  STORE_BUSY: { exit: 4, status: 503 },
  DISK_FULL: { exit: 4, status: 507 },
  SOURCE_AUTH: { exit: 4, status: 502 },
  SOURCE_REFUSED: { exit: 4, status: 502 },
  BRONZE_DAMAGED: { exit: 4, status: 500 },
  AUDIT_FAILED: { exit: 4, status: 500 },
} as const;

export type ErrorCode = keyof typeof CODES;

export type ErrorContext = Readonly<Record<string, string | number | boolean | null>>;

/** An error that a person can act on: what happened, to which object, and what to do. A bug is a plain `Error`. */
export class RetrofillError extends Error {
  override readonly name = "RetrofillError";
  readonly code: ErrorCode;
  /** What to do about it; null when nothing sensible can be said. */
  readonly hint: string | null;
  readonly context: ErrorContext;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown; context?: ErrorContext } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? null;
    this.context = options.context ?? {};
  }

  /** The process exit code of this error. */
  get exitCode(): number {
    return CODES[this.code].exit;
  }
}

/** The known names nearest to `wanted` by edit distance, best first, at most three; far ones are left out. */
export function nearestNames(wanted: string, known: readonly string[]): readonly string[] {
  const target = wanted.toLowerCase();
  const limit = Math.max(2, Math.ceil(target.length / 2));
  return known
    .map((name) => ({ name, distance: editDistance(target, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
