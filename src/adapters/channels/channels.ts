import { join } from "node:path";
import type { Severity } from "../../core/alerts/severity.ts";
import type { Channel } from "../../engine/alert/ports.ts";
import type { Clock } from "../../engine/ports.ts";
import { logChannel } from "./log-channel.ts";
import { slackPayload } from "./slack.ts";
import { webhookChannel, webhookPayload } from "./webhook.ts";

/** How a channel is configured; addresses and headers are named by the environment variables that hold them. */
export type ChannelSettings = { readonly minSeverity: Severity } & (
  | { readonly kind: "log" }
  | { readonly kind: "webhook" | "slack"; readonly urlEnv: string; readonly headerEnv?: string | undefined }
);

export interface ChannelsOptions {
  /** The project's `.retrofill` folder. */
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Pick<Clock, "now">;
  /** Shows a line to whoever watches the process. */
  readonly note: (line: string) => void;
}

/** The configured channels. One that lacks its address is there and says so when it is used: a run goes on without. */
export function createChannels(
  settings: Readonly<Record<string, ChannelSettings>>,
  { stateDir, env, clock, note }: ChannelsOptions,
): readonly Channel[] {
  return Object.entries(settings).map(([name, one]): Channel => {
    const { minSeverity } = one;
    switch (one.kind) {
      case "log":
        return logChannel({ name, minSeverity, path: join(stateDir, "alerts.log"), note });
      case "webhook":
      case "slack":
        return webhookChannel({
          name,
          minSeverity,
          url: { env: one.urlEnv, value: env[one.urlEnv] },
          header: one.headerEnv === undefined ? null : { env: one.headerEnv, value: env[one.headerEnv] },
          payload: one.kind === "slack" ? slackPayload : webhookPayload,
          clock,
        });
      default:
        return one satisfies never;
    }
  });
}
