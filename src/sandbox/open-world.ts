import { existsSync } from "node:fs";
import { join } from "node:path";
import { binanceProvider } from "./binance/binance.ts";
import type { BinanceSettings } from "./binance/world.ts";
import { MANIFEST, openDataDirectory } from "./data-directory.ts";
import { fmpProvider } from "./fmp/fmp.ts";
import type { FmpSettings } from "./fmp/world.ts";
import { polygonProvider } from "./polygon/polygon.ts";
import type { PolygonSettings } from "./polygon/world.ts";
import { inPresent, type Present } from "./present.ts";
import type { Provider, Providers } from "./provider.ts";
import { openRetailProviders, type RetailSettings } from "./retail/retail.ts";
import { SALES_MANIFEST } from "./retail/sale-directory.ts";

/** What is served, and what the contracts leave open. */
export interface WorldOptions {
  /**
   * Directory with `manifest.json`, candles and maybe `events.json`, with `sales.json` and sale lines, or with both: see
   * docs/sandbox.md.
   */
  readonly dataDir: string;
  /** Answers are cut at this many rows without saying so. */
  readonly silentCapRows?: number;
  readonly polygon?: PolygonSettings;
  readonly binance?: BinanceSettings;
  readonly fmp?: FmpSettings;
  readonly retail?: RetailSettings;
}

export interface World {
  readonly providers: Providers;
  close(): Promise<void>;
}

/**
 * Every contract that the directory has data for.
 * @throws DataDirectoryError when the directory cannot be served
 */
export async function openWorld(options: WorldOptions, present: Present): Promise<World> {
  const { dataDir } = options;
  const hasSales = existsSync(join(dataDir, SALES_MANIFEST));
  const opened: World[] = [];
  const close = async () => {
    for (const world of opened) await world.close();
  };
  try {
    // A directory without any manifest is refused for its lack of candles.
    if (existsSync(join(dataDir, MANIFEST)) || !hasSales) opened.push(await openMarkets(options, present));
    if (hasSales) {
      const { silentCapRows = null, retail: settings = {} } = options;
      opened.push(await openRetailProviders(dataDir, { settings, present, silentCapRows }));
    }
  } catch (cause) {
    await close();
    throw cause;
  }
  const providers = opened.flatMap(({ providers: own }) => own) as [Provider, ...Provider[]];
  return { providers, close };
}

/** The contracts over candles and events. */
async function openMarkets(options: WorldOptions, present: Present): Promise<World> {
  const { dataDir, silentCapRows = null, polygon = {}, binance = {}, fmp = {} } = options;
  const directory = await openDataDirectory(dataDir);
  return {
    providers: [
      polygonProvider(inPresent(present, { directory, settings: polygon, silentCapRows })),
      binanceProvider(inPresent(present, { directory, settings: binance, silentCapRows })),
      fmpProvider(inPresent(present, { directory, settings: fmp })),
    ],
    close: () => directory.close(),
  };
}
