import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { SmallLine } from "../../src/sandbox/retail/small-sales.ts";
import { type RetailWorld, retailWorld } from "./retail-kit.ts";

const NOW = "2026-01-09T14:00:00Z";
const line = (day: number): SmallLine => ({ sold_at: `2026-01-0${day} 10:00:00`, invoice: `F${day}` });

/** The store sold on the 2nd to the 7th; its own table holds the 2nd, the 3rd and the 6th, and on the 3rd too little. */
async function tableWorld(): Promise<RetailWorld> {
  const at = await retailWorld([2, 3, 4, 5, 6, 7].map(line), {
    now: NOW,
    retail: { since: "2026-01-02", existing: "./existing", lookbackDays: 10 },
  });
  const rows = [2, 3, 6].map(
    (day) => `tienda_01,2026-01-0${day} 10:00:00,F${day}_L1,P1,${day === 3 ? 9 : 1},2.00,2.00`,
  );
  await mkdir(join(at.dir, "existing"), { recursive: true });
  const header = "ubicacion_id,fecha_venta,numero_factura,producto_id,cantidad_vendida,precio_unitario,venta_total";
  await writeFile(join(at.dir, "existing", "ventas.csv"), `${[header, ...rows].join("\n")}\n`);
  return at;
}

const sales = (at: RetailWorld) =>
  at.rows("select day(fecha_venta) as day, cantidad_vendida::int as n, source from ventas order by 1");

describe("a table that was filled before", () => {
  it("fills the days that it has, and everything else is asked of the source", async () => {
    await using at = await tableWorld();
    const run = await at.json("run", "retail");
    expect(run.json.cells).toMatchObject({ due: 7, covered_after: 6 });
    expect(await sales(at)).toMatchObject([
      { day: 2, source: "ventas-table" },
      { day: 3, n: 9, source: "ventas-table" },
      { day: 4, source: "klk" },
      { day: 5, source: "klk" },
      { day: 6, source: "ventas-table" },
      { day: 7, source: "klk" },
    ]);
    // Nobody has sales of the 8th: asked twice of the source before it counts as empty.
    expect(run.json).toMatchObject({ status: "succeeded", cells: { verified_empty: 1 } });
    const asked = at.sandbox.report().requests;
    expect(asked).toBeGreaterThanOrEqual(2);
    expect((await at.json("run", "retail")).json.calls.made).toBe(0);
  });

  it.each([
    ["--again", ["--again"]],
    ["an incremental run", ["--mode", "incremental"]],
  ])("is not asked again by %s: the source is, and what it filled stays", async (_what, flags) => {
    await using at = await tableWorld();
    await at.json("run", "retail");
    const again = await at.json("run", "retail", ...flags);
    expect(again.json.rows).toMatchObject({ inserted: 0, updated: 3, retracted: 0 });
    expect((await sales(at)).map(({ source }) => source)).toEqual(Array(6).fill("klk"));
    expect((await sales(at)).map(({ n }) => n)).toEqual(Array(6).fill(2));
    expect((await at.cli("verify")).exit).toBe(0);
    const { json } = await at.json("reprocess", "retail");
    expect(json.rows).toMatchObject({ inserted: 0, updated: 0, retracted: 0 });
  });
});
