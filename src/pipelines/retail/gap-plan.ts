import type { Closure } from "../../core/calendar/store-calendar.ts";
import type { Phase, PhaseStep } from "../../core/coverage/day-phases.ts";
import type { DayReport, DayReportRow, HolidayCount, Priority, SharedClosure } from "../../core/coverage/day-report.ts";
import { countDays, type DaySpan } from "../../core/time/local-days.ts";
import { salesCommand } from "./commands.ts";
import { closingCommand, openingCommand, tradedCommand } from "./declaring.ts";
import { STORE_ZONE } from "./stores.ts";
import { SALES_COVERAGE_SQL } from "./verification.ts";

/** What a gap plan is written from. */
export interface GapPlan {
  readonly report: DayReport;
  readonly phases: readonly Phase[];
  /** Store names by id. */
  readonly names: ReadonlyMap<string, string>;
  /** Days that stand with far fewer lines than usual, by store. */
  readonly thin?: ReadonlyMap<string, readonly string[]>;
  /** Lines on days that the store's own calendar calls closed, by store and date; null where nobody has looked. */
  readonly closedDayRows?: ReadonlyMap<string, ReadonlyMap<string, number>> | null;
  /** Stores whose days the endpoint was too slow for. */
  readonly timedOut?: readonly string[];
  /** Local date on which it is written. */
  readonly madeOn: string;
}

const PRIORITY: Readonly<Record<Priority, string>> = { high: "ALTA", medium: "MEDIA", low: "BAJA" };
const MONTHS = ["Ene", "Feb", "Mar", "Abr", "May", "Jun", "Jul", "Ago", "Sep", "Oct", "Nov", "Dic"];

/**
 * The plan as a Markdown document in the chain's form and language: table, patterns, phases with their commands, the
 * script that runs them in order, and the query that checks the result.
 */
export function renderGapPlan(plan: GapPlan): string {
  const { report, phases, madeOn } = plan;
  const { window } = report;
  const sections = [
    [
      "# Plan de Backfill de Ventas",
      "",
      `**Fecha**: ${madeOn}`,
      `**Estado**: ${phases.length === 0 ? "Sin gaps por pedir" : "Por ejecutar"}`,
      `**Ventana**: ${window.first} a ${window.last} (${report.days} dias, ${STORE_ZONE})`,
    ],
    renderSummary(report),
    ["## Patron Detectado", "", ...patterns(plan).map((text, n) => `${n + 1}. ${text}`)],
    ...renderTradedWhileClosed(plan),
    ...renderPhases(plan),
    renderScript(plan),
    renderVerification(report),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** The table of missing days; every calendar day of the window counts. */
function renderSummary({ rows }: DayReport): readonly string[] {
  return [
    "## Resumen de Gaps Detectados",
    "",
    "| Tienda | Dias Faltantes | Cobertura | Prioridad |",
    "|--------|----------------|-----------|-----------|",
    ...rows.map(({ key, requestedWindow, priority, start }) => {
      const { missing, percent } = requestedWindow;
      return `| ${key} | ${missing} | ${percent === null ? "-" : `${percent}%`} | ${priorityText(priority, start)} |`;
    }),
    "",
    "Cuenta cada dia calendario de la ventana en la vida declarada de la tienda. Los dias cerrados faltan tambien, pero no se piden.",
  ];
}

function priorityText(priority: Priority | null, start: DayReportRow["start"]): string {
  if (priority === null) return "-";
  if (start?.kind === "new") return `${PRIORITY[priority]} - Nueva tienda`;
  if (start?.kind === "dark") return `${PRIORITY[priority]} - Sin datos`;
  return PRIORITY[priority];
}

/** One sentence a pattern; none is left out because it is empty, so that nobody wonders. */
function patterns({ report, names, thin = new Map(), timedOut = [] }: GapPlan): readonly string[] {
  const { rows, common, closures, holidays } = report;
  const title = titleOf(names);
  return [
    ...common.map(
      (gap) =>
        `**Gap ${gap.isRecent ? "reciente " : ""}comun (${gap.first} a ${gap.last})**: ${gap.days} dias faltantes en ` +
        `${gap.whole.length} de ${rows.length} tiendas${gap.partly.length > 0 ? `; solo en parte: ${gap.partly.map(title).join(", ")}` : ""}`,
    ),
    ...(common.length === 0 ? ["**Gap comun**: ninguno"] : []),
    ...closurePatterns(closures),
    ...(holidays.length > 0
      ? [`**Feriados nacionales (solo se nombran)**: ${holidays.map(holidayText).join("; ")}`]
      : []),
    ...rows.flatMap((row) => edgeTexts(row).map((text) => `**${title(row.key)}**: ${text}`)),
    ...[...thin].map(
      ([key, dates]) =>
        `**${title(key)}**: muy pocas ventas para ese dia de la semana (${dates.join(", ")}); el origen lo confirma`,
    ),
    ...(timedOut.length > 0
      ? [
          `**Sin respuesta a tiempo**: ${timedOut.map(title).join(", ")}: el endpoint no responde ni por un dia desde esta maquina; ` +
            "ejecute los mismos comandos en otra mas cercana, con una copia del proyecto",
        ]
      : []),
    scatteredPattern(rows),
  ];
}

function closurePatterns(closures: readonly SharedClosure[]): readonly string[] {
  const yearly = closures.filter(({ cause }) => cause === "yearly");
  const single = closures.filter(({ cause }) => cause === "exception");
  const empty = closures.filter(({ cause }) => cause === "empty-at-source");
  const emptyDays = empty.reduce((sum, { keys }) => sum + keys.length, 0);
  const emptyStores = new Set(empty.flatMap(({ keys }) => keys));
  const weekly = closures.filter(({ cause }) => cause === "weekly").reduce((sum, { keys }) => sum + keys.length, 0);
  const listed = (all: readonly SharedClosure[]): string =>
    all.map(({ date, reason, keys }) => `${date} ${reason} (${counted(keys.length, "tienda")})`).join("; ");
  return [
    ...(yearly.length > 0
      ? [`**Dias festivos**: ${listed(yearly)}: cerradas segun su propio calendario, OK no tener datos`]
      : []),
    ...(single.length > 0 ? [`**Cierres declarados**: ${listed(single)}`] : []),
    ...(emptyDays > 0
      ? [
          `**Vacios en el origen**: ${counted(emptyDays, "dia")} de tienda sin ventas aunque se pidieron dos veces ` +
            `(${[...emptyStores].sort().join(", ")}): no se piden de nuevo; revise sucursal y almacen`,
        ]
      : []),
    ...(weekly > 0 ? [`**Cierre semanal**: ${counted(weekly, "dia")} de tienda sin ventas, OK no tener datos`] : []),
  ];
}

/** What stores sold on days that they call closed: a fact, not an error. No section where there is none. */
function renderTradedWhileClosed({ report, names, closedDayRows = null }: GapPlan): readonly (readonly string[])[] {
  const title = titleOf(names);
  const found = report.rows.flatMap(({ key, tradedWhileClosed }) =>
    tradedWhileClosed.map((closure) => ({ key, closure, lines: closedDayRows?.get(key)?.get(closure.date) ?? null })),
  );
  if (found.length === 0) return [];
  const commands = report.rows.flatMap(({ key, tradedWhileClosed }) => tradedCommand(key, tradedWhileClosed) ?? []);
  return [
    [
      "## Ventas en Dias Cerrados",
      "",
      "Dias que el calendario de la tienda da por cerrados y en los que vendio. No es un error: si abrio, declarelo con su comando; " +
        "en lugar de `open` puede dar las horas, como `08:00-14:00`.",
      "",
      "| Tienda | Dia | Por que cerrada | Lineas |",
      "|--------|-----|-----------------|--------|",
      ...found.map(
        ({ key, closure, lines }) => `| ${title(key)} | ${closure.date} | ${closureText(closure)} | ${lines ?? "-"} |`,
      ),
      ...(commands.length === 0 ? [] : ["", "```bash", ...commands, "```"]),
    ],
  ];
}

function closureText({ cause, reason }: Closure): string {
  switch (cause) {
    case "not-open-yet":
      return "antes de su apertura";
    case "gone":
      return "despues de su cierre";
    case "weekly":
      return "cierre semanal";
    case "yearly":
    case "exception":
    case "empty-at-source":
      return reason;
    default:
      return cause satisfies never;
  }
}

function holidayText({ date, name, withData, closed, open }: HolidayCount): string {
  return `${date} ${name} (${withData} con ventas, ${closed} cerradas, ${open} sin datos)`;
}

/** How a store's sales begin and end, where that explains what is missing. */
function edgeTexts({ key, start, end }: DayReportRow): readonly string[] {
  return [...(start === null ? [] : [startText(start, key)]), ...(end === null ? [] : [endText(end, key)])];
}

function startText(start: NonNullable<DayReportRow["start"]>, key: string): string {
  switch (start.kind) {
    case "dark":
      return "sin ningun dato";
    case "new":
      return `tienda recien agregada, primer dia ${start.firstDay}`;
    case "late":
      return `sin datos antes de ${start.firstDay}; si abrio ese dia, declarelo (${openingCommand(key, start.firstDay)}) y lo anterior deja de contar`;
    default:
      return start satisfies never;
  }
}

function endText({ since, isLifeOpen }: NonNullable<DayReportRow["end"]>, key: string): string {
  const proposal = `; si cerro ese dia, declarelo (${closingCommand(key, since)}) y lo posterior deja de contar`;
  return `dejo de enviar ventas, nada desde ${since}${isLifeOpen ? proposal : ""}`;
}

function scatteredPattern(rows: readonly DayReportRow[]): string {
  const scattered = rows
    .map(({ gaps }) =>
      gaps.filter(({ shape }) => shape === "scattered").reduce((sum, { open }) => sum + open.length, 0),
    )
    .filter((days) => days > 0);
  const days = scattered.reduce((sum, one) => sum + one, 0);
  return `**Dias dispersos**: ${days === 0 ? "ninguno" : `${counted(days, "dia")} de tienda en ${counted(scattered.length, "tienda")}`}`;
}

/** The three phases; one without work says so and keeps its number. */
function renderPhases(plan: GapPlan): readonly (readonly string[])[] {
  const { report, phases } = plan;
  const common = phases.find(({ kind }) => kind === "common");
  const own = phases.filter(({ kind }) => kind === "key");
  const rest = phases.find(({ kind }) => kind === "rest");
  return [
    common
      ? [
          `## ${phaseTitle(plan, common)} - TODAS LAS TIENDAS`,
          "",
          "Falta en casi todas las tiendas. Ejecutar primero.",
          "",
          ...fence(common.steps.map((step) => [`# ${step.first} a ${step.last} (todas las tiendas)`, command(step)])),
          "",
          `${timeText(common)} (${counted(report.rows.length, "tienda")} x ${counted(commonDays(report), "dia")}: ${workText(common)})`,
        ]
      : ["## FASE 1: Gap Comun", "", "Nada por pedir."],
    own.length > 0
      ? ["## FASE 2: Backfill por Tienda (Historico)", "", `${timeText(total(own))} (${workText(total(own))})`]
      : ["## FASE 2: Backfill por Tienda (Historico)", "", "Nada por pedir."],
    ...own.map((phase) => renderOwnPhase(plan, phase)),
    rest
      ? [
          "## FASE 3: Gaps Menores",
          "",
          "Estas tiendas tienen gaps dispersos. Ejecutar por lotes.",
          "",
          ...fence(rest.steps.map((step, n) => [`# Batch ${n + 1}: ${(step.keys ?? []).join(", ")}`, command(step)])),
          "",
          `${timeText(rest)} (${workText(rest)})`,
        ]
      : ["## FASE 3: Gaps Menores", "", "Nada por pedir."],
  ];
}

function renderOwnPhase(plan: GapPlan, phase: Phase): readonly string[] {
  const row = plan.report.rows.find(({ key }) => key === phase.key);
  const missing = row?.requestedWindow.missing ?? 0;
  return [
    `### ${phaseNumber(plan, phase)} ${titleOf(plan.names)(phase.key ?? "")} - ${counted(missing, "dia faltante", "dias faltantes")}`,
    ...(row === undefined ? [] : edgeTexts(row).map((text) => `${capital(text)}.`)),
    "",
    ...fence(
      phase.steps.map((step) => [
        `# ${phase.key}: ${rangeText(step, plan.report.window)} (${counted(step.openDays, "dia")} por pedir)`,
        command(step),
      ]),
    ),
    "",
    `${timeText(phase)} (${workText(phase)})`,
  ];
}

/** The same commands in the same order, each phase under its heading; the shell stops at the first that fails. */
function renderScript(plan: GapPlan): readonly string[] {
  return [
    "## Script Completo de Ejecucion",
    "",
    "```bash",
    "#!/bin/bash",
    "set -e",
    "",
    ...plan.phases.flatMap((phase) => [
      `echo "=== ${inQuotes(phaseTitle(plan, phase))} ==="`,
      ...phase.steps.map(command),
      "",
    ]),
    'echo "=== BACKFILL COMPLETO ==="',
    "```",
  ];
}

function renderVerification({ rows }: DayReport): readonly string[] {
  const measured = rows
    .flatMap(({ key, firstToLast }) => (firstToLast === null ? [] : [{ key, ...firstToLast }]))
    .sort((a, b) => a.percent - b.percent);
  return [
    "## Verificacion Post-Backfill",
    "",
    "```sql",
    SALES_COVERAGE_SQL,
    "```",
    "",
    "La consulta mide entre la primera y la ultima venta de cada tienda, no la ventana pedida: no ve los dias que faltan en los bordes. Antes del backfill da:",
    "",
    "| ubicacion_id | primera_venta | ultima_venta | dias_con_datos | dias_rango | pct_cobertura |",
    "|--------------|---------------|--------------|----------------|------------|---------------|",
    ...measured.map(
      ({ key, first, last, withData, days, percent }) =>
        `| ${key} | ${first} | ${last} | ${withData} | ${days} | ${percent.toFixed(1)} |`,
    ),
  ];
}

/** `FASE 1: Gap Reciente (Ene 10-25)`, `FASE 2.1: tienda_11 (FLOR AMARILLO)`, `FASE 3: Resto de tiendas`. */
export function phaseTitle(plan: GapPlan, phase: Phase): string {
  switch (phase.kind) {
    case "common": {
      const ranges = plan.report.common.map((gap) => rangeText(gap, plan.report.window)).join(", ");
      return `FASE 1: Gap ${plan.report.common[0]?.isRecent ? "Reciente" : "Comun"} (${ranges})`;
    }
    case "key":
      return `FASE ${phaseNumber(plan, phase)}: ${titleOf(plan.names)(phase.key ?? "")}`;
    case "rest":
      return "FASE 3: Resto de tiendas";
    default:
      return phase.kind satisfies never;
  }
}

function phaseNumber({ phases }: GapPlan, phase: Phase): string {
  return `2.${phases.filter(({ kind }) => kind === "key").indexOf(phase) + 1}`;
}

function command({ keys, first, last, chunkDays }: PhaseStep): string {
  return salesCommand({ stores: keys, days: { first, last }, chunkDays });
}

/** Text for between a shell's double quotes: what a person typed as a name must stay text. */
function inQuotes(text: string): string {
  return text.replace(/["$`\\]/g, "\\$&");
}

/** Commands in one fence, each after its comment, an empty line between them. */
function fence(blocks: readonly (readonly string[])[]): readonly string[] {
  return ["```bash", ...blocks.flatMap((lines, n) => (n === 0 ? lines : ["", ...lines])), "```"];
}

function commonDays({ common }: DayReport): number {
  return common.reduce((sum, { days }) => sum + days, 0);
}

function total(phases: readonly Phase[]): Pick<Phase, "openDays" | "calls" | "seconds"> {
  const sum = (of: (phase: Phase) => number): number => phases.reduce((all, phase) => all + of(phase), 0);
  return {
    openDays: sum(({ openDays }) => openDays),
    calls: sum(({ calls }) => calls),
    seconds: { least: sum(({ seconds }) => seconds.least), most: sum(({ seconds }) => seconds.most) },
  };
}

function workText({ openDays, calls }: Pick<Phase, "openDays" | "calls">): string {
  return `${counted(openDays, "dia")} de tienda, ${counted(calls, "llamada")}`;
}

function timeText({ seconds }: Pick<Phase, "seconds">): string {
  const least = Math.ceil(seconds.least / 60);
  const most = Math.ceil(seconds.most / 60);
  return `**Tiempo estimado**: ~${least === most ? most : `${least}-${most}`} min`;
}

/** `Dic 4 - Ene 9`, `Ene 10-25`, `Ene 1`; with years where the window is longer than one. */
function rangeText({ first, last }: DaySpan, window: DaySpan): string {
  const withYear = countDays(window) > 366;
  const text = (date: string): string => `${month(date)} ${day(date)}${withYear ? ` ${date.slice(0, 4)}` : ""}`;
  if (first === last) return text(first);
  const isOneMonth = first.slice(0, 7) === last.slice(0, 7);
  return isOneMonth && !withYear ? `${text(first)}-${day(last)}` : `${text(first)} - ${text(last)}`;
}

function month(date: string): string {
  return MONTHS[Number(date.slice(5, 7)) - 1] ?? "";
}

function day(date: string): string {
  return String(Number(date.slice(8)));
}

/** `tienda_11 (FLOR AMARILLO)`; the id alone where no name is known. */
function titleOf(names: ReadonlyMap<string, string>): (key: string) => string {
  return (key) => {
    const name = names.get(key);
    return name === undefined ? key : `${key} (${name})`;
  };
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
