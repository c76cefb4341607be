import { DAY, HOUR, MINUTE } from "../../core/time/instant.ts";
import type { Answer, Provider, ProviderRequest } from "../provider.ts";
import { Cursors } from "./cursors.ts";
import type { SaleBook } from "./sale-book.ts";
import type { StoreEntry } from "./sale-directory.ts";
import { capOf, spoilLines } from "./sale-faults.ts";
import { salesAnswer, salesError, salesErrorInside200, wireLine, wireSums } from "./sales-bodies.ts";
import type { RetailWorld } from "./world.ts";
import { parseMinute, zonedText } from "./zoned-text.ts";

/** What the paged contract leaves open. */
export interface SalesSettings {
  /** Longer windows are a 400. Default 120. */
  readonly maxWindowHours?: number;
  /** Longer windows never come to an end, whatever `maxWindowHours` says. Default none. */
  readonly timeoutAboveHours?: number;
  /** How such a window ends: not a byte for `stallMs`, or a 504. Default "hang". */
  readonly timeoutAs?: "hang" | "504";
  /** Windows that start longer ago are a 422. Default none. */
  readonly retentionDays?: number;
  /** Windows that end within this of the present are `complete: false`. Default 0. */
  readonly syncDelayHours?: number;
  /** Default 30 minutes. */
  readonly cursorTtlMs?: number;
  /** A cursor answers once; after that it is a 410, as if too old. Default false. */
  readonly isCursorSingleUse?: boolean;
  /** Stores that the key may not see. */
  readonly forbiddenStores?: readonly string[];
  /** Paths that this installation does not have. */
  readonly lacks?: readonly ("changes" | "summary")[];
  /** Answers say that they are for this store, whatever was asked. Default the one that was. */
  readonly answersFor?: string;
  /** Lines of this store come along on every last page, and every line names its store. Default none. */
  readonly mixesIn?: string;
}

const STORES_PATH = "/api/v1/stores";
const SALES_PATH = /^\/api\/v1\/stores\/([^/]+)\/sales(?:\/(changes|summary))?$/;

const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 1_000;

/** Lines that a page which moves repeats from the one before. */
const MOVED_LINES = 3;

/** Whose lines are asked for, and who asks. */
interface Scene {
  readonly world: RetailWorld;
  readonly settings: SalesSettings;
  readonly cursors: Cursors;
  readonly store: StoreEntry;
  readonly book: SaleBook;
  readonly request: ProviderRequest;
}

interface Asked {
  readonly start: number;
  readonly end: number;
  readonly limit: number;
}

/** The paged contract: a window of one store, 1 to 1,000 lines a page, decimals as text. */
export function salesProvider(world: RetailWorld, settings: SalesSettings): Provider {
  const cursors = new Cursors({
    ttlMs: settings.cursorTtlMs ?? 30 * MINUTE,
    isSingleUse: settings.isCursorSingleUse ?? false,
  });
  return {
    name: "sales",
    keyParameters: [],
    sendsRetryAfter: true,
    pathKind(path) {
      if (path === STORES_PATH) return "stores";
      const [matched, , part] = SALES_PATH.exec(path) ?? [];
      return matched === undefined ? null : part === undefined ? "sales" : `sales ${part}`;
    },
    keyOf: (headers) => /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? null,
    async answer(request) {
      if (request.path === STORES_PATH) return storesAnswer(world);
      const [, id = "", part] = SALES_PATH.exec(request.path) ?? [];
      if (id === "" || settings.lacks?.some((lacking) => lacking === part)) {
        return salesError("NOT_FOUND", "there is no such path", request.requestId);
      }
      const store = world.directory.storeOf(decodeURIComponent(id));
      if (store === undefined) return salesError("STORE_NOT_FOUND", `no store ${id}`, request.requestId);
      if (settings.forbiddenStores?.includes(store.id)) {
        return salesError("STORE_FORBIDDEN", `this key may not see ${store.id}`, request.requestId);
      }
      const book = await world.directory.book(world.nowMs);
      const scene: Scene = { world, settings, cursors, store, book, request };
      if (part === "changes") return await changesAnswer(scene);
      return part === "summary" ? await summaryAnswer(scene) : await linesAnswer(scene);
    },
    refuseKey: (requestId) => salesError("UNAUTHENTICATED", "unknown key", requestId),
    refuseRate: (requestId) => salesError("RATE_LIMITED", "too many requests", requestId),
    failInside200: salesErrorInside200,
  };
}

function storesAnswer({ directory }: RetailWorld): Answer {
  const { stores, zone } = directory.manifest;
  return salesAnswer({
    stores: stores.map(({ id, name, opened, closed }) => ({
      id,
      name,
      timezone: zone,
      opened_on: opened ?? null,
      ...(closed === undefined ? {} : { closed_on: closed }),
    })),
  });
}

async function linesAnswer(scene: Scene): Promise<Answer> {
  const { world, cursors, store, book, request } = scene;
  const asked = readAsked(scene);
  if ("status" in asked) return asked;
  const cursor = request.query.get("cursor");
  let offset = 0;
  if (cursor !== null) {
    const place = cursors.use(cursor, performance.now());
    if (place === null) {
      return salesError("CURSOR_EXPIRED", "start this window from its first page", request.requestId);
    }
    if (place.store !== store.id || place.start !== asked.start || place.end !== asked.end) {
      return salesError("BAD_RANGE", "the cursor belongs to another window", request.requestId);
    }
    offset = place.offset;
  }

  // One line more than a page tells whether there is a next one.
  const cap = capOf(request.dataFaults, world.silentCapRows);
  const found = await book.linesIn(store.id, asked, offset, asked.limit + 1);
  const isLast = found.length <= asked.limit || offset + asked.limit >= cap;
  const page = found.slice(0, Math.max(0, Math.min(asked.limit, cap - offset)));
  const isCapped = page.length < Math.min(found.length, asked.limit) || (isLast && found.length > asked.limit);
  const hasNewest = isLast && !isCapped && page.at(-1)?.at === (await book.newestAt(store.id));
  const { lines: own, applied } = spoilLines(
    { lines: page, spanMs: asked.end - asked.start, hasNewest },
    request.dataFaults,
    request.faultSettings,
  );
  const faults = [...applied];
  const isLoop = request.dataFaults.includes("loop");
  if (isLoop) faults.push("loop");
  if (isCapped) faults.push(...request.dataFaults.filter((kind) => kind === "cap1000" || kind === "cap50000"));
  let next = offset + asked.limit;
  if (!isLast && request.dataFaults.includes("moving") && asked.limit > MOVED_LINES) {
    next -= MOVED_LINES;
    faults.push("moving");
  }
  const { mixesIn } = scene.settings;
  const strays = mixesIn === undefined || !isLast ? [] : await book.linesIn(mixesIn, asked, 0, asked.limit);
  const lines = [...own, ...strays];
  const nextOffset = isLoop ? offset : isLast ? null : next;
  const nextCursor =
    nextOffset === null ? null : cursors.issue({ ...asked, store: store.id, offset: nextOffset }, performance.now());
  const { zone, currency } = world.directory.manifest;
  const body = {
    ...windowHead(scene, asked),
    lines: lines.map((line) => ({
      ...(mixesIn === undefined ? {} : { store_id: line.store }),
      ...wireLine(line, { zone, currency }),
    })),
    page: { count: lines.length, cursor: nextCursor },
    ...windowTail(scene, asked),
  };
  return { ...salesAnswer(body), faults };
}

async function summaryAnswer(scene: Scene): Promise<Answer> {
  const { world, store, book } = scene;
  const asked = readAsked(scene);
  if ("status" in asked) return asked;
  const days = await book.daysIn(store.id, asked);
  return salesAnswer({
    ...windowHead(scene, asked),
    currency: world.directory.manifest.currency,
    ...wireSums(days),
    ...windowTail(scene, asked),
  });
}

async function changesAnswer({ world, store, book, request }: Scene): Promise<Answer> {
  const since = request.query.get("since_version") ?? "";
  const limit = limitOf(request);
  if (!/^\d{1,15}$/.test(since)) return badRange(request, "since_version must be a whole number");
  if (limit === null) return badRange(request, `limit must be 1 to ${MAX_LIMIT}`);
  const lines = await book.changesSince(store.id, Number(since), limit);
  const { zone, currency } = world.directory.manifest;
  return salesAnswer({
    store_id: store.id,
    timezone: zone,
    lines: lines.map((line) => wireLine(line, { zone, currency })),
    next_version: lines.at(-1)?.version ?? Number(since),
    as_of: zonedText(zone, book.knownAt, "second"),
  });
}

/** The window and page size that are asked for, or the refusal of them. */
function readAsked({ world, settings, book, request }: Scene): Asked | Answer {
  const { query, requestId } = request;
  const { zone } = world.directory.manifest;
  const [start, end] = ["from", "to"].map((name) => parseMinute(zone, query.get(name) ?? ""));
  const limit = limitOf(request);
  if (start == null || end == null) return badRange(request, "from and to must be like 2026-01-31T00:00-04:00");
  if (start >= end) return badRange(request, "from must be before to");
  if (limit === null) return badRange(request, `limit must be 1 to ${MAX_LIMIT}`);

  const { maxWindowHours = 120, timeoutAboveHours = Number.POSITIVE_INFINITY, timeoutAs = "hang" } = settings;
  const hours = (end - start) / HOUR;
  if (hours > timeoutAboveHours) {
    const timeout = salesError("GATEWAY_TIMEOUT", "the store did not answer in time", requestId);
    return timeoutAs === "hang" ? { ...timeout, isStalled: true } : timeout;
  }
  if (hours > maxWindowHours) {
    const message = `a window may have ${maxWindowHours} hours`;
    return salesError("WINDOW_TOO_LARGE", message, requestId, { max_window_hours: maxWindowHours });
  }
  const { retentionDays = Number.POSITIVE_INFINITY } = settings;
  if (start < book.knownAt - retentionDays * DAY) {
    return salesError("RETENTION", `sales are kept for ${retentionDays} days`, requestId);
  }
  return { start, end, limit };
}

function limitOf({ query }: ProviderRequest): number | null {
  const limit = Number(query.get("limit") ?? DEFAULT_LIMIT);
  return Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT ? limit : null;
}

function badRange({ requestId }: ProviderRequest, message: string): Answer {
  return salesError("BAD_RANGE", message, requestId);
}

function windowHead({ world, settings, store }: Scene, { start, end }: Asked): object {
  const { zone } = world.directory.manifest;
  return {
    store_id: settings.answersFor ?? store.id,
    timezone: zone,
    from: zonedText(zone, start, "minute"),
    to: zonedText(zone, end, "minute"),
  };
}

function windowTail({ world, settings, book }: Scene, { end }: Asked): object {
  const { syncDelayHours = 0 } = settings;
  return {
    as_of: zonedText(world.directory.manifest.zone, book.knownAt, "second"),
    complete: world.nowMs === null || end <= book.knownAt - syncDelayHours * HOUR,
  };
}
