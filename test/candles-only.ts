import type { Pipeline } from "../src/core/dataset/pipeline.ts";
import { ohlcvPipeline } from "../src/pipelines/ohlcv/ohlcv.ts";
import type { OhlcvSettings } from "../src/pipelines/ohlcv/settings.ts";

/** The pipeline of candles where one source is asked, and nobody for corporate events. */
export function candlesOnly(settings: OhlcvSettings, source = "polygon"): Pipeline {
  const events = { dividends: null, splits: null, earnings: null };
  return ohlcvPipeline({ ...settings, source, adjusted: true, events });
}
