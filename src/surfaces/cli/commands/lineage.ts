import type { DatasetName, TransformInput } from "../../../core/dataset/dataset.ts";
import { formatInstant, formatShort } from "../../../core/time/instant.ts";
import { findDataset } from "../../../engine/place.ts";
import {
  type DatasetLineage,
  datasetLineage,
  type LineageNode,
  lineageOf,
  reachInWords,
} from "../../../engine/prove/lineage.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { count, type Output, plural } from "../output.ts";

/** What is made from what; with a dataset, its own place and how far it is behind. */
export function lineage(name: string | null) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const { output } = context;
      if (name === null) {
        const nodes = lineageOf(project);
        printTree(output, nodes);
        output.document(nodes.map(documentOf));
        return EXIT.done;
      }
      const found = await datasetLineage(project, findDataset(project, name));
      printOne(output, found);
      const { upstream, downstream, watermark, staleness } = found;
      output.document({
        ...documentOf(found),
        upstream,
        downstream,
        watermark: watermark === null ? null : formatInstant(watermark.at),
        series: staleness.series,
        stale: staleness.stale,
        stale_slots: staleness.slots,
      });
      return EXIT.done;
    });
}

/** Each dataset below what it is made from; one that is made from two stands below both. */
function printTree(output: Output, nodes: readonly LineageNode[]): void {
  const byName = new Map(nodes.map((node) => [node.dataset.name, node]));
  const print = (node: LineageNode, from: DatasetName | null, head: string, rest: string): void => {
    const { dataset, sources, inputs, children } = node;
    const reach = inputs.filter((input) => input.dataset === from).map(inputText);
    const how =
      from === null ? (sources.length > 0 ? `asked from ${sources.join(", ")}` : "") : `from ${reach.join("; ")}`;
    output.line(
      `${head}${output.paint("bold", dataset.name)}  ${dataset.layer} v${dataset.version}${how === "" ? "" : `  ${how}`}`,
    );
    const own = inputs.filter((input) => input.dataset === dataset.name);
    if (own.length > 0)
      output.line(
        `${rest}${children.length > 0 ? "│" : " "}    also from other series of its own: ${own.map(inputText).join("; ")}`,
      );
    for (const [i, name] of children.entries()) {
      const isLast = i === children.length - 1;
      const child = byName.get(name);
      if (child) print(child, dataset.name, `${rest}${isLast ? "└─ " : "├─ "}`, `${rest}${isLast ? "   " : "│  "}`);
    }
  };
  for (const node of nodes) {
    const isRoot = node.inputs.every((input) => input.dataset === node.dataset.name);
    if (isRoot) print(node, null, "", "");
  }
}

function printOne(output: Output, found: DatasetLineage): void {
  const { dataset, sources, inputs, upstream, downstream, watermark, staleness } = found;
  output.line(`${output.paint("bold", dataset.name)}  ${dataset.layer} v${dataset.version}: ${dataset.description}`);
  if (sources.length > 0) output.line(`  asked from  ${sources.join(", ")}`);
  for (const input of inputs) output.line(`  made from   ${input.dataset}: ${inputText(input)}`);
  output.line(`  upstream    ${upstream.length === 0 ? "nothing" : upstream.join(", ")}`);
  output.line(`  downstream  ${downstream.length === 0 ? "nothing" : downstream.join(", ")}`);
  output.line(
    `  watermark   ${watermark === null ? "none" : `${formatShort(watermark.at)} (${watermark.why}, ${watermark.runId})`}`,
  );
  const { stale, series, slots } = staleness;
  output.line(
    stale.length === 0
      ? `  stale       none of ${plural(series, "series", "series")}`
      : `  stale       ${count(stale.length)} of ${plural(series, "series", "series")}, ${plural(slots, "slot")}: retrofill run ${dataset.name}`,
  );
}

function inputText({ reach, with: changed, required }: TransformInput): string {
  const which =
    changed === undefined
      ? ""
      : `${Object.entries(changed)
          .map(([part, value]) => `${part} ${value}`)
          .join(", ")}, `;
  return `${which}${reachInWords(reach)}${required ? "" : " (where there is one)"}`;
}

function documentOf({ dataset, sources, inputs, children }: LineageNode): object {
  return {
    dataset: dataset.name,
    layer: dataset.layer,
    version: dataset.version,
    sources,
    inputs: inputs.map(({ dataset: name, reach, required, with: changed }) => ({
      dataset: name,
      reach,
      reach_text: reachInWords(reach),
      with: changed ?? {},
      required,
    })),
    made_from_it: children,
  };
}
