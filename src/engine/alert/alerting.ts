import type { AlertRule } from "../../core/alerts/rule.ts";
import type { Channel, Outbox } from "./ports.ts";

/** What a project needs to tell people of its runs. */
export interface Alerting {
  readonly rules: readonly AlertRule[];
  readonly channels: readonly Channel[];
  readonly outbox: Outbox;
}
