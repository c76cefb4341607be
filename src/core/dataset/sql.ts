import type { Dataset, DatasetName, Sql } from "./dataset.ts";

/**
 * SQL with datasets, other SQL, numbers and names of columns interpolated:
 *
 *     sql`select symbol, avg(close) as mean from ${marketData} group by symbol`
 */
export function sql(
  strings: TemplateStringsArray,
  ...values: readonly (Pick<Dataset, "name"> | Sql | number | string)[]
): Sql {
  const parts: Sql["parts"][number][] = [];
  for (const [i, text] of strings.entries()) {
    parts.push(text);
    const value = values[i];
    if (value === undefined) continue;
    if (typeof value === "number" || typeof value === "string") parts.push(String(value));
    else if ("parts" in value) parts.push(...value.parts);
    else parts.push({ dataset: value.name });
  }
  return { parts };
}

/** The datasets that a query reads, in order of first mention. */
export function readsOf(query: Sql): readonly DatasetName[] {
  return [...new Set(query.parts.flatMap((part) => (typeof part === "string" ? [] : [part.dataset])))];
}

/** The query as text, each dataset as `relation` gives it. */
export function renderSql(query: Sql, relation: (dataset: DatasetName) => string): string {
  return query.parts.map((part) => (typeof part === "string" ? part : relation(part.dataset))).join("");
}

/** The query without comments and with single spaces: two texts that differ mean two logics. */
function logicText(query: Sql): string {
  return (
    renderSql(query, (dataset) => `{${dataset}}`)
      // Literals are taken whole: what looks like a comment or a space inside one is logic.
      .replaceAll(/('(?:[^']|'')*')|--[^\n]*|\/\*[\s\S]*?\*\/|\s+/g, (_, literal?: string) => literal ?? " ")
      .replaceAll(/('(?:[^']|'')*')| +/g, (_, literal?: string) => literal ?? " ")
      .trim()
  );
}

/** What a version's rows follow from, as text: another text under the same version is a mistake. */
export function logicOf({ columns, key, time, rowKey, extract, transform }: Dataset): string {
  const made = transform && { query: logicText(transform.query), inputs: transform.inputs };
  return JSON.stringify([columns, key, time, rowKey, extract, made]);
}
