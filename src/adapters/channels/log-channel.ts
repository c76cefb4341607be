import { appendFile } from "node:fs/promises";
import type { ChannelName } from "../../core/alerts/announce.ts";
import type { Channel, Message } from "../../engine/alert/ports.ts";
import { alertDocument } from "./alert-document.ts";

/** Appends each message to the file as a line of JSON and shows its title. */
export function logChannel({
  name,
  minSeverity,
  path,
  note,
}: ChannelName & { readonly path: string; readonly note: (line: string) => void }): Channel {
  return {
    name,
    minSeverity,
    async send(messages) {
      try {
        await appendFile(path, messages.map((message) => `${JSON.stringify(alertDocument(message))}\n`).join(""));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        return { kind: "failed", reason: `alerts.log cannot be written (${code})`, waitMs: null };
      }
      for (const message of messages) note(noteOf(message));
      return { kind: "sent" };
    },
  };
}

function noteOf({ kind, severity, title }: Message): string {
  return kind === "raised" ? `alert (${severity}): ${title}` : title;
}
