import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { instant } from "../../core/time/instant.ts";
import { createHttp, type Http, type HttpOptions, type RawAnswer, type TransportFailure } from "./http.ts";

const KEY = "sk_very-secret_0123456789";
const GET = { method: "GET", target: "/v2/bars?limit=5" } as const;
const clock = { now: () => instant(1_700_000_000_000) };

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

describe("createHttp", () => {
  it("returns status, headers and body of any answer, and when it was whole", async () => {
    const base = await serve((_request, response) => {
      response.writeHead(503, { "X-One": "1", "Set-Cookie": ["a=1", "b=2"], "Content-Type": "application/json" });
      response.end('{"status":"ERROR"}');
    });
    const answer = whole(await client(base).send(GET));
    expect(answer).toMatchObject({ status: 503, receivedAt: 1_700_000_000_000 });
    expect(answer.headers).toMatchObject({ "x-one": "1", "set-cookie": "b=2", "content-type": "application/json" });
    expect(answer.body.toString()).toBe('{"status":"ERROR"}');
  });

  it("sends the target as it is, the credential in its header, and its own name", async () => {
    const seen: unknown[] = [];
    const base = await serve((request, response) => {
      seen.push(request.url, request.headers.authorization, request.headers["user-agent"], request.headers["x-more"]);
      response.end("{}");
    });
    await client(`${base}/proxy/`, { userAgent: "retrofill-test" }).send({ ...GET, headers: { "x-more": "yes" } });
    expect(seen).toEqual(["/proxy/v2/bars?limit=5", `Bearer ${KEY}`, "retrofill-test", "yes"]);
  });

  it("sends the body of a POST", async () => {
    const base = await serve((request, response) => {
      request.pipe(response);
    });
    const answer = await client(base).send({ method: "POST", target: "/search", body: '{"q":1}' });
    expect(whole(answer).body.toString()).toBe('{"q":1}');
  });

  it("asks for gzip and decodes it", async () => {
    const base = await serve((request, response) => {
      const gzip = request.headers["accept-encoding"] === "gzip";
      response.writeHead(200, gzip ? { "content-encoding": "gzip" } : {});
      response.end(gzip ? gzipSync('{"zipped":true}') : "{}");
    });
    expect(whole(await client(base).send(GET)).body.toString()).toBe('{"zipped":true}');
  });

  it("takes an empty body for an empty body, also when it says gzip", async () => {
    const base = await serve((_request, response) => {
      response.writeHead(429, { "content-encoding": "gzip", "content-length": "0" }).end();
    });
    expect(whole(await client(base).send(GET))).toMatchObject({ status: 429, body: Buffer.alloc(0) });
  });

  it("stops at once when its signal aborts", async () => {
    const base = await serve((_request, response) => {
      response.writeHead(200).write("{");
    });
    const stop = new AbortController();
    const sent = client(base).send(GET, stop.signal);
    setTimeout(() => stop.abort(new Error("enough")), 30);
    await expect(sent).rejects.toThrow("enough");
    await expect(client(base).send(GET, stop.signal)).rejects.toThrow("enough");
  });
});

describe("a transport failure", () => {
  it("of kind connect names the host when nobody listens", async () => {
    const base = await serve(() => {});
    await opened.pop()?.[Symbol.asyncDispose]();
    expect(await failed(base)).toMatchObject({ kind: "connect", message: expect.stringContaining("ECONNREFUSED") });
  });

  it("of kind timeout comes when a connection is not ready in time", async () => {
    // TLS belongs to connecting, and this server never says a word of it.
    const server = createTcpServer(() => {});
    await listen(server);
    const base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await failed(base, { timeouts: { connectMs: 100 } })).toMatchObject({ kind: "timeout" });
  });

  it("of kind timeout comes when the headers are late", async () => {
    const base = await serve(() => {});
    expect(await failed(base, { timeouts: { headersMs: 100 } })).toMatchObject({ kind: "timeout" });
  });

  it("of kind timeout comes when a body never ends, however steadily it drips", async () => {
    const base = await serve((_request, response) => {
      const drip = setInterval(() => response.write(" "), 10);
      response.on("close", () => clearInterval(drip));
    });
    const failure = await failed(base, { timeouts: { bodyMs: 150 } });
    expect(failure).toMatchObject({ kind: "timeout", message: expect.stringContaining("150 ms") });
  });

  it.each<[string, RequestListener]>([
    [
      "less than its content-length",
      (_request, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write('{"results":[', () => response.socket?.end());
      },
    ],
    [
      "a chunk and then no connection",
      (_request, response) => {
        response.write('{"results":[', () => response.socket?.destroy());
      },
    ],
    ["no answer at all", (request) => request.socket.destroy()],
    ["something other than HTTP", (request) => request.socket.end("220 mail ready\r\n\r\n")],
    [
      "half of a gzip stream",
      (_request, response) => {
        const half = gzipSync("x".repeat(5_000)).subarray(0, 20);
        response.writeHead(200, { "content-encoding": "gzip", "content-length": half.length }).end(half);
      },
    ],
    [
      "a gzip stream that is none",
      (_request, response) => {
        response.writeHead(200, { "content-encoding": "gzip" }).end("{}");
      },
    ],
    [
      "an encoding that was not asked for",
      (_request, response) => {
        response.writeHead(200, { "content-encoding": "br" }).end("{}");
      },
    ],
  ])("of kind cut comes when the server sends %s", async (_what, listener) => {
    expect(await failed(await serve(listener))).toMatchObject({ kind: "cut" });
  });

  it("of kind too-large comes when the body is over the limit, on the wire or decoded", async () => {
    const body = Buffer.alloc(100_000, "x");
    const plain = await serve((_request, response) => response.end(body));
    expect(await failed(plain, { maxBytes: 99_999 })).toMatchObject({ kind: "too-large" });
    expect(whole(await client(plain, { maxBytes: 100_000 }).send(GET)).body).toHaveLength(100_000);
    const zipped = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(body));
    });
    expect(await failed(zipped, { maxBytes: 99_999 })).toMatchObject({ kind: "too-large" });
  });

  it.each([
    "https://elsewhere.example/x",
    "//elsewhere.example/x",
    "http://other.example:81/x",
    "/\\elsewhere/x",
    "x",
    "",
    "/a b",
    "/a#b",
  ])("of kind target refuses %j without sending anything", async (target) => {
    let requests = 0;
    const base = await serve((_request, response) => {
      requests++;
      response.end("{}");
    });
    expect(await client(base).send({ method: "GET", target })).toMatchObject({ kind: "target" });
    expect(requests).toBe(0);
  });
});

describe("a redirect", () => {
  it("on the same host is followed three times and no more", async () => {
    const base = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end(request.headers.authorization);
      else response.writeHead(302, { location: `/${left - 1}` }).end("moved");
    });
    const http = client(base);
    // The body repeats the key, so it comes back masked: it was sent on.
    expect(whole(await http.send({ method: "GET", target: "/3" })).body.toString()).toMatch(/^\*+$/);
    expect(await http.send({ method: "GET", target: "/4" })).toMatchObject({ kind: "redirect" });
  });

  it("to another host is refused, and the other host hears nothing", async () => {
    const heard: unknown[] = [];
    const other = await serve((request, response) => {
      heard.push(request.headers);
      response.end("{}");
    });
    const base = await serve((_request, response) => {
      response.writeHead(307, { location: `${other}/v2/bars` }).end();
    });
    expect(await failed(base)).toMatchObject({ kind: "redirect", message: expect.stringContaining(other) });
    expect(heard).toEqual([]);
  });

  it("of anything but a GET is refused", async () => {
    const base = await serve((_request, response) => {
      response.writeHead(308, { location: "/again" }).end();
    });
    const failure = await client(base).send({ method: "POST", target: "/search", body: "{}" });
    expect(failure).toMatchObject({ kind: "redirect", message: expect.stringContaining("only a GET") });
  });

  it.each([302, 304])("without a place to go is an answer like any other: %i", async (status) => {
    const base = await serve((_request, response) => {
      response.writeHead(status).end();
    });
    expect(whole(await client(base).send(GET)).status).toBe(status);
  });
});

describe("the credential", () => {
  it("is in no message, header or body that comes back", async () => {
    const echo = await serve((request, response) => {
      const { authorization = "" } = request.headers;
      response.writeHead(401, { "x-echo": authorization }).end(`{"error":"bad key ${KEY}, ${authorization}"}`);
    });
    const away = await serve((_request, response) => {
      response.writeHead(302, { location: `http://${KEY}.example/?k=${KEY}` }).end();
    });
    const target = `/v2/bars?apiKey=${KEY}`;
    const closed = await serve(() => {});
    await opened.pop()?.[Symbol.asyncDispose]();
    const answers = [
      await client(echo).send(GET),
      await client(away).send({ method: "GET", target }),
      await client(closed).send({ method: "GET", target }),
      await client(echo).send({ method: "GET", target: `${KEY} ${target}` }),
    ];
    const answer = whole(answers[0] as RawAnswer);
    expect(answer.body.toString()).toContain(`bad key ${"*".repeat(KEY.length)}, `);
    expect(JSON.stringify(answers) + answer.body).not.toContain(KEY);
    expect(answers.slice(1).map((one) => "kind" in one && one.kind)).toEqual(["redirect", "connect", "target"]);
  });

  it("that cannot be a header is refused without showing it", () => {
    const open = (): Http => client("http://127.0.0.1:1", { authHeader: { name: "authorization", value: `${KEY}\n` } });
    expect(open).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.not.stringContaining(KEY) }),
    );
  });

  it.each([`http://user:${KEY}@host`, `https://host/?apiKey=${KEY}`, "ftp://host", "host", "https://host/#x"])(
    "does not come by the base URL: %s is refused without showing it",
    (baseUrl) => {
      const refused = expect.objectContaining({ code: "CONFIG_INVALID", message: expect.not.stringContaining(KEY) });
      expect(() => createHttp({ baseUrl, authHeader: null, clock })).toThrow(refused);
    },
  );
});

function client(baseUrl: string, some: Partial<HttpOptions> = {}): Http {
  const http = createHttp({ baseUrl, clock, authHeader: { name: "authorization", value: `Bearer ${KEY}` }, ...some });
  opened.push(http);
  return http;
}

async function failed(baseUrl: string, some: Partial<HttpOptions> = {}): Promise<TransportFailure> {
  const answer = await client(baseUrl, some).send(GET);
  if (!("kind" in answer)) throw new Error(`unreachable: answered ${answer.status}`);
  expect(answer.message).toContain("GET /v2/bars?limit=5 at ");
  return answer;
}

function whole(answer: RawAnswer | TransportFailure): RawAnswer {
  if ("kind" in answer) throw new Error(`unreachable: ${answer.kind}: ${answer.message}`);
  return answer;
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await listen(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function listen(server: Server): Promise<void> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}
