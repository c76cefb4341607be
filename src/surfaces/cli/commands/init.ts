import { type Context, EXIT } from "../context.ts";

/** Writes a project and says what to type next. */
export function init(dir: string, flags: Record<string, unknown>) {
  return async ({ host, output }: Context): Promise<number> => {
    const made = await host.init({ dir, pipelines: flags.pipeline as readonly string[] });
    output.line(`${output.paint("bold", "Project")} ${made.dir}`);
    output.line(`  wrote   ${made.files.join(", ")}`);
    output.line(`  source  ${made.source}`);
    output.line("Next:");
    for (const note of made.notes) output.line(`  ${note}`);
    output.document(made);
    return EXIT.done;
  };
}
