import { parseLimits } from "../../core/budget/limits.ts";

/** The address of the paths under `/stable`. */
export const FMP_BASE_URL = "https://financialmodelingprep.com";

/** Calls allowed by plan; the free one is the default. */
export const FMP_LIMITS = {
  free: parseLimits("250/day"),
  starter: parseLimits("300/min"),
  premium: parseLimits("750/min"),
  ultimate: parseLimits("3000/min"),
} as const;

/** The header that carries the key: in a header it stays out of URLs and logs. */
export function fmpAuth(key: string): { readonly name: string; readonly value: string } {
  return { name: "apikey", value: key };
}
