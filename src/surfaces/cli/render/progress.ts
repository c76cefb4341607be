import { type Plan, plannedCalls } from "../../../core/plan/plan.ts";
import type { RunObserver, RunProgress } from "../../../engine/run/observer.ts";
import { count, duration, type Output, plural } from "../output.ts";
import { entryName } from "./entry-name.ts";

/** Without a terminal a progress line is printed this often. */
const PLAIN_EVERY_MS = 5_000;

/** Shows a run while it goes on: calls, rate, cells, time left and what goes wrong. */
export function progressObserver(output: Output, now: () => number): RunObserver {
  let total = 0;
  let done = 0;
  let calls = 0;
  let retries = 0;
  let rows = 0;
  let lastError = "";
  let cells = 0;
  let cellsTotal = 0;
  let startedAt = now();
  let lastPlain = now();
  let limit = "";
  let making: Making | null = null;
  let nameOf = (key: string): string => key;
  const perChunk = new Map<string, number>();

  const asking = (): string[] => {
    const rate = calls / (Math.max(1, now() - startedAt) / 1000);
    const left = total > done && rate > 0 ? duration(((total - done) / rate) * 1000) : "0 s";
    return [
      `${bar(done, total)} ${done}/${total} requests`,
      `${count(cells)}/${count(cellsTotal)} cells`,
      `${calls} calls at ${rate.toFixed(1)}/s of ${limit}`,
      `ETA ${left}`,
    ];
  };
  const made = ({ dataset, parts, done, since }: Making): string[] => {
    const left = done === 0 ? "?" : duration(((parts - done) * (now() - since)) / done);
    return [`${bar(done, parts)} ${done}/${parts} parts of ${dataset}`, `ETA ${left}`];
  };
  const show = (): void => {
    const parts = making === null ? asking() : made(making);
    if (rows > 0) parts.push(`${count(rows)} rows`);
    if (retries > 0) parts.push(`${retries} retried${lastError === "" ? "" : `: ${lastError}`}`);
    const text = parts.join(" · ");
    if (output.live) output.status(text);
    else if (now() - lastPlain >= PLAIN_EVERY_MS) {
      lastPlain = now();
      output.note(text);
    }
  };

  return (progress: RunProgress): void => {
    switch (progress.type) {
      case "opened":
        startedAt = now();
        limit = progress.plan.limits;
        total = plannedCalls(progress.plan);
        cellsTotal = progress.plan.cost.rows;
        learnCells(progress.plan, perChunk);
        nameOf = (key) => entryName(progress.plan, key);
        output.note(`${progress.resumed ? "Resuming" : "Run"} ${progress.run.id}`);
        break;
      case "stage":
        making = null;
        if (progress.stage === "repair") {
          total += progress.chunks;
          output.note(`Repair round ${progress.round}: asking again for ${progress.chunks} stretches`);
        }
        break;
      case "call":
        calls++;
        if (!progress.ok) {
          retries++;
          lastError = `${nameOf(progress.key)} ${progress.class}`;
        }
        break;
      case "chunk-settled":
        if (progress.event !== "defer" && progress.event !== "release") {
          done++;
          cells = Math.min(cellsTotal, cells + (perChunk.get(`${progress.key} ${progress.window.start}`) ?? 0));
        }
        if (progress.event === "failed" || progress.event === "refused") {
          output.note(`${progress.event}: ${nameOf(progress.key)} ${progress.reason ?? ""}`);
        }
        break;
      case "published":
        if (making !== null) making.done = Math.min(making.parts, making.done + 1);
        rows += progress.receipt.counts.inserted + progress.receipt.counts.updated;
        break;
      case "making":
        making = { dataset: progress.dataset, parts: progress.parts, done: 0, since: now() };
        output.note(
          `Making ${progress.dataset}: ${count(progress.series)} series in ${plural(progress.parts, "part")}`,
        );
        break;
      case "notice":
        output.note(progress.text);
        break;
      case "closed":
        output.status("");
        return;
      case "proposed":
        return;
      case "chunk-started":
      case "gaps":
      case "repaired":
      case "waiting":
        break;
      default:
        progress satisfies never;
    }
    show();
  };
}

/** A dataset that is being made, in parts of one publication each. */
interface Making {
  readonly dataset: string;
  readonly parts: number;
  done: number;
  readonly since: number;
}

function bar(done: number, total: number): string {
  const full = total === 0 ? 20 : Math.round(Math.min(1, done / total) * 20);
  return `${"█".repeat(full)}${"░".repeat(20 - full)}`;
}

/** Due slots of each planned chunk, spread evenly over its series' gap. */
function learnCells(plan: Plan, perChunk: Map<string, number>): void {
  const slots = new Map(plan.series.map((one) => [one.key, one.calls === 0 ? 0 : one.gapSlots / one.calls]));
  for (const step of plan.steps) {
    if (step.kind !== "fetch") continue;
    for (const chunk of step.chunks) perChunk.set(`${chunk.key} ${chunk.start}`, slots.get(chunk.key) ?? 0);
  }
}
