import { type Context, EXIT } from "../context.ts";

interface SandboxFlags {
  readonly data?: string;
  readonly port?: string;
  readonly limit?: string;
  readonly faults?: string;
  readonly seed?: string;
  readonly now?: string;
}

/** Serves until it is stopped, then prints what it counted. */
export function sandbox(flags: SandboxFlags) {
  return async ({ host, output, signal }: Context): Promise<number> => {
    const running = await host.sandbox({
      data: flags.data ?? null,
      port: Number(flags.port ?? 0),
      limit: flags.limit ?? null,
      faults: flags.faults ?? "none",
      seed: Number(flags.seed ?? 1),
      now: flags.now ?? null,
    });
    output.line(`Sandbox at ${running.url} (Polygon's contract), Ctrl-C ends it`);
    output.line(`  POLYGON_BASE_URL=${running.url} POLYGON_API_KEY=sandbox retrofill run ohlcv`);
    output.line(`  counts: ${running.url}/sandbox/report`);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const report = running.report();
    await running.close();
    output.line(JSON.stringify(report, null, 2));
    output.document(report);
    return EXIT.done;
  };
}
