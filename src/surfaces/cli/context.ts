import { RetrofillError } from "../../core/errors.ts";
import type { Host, OpenProject } from "./host.ts";
import type { Output } from "./output.ts";

/** What every command gets. */
export interface Context {
  readonly host: Host;
  readonly output: Output;
  /** `--project`, or null for the nearest one. */
  readonly dir: string | null;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Exit codes that are not errors. */
export const EXIT = { done: 0, bug: 1, usage: 2, incomplete: 3, failed: 4, refused: 5, interrupted: 130 } as const;

/** Runs `work` on the opened project and closes it. */
export async function withProject<T>(context: Context, work: (opened: OpenProject) => Promise<T>): Promise<T> {
  await using opened = await context.host.openProject({ dir: context.dir });
  return await work(opened);
}

/** Prints an error for people, or as a document, and returns the exit code. */
export function reportError(error: unknown, output: Output): number {
  if (error instanceof RetrofillError) {
    const { code, message, hint, context } = error;
    if (output.json) output.document({ error: { code, message, hint, context } });
    process.stderr.write(`${output.paint("red", "error")} ${message}\n`);
    if (hint !== null) process.stderr.write(`  ${hint}\n`);
    return error.exitCode;
  }
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (output.json) output.document({ error: { code: "BUG", message: String(error) } });
  process.stderr.write(`unexpected error, please report it:\n${shown}\n`);
  return EXIT.bug;
}
