import { createHash } from "node:crypto";

/** Faults that take the place of the answer. */
export const ANSWER_FAULTS = ["storm429", "flaky5xx", "timeouts", "cut", "error200", "html", "redirect"] as const;
export type AnswerFault = (typeof ANSWER_FAULTS)[number];

/** Faults that change what a good-looking answer holds. */
export const DATA_FAULTS = [
  "holes",
  "late",
  "corrections",
  "duplicates",
  "shuffled",
  "loop",
  "moving",
  "cap1000",
  "cap50000",
] as const;
export type DataFault = (typeof DATA_FAULTS)[number];

export type FaultKind = AnswerFault | DataFault;

/** Share of requests, 0 to 1, that each fault strikes. The answer faults exclude each other and sum to at most 1. */
export type FaultProfile = { readonly [K in FaultKind]?: number };

export type FaultProfileName = "none" | "demo" | "transport" | FaultKind;

/** What each name stands for. */
export const FAULT_PROFILES: Readonly<Record<FaultProfileName, FaultProfile>> = {
  none: {},
  // Of 60 requests 5 fail in transport, one of them twice, and of 50 wide windows 2 or 3 lack some days, on average.
  demo: { flaky5xx: 0.04, cut: 0.02, html: 0.02, holes: 0.05 },
  transport: { flaky5xx: 0.08, timeouts: 0.04, cut: 0.08, html: 0.05 },
  storm429: { storm429: 0.5 },
  flaky5xx: { flaky5xx: 0.3 },
  timeouts: { timeouts: 0.2 },
  cut: { cut: 0.3 },
  error200: { error200: 0.3 },
  html: { html: 0.3 },
  redirect: { redirect: 0.3 },
  holes: { holes: 1 },
  late: { late: 1 },
  corrections: { corrections: 1 },
  duplicates: { duplicates: 1 },
  shuffled: { shuffled: 1 },
  loop: { loop: 1 },
  moving: { moving: 1 },
  cap1000: { cap1000: 1 },
  cap50000: { cap50000: 1 },
};

/** Answers to the identical request that a data fault spoils; after them it is answered truly. */
const SPOILED_ANSWERS: Readonly<Record<DataFault, number>> = {
  holes: 2,
  late: 2,
  corrections: 1,
  duplicates: 2,
  shuffled: 2,
  loop: 2,
  moving: 2,
  // A cap is how a provider is, not something that passes: only narrower requests get around it.
  cap1000: Number.POSITIVE_INFINITY,
  cap50000: Number.POSITIVE_INFINITY,
};

/** Share of the requests struck by an answer fault that fail twice instead of once. */
const STRUCK_TWICE = 0.25;

/** What goes wrong with one attempt of one request. */
export interface FaultDecision {
  readonly answer: AnswerFault | null;
  readonly data: readonly DataFault[];
}

/**
 * The rates that `profile` stands for: rates as given, or a name, or several joined by commas with their own rates,
 * `transport` or `flaky5xx=0.1,holes=0.2`. Absent means none.
 * @throws RangeError naming every unknown fault and every rate outside 0..1
 */
export function faultRates(profile: FaultProfile | string | undefined): FaultProfile {
  const rates = typeof profile === "string" ? ratesOfText(profile) : (profile ?? {});
  const problems = Object.entries(rates).flatMap(([kind, rate]) => {
    if (!isKind(kind)) return [`unknown fault '${kind}'`];
    return rate >= 0 && rate <= 1 ? [] : [`rate of ${kind} is ${rate}, expected 0 to 1`];
  });
  const sum = ANSWER_FAULTS.reduce((total, kind) => total + (rates[kind] ?? 0), 0);
  if (sum > 1 + 1e-9) problems.push(`rates of ${ANSWER_FAULTS.join(", ")} sum to ${sum}, at most 1 is possible`);
  if (problems.length === 0) return rates;
  throw new RangeError(`${problems.join("; ")} (faults: ${Object.keys(FAULT_PROFILES).join(", ")})`);
}

/** Pure: the same `seed`, `request` and `attempt` (from 1) always meet the same faults. */
export function decideFaults(rates: FaultProfile, seed: number, request: string, attempt: number): FaultDecision {
  const struck = struckBy(rates, draw(seed, "answer", request));
  const struckAttempts = struck === null ? 0 : draw(seed, "twice", request) < STRUCK_TWICE ? 2 : 1;
  if (attempt <= struckAttempts) return { answer: struck, data: [] };
  const answered = attempt - struckAttempts;
  const data = DATA_FAULTS.filter(
    (kind) => answered <= SPOILED_ANSWERS[kind] && draw(seed, kind, request) < (rates[kind] ?? 0),
  );
  return { answer: null, data };
}

/** A number in [0, 1) that depends on nothing but the arguments. */
export function draw(seed: number, purpose: string, text: string): number {
  return createHash("sha256").update(`${seed}|${purpose}|${text}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

function struckBy(rates: FaultProfile, at: number): AnswerFault | null {
  let sum = 0;
  for (const kind of ANSWER_FAULTS) {
    sum += rates[kind] ?? 0;
    if (at < sum) return kind;
  }
  return null;
}

function ratesOfText(text: string): FaultProfile {
  const rates: Record<string, number> = {};
  for (const part of text.split(",")) {
    const [name = "", rate] = part.trim().split("=");
    if (rate !== undefined) rates[name] = Number(rate);
    else Object.assign(rates, FAULT_PROFILES[name as FaultProfileName] ?? { [name]: 1 });
  }
  return rates;
}

function isKind(text: string): text is FaultKind {
  return ([...ANSWER_FAULTS, ...DATA_FAULTS] as string[]).includes(text);
}
