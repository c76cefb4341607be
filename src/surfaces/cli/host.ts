import type { Http } from "../../engine/fetch/http.ts";
import type { Project, Provider } from "../../engine/project.ts";
import type { Audit, FileCopies } from "../../engine/prove/ports.ts";

/** What the command line needs from the composition root. */
export interface Host {
  readonly version: string;
  openProject(options: { readonly dir: string | null }): Promise<OpenProject>;
  init(options: InitOptions): Promise<InitResult>;
  sandbox(options: SandboxOptions): Promise<RunningSandbox>;
}

export interface OpenProject extends AsyncDisposable {
  readonly project: Project;
  readonly audit: Audit;
  readonly copies: FileCopies;
  /** Connects to a provider; starts the sandbox where the configuration names it. */
  connect(provider: Provider): Promise<Http>;
  /** What the business clock is pinned to, as text, or null. */
  readonly pinnedNow: string | null;
}

export interface InitOptions {
  readonly dir: string;
  readonly pipelines: readonly string[];
}

export interface InitResult {
  readonly dir: string;
  readonly files: readonly string[];
  readonly source: string;
  readonly notes: readonly string[];
}

export interface SandboxOptions {
  readonly data: string | null;
  readonly port: number;
  readonly limit: string | null;
  readonly faults: string;
  readonly seed: number;
  readonly now: string | null;
}

export interface RunningSandbox {
  readonly url: string;
  /** Names of the contracts that its data directory serves. */
  readonly contracts: readonly string[];
  report(): unknown;
  close(): Promise<void>;
}
