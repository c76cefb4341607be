import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { DuckDBConnection } from "@duckdb/node-api";
import Database from "libsql";

/**
 * Where a process ends itself with SIGKILL, at the `nth` time it gets there.
 *
 * - `ledger.commitPage`, `bronze.put`, `store.publish`, `http.send`…: a method; `inside` a ledger method is the moment
 *   before its transaction's commit.
 * - `duckdb`: a statement that matches `text`; `inside` is while it runs.
 * - `rename`: a file that gets its final name, which matches `text`.
 */
export interface KillPoint {
  readonly at: string;
  readonly when: "before" | "inside" | "after";
  readonly nth: number;
  /** A pattern, for statements and files. */
  readonly text?: string;
}

export type Watch = <T extends object>(name: string, target: T) => T;

/** Arms the process for `point`; what it returns wraps the objects whose methods may be the place. */
export async function watchPoint(point: KillPoint | null, onKill: (name: string) => void): Promise<Watch> {
  if (point === null) return (_, target) => target;
  const name = pointName(point);
  let seen = 0;
  const die = (): void => {
    onKill(name);
    process.kill(process.pid, "SIGKILL");
  };
  const isTurn = (): boolean => ++seen === point.nth;
  const pattern = new RegExp(point.text ?? "", "i");
  if (point.at === "duckdb") watchDuckDb(point, pattern, isTurn, die);
  if (point.at === "rename") watchRename(point, pattern, isTurn, die);
  const armed = { commit: false };
  if (point.at.startsWith("ledger.") && point.when === "inside") watchCommit(armed, die);
  return (prefix, target) =>
    new Proxy(target, {
      get(object, property, receiver) {
        const value: unknown = Reflect.get(object, property, receiver);
        if (typeof value !== "function" || point.at !== `${prefix}.${String(property)}`) return value;
        return (...args: unknown[]): unknown => {
          const isIt = isTurn();
          if (isIt && point.when === "before") die();
          if (isIt && point.when === "inside") armed.commit = true;
          const result: unknown = value.apply(object, args);
          if (isIt && point.when === "inside" && prefix !== "ledger") setImmediate(die);
          if (isIt && point.when === "after") return Promise.resolve(result).finally(die);
          return result;
        };
      },
    });
}

/** A kill point in words. */
export function pointName(point: Pick<KillPoint, "at" | "when" | "text">): string {
  return `${point.when} ${point.at}${point.text === undefined ? "" : ` /${point.text}/`}`;
}

function watchDuckDb(point: KillPoint, pattern: RegExp, isTurn: () => boolean, die: () => void): void {
  const { run } = DuckDBConnection.prototype;
  DuckDBConnection.prototype.run = async function (this: DuckDBConnection, ...args: Parameters<typeof run>) {
    if (!pattern.test(args[0].trim()) || !isTurn()) return run.apply(this, args);
    if (point.when === "before") die();
    const running = run.apply(this, args);
    if (point.when === "inside") spin(200, die);
    const result = await running;
    die();
    return result;
  };
}

function watchRename(point: KillPoint, pattern: RegExp, isTurn: () => boolean, die: () => void): void {
  const { rename } = fs;
  fs.rename = async (from, to) => {
    const isIt = pattern.test(String(to)) && isTurn();
    if (isIt && point.when === "before") die();
    await rename(from, to);
    if (isIt) die();
  };
  syncBuiltinESMExports();
}

function watchCommit(armed: { commit: boolean }, die: () => void): void {
  type Statement = Record<"run" | "all", (...args: unknown[]) => unknown>;
  const prototype = Database.prototype as unknown as { prepare(sql: string): Statement };
  const { prepare } = prototype;
  prototype.prepare = function (this: unknown, sql: string) {
    const statement = prepare.call(this, sql);
    if (sql !== "commit") return statement;
    for (const method of ["run", "all"] as const) {
      const original = statement[method];
      statement[method] = (...args) => {
        if (armed.commit) die();
        return original.apply(statement, args);
      };
    }
    return statement;
  };
}

/** Lets other threads work for some microseconds. */
function spin(us: number, then: () => void): void {
  const until = performance.now() + us / 1_000;
  while (performance.now() < until);
  then();
}
