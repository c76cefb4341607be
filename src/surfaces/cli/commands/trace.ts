import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import { formatInterval } from "../../../core/time/interval.ts";
import { type Release, subjectOf } from "../../../engine/decide/releases.ts";
import { findDataset, findSeries } from "../../../engine/place.ts";
import {
  type EarlierRow,
  type Origin,
  type Trace,
  type TracedInput,
  traceRow,
  type Work,
} from "../../../engine/prove/trace.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { bytes, count, type Output, plural, rowText } from "../output.ts";
import { readSlot } from "../request.ts";

/** Where the row of one slot came from, and what it was before. */
export function trace(dataset: string, key: string, time: string) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const place = await findSeries(project, findDataset(project, dataset), key);
      const traced = await traceRow(project, place, readSlot("TIME", time, place.series.axis.grid));
      print(context.output, traced, "");
      context.output.document(documentOf(traced));
      return EXIT.done;
    });
}

function print(output: Output, traced: Trace, indent: string): void {
  const line = (name: string, text: string): void => output.line(`${indent}  ${name.padEnd(9)} ${text}`);
  const { row, truth, origin, writtenBy, earlier, quarantined, released, inputs } = traced;
  output.line(
    `${indent}${output.paint("bold", traced.dataset)} v${traced.version}  ${traced.key}  ${formatInterval(traced.slot)}`,
  );
  line("row", row === null ? "none is stored" : rowText(row));
  line("truth", truth === null ? "never asked" : `${truth.state}${truth.reason === null ? "" : `: ${truth.reason}`}`);
  if (origin !== null) printOrigin(output, line, origin);
  if (writtenBy !== null) line("written", workText(writtenBy));
  for (const one of released) line("released", releaseText(one));
  for (const one of quarantined)
    line("kept out", `record ${subjectOf(one)}, ${one.reason}: ${JSON.stringify(one.record)}`);
  for (const one of earlier) line("earlier", earlierText(one));
  for (const input of inputs) {
    line("made from", inputText(input));
    if (input.own !== null) print(output, input.own, `${indent}    `);
  }
}

function printOrigin(output: Output, line: (name: string, text: string) => void, origin: Origin): void {
  const { object, body, chunk, run, plan } = origin;
  const state = { intact: "intact", changed: "CHANGED since it was received", unreadable: "CANNOT BE READ" }[body];
  const style = body === "intact" ? "green" : "red";
  line(
    "answer",
    `object ${object.ordinal}, ${plural(object.rows, "row")}, received ${formatInstant(object.receivedAt)} from ${object.source}`,
  );
  line("asked", object.target);
  line("bronze", `${object.path}  ${bytes(object.bytes)}`);
  line("", `sha256 ${object.sha256}  ${output.paint(style, state)}`);
  line(
    "chunk",
    `${chunk.id}, ${formatInterval(chunk.window)}, ${chunk.attempt === 1 ? "first attempt" : `attempt ${chunk.attempt}`}`,
  );
  line(
    "run",
    `${run.id}, ${run.mode}, ${run.status}, opened ${formatInstant(run.openedAt)} by ${run.actor}${because(run.reason)}`,
  );
  line(
    "plan",
    `${plan.id}, made ${formatInstant(plan.createdAt)} by ${plan.actor}, ${plan.kind}, ${count(plan.cost.calls)} calls`,
  );
}

function releaseText({ decision, ...record }: Release): string {
  return `record ${subjectOf(record)}, by decision ${decision.ordinal} of ${decision.actor}: ${decision.reason}`;
}

function earlierText({ row, change, object, replacedBy }: EarlierRow): string {
  const what = change === "retracted" ? "taken back" : "replaced";
  const by = replacedBy === null ? "" : ` by ${workText(replacedBy)}`;
  return `${rowText(row)}${object === null ? "" : ` (object ${object.ordinal})`}; ${what}${by}`;
}

function inputText({ dataset, key, span, rows, first, last, objects }: TracedInput): string {
  const held =
    first === null || last === null
      ? "no rows"
      : `${plural(rows, "row")} from ${formatShort(first)} to ${formatShort(last)}, of ${plural(objects.length, "object")}`;
  return `${dataset} ${key} ${formatInterval(span)}: ${held}`;
}

function workText({ chunk, run }: Work): string {
  return `${chunk.id} of a run by ${run.actor}, opened ${formatInstant(run.openedAt)}${because(run.reason)}`;
}

function because(reason: string | null): string {
  return reason === null ? "" : `: ${reason}`;
}

function documentOf(traced: Trace): object {
  const { dataset, version, key, slot, row, truth, origin, writtenBy, earlier, quarantined, released, inputs } = traced;
  return {
    dataset,
    version,
    key,
    slot: intervalOf(slot),
    row,
    truth: truth === null ? null : { ...truth, ...intervalOf(truth) },
    object: origin === null ? null : { ...objectOf(origin.object), body: origin.body },
    ...(origin === null ? { chunk: null, run: null, plan: null } : workOf(origin)),
    written_by: writtenBy === null ? null : workOf(writtenBy),
    released: released.map((one) => ({
      object_no: one.objectNo,
      row_no: one.rowNo,
      decision: one.decision.ordinal,
      actor: one.decision.actor,
      reason: one.decision.reason,
      at: formatInstant(one.decision.at),
    })),
    quarantined: quarantined.map(({ objectNo, rowNo, reason, record }) => ({
      object_no: objectNo,
      row_no: rowNo,
      reason,
      record,
    })),
    earlier: earlier.map((one) => ({
      row: one.row,
      change: one.change,
      object: one.object === null ? null : objectOf(one.object),
      replaced_by: one.replacedBy === null ? null : workOf(one.replacedBy),
    })),
    made_from: inputs.map((input) => ({
      dataset: input.dataset,
      key: input.key,
      ...intervalOf(input.span),
      rows: input.rows,
      first: input.first === null ? null : formatInstant(input.first),
      last: input.last === null ? null : formatInstant(input.last),
      objects: input.objects,
      own: input.own === null ? null : documentOf(input.own),
    })),
  };
}

function objectOf({
  ordinal,
  id,
  source,
  target,
  path,
  sha256,
  bytes,
  rows,
  page,
  answered,
  receivedAt,
}: Origin["object"]): object {
  return {
    no: ordinal,
    id,
    source,
    target,
    path,
    sha256,
    bytes,
    rows,
    page,
    answered: intervalOf(answered),
    received_at: formatInstant(receivedAt),
  };
}

function workOf({ chunk, run, plan }: Work): object {
  return {
    chunk: {
      id: chunk.id,
      kind: chunk.kind,
      round: chunk.round,
      status: chunk.status,
      attempt: chunk.attempt,
      ...intervalOf(chunk.window),
    },
    run: {
      id: run.id,
      status: run.status,
      mode: run.mode,
      actor: run.actor,
      reason: run.reason,
      opened_at: formatInstant(run.openedAt),
    },
    plan: {
      id: plan.id,
      kind: plan.kind,
      actor: plan.actor,
      reason: plan.reason,
      created_at: formatInstant(plan.createdAt),
      hash: plan.hash,
    },
  };
}

function intervalOf({ start, end }: Trace["slot"]): { readonly start: string; readonly end: string } {
  return { start: formatInstant(start), end: formatInstant(end) };
}
