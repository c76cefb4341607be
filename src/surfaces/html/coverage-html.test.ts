import { describe, expect, it } from "vitest";
import { LEGEND } from "../cli/render/matrix.ts";
import { words } from "./client/words.ts";
import { coverageHtml } from "./coverage-html.ts";
import type { CoverageDocument, DocumentSeries } from "./document.ts";
import { pageScript } from "./page-script.ts";
import { type SmallPage, smallPage } from "./small-page.ts";
import { totalsOf } from "./totals.ts";

const HOUR = 3_600_000;

describe("the coverage page", () => {
  it("shows totals, business now with its zone and that it is pinned", () => {
    const text = textOf(
      coverageHtml(page([series("AAPL", { covered: 90, empty: 6, gap: 4 }), series("MSFT", { covered: 50 })])),
    );
    expect(text).toContain("Present 97.3% of 150 due slots");
    expect(text).toContain("Series complete 1 of 2 1 with gaps");
    expect(text).toContain("Gaps 1 4 slots missing");
    expect(text).toContain("Empty at source 6 slots");
    expect(text).toContain("2024-03-02 00:30 UTC pinned");
  });

  it("never rounds what is incomplete up to 100%", () => {
    const text = textOf(coverageHtml(page([series("AAPL", { covered: 999_999, gap: 1 })])));
    expect(text).toContain("Present 99.9% of 1,000,000 due slots");
  });

  it("keeps names and reasons as text, in the page as in its data", () => {
    const evil = `</script><script>alert(1)</script><!--"'&`;
    const document = page([series(evil, { covered: 1, gap: 1 })], { title: evil, project: evil });
    const html = coverageHtml(document);
    expect(html.match(/<\/script/g)).toHaveLength(2);
    expect(html).not.toContain("<script>alert");
    expect(html).not.toContain("<!--");
    expect(JSON.parse(dataOf(html))).toEqual(document);
    expect(html).toContain("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!--&quot;&#39;&amp;</h1>");
  });

  it("asks nothing of any network or other file", () => {
    const html = coverageHtml(page([series("AAPL", { covered: 1 })]));
    expect(html).not.toMatch(/\b(src|href)=|@import|url\(|https?:|fetch\(|XMLHttpRequest|import\(/);
    expect(html).toContain("default-src 'none'");
  });

  it("is the same page for the same document", () => {
    const document = page([series("AAPL", { covered: 3, gap: 2 })]);
    expect(coverageHtml(document)).toBe(coverageHtml(structuredClone(document)));
  });

  it("explains exactly the states that it draws", () => {
    const legend = (document: CoverageDocument): string =>
      /<ul class="legend".*?<\/ul>/s.exec(coverageHtml(document))?.[0].replace(/<[^>]*>/g, " ") ?? "";
    expect(legend(page([series("AAPL", { covered: 1, gap: 1 })])).trim()).toMatch(/^✓ covered +✗ gap$/);
    const days = page([series("AAPL", { covered: 1, gap: 1 })], {
      layout: "days",
      entries: [
        {
          entry: "AAPL",
          name: null,
          isUnfound: false,
          days: [{ date: "2024-03-01", state: "waived", note: "closed for works" }],
        },
      ],
    });
    expect(legend(days).trim()).toBe("~ waived");
  });

  it("says so when there is nothing in the scope, and has then nothing to run", () => {
    const html = coverageHtml(page([]));
    expect(textOf(html)).toContain("Nothing in this scope");
    expect(html.match(/<script/g)).toHaveLength(1);
  });
});

describe("the embedded script", () => {
  it("parses, and cannot end the element it stands in", () => {
    const script = pageScript();
    expect(() => new Function(script)).not.toThrow();
    expect(script.toLowerCase()).not.toContain("</script");
  });

  it("draws matrix, lanes and gaps from its text and the page's data alone", () => {
    const { byId } = run(page([series("AAPL", { covered: 90, empty: 6, gap: 4 }), series("MSFT", { covered: 50 })]));
    expect(byId("matrix").textContent).toBe("symbol1hallAAPL✗96%96%MSFT✓100%100%");
    const [aapl, msft] = byId("over-time").all("canvas");
    expect(aapl?.attributes.get("aria-label")).toBe("AAPL over time. 1h: gaps, 96%, 1 gap");
    expect(aapl?.drawn).toBeGreaterThan(msft?.drawn ?? 0);
    expect(msft?.drawn).toBeGreaterThan(0);
    const rows = byId("gaps").all("tr").slice(1);
    expect(rows.map((row) => row.textContent)).toEqual([
      "AAPL/1h2024-03-052024-03-05 04:004never-askedtrailingnever askedretrofill run demo.hours --keys AAPLCopy",
    ]);
  });

  it("goes from a cell of the matrix and from a gap to their lane", () => {
    const { byId, location } = run(page([series("AAPL", { covered: 90, gap: 4 }), series("MSFT", { covered: 2000 })]));
    const range = (): string => byId("time-bar").all("output")[0]?.textContent ?? "";
    byId("matrix").all("button")[0]?.fire("click");
    // 94 hours from 2024-03-01 with a margin, to the minute
    expect(range()).toBe("[2024-02-29 22:07, 2024-03-04 23:53) UTC · 4 d 1 h");
    expect(location.hash).toBe("#AAPL%2F1h");
    byId("gaps")
      .all("button")
      .find((one) => one.textContent === "AAPL/1h")
      ?.fire("click");
    expect(range()).toBe("[2024-03-04 12:00, 2024-03-05 04:00) UTC · 16 h");
  });

  it("tells the series of several datasets apart", () => {
    const of = (dataset: string, has: { readonly covered: number; readonly gap?: number }): DocumentSeries => {
      const one = series("AAPL", has);
      return { ...one, dataset, name: `${dataset} ${one.key}` };
    };
    const { byId, location } = run(page([of("demo.hours", { covered: 3, gap: 1 }), of("demo.made", { covered: 4 })]));
    const lines = byId("matrix").all("tr");
    expect(lines.map((line) => line.textContent)).toEqual([
      "symbol1hall",
      "AAPLdemo.hours✗75%75%",
      "AAPLdemo.made✓100%100%",
    ]);
    const blocks = byId("over-time").all("section");
    expect(blocks.map((block) => block.attributes.get("aria-label"))).toEqual(["AAPL demo.hours", "AAPL demo.made"]);
    const [head, gap] = byId("gaps").all("tr");
    expect(head?.textContent).toMatch(/^DatasetSeriesFrom/);
    expect(gap?.textContent).toMatch(/^demo\.hoursAAPL\/1h2024-03-01 03:00/);
    lines[2]?.all("button")[0]?.fire("click");
    expect(decodeURIComponent(location.hash)).toBe("#demo.made AAPL/1h");
  });

  it("marks an entry of which there is nothing wherever it stands", () => {
    const document = page([series("NOPE", { empty: 4 })], {
      entries: [{ entry: "NOPE", name: null, isUnfound: true }],
      unfound: "No data at all: NOPE",
    });
    expect(textOf(coverageHtml(document))).toContain("No data at all: NOPE");
    const { byId } = run(document);
    expect(byId("matrix").textContent).toContain("NOPEno data at all○100%");
    expect(byId("over-time").textContent).toContain("NOPEno data at all");
  });

  it("narrows everything by name, and gaps by words and cause", () => {
    const { byId } = run(page([series("AAPL", { covered: 1, gap: 4 }), series("MSFT", { covered: 1, gap: 1 })]));
    const shown = (id: string, tag: string): string[] =>
      byId(id)
        .all(tag)
        .filter((one) => !one.hidden)
        .map((one) => one.textContent?.slice(0, 4) ?? "");
    const [box] = byId("gaps").all("input");
    if (!box) throw new Error("unreachable: no box");
    box.value = "never msft";
    box.fire("input");
    expect(shown("gaps", "tr").slice(1)).toEqual(["MSFT"]);
    byId("filter").value = "aap";
    byId("filter").fire("input");
    expect(shown("matrix", "tr").slice(1)).toEqual(["AAPL"]);
    expect(shown("over-time", "section")).toEqual(["AAPL"]);
    expect(shown("gaps", "tr").slice(1)).toEqual([]);
    expect(byId("shown").textContent).toBe("1 of 2");
  });

  it("draws calendars of days and a matrix of months", () => {
    const day = (date: string, state: "covered" | "gap" | "closed") => ({ date, state, note: null });
    const days = [day("2024-02-28", "covered"), day("2024-02-29", "gap"), day("2024-03-01", "closed")];
    const { byId } = run(
      page([series("AAPL", { covered: 1, gap: 1 })], {
        layout: "days",
        entries: [{ entry: "AAPL", name: null, isUnfound: false, days }],
      }),
    );
    expect(byId("matrix").textContent).toBe("symbol2024-022024-03allAAPL✗50%·50%");
    expect(byId("over-time").textContent).toBe("AAPL✗ 1 of 2 days missing");
    expect(byId("over-time").all("canvas")[0]?.drawn).toBeGreaterThan(0);
  });

  it("calls marks what the terminal calls them", () => {
    const labels = Object.entries(words().marks).map(([mark, { label }]) => [mark, label]);
    expect(Object.fromEntries(labels)).toEqual(LEGEND);
  });
});

describe("totals", () => {
  it("add up over series; a series that owes nothing is complete", () => {
    const document = page([
      series("AAPL", { covered: 5, empty: 1, gap: 4 }),
      series("NEW", {}),
      series("MSFT", { covered: 2 }),
    ]);
    expect(totalsOf(document)).toEqual({ series: 3, complete: 2, gaps: 1, due: 12, covered: 7, empty: 1, gap: 4 });
  });
});

function page(all: readonly DocumentSeries[], changes: Partial<CoverageDocument> = {}): CoverageDocument {
  return {
    title: "Coverage of demo.hours",
    project: "demo",
    businessNow: { at: Date.UTC(2024, 2, 2, 0, 30), text: "2024-03-02T00:30:00Z", pinned: true },
    generatedAt: "2024-03-05T10:00:00Z",
    layout: "lanes",
    noun: { one: "symbol", many: "symbols" },
    datasets: [...new Set(all.map(({ dataset }) => dataset))],
    columns: ["1h"],
    entries: [...new Set(all.map(({ entry }) => entry))].map((entry) => ({ entry, name: null, isUnfound: false })),
    unfound: null,
    series: all,
    ...changes,
  };
}

/** A series of hours: first what is covered, then what is empty, then a gap. */
function series(
  entry: string,
  { covered = 0, empty = 0, gap = 0 }: { readonly covered?: number; readonly empty?: number; readonly gap?: number },
): DocumentSeries {
  const start = Date.UTC(2024, 2, 1);
  const [a, b, c] = [covered, covered + empty, covered + empty + gap].map((n) => start + n * HOUR) as [
    number,
    number,
    number,
  ];
  const states = [
    { start, end: a, state: "covered", reason: null, slots: covered },
    { start: a, end: b, state: "empty", reason: "empty at source", slots: empty },
    { start: b, end: c, state: "gap", reason: "never asked", slots: gap },
  ] as const;
  const command = `retrofill run demo.hours --keys ${entry}`;
  return {
    name: `${entry}/1h`,
    dataset: "demo.hours",
    key: `${entry}/1h`,
    entry,
    column: "1h",
    zone: "UTC",
    mark: gap > 0 ? "✗" : empty > 0 ? "○" : covered > 0 ? "✓" : "·",
    slots: { due: covered + empty + gap, covered, empty, gap, waived: 0, failed: 0, refused: 0 },
    scope: c > start ? { start, end: c } : null,
    segments: states.filter(({ slots }) => slots > 0),
    gaps:
      gap > 0
        ? [{ start: b, end: c, cause: "never-asked", place: "trailing", slots: gap, reason: "never asked", command }]
        : [],
  };
}

/** Runs a page's script, from its text, in a small browser. */
function run(document: CoverageDocument): SmallPage {
  const html = coverageHtml(document);
  const small = smallPage({ coverage: dataOf(html) });
  new Function("window", pageScript())(small.browser);
  small.settle();
  return small;
}

/** What a page says before its script runs. */
function textOf(html: string): string {
  const body = html.slice(html.indexOf("<body>"), html.indexOf("<script"));
  return body.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
}

function dataOf(html: string): string {
  return /<script type="application\/json" id="coverage">(.*?)<\/script>/s.exec(html)?.[1] ?? "";
}
