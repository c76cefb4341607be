import { inPresent, type Present } from "../present.ts";
import type { Provider } from "../provider.ts";
import { type KlkSettings, klkProvider } from "./klk.ts";
import { openSaleDirectory } from "./sale-directory.ts";
import { type SalesSettings, salesProvider } from "./sales.ts";
import type { RetailWorld } from "./world.ts";

/** What the two retail contracts leave open. */
export interface RetailSettings {
  /** Pages over a window of one store. */
  readonly sales?: SalesSettings;
  /** A branch's whole range in one answer. */
  readonly klk?: KlkSettings;
}

/** Both retail contracts over the sale lines of `dir`. @throws DataDirectoryError */
export async function openRetailProviders(
  dir: string,
  options: {
    readonly settings: RetailSettings;
    readonly present: Present;
    readonly silentCapRows: number | null;
  },
): Promise<{ readonly providers: readonly [Provider, Provider]; close(): Promise<void> }> {
  const { settings, present, silentCapRows } = options;
  const directory = await openSaleDirectory(dir);
  const world: RetailWorld = inPresent(present, { directory, silentCapRows });
  return {
    providers: [salesProvider(world, settings.sales ?? {}), klkProvider(world, settings.klk ?? {})],
    close: () => directory.close(),
  };
}
