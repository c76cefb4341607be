import type { RegistryEntry } from "../../../core/dataset/pipeline.ts";
import { nearestNames, RetrofillError } from "../../../core/errors.ts";
import type { BoundPipeline, Project } from "../../../engine/project.ts";
import { type Context, EXIT, withProject } from "../context.ts";
import { plural, table } from "../output.ts";
import { keyAs } from "../request.ts";

type Flags = Record<string, unknown>;

/** Adds entries; each may be given as `A B C` or `A,B,C`. */
export function add(noun: string, names: readonly string[], flags: Flags) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const bound = pipelineOf(project, noun);
      const known = new Set((await project.ledger.entries(bound.pipeline.name)).map((entry) => entry.key));
      const keys = keysOf(bound, names);
      const twice = keys.filter((key) => known.has(key));
      if (twice.length > 0) {
        throw new RetrofillError("USAGE", `${twice.join(", ")}: known already`, {
          hint: `change it with: retrofill ${noun} set ${twice[0]} …`,
        });
      }
      const entries = keys.map((key) => bound.pipeline.entry(key, attributesOf(bound, flags)));
      await project.ledger.putEntries(bound.pipeline.name, entries, project.clock.now());
      return report(context, noun, "added", entries);
    });
}

/** Lists all entries, active or not. */
export function list(noun: string) {
  return (context: Context): Promise<number> =>
    withProject(context, async ({ project }) => {
      const bound = pipelineOf(project, noun);
      const entries = await project.ledger.entries(bound.pipeline.name);
      const { output } = context;
      if (entries.length === 0) output.line(`No ${noun} yet: retrofill ${noun} add ${bound.pipeline.example}`);
      else {
        const fields = [...new Set(entries.flatMap((entry) => Object.keys(entry.attributes)))];
        const rows = entries.map((entry) => [
          entry.key,
          entry.active ? "yes" : "no",
          ...fields.map((field) => shownAs(bound, field, entry.attributes[field])),
        ]);
        for (const line of table(
          [bound.pipeline.noun.one.toUpperCase(), "ACTIVE", ...fields.map((f) => f.toUpperCase())],
          rows,
        )) {
          output.line(line);
        }
      }
      output.document(entries);
      return EXIT.done;
    });
}

/** Changes fields of entries; fields that are not named stay. */
export function set(noun: string, names: readonly string[], flags: Flags) {
  return (context: Context): Promise<number> => {
    const active = flags.active as boolean | undefined;
    return change(context, noun, names, "changed", (bound, entry) => {
      const merged = { ...entry.attributes, ...attributesOf(bound, flags, entry.attributes) };
      return { ...bound.pipeline.entry(entry.key, merged), active: active ?? entry.active };
    });
  };
}

/** Ends what entries owe; their rows and coverage stay. */
export function remove(noun: string, names: readonly string[]) {
  return (context: Context): Promise<number> =>
    change(context, noun, names, "removed (history stays)", (_, entry) => ({ ...entry, active: false }));
}

function change(
  context: Context,
  noun: string,
  names: readonly string[],
  what: string,
  apply: (bound: BoundPipeline, entry: RegistryEntry) => RegistryEntry,
): Promise<number> {
  return withProject(context, async ({ project }) => {
    const bound = pipelineOf(project, noun);
    const known = new Map((await project.ledger.entries(bound.pipeline.name)).map((entry) => [entry.key, entry]));
    const entries = keysOf(bound, names).map((key) => {
      const entry = known.get(key);
      if (entry) return apply(bound, entry);
      const near = nearestNames(key, [...known.keys()]);
      throw new RetrofillError(
        "KEY_UNKNOWN",
        `${key} is unknown${near.length > 0 ? ` (did you mean ${near.join(", ")}?)` : ""}`,
        {
          hint: `retrofill ${noun} list`,
        },
      );
    });
    await project.ledger.putEntries(bound.pipeline.name, entries, project.clock.now());
    return report(context, noun, what, entries);
  });
}

function report({ output }: Context, noun: string, what: string, entries: readonly RegistryEntry[]): number {
  output.line(
    `${plural(entries.length, noun.slice(0, -1), noun)} ${what}: ${entries.map((entry) => entry.key).join(", ")}`,
  );
  output.document(entries);
  return EXIT.done;
}

function pipelineOf(project: Project, noun: string): BoundPipeline {
  const bound = project.pipelines.find((one) => one.pipeline.noun.many === noun);
  if (bound) return bound;
  throw new RetrofillError("USAGE", `no pipeline of this project has ${noun}`);
}

function keysOf({ pipeline }: BoundPipeline, names: readonly string[]): readonly string[] {
  return [
    ...new Set(
      names
        .flatMap((name) => name.split(","))
        .map((name) => keyAs(pipeline, name.trim()))
        .filter(Boolean),
    ),
  ];
}

function attributesOf(
  { pipeline }: BoundPipeline,
  flags: Flags,
  before: RegistryEntry["attributes"] = {},
): Record<string, unknown> {
  const attributes: Record<string, unknown> = {};
  for (const { attribute, read } of pipeline.fields) {
    const typed = flags[attribute];
    if (typed !== undefined)
      attributes[attribute] = read && typeof typed === "string" ? read(typed, before[attribute]) : typed;
  }
  return attributes;
}

function shownAs({ pipeline }: BoundPipeline, attribute: string, value: unknown): string {
  const show = pipeline.fields.find((field) => field.attribute === attribute)?.show;
  return show === undefined || value === undefined || value === null ? shown(value) : show(value);
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(shown).join(" ");
  if (typeof value === "object")
    return Object.entries(value)
      .map(([k, v]) => `${k}:${String(v).slice(0, 10)}`)
      .join(" ");
  return String(value);
}
