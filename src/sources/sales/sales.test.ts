import { describe, expect, it } from "vitest";
import { instant } from "../../core/time/instant.ts";
import type { Interval } from "../../core/time/interval.ts";
import { classifyAnswer } from "../../engine/fetch/classify.ts";
import type { Outcome } from "../../engine/ports.ts";
import { retailPipeline } from "../../pipelines/retail/retail.ts";
import { retailSettings } from "../../pipelines/retail/settings.ts";
import { salesSource } from "./sales.ts";

const pipeline = retailPipeline({ ...retailSettings.parse({}), source: "sales" });
const NOW = instant(Date.parse("2026-01-27T06:00:00Z"));
const [STORE] = pipeline.series("retail.ventas", pipeline.entry("tienda_07", {}), NOW);
if (!STORE) throw new Error("unreachable: a store has one series");
const series = STORE;

const span = (start: string, end: string): Interval => ({
  start: instant(Date.parse(start)),
  end: instant(Date.parse(end)),
});
const WINDOW = span("2026-01-10T04:00:00Z", "2026-01-12T04:00:00Z");

const line = (ticket: string, at: string): object => ({
  ticket_number: ticket,
  line_number: 1,
  closed_at: at,
  quantity: "2.000",
  line_total: "8.12",
});

function read(body: object | string, status = 200): Outcome {
  const source = salesSource();
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = { status, headers: {}, body: Buffer.from(text), receivedAt: instant(0) };
  return classifyAnswer(source, series, source.request(series, WINDOW), answer);
}

const page = (lines: readonly object[], more: object = {}): object => ({
  store_id: "tienda_07",
  lines,
  page: { count: lines.length, cursor: null },
  complete: true,
  ...more,
});

describe("the question", () => {
  it("is a window on the store's clock with its offset, half-open", () => {
    expect(salesSource({ limit: 500 }).request(series, WINDOW)).toEqual({
      method: "GET",
      target: "/api/v1/stores/tienda_07/sales?from=2026-01-10T00:00-04:00&to=2026-01-12T00:00-04:00&limit=500",
    });
  });

  it("names the offset of its own time where the clocks have been moved since", () => {
    // Until 2016-05-01 Caracas was four and a half hours behind UTC.
    const before = span("2016-04-28T04:30:00Z", "2016-04-29T04:30:00Z");
    expect(salesSource().request(series, before).target).toContain(
      "from=2016-04-28T00:00-04:30&to=2016-04-29T00:00-04:30",
    );
    const across = span("2016-05-01T04:30:00Z", "2016-05-02T04:00:00Z");
    expect(salesSource().request(series, across).target).toContain(
      "from=2016-05-01T00:00-04:30&to=2016-05-02T00:00-04:00",
    );
  });

  it("never asks for more than the contract serves", () => {
    const gaps = [span("2026-01-10T04:00:00Z", "2026-01-20T04:00:00Z")];
    expect(salesSource().windows(series, gaps)).toHaveLength(5);
    expect(salesSource().windows(series, gaps, 9)).toHaveLength(2);
  });
});

describe("an answer", () => {
  it("ends its pages without a cursor, and else goes on in the same window", () => {
    expect(read(page([line("1", "2026-01-10T08:00:00-04:00")]))).toMatchObject({ rows: 1, next: null, strict: true });
    const more = read(page([line("1", "2026-01-10T08:00:00-04:00")], { page: { count: 1, cursor: "a=b&c" } }));
    expect(more).toMatchObject({
      next: { target: `${salesSource().request(series, WINDOW).target}&cursor=a%3Db%26c` },
    });
  });

  it("stands where its furthest line does, in whatever order they come", () => {
    const places = [
      [line("2", "2026-01-10T09:00:00-04:00"), line("1", "2026-01-10T08:00:00-04:00")],
      [line("1", "2026-01-10T09:00:00-04:00")],
      [line("1", "2026-01-10T08:59:59-04:00")],
    ].map((lines) => (read(page(lines)) as { readonly place?: string }).place ?? "");
    const [first = "", second = "", third = ""] = places;
    expect([first > second, second > third]).toEqual([true, true]);
  });

  it("with lines of another store is left to be judged line by line", () => {
    const lines = [line("1", "2026-01-10T08:00:00-04:00")];
    expect(read(page(lines, { store_id: "tienda_08" }))).toMatchObject({ kind: "rows", rows: 1 });
  });

  it("says where registers have not synced yet", () => {
    expect(read(page([], { complete: false }))).toMatchObject({ kind: "rows", provisional: true });
  });

  it.each([
    ["without lines for another store", page([], { store_id: "tienda_08" }), "bad-request"],
    [
      "that does not say whose it is",
      page([line("1", "2026-01-10T08:00:00-04:00")], { store_id: null }),
      "bad-request",
    ],
    ["that announces more lines than it has", page([], { page: { count: 3, cursor: null } }), "transient"],
    ["with an error inside a 200", { error: { code: "INTERNAL", message: "no" } }, "transient"],
    ["that is a login page", "<html>login</html>", "transient"],
  ] as const)("%s is not data", (_, body, of) => {
    expect(read(body)).toMatchObject({ kind: "failure", class: of });
  });

  it.each([
    [400, "BAD_RANGE", "bad-request"],
    [400, "WINDOW_TOO_LARGE", "slow-window"],
    [401, "UNAUTHENTICATED", "auth"],
    [403, "STORE_FORBIDDEN", "plan-value"],
    [404, "STORE_NOT_FOUND", "plan-value"],
    [410, "CURSOR_EXPIRED", "stale-cursor"],
    [422, "RETENTION", "plan-value"],
    [429, "RATE_LIMITED", "rate-untold"],
    [503, "MAINTENANCE", "transient"],
    [504, "GATEWAY_TIMEOUT", "slow-window"],
    [500, "SOMETHING_NEW", "transient"],
  ] as const)("with status %i and %s is not data", (status, code, of) => {
    expect(read({ error: { code, message: "m" } }, status)).toMatchObject({ kind: "failure", class: of });
  });
});
