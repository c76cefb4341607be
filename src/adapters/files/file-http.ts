import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Http, RawAnswer } from "../../engine/fetch/http.ts";
import type { Clock, SourceRequest } from "../../engine/ports.ts";
import { countRows } from "./file-rows.ts";

/** Larger files do not fit into a process that reads them as one body. */
const MAX_BYTES = 1024 * 1024 * 1024;

/**
 * Files of this machine, read like answers of a provider: `file:` and a path from `root`. The body is the file without
 * its gzip, and `rows` among the headers counts its records. 404: there is none; 409: it changed meanwhile; 422: it is
 * not what the request says.
 */
export function fileHttp({ root, clock }: { readonly root: string; readonly clock: Pick<Clock, "now"> }): Http {
  return {
    async send(request, signal) {
      signal?.throwIfAborted();
      const path = resolve(root, request.target.slice("file:".length));
      const answer = (status: number, body: string | Buffer, headers: RawAnswer["headers"] = {}): RawAnswer => ({
        status,
        headers,
        body: typeof body === "string" ? Buffer.from(body) : body,
        receivedAt: clock.now(),
      });
      const before = await stateOf(path);
      if (before === null) return answer(404, "");
      if (before.bytes > MAX_BYTES) return answer(422, `is larger than ${MAX_BYTES} bytes: split it`);
      let read: { readonly body: Buffer; readonly rows: number };
      try {
        read = await readRecords(path, request);
      } catch (error) {
        return answer(422, `cannot be read: ${(error as Error).message}`);
      }
      const after = await stateOf(path);
      if (after?.bytes !== before.bytes || after.changedAt !== before.changedAt) return answer(409, "");
      return answer(200, read.body, { rows: String(read.rows) });
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function readRecords(
  path: string,
  { headers }: SourceRequest,
): Promise<{ readonly body: Buffer; readonly rows: number }> {
  const stored = await readFile(path);
  if (headers?.format === "parquet") return { body: stored, rows: await countRows(path) };
  const body = path.endsWith(".gz") ? await promisify(gunzip)(stored, { maxOutputLength: MAX_BYTES }) : stored;
  // Control characters would be taken for the end of a line's only cell; nothing that is text has them.
  if (!isUtf8(body) || body.includes(0) || body.includes(1)) throw new Error("it is no text in UTF-8");
  return { body, rows: countLines(body, Number(headers?.["header-lines"])) };
}

async function stateOf(path: string): Promise<{ readonly bytes: number; readonly changedAt: number } | null> {
  try {
    const found = await stat(path);
    return found.isFile() ? { bytes: found.size, changedAt: found.mtimeMs } : null;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return null;
    throw error;
  }
}

const [TAB, LF, CR, BLANK] = [9, 10, 13, 32];

/** Lines behind the first `header` that hold anything but blanks; they end with LF, CR or both. */
export function countLines(body: Uint8Array, header: number): number {
  let lines = 0;
  let no = 0;
  let isBlank = true;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (byte === LF || byte === CR) {
      if (byte === CR && body[i + 1] === LF) i++;
      if (no >= header && !isBlank) lines++;
      no++;
      isBlank = true;
    } else if (byte !== BLANK && byte !== TAB) isBlank = false;
  }
  return no >= header && !isBlank ? lines + 1 : lines;
}
