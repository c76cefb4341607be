import { afterAll, describe, expect, it } from "vitest";
import { ask, type ReadAnswer } from "../small-world.ts";
import type { Sandbox, SandboxOptions } from "../start-sandbox.ts";
import { minuteLines, type SmallLine, startSmallSales } from "./small-sales.ts";

const opened: Sandbox[] = [];
afterAll(async () => {
  for (const sandbox of opened) await sandbox.close();
});

async function open(lines: readonly SmallLine[], options: Omit<SandboxOptions, "dataDir"> = {}): Promise<Sandbox> {
  const sandbox = await startSmallSales(lines, options);
  opened.push(sandbox);
  return sandbox;
}

const BASE = "/api/v1/stores/tienda_01/sales";
const DAY = window("2026-01-10", "2026-01-11");
const MORNING = minuteLines("2026-01-10", 25);

const tickets = ({ body }: ReadAnswer): string[] =>
  body.lines.map(({ ticket_number }: { ticket_number: string }) => ticket_number);
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => String(from + i).padStart(4, "0"));

describe("a line", () => {
  const SALE = { sold_at: "2026-01-10 11:30:17.7514927", version: 7, updated_at: "2026-01-10 11:30:20" };

  it("is sent in the contract's words, decimals as text", async () => {
    const { status, body } = await ask(await open([SALE]), `${BASE}?${DAY}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      store_id: "tienda_01",
      timezone: "America/Caracas",
      from: "2026-01-10T00:00-04:00",
      to: "2026-01-11T00:00-04:00",
      lines: [
        {
          ticket_number: "0001",
          line_number: 1,
          type: "SALE",
          status: "CLOSED",
          closed_at: "2026-01-10T11:30:17-04:00",
          business_date: "2026-01-10",
          sku: "000101",
          description: 'HARINA "PAN", 1 KG',
          quantity: "2.000",
          unit: "UNIDAD",
          unit_price: "3.50",
          discount: "0.00",
          tax: "1.12",
          line_total: "8.12",
          currency: "USD",
          version: 7,
          updated_at: "2026-01-10T11:30:20-04:00",
        },
      ],
      page: { count: 1, cursor: null },
      as_of: "2026-01-10T11:30:20-04:00",
      complete: true,
    });
  });

  it("that comes back is a return that names its sale", async () => {
    const back = {
      sold_at: "2026-01-10 12:00:00",
      invoice: "0002",
      type: "RETURN",
      quantity: "-1.000",
      total: "-4.06",
      original_invoice: "0001",
      original_line: 1,
    };
    const { body } = await ask(await open([back]), `${BASE}?${DAY}`);
    expect(body.lines[0]).toMatchObject({
      type: "RETURN",
      status: "CLOSED",
      original_ticket: "0001",
      original_line: 1,
      quantity: "-1.000",
      tax: "-0.56",
      line_total: "-4.06",
    });
  });

  it("shows its newest version of the sandbox's present: not there yet, sold, corrected, voided", async () => {
    const sold = "2026-01-10 11:00:00";
    const versions: SmallLine[] = [
      { sold_at: sold, updated_at: "2026-01-10 11:05:00", version: 1 },
      { sold_at: sold, updated_at: "2026-01-11 09:00:00", version: 2, total: "8.00" },
      { sold_at: sold, updated_at: "2026-01-12 09:00:00", version: 3, total: "8.00", type: "VOID" },
    ];
    const presents = ["2026-01-10T15:04Z", "2026-01-10T16:00Z", "2026-01-11T16:00Z", "2026-01-12T16:00Z"];
    const expected = ["", "CLOSED 8.12 SALE", "CLOSED 8.00 SALE", "VOIDED 8.00 SALE"];
    const seenBy = async (sandbox: Sandbox) => {
      const { body } = await ask(sandbox, `${BASE}?${DAY}`);
      return body.lines.map((line: Record<string, string>) => `${line.status} ${line.line_total} ${line.type}`).join();
    };
    const seen = [];
    for (const now of presents) seen.push(await seenBy(await open(versions, { nowMs: Date.parse(now) })));
    expect(seen).toEqual(expected);

    // The same of one sandbox whose present moves, in any order, and at last with all that is known.
    const moving = await open(versions);
    expect(await seenBy(moving)).toBe(expected[3]);
    for (const i of [1, 0, 3, 2, 1]) {
      moving.setNow(Date.parse(presents[i] ?? ""));
      expect(await seenBy(moving)).toBe(expected[i]);
    }
  });

  it("counts in sums and changes as it is at the present", async () => {
    const sold = "2026-01-10 11:00:00";
    const sandbox = await open([
      { sold_at: sold, updated_at: "2026-01-10 11:05:00", version: 1 },
      { sold_at: sold, updated_at: "2026-01-11 09:00:00", version: 3, total: "8.00" },
      { sold_at: sold, invoice: "0002", updated_at: "2026-01-11 09:30:00", version: 4 },
    ]);
    const seen = async (now: string) => {
      sandbox.setNow(Date.parse(now));
      const { body: sums } = await ask(sandbox, `${BASE}/summary?${DAY}`);
      const { body: changes } = await ask(sandbox, `${BASE}/changes?since_version=0`);
      return [sums.lines, sums.total, sums.as_of, changes.lines.map(({ version }: { version: number }) => version)];
    };
    expect(await seen("2026-01-10T16:00Z")).toEqual([1, "8.12", "2026-01-10T12:00:00-04:00", [1]]);
    expect(await seen("2026-01-11T13:00Z")).toEqual([1, "8.00", "2026-01-11T09:00:00-04:00", [3]]);
    expect(await seen("2026-01-11T14:00Z")).toEqual([2, "16.12", "2026-01-11T10:00:00-04:00", [3, 4]]);
  });
});

describe("a window", () => {
  it("is half-open, and reads a time without offset on the store's clock", async () => {
    const sandbox = await open([
      { sold_at: "2026-01-09 23:59:59.9999999", invoice: "before" },
      { sold_at: "2026-01-10 00:00:00", invoice: "first" },
      { sold_at: "2026-01-10 23:59:59.9999999", invoice: "last" },
      { sold_at: "2026-01-11 00:00:00", invoice: "after" },
    ]);
    expect(tickets(await ask(sandbox, `${BASE}?${DAY}`))).toEqual(["first", "last"]);
    expect(tickets(await ask(sandbox, `${BASE}?from=2026-01-10T00:00&to=2026-01-11T00:00`))).toEqual(["first", "last"]);
    expect(tickets(await ask(sandbox, `${BASE}?from=2026-01-10T04:00Z&to=2026-01-11T04:00Z`))).toEqual([
      "first",
      "last",
    ]);
  });

  it("has the zone's offsets of its time, and the half hours that were shown twice or never count once", async () => {
    // tz database, southamerica: Caracas went from -4:00 to -4:30 on 2007-12-09 and back on 2016-05-01, at 07:00 UTC.
    const sandbox = await open([
      { sold_at: "2007-12-09 02:45:00", invoice: "twice" },
      { sold_at: "2007-12-09 03:15:00", invoice: "behind" },
      { sold_at: "2016-05-01 02:45:00", invoice: "skipped" },
      { sold_at: "2016-05-01 03:15:00", invoice: "back" },
    ]);
    const { body } = await ask(sandbox, `${BASE}?from=2007-12-09T00:00-04:00&to=2007-12-10T00:00-04:30`);
    expect(body.lines.map(({ closed_at }: { closed_at: string }) => closed_at)).toEqual([
      "2007-12-09T02:45:00-04:00",
      "2007-12-09T03:15:00-04:30",
    ]);
    const later = await ask(sandbox, `${BASE}?from=2016-05-01T00:00&to=2016-05-02T00:00`);
    expect(later.body).toMatchObject({ from: "2016-05-01T00:00-04:30", to: "2016-05-02T00:00-04:00" });
    expect(later.body.lines.map(({ closed_at }: { closed_at: string }) => closed_at)).toEqual([
      "2016-05-01T03:00:00-04:00",
      "2016-05-01T03:15:00-04:00",
    ]);
  });

  it("that is not one, is too long, or is older than what is kept, is refused by name", async () => {
    const sandbox = await open(MORNING, { retail: { sales: { maxWindowHours: 48, retentionDays: 30 } } });
    const code = async (query: string) => {
      const { status, body } = await ask(sandbox, `${BASE}?${query}`);
      return `${status} ${body.error.code}`;
    };
    expect(await code("from=2026-01-10&to=2026-01-11")).toBe("400 BAD_RANGE");
    expect(await code("from=2026-02-30T00:00&to=2026-03-01T00:00")).toBe("400 BAD_RANGE");
    expect(await code(window("2026-01-11", "2026-01-11"))).toBe("400 BAD_RANGE");
    expect(await code(`${DAY}&limit=1001`)).toBe("400 BAD_RANGE");
    expect(await code(`${DAY}&limit=0`)).toBe("400 BAD_RANGE");
    expect(await code(window("2025-12-01", "2025-12-02"))).toBe("422 RETENTION");
    const { status, body } = await ask(sandbox, `${BASE}?${window("2026-01-08", "2026-01-11")}`);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: "WINDOW_TOO_LARGE", max_window_hours: 48 });
    expect((await ask(sandbox, `${BASE}?${window("2026-01-09", "2026-01-11")}`)).status).toBe(200);
  });

  it("of more hours than the store can answer ends in a 504, or in nothing", async () => {
    const slow = await open(MORNING, { retail: { sales: { timeoutAboveHours: 24, timeoutAs: "504" } } });
    expect((await ask(slow, `${BASE}?${window("2026-01-09", "2026-01-11")}`)).status).toBe(504);
    expect((await ask(slow, `${BASE}?${DAY}`)).status).toBe(200);
    const hung = await open(MORNING, { stallMs: 20, retail: { sales: { timeoutAboveHours: 24 } } });
    await expect(ask(hung, `${BASE}?${window("2026-01-09", "2026-01-11")}`)).rejects.toThrow();
    expect((await ask(hung, `${BASE}?${DAY}`)).status).toBe(200);
    expect(hung.report()).toMatchObject({ requests: 2, answered: 1, byStatus: { 200: 1 } });
  });

  it("is incomplete while it reaches past what the registers have sent", async () => {
    const nowMs = Date.parse("2026-01-11T12:00-04:00");
    const complete = async (delay: number, query: string) => {
      const sandbox = await open(MORNING, { nowMs, retail: { sales: { syncDelayHours: delay } } });
      return (await ask(sandbox, `${BASE}?${query}`)).body.complete;
    };
    expect(await complete(0, DAY)).toBe(true);
    expect(await complete(0, window("2026-01-11", "2026-01-12"))).toBe(false);
    expect(await complete(12, DAY)).toBe(true);
    expect(await complete(13, DAY)).toBe(false);
  });
});

describe("pages", () => {
  it("give every line once, in order", async () => {
    const sandbox = await open(MORNING);
    expect((await readPages(sandbox, 10)).map(tickets)).toEqual([numbers(1, 11), numbers(11, 21), numbers(21, 26)]);
    expect((await readPages(sandbox, 25)).map(tickets)).toEqual([numbers(1, 26)]);
  });

  it("are ordered by time, then ticket, then line", async () => {
    const at = "2026-01-10 08:00:00";
    const sandbox = await open([
      { sold_at: "2026-01-10 09:00:00", invoice: "a" },
      { sold_at: at, invoice: "c", line: 10 },
      { sold_at: at, invoice: "c", line: 9 },
      { sold_at: at, invoice: "b" },
    ]);
    const { body } = await ask(sandbox, `${BASE}?${DAY}`);
    const keys = body.lines.map((line: Record<string, unknown>) => `${line.ticket_number}${line.line_number}`);
    expect(keys).toEqual(["b1", "c9", "c10", "a1"]);
  });

  it("end in a 410 when the cursor is unknown, too old, or used and good for once", async () => {
    const code = async (sandbox: Sandbox, cursor: string) =>
      (await ask(sandbox, `${BASE}?${DAY}&limit=10&cursor=${cursor}`)).status;
    const first = async (sandbox: Sandbox) => (await ask(sandbox, `${BASE}?${DAY}&limit=10`)).body.page.cursor;

    const lasting = await open(MORNING);
    const cursor = await first(lasting);
    expect([await code(lasting, cursor), await code(lasting, cursor)]).toEqual([200, 200]);
    expect(await code(lasting, "bm8")).toBe(410);
    expect(await code(await open(MORNING), cursor)).toBe(410);

    const strict = await open(MORNING, { retail: { sales: { isCursorSingleUse: true } } });
    await first(strict);
    expect([await code(strict, cursor), await code(strict, cursor)]).toEqual([200, 410]);
    await first(strict);
    expect(await code(strict, cursor)).toBe(200);

    const hasty = await open(MORNING, { retail: { sales: { cursorTtlMs: 0 } } });
    expect(await code(hasty, await first(hasty))).toBe(410);
  });

  it("refuse a cursor of another window", async () => {
    const sandbox = await open(MORNING);
    const { body } = await ask(sandbox, `${BASE}?${DAY}&limit=10`);
    const other = await ask(sandbox, `${BASE}?${window("2026-01-10", "2026-01-12")}&cursor=${body.page.cursor}`);
    expect([other.status, other.body.error.code]).toEqual([400, "BAD_RANGE"]);
  });
});

describe("the changes feed", () => {
  const changed: SmallLine[] = [
    { sold_at: "2026-01-10 08:00:00", invoice: "a", version: 1 },
    { sold_at: "2026-01-10 09:00:00", invoice: "b", version: 2 },
    { sold_at: "2026-01-10 10:00:00", invoice: "c", version: 3 },
    { sold_at: "2026-01-10 08:00:00", invoice: "a", version: 4, type: "VOID", updated_at: "2026-01-11 08:00:00" },
  ];

  it("gives lines by version, newest state only, to the last one", async () => {
    const sandbox = await open(changed);
    const page = async (since: number, limit: number) =>
      (await ask(sandbox, `${BASE}/changes?since_version=${since}&limit=${limit}`)).body;
    const first = await page(0, 2);
    expect(first.lines.map((line: Record<string, unknown>) => line.version)).toEqual([2, 3]);
    expect(first.next_version).toBe(3);
    const second = await page(3, 2);
    expect(second.lines).toMatchObject([{ ticket_number: "a", status: "VOIDED", version: 4 }]);
    expect(await page(4, 2)).toMatchObject({ lines: [], next_version: 4 });
  });

  it("does not part lines that share a version", async () => {
    const sandbox = await open(["a", "b", "c"].map((invoice) => ({ sold_at: "2026-01-10 08:00:00", invoice })));
    const { body } = await ask(sandbox, `${BASE}/changes?since_version=0&limit=2`);
    expect(body.lines).toHaveLength(3);
    expect((await ask(sandbox, `${BASE}/changes?limit=2`)).status).toBe(400);
  });
});

describe("the summary", () => {
  it("counts tickets, lines and money by day, voided lines apart", async () => {
    const sandbox = await open([
      { sold_at: "2026-01-10 08:00:00", invoice: "a", line: 1, total: "8.12" },
      { sold_at: "2026-01-10 08:00:00", invoice: "a", line: 2, total: "0.10" },
      { sold_at: "2026-01-10 09:00:00", invoice: "b", total: "0.20" },
      { sold_at: "2026-01-10 10:00:00", invoice: "c", total: "99.00", type: "VOID" },
      { sold_at: "2026-01-11 08:00:00", invoice: "d", type: "RETURN", quantity: "-1.000", total: "-4.06" },
    ]);
    const { body } = await ask(sandbox, `${BASE}/summary?${window("2026-01-10", "2026-01-12")}`);
    expect(body).toMatchObject({
      tickets: 3,
      lines: 4,
      voided_lines: 1,
      total: "4.36",
      currency: "USD",
      complete: true,
    });
    expect(body.days).toEqual([
      { business_date: "2026-01-10", tickets: 2, lines: 3, voided_lines: 1, total: "8.42" },
      { business_date: "2026-01-11", tickets: 1, lines: 1, voided_lines: 0, total: "-4.06" },
    ]);
  });
});

describe("the door", () => {
  it("lists the stores, and refuses keys, stores and paths by name", async () => {
    const settings = { forbiddenStores: ["tienda_01"], lacks: ["summary"] } as const;
    const sandbox = await open(MORNING, { apiKeys: ["good"] });
    expect((await ask(sandbox, "/api/v1/stores", "good")).body).toEqual({
      stores: [{ id: "tienda_01", name: "PERIFERICO", timezone: "America/Caracas", opened_on: null }],
    });
    const bad = await ask(sandbox, "/api/v1/stores", "bad");
    expect([bad.status, bad.body.error.code]).toEqual([401, "UNAUTHENTICATED"]);
    const absent = await ask(sandbox, `/api/v1/stores/tienda_99/sales?${DAY}`, "good");
    expect([absent.status, absent.body.error.code]).toEqual([404, "STORE_NOT_FOUND"]);
    expect((await ask(sandbox, "/elsewhere", "good")).status).toBe(404);

    const closed = await open(MORNING, { retail: { sales: settings } });
    expect((await ask(closed, `${BASE}?${DAY}`)).body.error.code).toBe("STORE_FORBIDDEN");
    const without = await open(MORNING, { retail: { sales: { lacks: ["summary", "changes"] } } });
    expect((await ask(without, `${BASE}/summary?${DAY}`)).status).toBe(404);
    expect((await ask(without, `${BASE}/changes?since_version=0`)).status).toBe(404);
    expect((await ask(without, `${BASE}?${DAY}`)).status).toBe(200);
  });

  it("says with a 429 when to come back", async () => {
    const sandbox = await open(MORNING, { limits: [{ count: 1, windowMs: 60_000 }] });
    await ask(sandbox, `${BASE}?${DAY}`);
    const refused = await ask(sandbox, `${BASE}?${DAY}`);
    expect([refused.status, refused.body.error.code]).toEqual([429, "RATE_LIMITED"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50);
    expect(sandbox.report().byPath).toEqual({ sales: 2 });
  });

  it("answers many at once, each its own", async () => {
    const sandbox = await open([...MORNING, ...minuteLines("2026-01-11", 5, 100)]);
    const asked = Array.from({ length: 40 }, (_, i) =>
      ask(sandbox, `${BASE}?${i % 2 === 0 ? DAY : window("2026-01-11", "2026-01-12")}`),
    );
    const counts = (await Promise.all(asked)).map(({ body }) => body.page.count);
    expect(counts).toEqual(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 25 : 5)));
  });
});

describe("a fault", () => {
  const struck = async (kind: string, options: Omit<SandboxOptions, "dataDir"> = {}) =>
    await open(MORNING, { faults: { [kind]: 1 }, ...options });

  it("of corrections shows amounts that later change, with an older version", async () => {
    const sandbox = await struck("corrections");
    const [early, late] = [await ask(sandbox, `${BASE}?${DAY}`), await ask(sandbox, `${BASE}?${DAY}`)];
    expect(early.body.lines[0]).toMatchObject({ discount: "0.10", line_total: "8.02", tax: "1.12", version: 0 });
    expect(late.body.lines[0]).toMatchObject({ discount: "0.00", line_total: "8.12", tax: "1.12", version: 1 });
    expect(sandbox.report().faults).toEqual({ corrections: 1 });
  });

  it("of late has not got the newest lines yet", async () => {
    const sandbox = await struck("late");
    expect(tickets(await ask(sandbox, `${BASE}?${DAY}`))).toEqual(numbers(1, 23));
    const older = await ask(sandbox, `${BASE}?from=2026-01-10T08:00&to=2026-01-10T08:10`);
    expect(tickets(older)).toEqual(numbers(1, 11));
    await ask(sandbox, `${BASE}?${DAY}`);
    expect(tickets(await ask(sandbox, `${BASE}?${DAY}`))).toEqual(numbers(1, 26));
  });

  it("of duplicates repeats lines, of shuffled mixes them, and none is lost", async () => {
    const doubled = tickets(await ask(await struck("duplicates"), `${BASE}?${DAY}`));
    expect(doubled.length).toBeGreaterThan(25);
    expect([...new Set(doubled)]).toEqual(numbers(1, 26));
    const mixed = tickets(await ask(await struck("shuffled"), `${BASE}?${DAY}`));
    expect(mixed).not.toEqual(numbers(1, 26));
    expect([...mixed].sort()).toEqual(numbers(1, 26));
  });

  it("of moving repeats lines on the next page, of loop the whole page", async () => {
    const second = async (sandbox: Sandbox) => {
      const { body } = await ask(sandbox, `${BASE}?${DAY}&limit=10`);
      return tickets(await ask(sandbox, `${BASE}?${DAY}&limit=10&cursor=${body.page.cursor}`));
    };
    expect(await second(await struck("moving"))).toEqual(numbers(8, 18));
    expect(await second(await struck("loop"))).toEqual(numbers(1, 11));
  });

  it("of holes lacks a day inside a window that is too wide for it", async () => {
    const days = ["2026-01-10", "2026-01-11", "2026-01-12"];
    const lines = days.flatMap((date, i) => minuteLines(date, 5, 1 + 5 * i));
    const wide = window("2026-01-10", "2026-01-13");
    const sandbox = await open(lines, { faults: { holes: 1 }, holeMinDays: 2 });
    expect(tickets(await ask(sandbox, `${BASE}?${wide}`))).toEqual([...numbers(1, 6), ...numbers(11, 16)]);
    expect(tickets(await ask(sandbox, `${BASE}?${window("2026-01-11", "2026-01-12")}`))).toEqual(numbers(6, 11));
    const summary = await ask(sandbox, `${BASE}/summary?${wide}`);
    expect(summary.body.lines).toBe(15);
  });

  it("of a silent cap ends the window early without a cursor", async () => {
    const sandbox = await open(MORNING, { silentCapRows: 15 });
    expect((await readPages(sandbox, 10)).map(tickets)).toEqual([numbers(1, 11), numbers(11, 16)]);
    expect((await readPages(sandbox, 20)).map(tickets)).toEqual([numbers(1, 16)]);
    expect((await readPages(await struck("cap1000"), 10)).map(tickets)).toHaveLength(3);
  });

  it("of transport is as everywhere: a page cut, HTML, an error in a 200", async () => {
    expect((await ask(await struck("html"), `${BASE}?${DAY}`)).text).toContain("<html>");
    const error = await ask(await struck("error200"), `${BASE}?${DAY}`);
    expect([error.status, error.body.error.code]).toEqual([200, "INTERNAL"]);
    const refused = await ask(await struck("storm429"), `${BASE}?${DAY}`);
    expect([refused.status, refused.headers.has("retry-after")]).toEqual([429, true]);
  });
});

function window(from: string, to: string): string {
  return `from=${from}T00:00-04:00&to=${to}T00:00-04:00`;
}

async function readPages(sandbox: Sandbox, limit: number): Promise<ReadAnswer[]> {
  const pages: ReadAnswer[] = [];
  for (let cursor: string | null = ""; cursor !== null && pages.length < 9; ) {
    const page = await ask(sandbox, `${BASE}?${DAY}&limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`);
    pages.push(page);
    cursor = page.body.page.cursor;
  }
  return pages;
}
