import { Command, CommanderError, Option } from "commander";
import type { RegistryField } from "../../core/dataset/pipeline.ts";
import { RetrofillError } from "../../core/errors.ts";
import { SYMBOL_FIELDS } from "../../pipelines/ohlcv/registry.ts";
import { STORE_FIELDS } from "../../pipelines/retail/registry.ts";
import type { ExportFlags } from "./commands/export.ts";
import type { WaiveFlags } from "./commands/waive.ts";
import { type Context, EXIT, reportError } from "./context.ts";
import { markDashedText, unmarked } from "./dashed-text.ts";
import type { Host } from "./host.ts";
import { createOutput } from "./output.ts";

interface GlobalFlags {
  readonly project?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly color?: boolean;
}

type Action = (context: Context) => Promise<number>;

/** Parses the command line, performs the command and returns the exit code. Commands are loaded when they are used. */
export async function runCli(argv: readonly string[], host: Host): Promise<number> {
  let exit: number = EXIT.done;
  const perform = async (command: Command, action: Action): Promise<void> => {
    const flags = command.optsWithGlobals<GlobalFlags>();
    const output = createOutput({
      json: flags.json === true,
      quiet: flags.quiet === true,
      color: flags.color !== false,
    });
    const interrupt = new AbortController();
    const onSignal = (): void => {
      if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
      output.note("\nstopping: finishing or releasing what is in flight (again to quit at once)");
      interrupt.abort(new Error("interrupted"));
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
    try {
      exit = await action({ host, output, dir: flags.project ?? null, signal: interrupt.signal });
    } catch (error) {
      exit =
        interrupt.signal.aborted && !(error instanceof RetrofillError) ? EXIT.interrupted : reportError(error, output);
    } finally {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    }
  };

  const program = buildProgram(host, perform);
  try {
    await program.parseAsync([...markDashedText(argv)], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    // The command line could not be read, so neither could its --json: whether it is there decides.
    const json = argv.includes("--json");
    createOutput({ json, quiet: true, color: false }).document({
      error: {
        code: "USAGE",
        message: unmarked(error.message).replace(/^error: /, ""),
        hint: "retrofill --help",
        context: {},
      },
    });
    return EXIT.usage;
  }
  return exit;
}

type Perform = (command: Command, action: Action) => Promise<void>;

function buildProgram(host: Host, perform: Perform): Command {
  const program = new Command("retrofill")
    .description("Declare your datasets; know what is missing, price the plan, fill it politely, prove what was done.")
    .version(host.version)
    .option("--project <dir>", "the project's folder (default: the nearest retrofill.config.ts)")
    .option("--json", "one JSON document on stdout; progress and notes on stderr")
    .option("--quiet", "no progress")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Environment:
  POLYGON_API_KEY   key of the real provider, also from .env; without one, init uses the sandbox
  POLYGON_BASE_URL  its address, when not https://api.polygon.io
  POLYGON_LIMIT     its limits, such as 5/min or 50/s,10000/day
  BINANCE_BASE_URL  Binance's address, when not https://data-api.binance.vision (no key)
  KLK_BASE_URL      address of the stores' KLK endpoint, such as http://host:7002 (no key)
  SALES_BASE_URL    address of the paged sales endpoint; its key is SALES_API_KEY
  FMP_API_KEY       key of FMP for earnings reports; FMP_LIMIT and FMP_BASE_URL as above
  RETROFILL_NOW     pins the business clock: which slots are due
  RETROFILL_ACTOR   who is named in the ledger (default: the OS user)

Exit codes: 0 complete · 2 usage · 3 incomplete · 4 failed · 5 refused · 130 interrupted, resumable`,
    )
    .exitOverride()
    .configureOutput({ writeErr: (text) => process.stderr.write(unmarked(text)) });

  const on = (
    command: Command,
    load: (args: readonly string[], flags: Record<string, unknown>) => Promise<Action>,
  ): Command =>
    command.action(async (...parameters: unknown[]) => {
      const self = parameters[parameters.length - 1] as Command;
      const flags = Object.entries(self.opts()).map(([name, value]) => [name, unmarked(value)]);
      const action = await load(unmarked(self.args), Object.fromEntries(flags));
      await perform(self, action);
    });

  on(
    program
      .command("init [dir]")
      .description("write a project: configuration, source, sample data when no key is set")
      .option("--pipeline <names...>", "pipelines to declare", ["ohlcv"])
      .option("--yes", "ask nothing"),
    async ([dir], flags) => (await import("./commands/init.ts")).init(dir ?? ".", flags),
  );
  addRegistry(program, "symbols", SYMBOL_FIELDS, on);
  addRegistry(program, "stores", STORE_FIELDS, on);
  on(
    program
      .command("datasets")
      .description("what is declared: layer, grain, version, coverage")
      .option("--jobs", "the catalogue of named jobs"),
    async (_, flags) => (await import("./commands/datasets.ts")).datasets(flags),
  );
  on(
    withScope(program.command("coverage [selector]").description("completeness matrix, keys by timeframes"))
      .addOption(
        new Option("--format <format>", "how to write it").choices(["table", "json", "md", "html"]).default("table"),
      )
      .option("--out <file>", "where the html page goes (default: coverage.html)")
      .option("--check", "exit 3 when there are gaps"),
    async ([selector], flags) => (await import("./commands/coverage.ts")).coverage(selector ?? null, flags),
  );
  on(
    withScope(
      program
        .command("gaps [selector]")
        .description("gaps with reasons, patterns, what is empty or refused at the source"),
    )
      .option("--check", "exit 3 when there are gaps")
      .option("--report <file>", "retail: write the plan document there, with table, patterns, phases and commands"),
    async ([selector], flags) => (await import("./commands/gaps.ts")).gaps(selector ?? null, flags),
  );
  on(
    withPlan(
      program.command("plan <selector>").description("make a plan, store it and print it; changes nothing else"),
    ),
    async ([selector], flags) => (await import("./commands/plan.ts")).plan(selector ?? "", flags),
  );
  on(
    program.command("why <plan> <cell>").description("the chain of reasons for one cell, such as AAPL/1d@2026-01-30"),
    async ([plan, cell]) => (await import("./commands/why.ts")).why(plan ?? "", cell ?? ""),
  );
  on(
    program
      .command("apply <plan>")
      .description("perform a stored plan; refuses when it expired or the world moved")
      .option("--results <file>", "write the results document there too"),
    async ([plan], flags) => (await import("./commands/run.ts")).apply(plan ?? "", flags),
  );
  on(
    withPlan(program.command("run <selector>").description("plan, confirm, apply: a dataset, a pipeline or a job"))
      .option("--yes", "do not ask")
      .option("--phases", "retail: the phases of the gap plan one after the other, under their headings")
      .option("--on-error <what>", "retail, by phases: stop at the first that fails, or continue")
      .option("--results <file>", "write the results document there too"),
    async ([selector], flags) =>
      flags.phases === true || flags.onError !== undefined
        ? (await import("./commands/phases.ts")).runPhases(selector ?? "", flags)
        : (await import("./commands/run.ts")).run(selector ?? "", flags),
  );
  on(
    withScope(program.command("reprocess <selector>").description("make rows anew from bronze: 0 API calls"))
      .option("--reason <text>", "kept with the run")
      .option("--yes", "do not ask"),
    async ([selector], flags) => (await import("./commands/run.ts")).reprocess(selector ?? "", flags),
  );
  on(
    program
      .command("revert <run>")
      .description("take back what a run did: its rows stand as before it, its answers are excluded")
      .option("--reason <text>", "why; kept with the decision")
      .option("--yes", "do not ask"),
    async ([run], flags) => (await import("./commands/run.ts")).revert(run ?? "", flags),
  );
  addRuns(program, on);
  on(
    withScope(
      program.command("verify [selector]").description("ledger against stored data; exit 3 gaps, 4 disputed"),
    ).option("--queries", "print the verification queries and what they answer"),
    async ([selector], flags) => (await import("./commands/verify.ts")).verify(selector ?? null, flags),
  );
  addAlerts(program, on);
  addProof(program, on);
  addDecisions(program, on);
  addQuarantine(program, on);
  addCopies(program, on);
  const audit = program.command("audit").description("the proof");
  on(
    audit
      .command("verify")
      .description("recompute chains, rebuild coverage and totals, hash bronze; name what differs"),
    async () => (await import("./commands/audit.ts")).auditVerify(),
  );
  on(
    program
      .command("calendar <name>")
      .description("a calendar's sessions: date, open and close in UTC, early or not")
      .option("--from <date>", "first day")
      .option("--to <date>", "day after the last"),
    async ([name], flags) => (await import("./commands/calendar.ts")).calendar(name ?? "", flags),
  );
  on(
    program
      .command("sql <query>")
      .description("a read-only query on the stored data")
      .option("--as-of <run>", "as the tables stood when that run had ended"),
    async ([query], flags) => (await import("./commands/sql.ts")).sql(query ?? "", flags),
  );
  on(
    program
      .command("sandbox")
      .description("serve sample or own data under a provider's contract on loopback, with limits and faults")
      .option("--data <dir>", "data directory (default: bundled sample data)")
      .option("--port <n>", "port", "0")
      .option("--limit <limits>", "such as 5/min")
      .option("--faults <profile>", "none, demo, transport, storm429, … or kind=rate,…", "none")
      .option("--seed <n>", "seed of the faults", "1")
      .option("--now <instant>", "its present"),
    async (_, flags) => (await import("./commands/sandbox.ts")).sandbox(flags),
  );
  return program;
}

type On = (
  command: Command,
  load: (args: readonly string[], flags: Record<string, unknown>) => Promise<Action>,
) => Command;

function addRegistry(program: Command, noun: string, declared: readonly RegistryField[], on: On): void {
  const registry = program.command(noun).description(`the registry of ${noun}: add, list, set, remove`);
  const fields = (command: Command): Command =>
    declared.reduce((made, { flag, description }) => made.option(`--${flag}`, description), command);
  on(fields(registry.command("add <names...>").description("add")), async (names, flags) =>
    (await import("./commands/registry.ts")).add(noun, names, flags),
  );
  on(registry.command("list").description("list"), async () => (await import("./commands/registry.ts")).list(noun));
  on(
    fields(registry.command("set <names...>").description("change fields"))
      .option("--active", "make it active again")
      .option("--no-active", "keep its history, owe nothing more"),
    async (names, flags) => (await import("./commands/registry.ts")).set(noun, names, flags),
  );
  on(registry.command("remove <names...>").description("end what is due; history stays"), async (names) =>
    (await import("./commands/registry.ts")).remove(noun, names),
  );
}

function addRuns(program: Command, on: On): void {
  const runs = program.command("runs").description("the last runs; `runs show RUN` for one");
  on(
    runs.command("list", { isDefault: true }).description("the last runs").option("--last <n>", "how many", "20"),
    async (_, flags) => (await import("./commands/runs.ts")).list(flags),
  );
  on(
    runs
      .command("show <run>")
      .description("one run: chunks, counts, errors")
      .option("--log", "its log, line by line")
      .option("--changes", "what it did to rows that were there: ratio of new to old, first examples"),
    async ([run], flags) => (await import("./commands/runs.ts")).show(run ?? "", flags),
  );
  on(
    program
      .command("retry <run>")
      .description("ask again for what failed, in the same windows")
      .option("--latest", "make a new plan of the same request instead")
      .option("--results <file>", "write the results document there too"),
    async ([run], flags) => (await import("./commands/run.ts")).retry(run ?? "", flags),
  );
  on(
    program.command("resume <run>").description("go on with a paused, interrupted or killed run"),
    async ([run], flags) => (await import("./commands/run.ts")).resume(run ?? "", flags),
  );
  on(program.command("pause <run>").description("stop a run at its next request; resume goes on"), async ([run]) =>
    (await import("./commands/runs.ts")).control(run ?? "", "pause"),
  );
  on(program.command("cancel <run>").description("end a run; what was answered is kept"), async ([run]) =>
    (await import("./commands/runs.ts")).control(run ?? "", "cancel"),
  );
}

function addAlerts(program: Command, on: On): void {
  const alerts = program.command("alerts").description("what people were told, and what still waits to be told");
  on(
    alerts
      .command("list", { isDefault: true })
      .description("conditions that hold and messages not delivered")
      .option("--all", "the last messages of every kind"),
    async (_, flags) => (await import("./commands/alerts.ts")).list(flags),
  );
  on(
    alerts.command("check").description("judge how everything stands, without a run, and deliver: for a timer"),
    async () => (await import("./commands/alerts.ts")).check(),
  );
  on(
    alerts
      .command("deliver")
      .description("deliver what is due")
      .option("--retry", "also what waits for its next try and what was given up"),
    async (_, flags) => (await import("./commands/alerts.ts")).deliver(flags),
  );
  on(alerts.command("test <channel>").description("send a test message on one channel"), async ([channel]) =>
    (await import("./commands/alerts.ts")).test(channel ?? ""),
  );
}

/** Where rows come from, and how far they are. */
function addProof(program: Command, on: On): void {
  on(
    program
      .command("trace <dataset> <key> <time>")
      .description("where a row came from, such as trace ohlcv.market_data AAPL/1d 2026-01-30"),
    async ([dataset, key, time]) => (await import("./commands/trace.ts")).trace(dataset ?? "", key ?? "", time ?? ""),
  );
  on(
    program.command("lineage [dataset]").description("what is made from what; with a dataset, how far it is behind"),
    async ([dataset]) => (await import("./commands/lineage.ts")).lineage(dataset ?? null),
  );
  const state = program.command("state").description("how far datasets have come");
  on(
    state.command("show", { isDefault: true }).description("watermarks and their age, who moved them, what is stale"),
    async () => (await import("./commands/state.ts")).show(),
  );
}

/** What people decide: gaps to do without, records to publish in spite of a check. */
function addDecisions(program: Command, on: On): void {
  const waive = program
    .command("waive")
    .description("do without a stretch: `waive DATASET KEY`, `waive list`, `waive end ID`");
  on(
    waive
      .command("add <dataset> <key>", { isDefault: true })
      .description("what is missing, failed or refused there is no gap any more")
      .requiredOption("--from <time>", "start; without a zone UTC")
      .requiredOption("--to <time>", "end, exclusive")
      .requiredOption("--reason <text>", "kept with the decision")
      .option("--until <time>", "when it ends by itself"),
    async ([dataset, key], flags) =>
      (await import("./commands/waive.ts")).add(dataset ?? "", key ?? "", flags as unknown as WaiveFlags),
  );
  on(waive.command("list").description("every waiver and how it stands"), async () =>
    (await import("./commands/waive.ts")).list(),
  );
  on(
    waive
      .command("end <id>")
      .description("what it hid is a gap again")
      .option("--reason <text>", "kept with the decision", "not waived any more"),
    async ([id], flags) => (await import("./commands/waive.ts")).end(id ?? "", flags as { readonly reason: string }),
  );
}

/** Copies of what is stored, for elsewhere. */
function addCopies(program: Command, on: On): void {
  on(
    program
      .command("export <dataset>")
      .description("a dataset's rows as one file")
      .addOption(new Option("--format <format>", "of the file").choices(["parquet", "csv"]).default("parquet"))
      .requiredOption("--out <path>", "the file")
      .option("--symbols <list>", "such as AAPL,MSFT")
      .option("--keys <list>", "the same, for any pipeline")
      .option("--timeframes <list>", "such as 1h,1d")
      .option("--from <time>", "start; without a zone UTC")
      .option("--to <time>", "end, exclusive")
      .option("--force", "overwrite the file"),
    async ([dataset], flags) =>
      (await import("./commands/export.ts")).exportRows(dataset ?? "", flags as unknown as ExportFlags),
  );
  on(
    program
      .command("backup <dir>")
      .description("a consistent, checked copy of ledger, data, bronze, history and configuration"),
    async ([dir]) => (await import("./commands/backup.ts")).backup(dir ?? ""),
  );
}

function addQuarantine(program: Command, on: On): void {
  const quarantine = program
    .command("quarantine")
    .description("records that must not become data: list, show, release");
  const narrowed = (command: Command): Command =>
    command
      .option("--symbols <list>", "such as AAPL,MSFT")
      .option("--keys <list>", "the same, for any pipeline")
      .option("--timeframes <list>", "such as 1h,1d");
  on(
    narrowed(quarantine.command("list [selector]", { isDefault: true }).description("counts by series and reason")),
    async ([selector], flags) => (await import("./commands/quarantine.ts")).list(selector ?? null, flags),
  );
  on(
    narrowed(quarantine.command("show [selector]").description("records with reason, object and slot")).option(
      "--limit <n>",
      "how many",
      "20",
    ),
    async ([selector], flags) =>
      (await import("./commands/quarantine.ts")).show(selector ?? null, flags as { readonly limit: string }),
  );
  on(
    quarantine
      .command("release <object> <row>")
      .description("publish a record in spite of its reason, 0 calls")
      .requiredOption("--reason <text>", "kept with the decision and its run"),
    async ([object, row], flags) =>
      (await import("./commands/quarantine.ts")).release(object ?? "", row ?? "", flags as { readonly reason: string }),
  );
}

/** Flags that narrow what a reading command looks at. */
function withScope(command: Command): Command {
  return command
    .option("--symbols <list>", "such as AAPL,MSFT")
    .option("--keys <list>", "the same, for any pipeline")
    .option("--timeframes <list>", "such as 1h,1d")
    .option("--timeframe <list>", "the same")
    .option("--days <n>", "from 00:00 UTC, n days before business now")
    .option("--from <time>", "start; without a zone on the pipeline's clocks, mostly UTC")
    .option("--to <time>", "end, exclusive")
    .option("--start <date>", "start")
    .option("--end <date>", "last day, included")
    .option("--todas", "retail: all stores")
    .option("--tiendas <ids...>", "retail: some stores, such as tienda_11 tienda_02")
    .option("--fecha-desde <minute>", 'retail: first local minute, "2026-01-10 00:00"')
    .option("--fecha-hasta <minute>", 'retail: last local minute, included, "2026-01-25 23:59"');
}

function withPlan(command: Command): Command {
  return withScope(command)
    .option("--limit <n>", "only the first n keys: a reduced scope")
    .option("--mode <mode>", "incremental or backfill")
    .option("--override-state [bool]", "let a backfill move the watermark")
    .option("--reason <text>", "kept with the run")
    .option("--with-inputs", "also fill what the selected datasets are made from")
    .option("--again", "ask again for what is covered: changed answers land as restatements")
    .option("--from-files", "read only what files hold: no call is made")
    .option("--max-concurrent <n>", "chunks fetched at once")
    .option("--chunk-days <n>", "retail: days asked for at once");
}
