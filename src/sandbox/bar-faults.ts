import { DAY } from "../core/time/instant.ts";
import type { Bar } from "./candle-series.ts";
import { type DataFault, draw } from "./faults.ts";
import { randomNumbers } from "./random.ts";

/** A page of bars in the order it is sent, before it is written out. */
export interface BarPage {
  readonly bars: readonly Bar[];
  /** Length of the asked window. */
  readonly spanMs: number;
  /** Whether the page holds the newest bar there is now. */
  readonly hasNewest: boolean;
}

export interface BarFaultSettings {
  readonly seed: number;
  /** The request, as identified for faults. */
  readonly request: string;
  /** Windows up to this long are answered without holes. */
  readonly holeMinDays: number;
}

/** A hole is this long, so that asking for it again is a narrow request. */
const HOLE_MS = 5 * DAY;

/** Newest bars that a late source does not have yet. */
const LATE_BARS = 3;

const CORRECTED_SHARE = 0.02;
const DUPLICATED_SHARE = 0.01;

/** The bars of `page` after `faults`, and those that really changed something. The page is left as it was. */
export function spoilBars(
  page: BarPage,
  faults: readonly DataFault[],
  settings: BarFaultSettings,
): { readonly bars: readonly Bar[]; readonly applied: readonly DataFault[] } {
  let bars = page.bars;
  const applied: DataFault[] = [];
  for (const fault of faults) {
    const random = randomNumbers(draw(settings.seed, `rows of ${fault}`, settings.request) * 2 ** 32);
    const spoiled = spoilOnce(fault, { ...page, bars }, settings, random);
    if (spoiled === bars) continue;
    bars = spoiled;
    applied.push(fault);
  }
  return { bars, applied };
}

function spoilOnce(fault: DataFault, page: BarPage, settings: BarFaultSettings, random: () => number): readonly Bar[] {
  const { bars } = page;
  if (bars.length === 0) return bars;
  switch (fault) {
    case "holes":
      return page.spanMs > settings.holeMinDays * DAY ? withHole(bars, random) : bars;
    case "late":
      return page.hasNewest ? withoutNewest(bars) : bars;
    case "corrections":
      return bars.map((bar, i) => (i === bars.length - 1 || random() < CORRECTED_SHARE ? preliminary(bar) : bar));
    case "duplicates":
      return bars.flatMap((bar, i) => (i === 0 || random() < DUPLICATED_SHARE ? [bar, bar] : [bar]));
    case "shuffled":
      return bars.length < 2 ? bars : shuffled(bars, random);
    case "loop":
    case "moving":
    case "cap1000":
    case "cap50000":
      return bars;
    default:
      return fault satisfies never;
  }
}

/** A stretch of days in the middle third is not there, as providers do to requests that are too wide. */
function withHole(bars: readonly Bar[], random: () => number): readonly Bar[] {
  const third = Math.floor(bars.length / 3);
  const at = bars[third + Math.floor(random() * third)];
  const first = bars[0];
  const last = bars[bars.length - 1];
  if (!at || !first || !last || Math.abs(last.t - first.t) < 3 * HOLE_MS) return bars;
  const start = Math.floor(at.t / DAY) * DAY;
  return bars.filter((bar) => bar.t < start || bar.t >= start + HOLE_MS);
}

function withoutNewest(bars: readonly Bar[]): readonly Bar[] {
  const isDescending = (bars[0]?.t ?? 0) > (bars[bars.length - 1]?.t ?? 0);
  return isDescending ? bars.slice(LATE_BARS) : bars.slice(0, -LATE_BARS);
}

/** What a source knows of a bar before late trades are in: less volume, an earlier close. */
function preliminary(bar: Bar): Bar {
  const c = Math.round(((bar.o + bar.c) / 2) * 1e4) / 1e4;
  const within = Math.min(bar.h, Math.max(bar.l, c));
  return { ...bar, c: within, ...(bar.v === undefined ? {} : { v: Math.floor(bar.v * 0.9) }) };
}

function shuffled(bars: readonly Bar[], random: () => number): readonly Bar[] {
  const mixed = [...bars];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j] as Bar, mixed[i] as Bar];
  }
  // Two bars can come out as they went in.
  return mixed.every((bar, i) => bar === bars[i]) ? mixed.reverse() : mixed;
}
