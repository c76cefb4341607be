/** The sandbox's present, milliseconds UTC, which can move. Null = after all data. */
export interface Present {
  readonly nowMs: number | null;
}

/** `world` with the sandbox's present, wherever that has been moved when it is read. */
export function inPresent<World extends object>(present: Present, world: World): World & Present {
  return Object.defineProperty({ ...world, nowMs: null }, "nowMs", { enumerable: true, get: () => present.nowMs });
}
