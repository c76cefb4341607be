import type { Browser, Pen } from "./client/browser.ts";

/** Just enough of a browser, 1,000 pixels wide, to run the page's script in tests: elements, events, frames. */
export interface SmallPage {
  readonly browser: unknown;
  readonly location: { hash: string };
  /** The element of that id, made when it is first asked for. */
  byId(id: string): SmallElement;
  /** Lets all frames pass. */
  settle(): void;
}

/** A small page; `texts` by id are there from the start. */
export function smallPage(texts: Readonly<Record<string, string>>): SmallPage {
  const elements = new Map<string, SmallElement>();
  const location = { hash: "" };
  let frames: ((atMs: number) => void)[] = [];
  let nowMs = 0;
  const byId = (id: string): SmallElement => {
    const found = elements.get(id) ?? new SmallElement("div", () => settle());
    if (!elements.has(id)) elements.set(id, found);
    return found;
  };
  const settle = (): void => {
    while (frames.length > 0) {
      const due = frames;
      frames = [];
      nowMs += 1000;
      for (const draw of due) draw(nowMs);
    }
  };
  for (const [id, text] of Object.entries(texts)) byId(id).append(text);
  const root = byId("html");
  const document = {
    body: root,
    documentElement: root,
    activeElement: null,
    createElement: (tag: string) => new SmallElement(tag, settle),
    getElementById: byId,
    execCommand: () => false,
  };
  const quiet = class {
    observe(): void {}
  };
  const browser: Record<keyof Browser, unknown> = {
    document,
    devicePixelRatio: 1,
    innerWidth: 1200,
    innerHeight: 800,
    location,
    history: {
      replaceState(_: null, __: string, url: string) {
        location.hash = url;
      },
    },
    navigator: {},
    performance: { now: () => nowMs },
    IntersectionObserver: quiet,
    ResizeObserver: quiet,
    addEventListener: () => {},
    requestAnimationFrame: (draw: (atMs: number) => void) => frames.push(draw),
    setTimeout: () => 0,
    matchMedia: () => ({ matches: false, addEventListener: () => {} }),
    getComputedStyle: () => ({ getPropertyValue: () => "#123456" }),
  };
  return { browser, location, byId, settle };
}

export class SmallElement {
  id = "";
  hidden = false;
  value = "";
  checked = false;
  className = "";
  width = 0;
  height = 0;
  scrollLeft = 0;
  readonly clientWidth = 1000;
  readonly offsetWidth = 100;
  readonly offsetHeight = 20;
  readonly scrollWidth = 1000;
  readonly tag: string;
  readonly attributes = new Map<string, string>();
  readonly classList = { toggle: () => {} };
  readonly style = { setProperty: () => {} };
  /** Shapes filled since the canvas was cleared. */
  drawn = 0;
  readonly #settle: () => void;
  readonly #listeners = new Map<string, ((event: object) => void)[]>();
  #children: (SmallElement | string)[] = [];

  constructor(tag: string, settle: () => void) {
    this.tag = tag;
    this.#settle = settle;
  }

  get textContent(): string {
    return this.#children.map((one) => (typeof one === "string" ? one : one.textContent)).join("");
  }

  set textContent(text: string) {
    this.#children = [text];
  }

  /** Every element of that name below this one, in the order of the page. */
  all(tag: string): SmallElement[] {
    return this.#children.flatMap((one) =>
      typeof one === "string" ? [] : [...(one.tag === tag ? [one] : []), ...one.all(tag)],
    );
  }

  /** An event at this element, and the frames that follow it. */
  fire(type: string, event: object = {}): void {
    for (const listen of this.#listeners.get(type) ?? []) listen({ preventDefault() {}, ...event });
    this.#settle();
  }

  append(...children: (SmallElement | string)[]): void {
    this.#children.push(...children);
  }

  replaceChildren(...children: (SmallElement | string)[]): void {
    this.#children = children;
  }

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }

  addEventListener(type: string, listen: (event: object) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listen]);
  }

  getBoundingClientRect(): object {
    return { left: 0, top: 0, right: 1000, bottom: 100, width: 1000, height: 100 };
  }

  getContext(): object {
    const filled = (): void => {
      this.drawn++;
    };
    const pen: Partial<Record<keyof Pen, unknown>> = {
      fill: filled,
      fillRect: filled,
      clearRect: () => {
        this.drawn = 0;
      },
      measureText: (text: string) => ({ width: text.length * 6 }),
    };
    return new Proxy(pen, {
      get: (target, name) => target[name as keyof Pen] ?? (() => ({ pattern: true })),
    });
  }

  remove(): void {}
  scrollIntoView(): void {}
  focus(): void {}
  select(): void {}
  setPointerCapture(): void {}
}
