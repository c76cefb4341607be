/**
 * A run's life. `running` with a dead owner is what a kill leaves behind; `resume` takes it over.
 *
 *     running -> paused | interrupted -> running ...     paused: somebody asked; interrupted: stopped by a signal
 *     running | paused | interrupted -> cancelled
 *     running -> succeeded | partial | failed            partial and failed may be reopened to retry what failed
 */
export type RunStatus = "running" | "paused" | "interrupted" | "succeeded" | "partial" | "failed" | "cancelled";

/** What a person asked of a run that is under way; read at each transition and permit. */
export type Control = "none" | "pause" | "cancel";

export type RunEvent =
  | { readonly type: "pause" }
  | { readonly type: "interrupt" }
  | { readonly type: "resume" }
  | { readonly type: "cancel" }
  | { readonly type: "finish"; readonly outcome: "succeeded" | "partial" | "failed" }
  | { readonly type: "reopen" };

/** The status after `event`, or null where the event is not allowed. */
export function nextRunStatus(status: RunStatus, event: RunEvent): RunStatus | null {
  switch (status) {
    case "running":
      switch (event.type) {
        case "pause":
          return "paused";
        case "interrupt":
          return "interrupted";
        case "cancel":
          return "cancelled";
        case "finish":
          return event.outcome;
        case "resume":
          return "running";
        case "reopen":
          return null;
        default:
          return event satisfies never;
      }
    case "paused":
    case "interrupted":
      return event.type === "resume" ? "running" : event.type === "cancel" ? "cancelled" : null;
    case "partial":
    case "failed":
      return event.type === "reopen" ? "running" : null;
    case "succeeded":
    case "cancelled":
      return null;
    default:
      return status satisfies never;
  }
}

/** Whether nothing more will happen to the run by itself. */
export function isTerminal(status: RunStatus): boolean {
  return status === "succeeded" || status === "partial" || status === "failed" || status === "cancelled";
}
