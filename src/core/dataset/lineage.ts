import type { Dataset, DatasetName } from "./dataset.ts";

/** The datasets that `name` is made from, and those that they are made from; itself not among them. */
export function upstreamOf(datasets: readonly Dataset[], name: DatasetName): ReadonlySet<DatasetName> {
  return reach(name, (one) => inputsOf(datasets, one));
}

/** The datasets that are made from `name`, directly or not; itself not among them. */
export function downstreamOf(datasets: readonly Dataset[], name: DatasetName): ReadonlySet<DatasetName> {
  return reach(name, (one) =>
    datasets
      .filter((other) => other.name !== one && inputsOf(datasets, other.name).includes(one))
      .map(({ name }) => name),
  );
}

/** The datasets that one is made from; a dataset may be made from finer series of its own. */
export function inputsOf(datasets: readonly Dataset[], name: DatasetName): readonly DatasetName[] {
  const inputs = datasets.find((one) => one.name === name)?.transform?.inputs ?? [];
  return [...new Set(inputs.map((input) => input.dataset))].filter((input) => input !== name);
}

function reach(from: DatasetName, next: (one: DatasetName) => readonly DatasetName[]): ReadonlySet<DatasetName> {
  const seen = new Set<DatasetName>();
  const open = [...next(from)];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (seen.has(one)) continue;
    seen.add(one);
    open.push(...next(one));
  }
  seen.delete(from);
  return seen;
}
