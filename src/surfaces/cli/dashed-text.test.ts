import { describe, expect, it } from "vitest";
import { markDashedText, unmarked } from "./dashed-text.ts";

describe("arguments that begin with two dashes", () => {
  it.each(["--json", "--", "--days=30", "--reason=two words", "--reason=two\nlines", "-v", "--fecha-desde", "a -- b"])(
    "are left as they are where they may be options: %j",
    (arg) => {
      expect(markDashedText([arg])).toEqual([arg]);
    },
  );

  it.each([
    "-- check\nSELECT 1",
    "--\nSELECT 1",
    "--\tcheck",
    "-- a=1\nSELECT 2",
    "--check\nSELECT 1",
    "--a b\nSELECT 1",
  ])("begin with no dash for the parser where they are comments: %j", (arg) => {
    const [marked] = markDashedText([arg]);
    expect(marked).not.toMatch(/^-/);
    expect(unmarked(marked)).toBe(arg);
    expect(unmarked([marked, "b"])).toEqual([arg, "b"]);
  });
});
