import { describe, expect, it } from "vitest";
import { everyDay } from "../../core/calendar/store-calendar.ts";
import { datedExceptions, exceptionsText, readExceptions } from "./day-exceptions.ts";

const USUAL = { open: "07:00", close: "21:00" };
const SHORT = { open: "08:00", close: "14:00" };

describe("declared exceptions", () => {
  it("are other hours, usual hours, or closures with their reason, in order", () => {
    const read = readExceptions(
      "2026-02-16=closed,2025-12-24=08:00-14:00,2025-12-25=open,2026-02-17=martes de carnaval,2026-03-01",
      [],
    );
    expect(read).toEqual([
      { date: "2025-12-24", hours: SHORT, reason: "declared" },
      { date: "2025-12-25", hours: "usual", reason: "declared" },
      { date: "2026-02-16", hours: null, reason: "closed" },
      { date: "2026-02-17", hours: null, reason: "martes de carnaval" },
      { date: "2026-03-01", hours: null, reason: "closed" },
    ]);
    expect(readExceptions(exceptionsText(read), [])).toEqual(read);
  });

  it.each(["open", "Abierto", "abierta", "abrió"])("take %s for open", (word) => {
    expect(readExceptions(`2025-12-25=${word}`, [])).toMatchObject([{ hours: "usual" }]);
  });

  it.each(["cerrado", "Inventario", "obras", "luto", "paro"])("take %s for closed", (word) => {
    expect(readExceptions(`2025-12-26=${word}`, [])).toMatchObject([{ hours: null, reason: word }]);
  });

  it("keep those of other dates, replace those of the same, and go altogether with an empty text", () => {
    const before = readExceptions("2026-01-02=inventario,2026-01-05=inventario", []);
    expect(exceptionsText(readExceptions("2026-01-02=open,2026-01-03=closed", before))).toBe(
      "2026-01-02=open,2026-01-03=closed,2026-01-05=inventario",
    );
    expect(readExceptions("", before)).toEqual([]);
  });

  it("that are open have the hours of their weekday; where it has none, the widest of the week", () => {
    const weekly = { ...everyDay(USUAL), sunday: null, saturday: { open: "06:00", close: "13:00" } };
    // A Saturday, a Sunday and a Thursday.
    const open = readExceptions("2026-01-03=open,2026-01-04=open,2025-12-25=open,2026-01-05=08:00-14:00", []);
    expect(datedExceptions(open, weekly).map(({ date, hours }) => [date, hours])).toEqual([
      ["2025-12-25", USUAL],
      ["2026-01-03", { open: "06:00", close: "13:00" }],
      ["2026-01-04", { open: "06:00", close: "21:00" }],
      ["2026-01-05", SHORT],
    ]);
  });

  it.each([
    ["2025-12-24=8:00-14:00", '"8:00-14:00" are no hours'],
    ["2025-12-24=08-14", '"08-14" are no hours'],
    ["2025-12-24=14:00-08:00", '"14:00-08:00" closes no later than it opens'],
    ["2026-02-30=closed", '"2026-02-30" is no date such as 2026-02-16'],
    ["2026-02-16=Inventario, anual", '"anual" is no date'],
    ["2026-02-16=", "2026-02-16= says nothing"],
    ["2026-02-16=open,2026-02-16=closed", "2026-02-16 is named twice"],
    ["2026-02-16=opne", "2026-02-16=opne: neither open nor a reason"],
    ["2026-02-16=avierto", "2026-02-16=avierto: neither open nor a reason"],
  ])("are refused with what is wrong and how they are written: %s", (text, message) => {
    expect(() => readExceptions(text, [])).toThrow(
      expect.objectContaining({
        code: "USAGE",
        message: expect.stringContaining(message),
        hint: expect.stringContaining("2025-12-24=08:00-14:00 (other hours), 2025-12-25=open"),
      }),
    );
  });
});
