import type { SandboxSet } from "../../scripts/sandbox-data.ts";
import { type Expected, expectedOf } from "./expected.ts";
import { RealProject } from "./project.ts";
import type { RawBar } from "./raw-bars.ts";
import { dayAfter, RealFiles, type RealSeries, type Truth } from "./real-series.ts";

/** Series that are asked for together. */
export interface Scope {
  readonly series: readonly RealSeries[];
  /** Timeframes asked for: the files' own and built ones. */
  readonly timeframes: readonly string[];
  /** End of what is asked for. */
  readonly to: string;
}

export interface SetOptions {
  readonly root: string;
  readonly set: SandboxSet;
  readonly now: string;
  /** What is asked for, in this order; it may depend on what the files hold. */
  readonly scopes: (barsOf: (series: RealSeries) => Promise<readonly RawBar[]>) => Promise<readonly Scope[]>;
  /** First days of symbols that are followed from later than their files reach, ends of those that end before them. */
  readonly starts?: Readonly<Record<string, string>>;
  readonly ends?: Readonly<Record<string, string>>;
}

/** What `run --json` answers. */
export interface RunDocument {
  readonly status: string;
  readonly calls: Readonly<Record<"planned" | "made" | "retried" | "repaired", number>>;
  readonly cells: Readonly<Record<"due" | "covered_after" | "verified_empty" | "failed" | "refused", number>>;
  readonly rows: Readonly<
    Record<"received" | "inserted" | "updated" | "duplicate" | "quarantined" | "retracted", number>
  >;
  readonly gaps: Readonly<Record<"before" | "after", number>>;
  readonly repairs: Readonly<Record<"detected" | "retried" | "filled", number>>;
}

interface GapSpan {
  readonly key: string;
  readonly start: string;
  readonly end: string;
}

/** What `gaps --json` answers. */
interface GapsDocument {
  readonly gaps: readonly (GapSpan & { readonly cause: string; readonly slots: number })[];
  readonly empty_at_source: readonly GapSpan[];
  readonly refused: readonly GapSpan[];
}

/** What `coverage --json` answers of one series. */
type CoverageLine = { readonly key: string } & Readonly<
  Record<"due" | "covered" | "verified_empty" | "gap" | "failed" | "refused", number>
>;

/** One series: what its files say, and what is stored and shown of it. */
export interface Finding extends Truth {
  readonly key: string;
  readonly expected: Expected;
  /** Due slots whose bar cannot be: kept out, and gaps until somebody decides. */
  readonly blocked: number;
  readonly stored: readonly RawBar[];
  readonly coverage: CoverageLine;
  /** After the first run, and after a second one had asked for what its repair allowance left. */
  readonly first: GapsDocument;
  readonly settled: GapsDocument;
}

interface Runs {
  readonly scope: Scope;
  readonly exit: number;
  readonly run: RunDocument;
  readonly again: RunDocument;
  readonly findings: readonly Finding[];
}

/** A set of real files, filled through the command line and counted by hand. */
export class FilledSet {
  readonly name: string;
  readonly project: RealProject;
  readonly runs: Runs[] = [];

  private constructor(name: string, project: RealProject) {
    this.name = name;
    this.project = project;
  }

  static async fill(options: SetOptions): Promise<FilledSet> {
    const { root, set, now, starts = {}, ends = {} } = options;
    const files = new RealFiles(root, set);
    const read = new Map<RealSeries, readonly RawBar[]>();
    const barsOf = async (series: RealSeries): Promise<readonly RawBar[]> => {
      const bars = read.get(series) ?? (await files.bars(series));
      read.set(series, bars);
      return bars;
    };
    const scopes = await options.scopes(barsOf);
    const symbols = new Map<string, { timeframes: Set<string>; end: string }>();
    for (const { series, timeframes } of scopes) {
      for (const one of series) {
        const bars = await barsOf(one);
        const known = symbols.get(one.symbol) ?? { timeframes: new Set(), end: "" };
        for (const timeframe of timeframes) known.timeframes.add(timeframe);
        const end = ends[one.symbol] ?? dayAfter(one, bars);
        symbols.set(one.symbol, { ...known, end: [known.end, end].sort()[1] ?? end });
      }
    }
    const project = await RealProject.make({
      root,
      set,
      now,
      symbols: [...symbols].map(([symbol, { timeframes, end }]) => {
        return { symbol, timeframes: [...timeframes], start: starts[symbol] ?? null, end };
      }),
    });
    const filled = new FilledSet(set, project);
    for (const scope of scopes) {
      await filled.#fill(scope, (series, timeframe) => {
        const life = {
          start: starts[series.symbol] ?? null,
          end: symbols.get(series.symbol)?.end ?? "",
          to: scope.to,
          now,
        };
        return files.truth(series, timeframe, read.get(series) ?? [], life);
      });
    }
    return filled;
  }

  async #fill(scope: Scope, truthOf: (series: RealSeries, timeframe: string) => Truth): Promise<void> {
    const symbols = scope.series.map(({ symbol }) => symbol).join(",");
    const flags = ["ohlcv", "--symbols", symbols, "--timeframes", scope.timeframes.join(","), "--to", scope.to];
    const { exit, document: run } = await this.project.command<RunDocument>("run", ...flags);
    const { document: first } = await this.project.command<GapsDocument>("gaps", ...flags);
    const { document: coverage } = await this.project.command<{ series: readonly CoverageLine[] }>(
      "coverage",
      ...flags,
    );
    const { document: again } = await this.project.command<RunDocument>("run", ...flags);
    const { document: settled } = await this.project.command<GapsDocument>("gaps", ...flags);
    const findings: Finding[] = [];
    for (const series of scope.series) {
      for (const timeframe of scope.timeframes) {
        const truth = truthOf(series, timeframe);
        const key = `${series.symbol}/${timeframe}`;
        const line = coverage.series.find((one) => one.key === key);
        if (!line) throw new Error(`coverage does not list ${key}`);
        const own = <T extends GapSpan>(spans: readonly T[]): readonly T[] => spans.filter((one) => one.key === key);
        const of = ({ gaps, empty_at_source, refused }: GapsDocument): GapsDocument => {
          return { gaps: own(gaps), empty_at_source: own(empty_at_source), refused: own(refused) };
        };
        const known = new Set([...truth.bars.map(({ t }) => t), ...truth.impossible]);
        findings.push({
          ...truth,
          key,
          expected: expectedOf(truth.axis, known, truth.bounds),
          blocked: truth.impossible.length,
          stored: await this.project.stored(series.symbol, timeframe),
          coverage: line,
          first: of(first),
          settled: of(settled),
        });
      }
    }
    this.runs.push({ scope, exit, run, again, findings });
  }

  /** Every series. */
  get findings(): readonly Finding[] {
    return this.runs.flatMap(({ findings }) => findings);
  }

  of(key: string): Finding {
    const found = this.findings.find((one) => one.key === key);
    if (!found) throw new Error(`${key} was not filled`);
    return found;
  }

  /** What was found, as tables for the person who runs this. */
  print(): void {
    console.log(`${this.name}: what was asked, and what is there`);
    console.table(
      this.runs.map(({ scope, run, again }) => ({
        asked: `${scope.series.length} x ${scope.timeframes.join(" ")} to ${scope.to}`,
        status: run.status,
        planned: run.calls.planned,
        repaired: run.calls.repaired,
        silences: run.repairs.detected,
        "asked again": run.repairs.retried,
        "left, slots": run.gaps.after,
        "2nd run planned": again.calls.planned,
        "2nd run left": again.gaps.after,
      })),
    );
    const lacking = this.findings.filter(({ expected, blocked }) => expected.absent + blocked > 0);
    console.log(`${this.findings.length} series, ${lacking.length} of them lack bars:`);
    console.table(
      lacking.map(({ key, expected, bars, stored, blocked }) => ({
        series: key,
        bars: bars.length,
        stored: stored.length,
        due: expected.due,
        absent: expected.absent,
        sessions: expected.sessions,
        "ordinary up to": expected.limit ?? "a session",
        "longest ordinary": expected.quiet.slice(0, 3).join(" "),
        silences: expected.silences.length,
        "silent slots": silentSlots(expected),
        impossible: blocked,
      })),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.project[Symbol.asyncDispose]();
  }
}

/** Due slots in suspect silences. */
export function silentSlots({ silences }: Expected): number {
  return silences.reduce((sum, one) => sum + one.slots, 0);
}
