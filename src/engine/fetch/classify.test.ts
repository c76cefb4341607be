import { describe, expect, it } from "vitest";
import type { Series } from "../../core/dataset/series.ts";
import { instant } from "../../core/time/instant.ts";
import type { Outcome, Reading, Source } from "../ports.ts";
import { classifyAnswer, classifyStatus, retryAfterMs } from "./classify.ts";
import type { RawAnswer, TransportFailure } from "./http.ts";

const NOW = instant(Date.UTC(2026, 0, 30, 12));
const REQUEST = { method: "GET", target: "/bars" } as const;

/** A source that says `reading` of every answer. */
const saying = (reading: Reading): Source => ({
  name: "plain",
  system: "plain",
  serves: () => true,
  records: { path: "results", stamp: "t", fields: { t: { type: "integer", required: true } } },
  silentCaps: [],
  windows: () => [],
  request: () => REQUEST,
  classify: () => reading,
});
const ROWS: Reading = { kind: "rows", rows: 1, next: null, through: null, provisional: false };

const classify = (source: Source, answer: RawAnswer | TransportFailure): Outcome =>
  classifyAnswer(source, {} as Series, REQUEST, answer);

const raw = (status: number, body: string, headers: Record<string, string> = {}): RawAnswer => ({
  status,
  headers,
  body: Buffer.from(body),
  receivedAt: NOW,
});

describe("classifyAnswer", () => {
  it.each([
    ["connect", "transient"],
    ["timeout", "transient"],
    ["cut", "transient"],
    ["too-large", "slow-window"],
    ["redirect", "bad-request"],
    ["target", "bad-request"],
  ] as const)("takes a transport failure of kind %s for %s and keeps its words", (kind, of) => {
    const outcome = classify(saying(ROWS), { kind, message: "GET /bars: broken" });
    expect(outcome).toEqual({ kind: "failure", class: of, message: "GET /bars: broken", waitMs: null });
  });

  it("passes on the rows that a source reads, and checks their types itself", () => {
    expect(classify(saying(ROWS), raw(200, '{"results":[{"t":1}]}'))).toEqual({ ...ROWS, strict: true, layout: null });
    expect(classify(saying(ROWS), raw(200, '{"results":[{"t":"1"}]}'))).toEqual({
      ...ROWS,
      strict: false,
      layout: null,
    });
    expect(classify(saying({ ...ROWS, rows: 0 }), raw(200, "{}"))).toMatchObject({ rows: 0, strict: true });
  });

  it.each([
    ["a web page", raw(200, "<html>sign in</html>", { "content-type": "text/html" }), "transient"],
    ["JSON that calls itself a web page", raw(200, '{"results":[]}', { "content-type": "text/html" }), "transient"],
    ["a cut body", raw(200, '{"results":[{"t":1'), "transient"],
    ["an error status", raw(500, '{"results":[]}'), "transient"],
    ["a refusal", raw(401, '{"results":[]}'), "auth"],
  ])("never takes rows from %s, whatever the source says", (_what, answer, of) => {
    expect(classify(saying(ROWS), answer)).toMatchObject({ kind: "failure", class: of });
  });

  it("lets the source's own reading of a refusal stand", () => {
    const reading: Reading = { kind: "failure", class: "quota", message: "bandwidth", waitMs: null };
    expect(classify(saying(reading), raw(429, "{}"))).toEqual(reading);
  });

  it("turns an untold excess into a told one when the answer says how long", () => {
    const untold: Reading = { kind: "failure", class: "rate-untold", message: "slow down", waitMs: null };
    const answer = raw(429, "{}", { "retry-after": "7" });
    expect(classify(saying(untold), answer)).toMatchObject({ class: "rate-told", waitMs: 7_000 });
    expect(classify(saying(null), answer)).toMatchObject({ class: "rate-told", waitMs: 7_000 });
    expect(classify(saying({ ...untold, waitMs: 3_000 }), answer)).toMatchObject({ class: "rate-told", waitMs: 3_000 });
    expect(classify(saying(untold), raw(429, "{}"))).toMatchObject({ class: "rate-untold", waitMs: null });
  });

  it("keeps a told wait with a transient failure", () => {
    const outcome = classify(saying(null), raw(503, "", { "retry-after": "20" }));
    expect(outcome).toMatchObject({ class: "transient", waitMs: 20_000 });
  });

  it("shows a provider's text as one short printable line", () => {
    const outcome = classify(saying(null), raw(500, `a\u001b[31m\r\nb\u0000\u202ec${"x".repeat(5_000)}`));
    if (outcome.kind !== "failure") throw new Error("unreachable: a 500 has no rows");
    expect(outcome.message).toMatch(/^HTTP 500 with a body that is not JSON: a \[31m b cx+…$/);
    expect(outcome.message.length).toBeLessThan(250);
  });
});

describe("classifyStatus", () => {
  it.each([
    [200, "{}", "transient"],
    [204, "", "transient"],
    [304, "", "bad-request"],
    [400, "{}", "bad-request"],
    [401, "<html>", "auth"],
    [402, "{}", "plan-endpoint"],
    [403, "{}", "plan-endpoint"],
    [403, "<html>blocked", "ban"],
    [403, "", "ban"],
    [404, "{}", "not-found"],
    [407, "", "auth"],
    [408, "", "transient"],
    [410, "{}", "not-found"],
    [418, "{}", "bad-request"],
    [422, "{}", "bad-request"],
    [425, "", "transient"],
    [429, "", "rate-untold"],
    [499, "", "transient"],
    [500, "{}", "transient"],
    [502, "<html>", "transient"],
    [503, "", "transient"],
    [504, "", "transient"],
  ])("takes %i with the body %j for %s", (status, text, of) => {
    const isJson = text === "{}";
    expect(classifyStatus({ status, headers: {}, json: isJson ? {} : null, text, isJson })).toMatchObject({
      class: of,
      message: expect.stringContaining(`HTTP ${status}`),
    });
  });
});

describe("retryAfterMs", () => {
  it.each([
    ["0", 0],
    ["120", 120_000],
    [" 5 ", 5_000],
    ["99999999999999999999", 30 * 86_400_000],
    ["Fri, 30 Jan 2026 12:00:30 GMT", 30_000],
    ["Friday, 30-Jan-26 12:01:00 GMT", 60_000],
    ["Fri Jan 30 12:00:05 2026", 5_000],
    ["Sun Feb  1 12:00:00 2026", 2 * 86_400_000],
    ["Fri, 30 Jan 2026 11:59:00 GMT", 0],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
    ["1.5", null],
    ["-3", null],
    ["soon", null],
    ["2026-01-30T12:00:30Z", null],
    ["Fri, 30 Foo 2026 12:00:30 GMT", null],
    ["", null],
  ])("reads %j as %s ms", (value, ms) => {
    expect(retryAfterMs({ "retry-after": value }, NOW)).toBe(ms);
  });

  it("is null without the header", () => {
    expect(retryAfterMs({}, NOW)).toBeNull();
  });

  it("measures a date against the answer's own clock", () => {
    const headers = { "retry-after": "Fri, 30 Jan 2026 12:00:30 GMT", date: "Fri, 30 Jan 2026 12:00:20 GMT" };
    expect(retryAfterMs(headers, instant(NOW + 3_600_000))).toBe(10_000);
  });
});
