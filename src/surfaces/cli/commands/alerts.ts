import { evaluate } from "../../../core/alerts/evaluate.ts";
import { nearestNames, RetrofillError } from "../../../core/errors.ts";
import { formatShort, MINUTE, SECOND } from "../../../core/time/instant.ts";
import { deliverOutbox } from "../../../engine/alert/deliver-outbox.ts";
import { factsNow } from "../../../engine/alert/facts.ts";
import type { Channel, OutboxEntry } from "../../../engine/alert/ports.ts";
import { tell } from "../../../engine/alert/tell.ts";
import { testChannel } from "../../../engine/alert/test-channel.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { plural, table } from "../output.ts";

/** Nothing else waits for these commands, so a slow receiver gets its time. */
const PATIENT = { budgetMs: MINUTE, requestMs: 10 * SECOND };

/** Enough for a screen; older ones are in `alerts.log`. */
const LISTED = 200;

/** Conditions that hold and messages that nobody got; with `--all` the last messages of every kind. */
export function list(flags: { readonly all?: boolean }) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project: { alerts } }) => {
      const { output } = context;
      const entries = await alerts.outbox.list({ all: flags.all === true, limit: LISTED });
      if (entries.length === 0)
        output.line(flags.all === true ? "No alerts yet." : "Nothing is wrong, as far as is known.");
      else {
        const rows = entries.map((one) => [
          formatShort(one.createdAt),
          one.severity,
          one.channel,
          standingText(one),
          one.title,
        ]);
        for (const line of table(["AT", "SEVERITY", "CHANNEL", "MESSAGE", "ALERT"], rows)) output.line(line);
      }
      output.document(entries);
      return EXIT.done;
    });
}

/** Judges staleness, gaps and quotas as they are now, and delivers. Exit 4 when some message stays. */
export function check() {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const { output } = context;
      const facts = await factsNow(project);
      const found = evaluate(project.alerts.rules, facts);
      const told = await tell(project, facts, PATIENT);
      const judged = plural(facts.datasets.length, "dataset");
      if (found.length === 0) output.line(`${judged} judged: nothing is wrong.`);
      else {
        output.line(`${judged} judged:`);
        for (const { severity, title } of found) output.line(`  ${severity.padEnd(8)}  ${title}`);
      }
      for (const problem of told.problems) output.line(`  ${problem}`);
      output.document({ datasets: facts.datasets.map((one) => one.dataset), alerts: found, delivery: told });
      return told.problems.length > 0 ? EXIT.failed : EXIT.done;
    });
}

/** Delivers what is due; with `--retry` also what waits for its next try and what was given up. Exit 4 when some stays. */
export function deliver(flags: { readonly retry?: boolean }) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const { output } = context;
      const { alerts } = project;
      if (flags.retry === true) await alerts.outbox.retry();
      const done = await deliverOutbox({ ...alerts, clock: project.clock, random: project.random, ...PATIENT });
      const parts = [`${plural(done.sent, "message")} delivered`];
      if (done.waiting > 0) parts.push(`${done.waiting} to be tried again`);
      if (done.givenUp > 0) parts.push(`${done.givenUp} given up`);
      output.line(`${parts.join(", ")}.`);
      for (const problem of done.problems) output.line(`  ${problem}`);
      output.document(done);
      return done.problems.length > 0 ? EXIT.failed : EXIT.done;
    });
}

/** Sends a test message on one channel, past the outbox. */
export function test(name: string) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const outcome = await testChannel(requireChannel(project.alerts.channels, name), project.clock);
      const { output } = context;
      const isSent = outcome.kind === "sent";
      output.line(
        isSent ? `${name} took the test message.` : `${name} did not take the test message: ${outcome.reason}`,
      );
      output.document({ channel: name, ...outcome });
      return isSent ? EXIT.done : EXIT.failed;
    });
}

function standingText({ kind, status, attempt, nextAt, reason }: OutboxEntry): string {
  const why = reason === null ? "" : `: ${reason}`;
  if (status === "sent") return kind === "raised" ? "told" : "told it ended";
  if (status === "given-up") return `given up${why}`;
  return attempt === 0 ? "waits" : `tried ${attempt}x, next ${nextAt === null ? "" : formatShort(nextAt)}${why}`;
}

function requireChannel(channels: readonly Channel[], name: string): Channel {
  const found = channels.find((one) => one.name === name);
  if (found) return found;
  const names = channels.map((one) => one.name);
  const near = nearestNames(name, names);
  throw new RetrofillError("USAGE", `no channel is called ${name}`, {
    hint: near.length > 0 ? `did you mean ${near.join(", ")}?` : `known: ${names.join(", ")}`,
  });
}
