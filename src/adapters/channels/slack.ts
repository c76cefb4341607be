import type { Severity } from "../../core/alerts/severity.ts";
import type { Message } from "../../engine/alert/ports.ts";

/** More messages than this in one go are only counted. */
const SHOWN_MESSAGES = 10;

// Slack refuses a message of more than 50 blocks, a section of more than 3,000 characters, and all blocks together
// beyond about 13,000: ten sections of this length stay below.
const SECTION_CHARS = 1_000;

const MARKS: Readonly<Record<Severity, string>> = {
  low: ":white_circle:",
  medium: ":large_yellow_circle:",
  high: ":large_orange_circle:",
  critical: ":red_circle:",
};

/** A batch of messages as an incoming webhook of Slack, or of what imitates it, takes them. */
export function slackPayload(messages: readonly Message[]): object {
  const shown = messages.slice(0, SHOWN_MESSAGES);
  const more = messages.length - shown.length;
  const first = messages[0]?.title ?? "";
  return {
    text: escaped(messages.length > 1 ? `${first} and ${messages.length - 1} more` : first),
    blocks: [
      ...shown.map((message) => ({ type: "section", text: { type: "mrkdwn", text: sectionText(message) } })),
      ...(more > 0
        ? [{ type: "context", elements: [{ type: "mrkdwn", text: `and ${more} more: \`retrofill alerts list\`` }] }]
        : []),
    ],
  };
}

function sectionText({ kind, severity, title, body }: Message): string {
  const mark = kind === "resolved" ? ":white_check_mark:" : MARKS[severity];
  const heading = kind === "resolved" ? title : `${severity}: ${title}`;
  return clip(`${mark} *${escaped(heading)}*\n${escaped(body)}`);
}

/** Slack reads these three characters as markup wherever they stand. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function clip(text: string): string {
  if (text.length <= SECTION_CHARS) return text;
  // Not in the middle of an escaped character.
  return `${text.slice(0, SECTION_CHARS - 1).replace(/&[a-z]*$/, "")}…`;
}
