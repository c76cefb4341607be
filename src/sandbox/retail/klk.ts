import { DAY } from "../../core/time/instant.ts";
import { isDate, parseDate } from "../../core/time/zone.ts";
import type { DataFault } from "../faults.ts";
import type { Answer, Provider, ProviderRequest } from "../provider.ts";
import { randomNumbers } from "../random.ts";
import { klkError, klkLines } from "./klk-bodies.ts";
import type { SaleBook } from "./sale-book.ts";
import { capOf, spoilLines, withDuplicates } from "./sale-faults.ts";
import type { SaleLine } from "./sale-line.ts";
import type { RetailWorld } from "./world.ts";

/** What is not known of the KLK endpoint, or differs between its recorded answers. */
export interface KlkSettings {
  /** `{ meta, ventas }`, or the lines alone. Default "object". */
  readonly answers?: "object" | "array";
  /**
   * Parts of a line as arrays of one object, as objects, or as the older sample has them: objects with other names,
   * one currency and whole seconds. Default "arrays".
   */
  readonly parts?: "arrays" | "objects" | "older";
  /** Whether the hours hold for each day of the range, or cut its first and last day. Default "per-day". */
  readonly hours?: "per-day" | "span";
  /** Whether `23:59` ends at 23:59:00 or with that minute. Default "instant". */
  readonly hourEnd?: "instant" | "minute";
  /** Ranges of more days never come to an end. Default none. */
  readonly timeoutAboveDays?: number;
  /** How such a range ends: not a byte for `stallMs`, or a 504. Default "hang". */
  readonly timeoutAs?: "hang" | "504";
  /** A branch that is not there: an error inside a 200, or no sales. Default "error". */
  readonly unknownBranch?: "error" | "empty";
  /** Some lines are there twice in every answer. Default false. */
  readonly repeatsLines?: boolean;
  /** Answers say that they are for this branch, whatever was asked. Default the one that was. */
  readonly answersFor?: string;
  /** Lines of this store come along in every answer, and every line names its branch. Default none. */
  readonly mixesIn?: string;
}

const PATH = "/ventas";

/** Times are compared as text, and the colon sorts above the point: no fraction of the last second is left out. */
const END_OF_MINUTE = "59:";
const END_OF_DAY = `23:59:${END_OF_MINUTE}`;

interface Question {
  readonly branch: string;
  readonly fromDate: string;
  readonly toDate: string;
  readonly fromTime: string;
  readonly toTime: string;
  readonly warehouse: string | null;
  readonly product: string | null;
}

/** The KLK contract: `POST /ventas`, a branch's whole range of days in one answer, errors inside a 200, no key. */
export function klkProvider(world: RetailWorld, settings: KlkSettings): Provider {
  return {
    name: "klk",
    keyParameters: [],
    isOpen: true,
    pathKind: (path) => (path === PATH ? "ventas" : null),
    methodOf: () => "POST",
    keyOf: () => null,
    answer: (request) => answerVentas(world, settings, request),
    refuseKey: () => klkError("no autorizado", 401),
    refuseRate: () => klkError("demasiadas solicitudes", 429),
    failInside200: () => klkError("error interno al consultar las ventas"),
  };
}

async function answerVentas(world: RetailWorld, settings: KlkSettings, request: ProviderRequest): Promise<Answer> {
  const question = readQuestion(request.body, settings);
  if (typeof question === "string") return klkError(question);
  const days = (parseDate(question.toDate) - parseDate(question.fromDate)) / DAY + 1;
  if (days > (settings.timeoutAboveDays ?? Number.POSITIVE_INFINITY)) {
    const timeout = klkError("tiempo de espera agotado", 504);
    return settings.timeoutAs === "504" ? timeout : { ...timeout, isStalled: true };
  }
  const store = world.directory.storeOfBranch(question.branch);
  if (store === undefined && settings.unknownBranch !== "empty") {
    return klkError(`la sucursal ${question.branch} no existe`);
  }
  const book = await world.directory.book(world.nowMs);
  const found = store === undefined ? [] : await findLines(book, settings, question, store.id);
  const newestAt = store === undefined ? null : await book.newestAt(store.id);
  const { lines, faults } = spoil(world, settings, request, { found, days, newestAt });
  const branchOf = settings.mixesIn === undefined ? null : (id: string) => world.directory.storeOf(id)?.branch ?? id;
  const sent = klkLines(lines, { parts: settings.parts ?? "arrays", warehouseName: store?.name ?? "", branchOf });
  const meta = {
    sucursal: settings.answersFor ?? question.branch,
    fecha_desde: question.fromDate,
    fecha_hasta: question.toDate,
    total_registros: sent.length,
  };
  const body = settings.answers === "array" ? sent : { meta, ventas: sent };
  return { status: 200, contentType: "application/json", body: JSON.stringify(body), isData: true, faults };
}

async function findLines(
  book: SaleBook,
  settings: KlkSettings,
  question: Question,
  store: string,
): Promise<readonly SaleLine[]> {
  // What was voided is no longer there: nothing tells that it was.
  const linesOf = (id: string): Promise<readonly SaleLine[]> =>
    book.linesByClock({ ...question, store: id, hours: settings.hours ?? "per-day", withVoids: false });
  const own = await linesOf(store);
  return settings.mixesIn === undefined ? own : [...own, ...(await linesOf(settings.mixesIn))];
}

function spoil(
  world: RetailWorld,
  settings: KlkSettings,
  { dataFaults, faultSettings }: ProviderRequest,
  answer: { readonly found: readonly SaleLine[]; readonly days: number; readonly newestAt: number | null },
): { readonly lines: readonly SaleLine[]; readonly faults: readonly DataFault[] } {
  const { found, days, newestAt } = answer;
  const cap = capOf(dataFaults, world.silentCapRows);
  const page = {
    lines: found.slice(0, cap),
    spanMs: days * DAY,
    hasNewest: found.length <= cap && found.at(-1)?.at === newestAt,
  };
  const { lines, applied } = spoilLines(page, dataFaults, faultSettings);
  const capped = found.length > cap ? dataFaults.filter((kind) => kind.startsWith("cap")) : [];
  const isRepeating = settings.repeatsLines === true && lines.length > 0;
  const sent = isRepeating ? withDuplicates(lines, randomNumbers(faultSettings.seed)) : lines;
  return { lines: sent, faults: [...applied, ...capped] };
}

/** The question, or what is wrong with it. Only the branch and the two dates must be there. */
function readQuestion(body: string, settings: KlkSettings): Question | string {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return "el cuerpo no es JSON";
  }
  if (typeof json !== "object" || json === null) return "el cuerpo no es un objeto";
  const field = (name: string): string => {
    const value: unknown = Object.entries(json).find(([key]) => key === name)?.[1];
    return value === undefined || value === null ? "" : String(value);
  };
  const branch = field("sucursal");
  const [fromDate, toDate] = [field("fecha_desde"), field("fecha_hasta")];
  if (branch === "") return "falta sucursal";
  if (!isDate(fromDate) || !isDate(toDate)) return "fecha_desde y fecha_hasta deben ser AAAA-MM-DD";
  if (fromDate > toDate) return "fecha_desde es posterior a fecha_hasta";
  const lastHour = field("hora_hasta");
  const fromTime = timeOf(field("hora_desde") || "00:00", "00");
  const toTime = lastHour === "" ? END_OF_DAY : timeOf(lastHour, settings.hourEnd === "minute" ? END_OF_MINUTE : "00");
  if (fromTime === null || toTime === null) return "hora_desde y hora_hasta deben ser HH:MM o HH:MM:SS";
  const [warehouse, product] = [field("almacen") || null, field("CodArticulo") || null];
  return { branch, fromDate, toDate, fromTime, toTime, warehouse, product };
}

/** `HH:MM:SS` of `HH:MM` or `HH:MM:SS`; null when it is neither. */
function timeOf(text: string, seconds: string): string | null {
  if (/^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/.test(text)) return text;
  return /^([01]\d|2[0-3]):[0-5]\d$/.test(text) ? `${text}:${seconds}` : null;
}
