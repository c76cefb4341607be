import type { DocumentSeries } from "../document.ts";
import type { PageElement } from "./browser.ts";
import type { Kit } from "./kit.ts";

/** The completeness matrix: entries against timeframes, or against months. */
export interface MatrixModel {
  /** What an entry is called, such as symbol. */
  readonly noun: string;
  readonly columns: readonly string[];
  /** What a cell counts: due slots, or days. */
  readonly counted: string;
  /** Whether the last columns matter most where not all are seen. */
  readonly showsLast: boolean;
  readonly rows: readonly MatrixRow[];
}

export interface MatrixRow {
  readonly entry: string;
  readonly name: string | null;
  /** Said with emphasis beside its name, or null. */
  readonly warning: string | null;
  /** Null where there is only one. */
  readonly dataset: string | null;
  /** In the order of the columns; null where the entry has nothing of the kind. */
  readonly cells: readonly (MatrixCell | null)[];
}

export interface MatrixCell {
  readonly mark: DocumentSeries["mark"];
  /** What should be there, and what of it is, with rows or empty at the source. */
  readonly due: number;
  readonly there: number;
  /** Goes to where the cell is drawn over time. */
  open(): void;
}

export interface Matrix {
  filter(isShown: (entry: string) => boolean): void;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function matrix(kit: Kit, model: MatrixModel, root: PageElement): Matrix {
  const { element, count, percent } = kit;
  const rows = model.rows.map((row) => ({ entry: row.entry, line: lineOf(row) }));
  const head = element(
    "tr",
    {},
    element("th", { scope: "col", class: "first" }, model.noun),
    ...[...model.columns, "all"].map((name) => element("th", { scope: "col" }, name)),
  );
  root.replaceChildren(
    element(
      "table",
      { class: "matrix" },
      element("thead", {}, head),
      element("tbody", {}, ...rows.map((one) => one.line)),
    ),
  );

  if (model.showsLast) root.scrollLeft = root.scrollWidth;

  function lineOf(row: MatrixRow): PageElement {
    const due = row.cells.reduce((sum, cell) => sum + (cell?.due ?? 0), 0);
    const there = row.cells.reduce((sum, cell) => sum + (cell?.there ?? 0), 0);
    const title = element("th", { scope: "row", class: "first" }, element("b", {}, row.entry));
    for (const told of [row.name, row.dataset]) if (told !== null) title.append(element("small", {}, told));
    if (row.warning !== null) title.append(element("small", { class: "unfound" }, row.warning));
    return element(
      "tr",
      {},
      title,
      ...row.cells.map((cell, i) => element("td", {}, cell === null ? blank() : buttonOf(row, cell, i))),
      element("td", { class: "all" }, percent(there, due)),
    );
  }

  function blank(): PageElement {
    return element("span", { class: "cell none", "aria-label": "no such series" });
  }

  function buttonOf(row: MatrixRow, cell: MatrixCell, column: number): PageElement {
    const { state, label } = kit.marks[cell.mark];
    const share = percent(cell.there, cell.due);
    const slots = `${count(cell.there)} of ${count(cell.due)} ${model.counted}`;
    const spoken = `${[row.entry, ...(row.dataset === null ? [] : [row.dataset]), model.columns[column]].join(" ")}: ${label}, ${share}, ${slots}`;
    const button = element(
      "button",
      { class: `cell ${state}`, type: "button", "aria-label": spoken, title: `${label}\n${slots}`, click: cell.open },
      element("i", {}, cell.mark),
      cell.due === 0 ? "" : share,
    );
    button.style.setProperty("--share", String(cell.due === 0 ? 0 : cell.there / cell.due));
    return button;
  }

  return {
    filter(isShown) {
      for (const { entry, line } of rows) line.hidden = !isShown(entry);
    },
  };
}
