import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { connectFiles } from "./bind-files.ts";
import { parseLimits, type RateLimit } from "./core/budget/limits.ts";
import { RetrofillError } from "./core/errors.ts";
import type { Instant } from "./core/time/instant.ts";
import type { Http, HttpOptions } from "./engine/fetch/http.ts";
import type { Clock } from "./engine/ports.ts";
import type { Provider } from "./engine/project.ts";

/** Where a project lies, and whom it tells what is wrong with its files. */
export interface ProjectPlace {
  readonly dir: string;
  readonly stateDir: string;
  readonly note: (line: string) => void;
}

/** A sandbox as a configuration names it. */
interface SandboxSource {
  readonly kind: "sandbox";
  readonly data: string;
  readonly limit?: string | undefined;
  readonly faults: string | Readonly<Record<string, number>>;
  readonly seed: number;
  readonly latencyMs: number;
}

/** What the configurations of all pipelines say of those whom they ask. */
interface AskingConfig {
  readonly source: SandboxSource | { readonly kind: string };
  readonly backoff: Provider["backoff"];
  readonly timeouts: Required<NonNullable<HttpOptions["timeouts"]>>;
}

/**
 * A provider under the name of its place: who has a key is one credential wherever it is used, and the key itself is
 * nowhere to be read.
 */
export function providerOf(
  { backoff, timeouts }: AskingConfig,
  who: {
    readonly name: string;
    readonly place: string;
    readonly key: string | undefined;
    readonly limits: readonly RateLimit[];
  },
): Provider {
  const { name, place, key, limits } = who;
  return {
    name,
    credential: key === undefined ? place : `${name}:${createHash("sha256").update(key).digest("hex").slice(0, 12)}`,
    limits,
    backoff,
    answerMs: timeouts.connectMs + timeouts.headersMs + timeouts.bodyMs,
    isFree: false,
  };
}

/** Where a pipeline's provider is, and how it knows who asks. */
export interface Address {
  readonly baseUrl: string;
  readonly authHeader: { readonly name: string; readonly value: string } | null;
}

/** Tells the address of a provider; `sandboxUrl` is that of the project's sandbox where the configuration names it. */
export type AddressOf = (
  provider: Provider,
  sandboxUrl: string | null,
  setting: (variable: string, value: string | undefined) => string,
) => Address;

/** What is open to the providers of one pipeline: connections, and the sandbox where the configuration names it. */
export class Connections implements AsyncDisposable {
  readonly #project: { readonly dir: string; readonly clock: Clock; readonly now: () => Instant };
  readonly #config: AskingConfig;
  readonly #addressOf: AddressOf;
  readonly #open: AsyncDisposable[] = [];
  #sandboxUrl: Promise<string> | null = null;

  constructor(
    project: { readonly dir: string; readonly clock: Clock; readonly now: () => Instant },
    config: AskingConfig,
    addressOf: AddressOf,
  ) {
    this.#project = project;
    this.#config = config;
    this.#addressOf = addressOf;
  }

  /** A client of one provider. @throws RetrofillError SOURCE_UNCONFIGURED */
  async connect(provider: Provider): Promise<Http> {
    if (provider.isFree) return connectFiles(this.#project);
    const { source, timeouts } = this.#config;
    const sandboxUrl = isSandbox(source) ? await this.#sandbox(source) : null;
    const address = this.#addressOf(provider, sandboxUrl, (variable, value) => this.#setting(variable, value));
    const { createHttp } = await import("./engine/fetch/http.ts");
    const http = createHttp({ ...address, clock: this.#project.clock, timeouts });
    this.#open.push(http);
    return http;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.reverse()) await one[Symbol.asyncDispose]();
  }

  #setting(variable: string, value: string | undefined): string {
    if (value) return value;
    throw new RetrofillError("SOURCE_UNCONFIGURED", `${variable} is not set`, {
      hint: `put ${variable}=… into ${join(this.#project.dir, ".env")}, or use the sandbox as the source`,
    });
  }

  /** The sandbox on a free loopback port, its present at business now. */
  #sandbox(source: SandboxSource): Promise<string> {
    this.#sandboxUrl ??= this.#startSandbox(source);
    return this.#sandboxUrl;
  }

  async #startSandbox({ data, faults, seed, latencyMs, limit }: SandboxSource): Promise<string> {
    const { startSandbox } = await import("./sandbox/start-sandbox.ts");
    const sandbox = await startSandbox({
      dataDir: resolve(this.#project.dir, data),
      faults: typeof faults === "string" ? faults : { ...faults },
      seed,
      nowMs: this.#project.now(),
      latencyMs,
      ...(limit === undefined ? {} : { limits: parseLimits(limit) }),
    }).catch(sandboxProblem);
    this.#open.push(sandbox);
    return sandbox.url;
  }
}

function isSandbox(source: AskingConfig["source"]): source is SandboxSource {
  return source.kind === "sandbox";
}

/** The sandbox knows nothing of the engine's errors: what is wrong with its data, faults or port is the user's to see. */
export function sandboxProblem(cause: unknown): never {
  const { message } = cause as Error;
  throw new RetrofillError("CONFIG_INVALID", `the sandbox cannot start: ${message}`, { cause });
}
