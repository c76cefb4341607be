import type { RecordShape, Source } from "../../engine/ports.ts";
import { type ReferenceSettings, referenceSource } from "./reference.ts";

const RECORDS: RecordShape = {
  path: "results",
  fields: {
    ticker: { type: "string", required: true },
    execution_date: { type: "date", required: true },
    split_from: { type: "number", required: true },
    split_to: { type: "number", required: true },
    id: { type: "string", required: false },
  },
  stamp: "execution_date",
};

/** Splits of shares and funds by the date they take effect: `split_from` old shares become `split_to` new ones. */
export function polygonSplits(settings: ReferenceSettings = {}): Source {
  return referenceSource({ name: "polygon-splits", path: "/v3/reference/splits", records: RECORDS }, settings);
}
