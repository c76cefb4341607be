import type { DuckDBConnection } from "@duckdb/node-api";
import type { SuspectRule } from "../../core/dataset/pipeline.ts";
import { type IntervalSet, normalize } from "../../core/time/interval-set.ts";
import type { PublishedSeries } from "../../engine/store-port.ts";
import type { AxisGroup } from "./axes.ts";
import { type DueSlots, holdsSession, numberSlots, timeOf } from "./due-slots.ts";
import { fillTable, rowsOf } from "./rows.ts";
import { findRuns } from "./runs.ts";

/** A quantile is read only where at least this many quiet stretches lie beyond it: a hole or two must not move it. */
const MIN_BEYOND = 10;

/**
 * For each series of a publication: the answered, due stretches without a row that are holes (dense axis) or suspect
 * (sparse axis). All that was ever answered is judged anew from the slots that hold rows (of `filledSlots`), so that the
 * verdict depends on what is there and not on how publications were grouped.
 *
 * A silence is suspect when it is longer than `factor` times the key's usual one: the quantile of its quiet stretches,
 * or of all steps from row to row while it has too few of those, and never less than one slot. Only stretches shorter
 * than a session count for it, and the lower of two ranks: a hole must not be its own yardstick. In a calendar year
 * that has enough quiet stretches of its own, the year's quantile counts if it is larger: a market that woke up later
 * does not make its early years suspect. With fewer than `minSessions` sessions with rows, a silence is suspect when
 * it holds a whole session.
 */
export async function findHoles(
  connection: DuckDBConnection,
  {
    filled,
    series,
    suspects,
  }: { readonly filled: string; readonly series: readonly PublishedSeries[]; readonly suspects: SuspectRule },
  groupOf: readonly AxisGroup[],
): Promise<readonly IntervalSet[]> {
  const due = numberAll(series, groupOf);
  await findRuns(
    connection,
    filled,
    series.map((one) => one.series),
  );
  await fillDue(connection, series, due);
  await findStretches(connection);
  const stretches = await rowsOf(connection, suspectStretches(suspects));
  const found = series.map((): ReturnType<typeof timeOf>[] => []);
  for (const row of stretches) {
    const no = Number(row.series_no);
    const slots = due.of[no] as DueSlots;
    const stretch = { from: Number(row.from_no), to: Number(row.to_no) };
    if (row.by_session && !holdsSession(slots, stretch)) continue;
    found[no]?.push(timeOf(slots, stretch));
  }
  return found.map(normalize);
}

interface AllDue {
  readonly distinct: readonly DueSlots[];
  /** The number, in `distinct`, of what each series owes, and what that is. */
  readonly noOf: readonly number[];
  readonly of: readonly DueSlots[];
}

/** Due slots of every series, numbered once for those that owe the same. */
function numberAll(series: readonly PublishedSeries[], groupOf: readonly AxisGroup[]): AllDue {
  const known = new Map<string, number>();
  const distinct: DueSlots[] = [];
  const noOf = series.map(({ series: { axis }, due }, i) => {
    const group = groupOf[i] as AxisGroup;
    const { lifetime, earliest } = axis;
    const id = JSON.stringify([group.no, lifetime, earliest, due]);
    const no = known.get(id) ?? distinct.push(numberSlots(axis, due, group.stepMs)) - 1;
    known.set(id, no);
    return no;
  });
  return { distinct, noOf, of: noOf.map((no) => distinct[no] as DueSlots) };
}

async function fillDue(connection: DuckDBConnection, series: readonly PublishedSeries[], due: AllDue): Promise<void> {
  await fillTable(
    connection,
    "owing_t",
    "series_no integer, due_no integer, dense boolean",
    series.map((one, i) => [i, due.noOf[i] as number, one.series.axis.density === "dense"]),
  );
  await fillTable(
    connection,
    "piece_t",
    "due_no integer, start_ms bigint, step_ms bigint, from_no bigint, to_no bigint, session_no bigint",
    due.distinct.flatMap((slots, no) =>
      slots.pieces.map((one) => [no, one.start, one.stepMs, one.from, one.to, one.session]),
    ),
  );
  await fillTable(
    connection,
    "part_t",
    "due_no integer, part_no bigint, from_no bigint, to_no bigint",
    due.distinct.flatMap((slots, no) => slots.parts.map((one, part) => [no, part, one.from, one.to])),
  );
  await fillTable(
    connection,
    "session_t",
    "due_no integer, shortest bigint, longest bigint",
    due.distinct.map(({ sessions }, no) => {
      const lengths = sessions.filter((session) => session.whole).map(({ from, to }) => to - from);
      const longest = lengths.reduce((most, length) => Math.max(most, length), 1);
      return [no, lengths.reduce((least, length) => Math.min(least, length), Number.MAX_SAFE_INTEGER), longest];
    }),
  );
}

/**
 * `filled_t`: the due slots `[from_no, to_no)` that each run of rows fills, within one part; `stretch_t`: the due slots
 * between neighbouring ones, `edge` where a part begins or ends instead.
 */
async function findStretches(connection: DuckDBConnection): Promise<void> {
  // The number of due slots that start before an instant, from the last piece that does.
  const slotsBefore = (ms: string, piece: string): string =>
    `coalesce(${piece}.from_no + least((${ms} - ${piece}.start_ms + ${piece}.step_ms - 1) // ${piece}.step_ms, ${piece}.to_no - ${piece}.from_no), 0)`;
  await connection.run(`create or replace temp table filled_t as
    select n.series_no, p.part_no, greatest(n.from_no, p.from_no) as from_no, least(n.to_no, p.to_no) as to_no, n.high,
      f.session_no as first_session, n.last_session
    from (
      select r.series_no, r.due_no, r.high, ${slotsBefore("r.low", "l")} as from_no, ${slotsBefore("(r.high + 1)", "h")} as to_no,
        h.session_no as last_session
      from (select t.*, o.due_no from run_t t join owing_t o on o.series_no = t.series_no) r
      asof left join piece_t l on l.due_no = r.due_no and l.start_ms < r.low
      asof left join piece_t h on h.due_no = r.due_no and h.start_ms <= r.high
    ) n
    asof join piece_t f on f.due_no = n.due_no and f.from_no <= n.from_no
    join part_t p on p.due_no = n.due_no and p.from_no < n.to_no and p.to_no > n.from_no
    where n.to_no > n.from_no`);
  await connection.run(`create or replace temp table stretch_t as
    select series_no, from_no, to_no, to_no - from_no as quiet, edge, year(epoch_ms(after_ms)) as year
    from (
      select series_no, from_no as to_no, lag(to_no) over w as from_no, edge or lag(edge) over w as edge,
        lag(high) over w as after_ms
      from (
        select series_no, part_no, from_no, to_no, high, false as edge from filled_t
        union all select o.series_no, p.part_no, p.from_no, p.from_no, null, true
          from owing_t o join part_t p on p.due_no = o.due_no
        union all select o.series_no, p.part_no, p.to_no, p.to_no, null, true
          from owing_t o join part_t p on p.due_no = o.due_no)
      window w as (partition by series_no, part_no order by from_no, to_no))
    where from_no is not null`);
}

/** The stretches that are holes or suspect; `by_session` those that are only if they hold a session. */
function suspectStretches({ quantile, factor, minSessions }: SuspectRule): string {
  const readable = `count(*) * (1 - ${quantile}) >= ${MIN_BEYOND}`;
  // Of `count` lengths in order, counted from 1 as lists are; the lower neighbour where the quantile lies between two.
  const rank = (count: string): string => `(floor(${quantile} * (${count} - 1))::bigint + 1)`;
  return `
    with quiet as (
      select t.series_no, t.year, t.quiet from stretch_t t
      join owing_t o on o.series_no = t.series_no join session_t x on x.due_no = o.due_no
      where not t.edge and t.quiet > 0 and t.quiet < x.longest),
    by_year as (
      select series_no, year, list(quiet order by quiet)[${rank("count(*)")}] as usual
      from quiet group by series_no, year having ${readable}),
    by_key as (
      select series_no, list(quiet order by quiet) as lengths, count(*) as n, ${readable} as readable
      from quiet group by series_no),
    adjacent as (
      select series_no, sum(n)::bigint as n from (
        select series_no, to_no - from_no - 1 as n from filled_t
        union all select series_no, 1 from stretch_t where not edge and quiet = 0)
      group by series_no),
    visited as (
      select series_no, sum(last_session - first_session + case when first_session = before then 0 else 1 end) as sessions
      from (select *, lag(last_session) over (partition by series_no order by from_no) as before from filled_t)
      group by series_no),
    known as (
      select o.series_no, o.dense, x.shortest, coalesce(v.sessions, 0) as sessions,
        coalesce(case when k.readable then k.lengths[${rank("k.n")}]
          when ${rank("(k.n + a.n)")} > a.n then k.lengths[${rank("(k.n + a.n)")} - a.n] end, 0) as usual
      from owing_t o join session_t x on x.due_no = o.due_no
      left join visited v on v.series_no = o.series_no
      left join adjacent a on a.series_no = o.series_no
      left join by_key k on k.series_no = o.series_no)
    select t.series_no, t.from_no, t.to_no, not u.dense and u.sessions < ${minSessions} as by_session
    from stretch_t t join known u on u.series_no = t.series_no
    left join by_year y on y.series_no = t.series_no and y.year = t.year
    where t.quiet > 0 and case
      when u.dense then true
      when u.sessions < ${minSessions} then t.quiet >= u.shortest
      else t.quiet > ${factor} * greatest(1, u.usual, coalesce(y.usual, 0)) end
    order by t.series_no, t.from_no`;
}
