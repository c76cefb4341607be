import { resolve } from "node:path";
import { parseLimits } from "./core/budget/limits.ts";
import { RetrofillError } from "./core/errors.ts";
import type { Instant } from "./core/time/instant.ts";
import type { Clock } from "./engine/ports.ts";
import type { Sandbox } from "./sandbox/start-sandbox.ts";

/** What connections of a project need to know of it. */
export interface ConnectedProject {
  readonly dir: string;
  readonly clock: Clock;
  readonly now: () => Instant;
}

/** A sandbox as a configuration names it. */
export interface SandboxSource {
  readonly data: string;
  readonly limit?: string | undefined;
  readonly faults: string | Readonly<Record<string, number>>;
  readonly seed: number;
  readonly latencyMs: number;
}

/** Starts the sandbox of a project on a free loopback port, its present at business now. */
export async function startProjectSandbox(project: ConnectedProject, source: SandboxSource): Promise<Sandbox> {
  const { startSandbox } = await import("./sandbox/start-sandbox.ts");
  return startSandbox({
    dataDir: resolve(project.dir, source.data),
    faults: typeof source.faults === "string" ? source.faults : { ...source.faults },
    seed: source.seed,
    nowMs: project.now(),
    latencyMs: source.latencyMs,
    ...(source.limit === undefined ? {} : { limits: parseLimits(source.limit) }),
  }).catch(sandboxProblem);
}

/** The sandbox knows nothing of the engine's errors: what is wrong with its data, faults or port is the user's to see. */
export function sandboxProblem(cause: unknown): never {
  const { message } = cause as Error;
  throw new RetrofillError("CONFIG_INVALID", `the sandbox cannot start: ${message}`, { cause });
}
