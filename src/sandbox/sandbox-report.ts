import type { WindowReport } from "./arrival-windows.ts";
import type { FaultKind } from "./faults.ts";
import type { GateReport } from "./provider.ts";

/** What the sandbox saw, counted at its own door. */
export interface SandboxReport {
  /** Requests that arrived, refused ones included; the sandbox's own paths are not counted. */
  readonly requests: number;
  /** Requests answered with all of a 200 that holds what was asked. */
  readonly answered: number;
  readonly byStatus: Readonly<Record<string, number>>;
  /** Requests by kind of path, for example `aggregates`. */
  readonly byPath: Readonly<Record<string, number>>;
  readonly windows: readonly WindowReport[];
  /** As `windows`, for providers that limit otherwise than by requests per key. */
  readonly gates: readonly GateReport[];
  /** Answered requests asked again at the same present, by method, path and query without the key. */
  readonly repeated: {
    /** Answers beyond the first, over all requests. */
    readonly count: number;
    /** The first 20 of them. */
    readonly first: readonly { readonly request: string; readonly answers: number }[];
  };
  /** Faults injected, by kind. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** What went wrong in the sandbox itself, such as a data file that could not be read. */
  readonly problems: readonly string[];
}

const LISTED_REPEATS = 20;

/** Counts what the server reports to it. */
export class Tally {
  #requests = 0;
  #answered = 0;
  #repeats = 0;
  readonly #byStatus = new Map<string, number>();
  readonly #byPath = new Map<string, number>();
  readonly #faults = new Map<FaultKind, number>();
  readonly #answers = new Map<string, number>();
  readonly #problems: string[] = [];
  #present = 0;

  /** The sandbox's present has been moved: what is asked from now on is a new question. */
  moved(): void {
    this.#present++;
  }

  arrived(pathKind: string): void {
    this.#requests++;
    increase(this.#byPath, pathKind);
  }

  sent(status: number): void {
    increase(this.#byStatus, String(status));
  }

  answered(request: string): void {
    this.#answered++;
    if (increase(this.#answers, `${this.#present} ${request}`) > 1) this.#repeats++;
  }

  injected(kind: FaultKind): void {
    increase(this.#faults, kind);
  }

  failed(problem: string): void {
    this.#problems.push(problem);
  }

  report(windows: readonly WindowReport[], gates: readonly GateReport[]): SandboxReport {
    const repeated = [...this.#answers].filter(([, answers]) => answers > 1).slice(0, LISTED_REPEATS);
    return {
      requests: this.#requests,
      answered: this.#answered,
      byStatus: Object.fromEntries(this.#byStatus),
      byPath: Object.fromEntries(this.#byPath),
      windows,
      gates,
      repeated: { count: this.#repeats, first: repeated.map(listed) },
      faults: Object.fromEntries(this.#faults),
      problems: [...this.#problems],
    };
  }
}

function listed([question, answers]: [string, number]): { readonly request: string; readonly answers: number } {
  return { request: question.slice(question.indexOf(" ") + 1), answers };
}

function increase<K>(counts: Map<K, number>, key: K): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}
