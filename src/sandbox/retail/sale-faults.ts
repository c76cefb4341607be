import { DAY } from "../../core/time/instant.ts";
import type { BarFaultSettings } from "../bar-faults.ts";
import { type DataFault, draw } from "../faults.ts";
import { randomNumbers } from "../random.ts";
import { plusCents } from "./decimal-text.ts";
import type { SaleLine } from "./sale-line.ts";

/** Lines in the order they are sent, before they are written out. */
export interface LinePage {
  readonly lines: readonly SaleLine[];
  /** Length of the asked window. */
  readonly spanMs: number;
  /** Whether the page ends with the newest line that the store has now. */
  readonly hasNewest: boolean;
}

/** Newest lines that a late source does not have yet. */
const LATE_LINES = 3;

const CORRECTED_SHARE = 0.02;
const DUPLICATED_SHARE = 0.01;

/** What a line was short of before it was corrected. */
const CORRECTION_CENTS = 10;

/** The lines of `page` after `faults`, and those that really changed something. The page is left as it was. */
export function spoilLines(
  page: LinePage,
  faults: readonly DataFault[],
  settings: BarFaultSettings,
): { readonly lines: readonly SaleLine[]; readonly applied: readonly DataFault[] } {
  let lines = page.lines;
  const applied: DataFault[] = [];
  for (const fault of faults) {
    const random = randomNumbers(draw(settings.seed, `lines of ${fault}`, settings.request) * 2 ** 32);
    const spoiled = spoilOnce(fault, { ...page, lines }, settings, random);
    if (spoiled === lines) continue;
    lines = spoiled;
    applied.push(fault);
  }
  return { lines, applied };
}

/** Some lines twice, one after the other. */
export function withDuplicates(lines: readonly SaleLine[], random: () => number): readonly SaleLine[] {
  return lines.flatMap((line, i) => (i === 0 || random() < DUPLICATED_SHARE ? [line, line] : [line]));
}

/** Rows after which a faulty or capped answer ends without saying so; infinity when it has no cap. */
export function capOf(faults: readonly DataFault[], silentCapRows: number | null): number {
  return Math.min(
    faults.includes("cap1000") ? 1_000 : Number.POSITIVE_INFINITY,
    faults.includes("cap50000") ? 50_000 : Number.POSITIVE_INFINITY,
    silentCapRows ?? Number.POSITIVE_INFINITY,
  );
}

function spoilOnce(
  fault: DataFault,
  page: LinePage,
  settings: BarFaultSettings,
  random: () => number,
): readonly SaleLine[] {
  const { lines } = page;
  if (lines.length === 0) return lines;
  switch (fault) {
    case "holes":
      return page.spanMs > settings.holeMinDays * DAY ? withoutOneDay(lines, random) : lines;
    case "late":
      return page.hasNewest ? lines.slice(0, -LATE_LINES) : lines;
    case "corrections":
      return withPreliminary(lines, random);
    case "duplicates":
      return withDuplicates(lines, random);
    case "shuffled":
      return shuffled(lines, random);
    case "loop":
    case "moving":
    case "cap1000":
    case "cap50000":
      return lines;
    default:
      return fault satisfies never;
  }
}

/** A day that is neither the first nor the last is not there. */
function withoutOneDay(lines: readonly SaleLine[], random: () => number): readonly SaleLine[] {
  const inner = [...new Set(lines.map(dateOf))].slice(1, -1);
  const day = inner[Math.floor(random() * inner.length)];
  return day === undefined ? lines : lines.filter((line) => dateOf(line) !== day);
}

function withPreliminary(lines: readonly SaleLine[], random: () => number): readonly SaleLine[] {
  const firstSale = lines.findIndex(({ type }) => type === "SALE");
  if (firstSale < 0) return lines;
  return lines.map((line, i) => {
    return line.type === "SALE" && (i === firstSale || random() < CORRECTED_SHARE) ? preliminary(line) : line;
  });
}

/** A sale before its correction: more discount, so a lower total, and an older version. */
function preliminary(line: SaleLine): SaleLine {
  return {
    ...line,
    discount: plusCents(line.discount, CORRECTION_CENTS),
    total: plusCents(line.total, -CORRECTION_CENTS),
    version: Math.max(0, line.version - 1),
    updatedAt: line.at,
  };
}

function shuffled(lines: readonly SaleLine[], random: () => number): readonly SaleLine[] {
  const mixed = [...lines];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j] as SaleLine, mixed[i] as SaleLine];
  }
  if (mixed.some((line, i) => line !== lines[i])) return mixed;
  // Two lines can come out as they went in.
  return lines.length < 2 ? lines : mixed.reverse();
}

function dateOf({ soldAt }: SaleLine): string {
  return soldAt.slice(0, 10);
}
