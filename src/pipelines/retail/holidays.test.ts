import { describe, expect, it } from "vitest";
import { nationalHolidays } from "./holidays.ts";

// Ley Organica del Trabajo, los Trabajadores y las Trabajadoras (2012), article 184, and the Ley de Fiestas Nacionales
// that it refers to. Easter was on 2024-03-31; carnival is the Monday and Tuesday 48 and 47 days before.
const LAW_2024 = [
  "2024-01-01",
  "2024-02-12",
  "2024-02-13",
  "2024-03-28",
  "2024-03-29",
  "2024-04-19",
  "2024-05-01",
  "2024-06-24",
  "2024-07-05",
  "2024-07-24",
  "2024-10-12",
  "2024-12-24",
  "2024-12-25",
  "2024-12-31",
];

describe("Venezuela's national holidays", () => {
  it("are those of the law, with Easter Sunday", () => {
    const dates = nationalHolidays({ first: "2024-01-01", last: "2024-12-31" }).map(({ date }) => date);
    expect(dates).toEqual([...LAW_2024, "2024-03-31"].sort());
  });

  it("are named in Spanish and cut at the ends of the span, over a New Year too", () => {
    expect(nationalHolidays({ first: "2025-12-25", last: "2026-01-26" })).toEqual([
      { date: "2025-12-25", name: "Navidad" },
      { date: "2025-12-31", name: "Fin del Año" },
      { date: "2026-01-01", name: "Año Nuevo" },
    ]);
    expect(nationalHolidays({ first: "2026-01-02", last: "2026-01-31" })).toEqual([]);
  });

  it("are local dates on both sides of the clock changes", () => {
    const christmases = (year: number) =>
      nationalHolidays({ first: `${year}-12-24`, last: `${year}-12-25` }).map(({ date }) => date.slice(5));
    expect([2006, 2007, 2015, 2016].map(christmases)).toEqual(Array(4).fill(["12-24", "12-25"]));
  });
});
