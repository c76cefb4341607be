/** Decimals of four digits, as text and as whole ten-thousandths: sums of money without binary fractions. */
const SCALE = 4;

/** `text` plus whole cents, with four decimals. */
export function plusCents(text: string, cents: number): string {
  return textOf(unitsOf(text) + BigInt(cents) * 100n);
}

/** The sum, with four decimals. */
export function sum(texts: readonly string[]): string {
  return textOf(texts.reduce((total, text) => total + unitsOf(text), 0n));
}

/** `text` without its last zeros, but with at least `digits` decimals: `3.5000` to `3.50`. */
export function withDigits(text: string, digits: number): string {
  const [whole = "0", fraction = ""] = text.split(".");
  const kept = fraction.replace(/0+$/, "").padEnd(digits, "0");
  return kept === "" ? whole : `${whole}.${kept}`;
}

function unitsOf(text: string): bigint {
  const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
  if (fraction.length > SCALE) throw new RangeError(`not a decimal of ${SCALE} digits: ${text}`);
  const units = BigInt(whole + fraction.padEnd(SCALE, "0"));
  return text.startsWith("-") ? -units : units;
}

function textOf(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(SCALE + 1, "0");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -SCALE)}.${digits.slice(-SCALE)}`;
}
