import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gunzip as gunzipCallback } from "node:zlib";
import { type Dispatcher, errors, Pool } from "undici";
import { RetrofillError } from "../../core/errors.ts";
import { type Instant, MINUTE, SECOND } from "../../core/time/instant.ts";
import type { Clock, SourceRequest } from "../ports.ts";

export interface HttpOptions {
  /** `http` or `https` address of the provider; may end in a path, which goes before every target. */
  readonly baseUrl: string;
  /** The header that carries the credential; null when there is none. */
  readonly authHeader: { readonly name: string; readonly value: string } | null;
  readonly clock: Pick<Clock, "now">;
  /** Milliseconds, kept to about a second; `bodyMs` is for the whole body. Defaults: 10 s, 30 s, 60 s. */
  readonly timeouts?: { readonly connectMs?: number; readonly headersMs?: number; readonly bodyMs?: number };
  /** Largest body, on the wire and decoded. Default 64 MiB: a full page of 50,000 bars has about 6. */
  readonly maxBytes?: number;
  readonly userAgent?: string;
}

/** An answer as received: any status, the whole body. */
export interface RawAnswer {
  readonly status: number;
  /** Lower-case names; the last value where a name came twice. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body after its content encoding was undone. */
  readonly body: Buffer;
  /** When the last byte had arrived. */
  readonly receivedAt: Instant;
}

/** Why there is no whole answer. */
export interface TransportFailure {
  /**
   * `connect`: no connection. `timeout`: none of the three arrived in time. `cut`: the connection, the body or its
   * encoding broke. `too-large`: over `maxBytes`. `redirect`: to another host, or too often. `target`: not a path.
   */
  readonly kind: "connect" | "timeout" | "cut" | "too-large" | "redirect" | "target";
  /** Names the request and the host, never the credential. */
  readonly message: string;
}

export interface Http extends AsyncDisposable {
  /**
   * Sends one request to the base address and reads all of the answer.
   * @throws the signal's reason when it aborts
   */
  send(request: SourceRequest, signal?: AbortSignal): Promise<RawAnswer | TransportFailure>;
}

const gunzip = promisify(gunzipCallback);

const MAX_REDIRECTS = 3;
const KNOWN_ENCODINGS: ReadonlySet<string> = new Set(["gzip", "x-gzip", "identity", ""]);
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Shorter credentials are not searched for in bodies: they would match by chance and spoil data. */
const MIN_MASKED_CHARS = 8;

/** Whether there is no answer. */
export function isTransportFailure(answer: RawAnswer | TransportFailure): answer is TransportFailure {
  return "kind" in answer;
}

/**
 * A client of one provider. The credential goes to the origin of `baseUrl` and nowhere else: redirects to another
 * origin are refused, at most three are followed on the same one, and only for GET.
 * @throws RetrofillError CONFIG_INVALID for an address or a credential that cannot be sent
 */
export function createHttp({
  baseUrl,
  authHeader,
  clock,
  timeouts: { connectMs = 10 * SECOND, headersMs = 30 * SECOND, bodyMs = MINUTE } = {},
  maxBytes = 64 * 1024 * 1024,
  userAgent = "retrofill",
}: HttpOptions): Http {
  const base = parseBaseUrl(baseUrl);
  const prefix = base.pathname.replace(/\/+$/, "");
  const secrets = secretsOf(authHeader);
  const pool = new Pool(base.origin, { connect: { timeout: connectMs }, headersTimeout: headersMs, bodyTimeout: 0 });

  async function send(request: SourceRequest, signal?: AbortSignal): Promise<RawAnswer | TransportFailure> {
    signal?.throwIfAborted();
    const what = `${request.method} ${request.target}`;
    const fail = (kind: TransportFailure["kind"], why: string): TransportFailure => ({
      kind,
      message: mask(`${what} at ${base.host}: ${why}`, secrets),
    });
    if (!isPath(request.target)) return fail("target", "a target is a path on the provider's own host");
    let path = prefix + request.target;
    for (let redirects = 0; ; redirects++) {
      const answer = await exchange(request, path, fail, signal);
      if (isTransportFailure(answer) || !REDIRECTS.has(answer.status)) return answer;
      const next = redirectTarget(base, path, answer.headers.location);
      if (next === null) return answer;
      if (next.origin !== base.origin) return fail("redirect", `redirected to another host, ${next.origin}`);
      if (request.method !== "GET") return fail("redirect", "redirected, and only a GET may be sent again");
      if (redirects === MAX_REDIRECTS) return fail("redirect", `redirected more than ${MAX_REDIRECTS} times`);
      path = next.pathname + next.search;
    }
  }

  async function exchange(
    request: SourceRequest,
    path: string,
    fail: (kind: TransportFailure["kind"], why: string) => TransportFailure,
    signal: AbortSignal | undefined,
  ): Promise<RawAnswer | TransportFailure> {
    let response: Dispatcher.ResponseData;
    try {
      response = await pool.request({
        method: request.method,
        path,
        headers: {
          accept: "application/json",
          ...request.headers,
          "accept-encoding": "gzip",
          "user-agent": userAgent,
          ...(authHeader === null ? {} : { [authHeader.name]: authHeader.value }),
        },
        body: request.body ?? null,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      return fail(kindOf(error, "connect"), describe(error));
    }
    const headers = lastValues(response.headers, secrets);
    const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
    if (!KNOWN_ENCODINGS.has(encoding)) {
      discard(response.body);
      return fail("cut", `a content encoding that was not asked for, ${encoding}`);
    }
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), bodyMs);
    try {
      const received = await readBody(response.body, maxBytes, deadline.signal);
      const receivedAt = clock.now();
      // An empty body has nothing to decode, whatever its headers say.
      const zipped = encoding.endsWith("gzip") && received.length > 0;
      const body = zipped ? await gunzip(received, { maxOutputLength: maxBytes }) : received;
      return { status: response.statusCode, headers, body: maskBody(body, secrets), receivedAt };
    } catch (error) {
      signal?.throwIfAborted();
      if (deadline.signal.aborted) return fail("timeout", `no whole body within ${bodyMs} ms`);
      if (error instanceof TooLarge || codeOf(error) === "ERR_BUFFER_TOO_LARGE")
        return fail("too-large", `a body of more than ${maxBytes} bytes`);
      return fail(kindOf(error, "cut"), describe(error));
    } finally {
      clearTimeout(timer);
    }
  }

  return { send, [Symbol.asyncDispose]: () => pool.destroy() };
}

class TooLarge extends Error {}

async function readBody(body: Dispatcher.ResponseData["body"], maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  await pipeline(
    body,
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new TooLarge();
        parts.push(chunk);
      }
    },
    { signal },
  );
  return Buffer.concat(parts);
}

function discard(body: Dispatcher.ResponseData["body"]): void {
  // Destroying a body reports the destruction as an error; nobody waits for this one.
  body.on("error", () => {}).destroy();
}

function parseBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain = url !== null && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (plain && (url.protocol === "https:" || url.protocol === "http:")) return url;
  // The text itself stays out of the message: it may hold a credential.
  throw new RetrofillError("CONFIG_INVALID", "the source's base URL is not a plain http or https address", {
    hint: "use the form https://host[:port][/path], without user, password, query or fragment",
  });
}

/** The forms in which the credential could turn up: all of the header, and the token behind `Bearer`. */
function secretsOf(authHeader: HttpOptions["authHeader"]): readonly string[] {
  if (authHeader === null) return [];
  const { name, value } = authHeader;
  // RFC 9110 5.5: visible ASCII, with single spaces or tabs inside.
  if (!/^[!-~]([\t -~]*[!-~])?$/.test(value) || !/^[\w-]+$/.test(name)) {
    throw new RetrofillError("CONFIG_INVALID", `the credential for header ${JSON.stringify(name)} cannot be sent`, {
      hint: "look for a line break, a space at either end or a character outside ASCII in the key",
    });
  }
  const token = value.replace(/^\w+\s+/, "");
  return [...new Set([value, token, encodeURIComponent(token)])];
}

function mask(text: string, secrets: readonly string[]): string {
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
}

/** A body in which the provider repeats the credential is stored with as many asterisks instead. */
function maskBody(body: Buffer, secrets: readonly string[]): Buffer {
  for (const secret of secrets) {
    if (secret.length < MIN_MASKED_CHARS) continue;
    for (let at = body.indexOf(secret); at >= 0; at = body.indexOf(secret, at)) body.fill("*", at, at + secret.length);
  }
  return body;
}

function lastValues(headers: Dispatcher.ResponseData["headers"], secrets: readonly string[]): Record<string, string> {
  const last: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value) ? value.at(-1) : value;
    if (text !== undefined) last[name.toLowerCase()] = mask(text, secrets);
  }
  return last;
}

/** A path and query: no other host (`//host`, `https://host`), nothing that would have to be escaped. */
function isPath(target: string): boolean {
  return /^\/(?![/\\])[!-~]*$/.test(target) && !target.includes("\\") && !target.includes("#");
}

/** Where a redirect leads, or null when it does not say. */
function redirectTarget(base: URL, path: string, location: string | undefined): URL | null {
  if (location === undefined || !URL.canParse(location, base.origin + path)) return null;
  return new URL(location, base.origin + path);
}

const TIMEOUTS: ReadonlySet<string> = new Set(["UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "ETIMEDOUT"]);
const CUTS: ReadonlySet<string> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** The kind of failure behind a client error; `otherwise` for codes without a meaning of their own. */
function kindOf(error: unknown, otherwise: "connect" | "cut"): TransportFailure["kind"] {
  if (error instanceof errors.HTTPParserError) return "cut";
  const code = codeOf(error);
  // A call that the client itself finds wrong is a bug here, not an answer.
  if (code === null || code === "UND_ERR_INVALID_ARG") throw error;
  if (TIMEOUTS.has(code)) return "timeout";
  return CUTS.has(code) || code.startsWith("Z_") ? "cut" : otherwise;
}

function describe(error: unknown): string {
  const { message } = error as Error;
  const code = codeOf(error);
  if (message === "" || code === null) return message || `${code}`;
  return message.includes(code) ? message : `${message} (${code})`;
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
