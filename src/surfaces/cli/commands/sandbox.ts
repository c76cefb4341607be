import { RetrofillError } from "../../../core/errors.ts";
import { type Context, EXIT } from "../context.ts";

interface SandboxFlags {
  readonly data?: string;
  readonly port?: string;
  readonly limit?: string;
  readonly faults?: string;
  readonly seed?: string;
  readonly now?: string;
}

/** By contract, what a project is told so that it asks the sandbox. */
const ASKED_BY: Readonly<Record<string, (url: string) => string>> = {
  polygon: (url) => `POLYGON_BASE_URL=${url} POLYGON_API_KEY=sandbox retrofill run ohlcv`,
  binance: (url) => `BINANCE_BASE_URL=${url} retrofill run ohlcv`,
  fmp: (url) => `FMP_BASE_URL=${url} FMP_API_KEY=sandbox retrofill run ohlcv.earnings`,
  klk: (url) => `KLK_BASE_URL=${url} retrofill run retail`,
  sales: (url) => `SALES_BASE_URL=${url} SALES_API_KEY=sandbox retrofill run retail`,
};

/** Serves until it is stopped, then prints what it counted. */
export function sandbox(flags: SandboxFlags) {
  return async ({ host, output, signal }: Context): Promise<number> => {
    const running = await host.sandbox({
      data: flags.data ?? null,
      port: whole("--port", flags.port ?? "0"),
      limit: flags.limit ?? null,
      faults: flags.faults ?? "none",
      seed: whole("--seed", flags.seed ?? "1"),
      now: flags.now ?? null,
    });
    // With --json stdout is kept for the counts at the end; the address is needed now.
    const say = output.json ? (text: string): void => void process.stderr.write(`${text}\n`) : output.line;
    const { url, contracts } = running;
    say(`Sandbox at ${url} (${contracts.join(", ")}), Ctrl-C ends it`);
    for (const contract of contracts) {
      const asked = ASKED_BY[contract];
      if (asked !== undefined) say(`  ${asked(url)}`);
    }
    say(`  counts: ${url}/sandbox/report`);
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

function whole(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RetrofillError("USAGE", `${flag} ${text}: expected a whole number`);
}
