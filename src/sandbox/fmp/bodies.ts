import type { Answer } from "../provider.ts";
import type { FmpRefusal } from "./world.ts";

const DOCS = "https://site.financialmodelingprep.com";

/** The 200 with rows: a bare list. */
export function listAnswer(rows: readonly object[]): Answer {
  return { ...json(200, rows), isData: true };
}

export function badRequest(problem: string): Answer {
  return errorMessage(400, `Query Error: ${problem}`);
}

export function unknownKey(): Answer {
  return errorMessage(
    401,
    `Invalid API KEY. Feel free to create a Free API Key or visit ${DOCS}/faqs?search=why-is-my-api-key-invalid for more information.`,
  );
}

export function notFound(): Answer {
  return errorMessage(404, "Not Found");
}

export function limitReached(status: 200 | 429): Answer {
  return errorMessage(
    status,
    `Limit Reach . Please upgrade your plan or visit our documentation for more details at ${DOCS}/`,
  );
}

/** The old paths, for keys that were not theirs already. */
export function legacyEndpoint(): Answer {
  return errorMessage(
    403,
    `Legacy Endpoint : Due to Legacy endpoints being no longer supported - This endpoint is only available for legacy users. Please visit our documentation page ${DOCS}/developer/docs for our current APIs.`,
  );
}

export function refuse(refusal: FmpRefusal): Answer {
  const upgrade = `please visit our subscription page to upgrade your plan at ${DOCS}/developer/docs/pricing`;
  switch (refusal) {
    case "restricted": {
      const body = `Restricted Endpoint: This endpoint is not available under your current subscription ${upgrade}`;
      return { status: 402, contentType: "text/plain; charset=utf-8", body, isData: false };
    }
    case "exclusive":
      return errorMessage(
        402,
        `Exclusive Endpoint : This endpoint is not available under your current subscription ${upgrade}`,
      );
    case "premium-value":
      return errorMessage(
        402,
        `Premium Query Parameter: 'Special Endpoint : This value set for 'symbol' is not available under your current subscription ${upgrade}'`,
      );
    case "legacy":
      return legacyEndpoint();
    case "suspended":
      return errorMessage(403, "Account suspended. Please contact info@financialmodelingprep.com");
    case "not-found":
      return notFound();
    case "bandwidth":
      return errorMessage(
        429,
        `Bandwidth Limit Reach . Please upgrade your plan or visit our documentation for more details at ${DOCS}/`,
      );
    case "limit-inside-200":
      return limitReached(200);
    default:
      return refusal satisfies never;
  }
}

function errorMessage(status: number, text: string): Answer {
  return json(status, { "Error Message": text });
}

function json(status: number, body: object): Answer {
  return { status, contentType: "application/json; charset=utf-8", body: JSON.stringify(body), isData: false };
}
