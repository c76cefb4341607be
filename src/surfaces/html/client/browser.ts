// What the page's script needs of a browser, and no more. The compiler's own list of it would make every window global
// (`name`, `status`, `event`) a known name in all of this program.

export interface Browser {
  readonly document: PageDocument;
  readonly devicePixelRatio: number;
  readonly innerWidth: number;
  readonly innerHeight: number;
  readonly location: { readonly hash: string };
  readonly history: { replaceState(state: null, title: string, url: string): void };
  readonly navigator: { readonly clipboard?: { writeText(text: string): Promise<void> } };
  readonly performance: { now(): number };
  readonly IntersectionObserver: new (
    seen: (changes: readonly { readonly target: PageElement; readonly isIntersecting: boolean }[]) => void,
    options: { readonly rootMargin: string },
  ) => { observe(element: PageElement): void };
  readonly ResizeObserver: new (resized: () => void) => { observe(element: PageElement): void };
  addEventListener(type: string, listen: (event: PageEvent) => void): void;
  requestAnimationFrame(draw: (atMs: number) => void): number;
  setTimeout(work: () => void, ms: number): number;
  matchMedia(query: string): {
    readonly matches: boolean;
    addEventListener(type: "change", listen: () => void): void;
  };
  getComputedStyle(element: PageElement): { getPropertyValue(name: string): string };
}

interface PageDocument {
  readonly body: PageElement;
  readonly documentElement: PageElement;
  readonly activeElement: PageElement | null;
  createElement(tag: "canvas"): PageCanvas;
  createElement(tag: string): PageElement;
  getElementById(id: string): PageElement | null;
  execCommand(command: "copy"): boolean;
}

export interface PageElement {
  id: string;
  className: string;
  textContent: string | null;
  hidden: boolean;
  /** Of inputs only. */
  value: string;
  checked: boolean;
  scrollLeft: number;
  readonly scrollWidth: number;
  readonly clientWidth: number;
  readonly offsetWidth: number;
  readonly offsetHeight: number;
  readonly classList: { toggle(name: string, on: boolean): void };
  readonly style: { setProperty(name: string, value: string): void };
  append(...children: readonly (PageElement | string)[]): void;
  replaceChildren(...children: readonly (PageElement | string)[]): void;
  remove(): void;
  setAttribute(name: string, value: string): void;
  addEventListener(
    type: string,
    listen: (event: PageEvent) => void,
    options?: { readonly passive?: boolean; readonly capture?: boolean },
  ): void;
  getBoundingClientRect(): Box;
  scrollIntoView(options: { readonly block: "center" | "start"; readonly behavior: "smooth" | "auto" }): void;
  focus(options?: { readonly preventScroll: boolean }): void;
  select(): void;
  setPointerCapture(pointer: number): void;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly width: number;
  readonly height: number;
}

export interface PageCanvas extends PageElement {
  width: number;
  height: number;
  getContext(kind: "2d"): Pen | null;
}

/** A mouse, wheel, pointer or key event; each has its own fields. */
export interface PageEvent {
  readonly clientX: number;
  readonly clientY: number;
  readonly deltaX: number;
  readonly deltaY: number;
  readonly deltaMode: number;
  readonly button: number;
  /** Bits of those held down; 0 when none. */
  readonly buttons: number;
  readonly pointerId: number;
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
  preventDefault(): void;
}

/** Anything that a shape can be filled with. */
export type Paint = string | { readonly pattern: true } | null;

export interface Pen {
  fillStyle: Paint;
  strokeStyle: Paint;
  lineWidth: number;
  globalAlpha: number;
  font: string;
  textAlign: "left" | "center" | "right";
  textBaseline: "top" | "middle" | "alphabetic";
  setTransform(a: number, b: number, c: number, d: number, e: number, f: number): void;
  clearRect(x: number, y: number, width: number, height: number): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  strokeRect(x: number, y: number, width: number, height: number): void;
  beginPath(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  arc(x: number, y: number, radius: number, from: number, to: number): void;
  roundRect(x: number, y: number, width: number, height: number, radius: number): void;
  fill(): void;
  stroke(): void;
  fillText(text: string, x: number, y: number): void;
  measureText(text: string): { readonly width: number };
  setLineDash(dash: readonly number[]): void;
  createPattern(tile: PageCanvas, repetition: "repeat"): Paint;
}
