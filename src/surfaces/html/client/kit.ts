import type { DayState } from "../document.ts";
import type { Browser, PageCanvas, PageElement, PageEvent } from "./browser.ts";
import type { Words } from "./words.ts";

/** What all parts of the page share: words, making elements, the tooltip, the clipboard. */
export interface Kit extends Words {
  readonly browser: Browser;
  element(tag: string, attributes?: Attributes, ...children: readonly (PageElement | string)[]): PageElement;
  /** A CSS variable of the page, such as `--covered`, in the colours of the moment. */
  color(name: string): string;
  /** A tile of the element that `state` is drawn with: colour and pattern. */
  swatch(state: DayState): PageElement;
  showTip(x: number, y: number, lines: readonly PageElement[]): void;
  hideTip(): void;
  /** Says a text to those who do not see the page. */
  announce(text: string): void;
  /**
   * Puts blocks into the page. Few are always drawn; of more, those near the screen, and the others give the memory of
   * their pictures back.
   */
  showBlocks<B extends ScreenBlock>(root: PageElement, blocks: readonly B[], draw: (block: B) => void): void;
  /** A button that copies what `text` gives when it is pressed. */
  copyButton(options: { readonly label: string; readonly spoken: string; readonly text: () => string }): PageElement;
}

/** A section of the page with a picture in it. */
export interface ScreenBlock {
  readonly section: PageElement;
  readonly canvas: PageCanvas;
  isOnScreen: boolean;
}

type Attributes = Readonly<Record<string, string | ((event: PageEvent) => void)>>;

/** Embedded in the page as text: it may use nothing from outside itself. */
export function kit(browser: Browser, words: Words): Kit {
  const page = browser.document;
  const tip = element("div", { class: "tip", "aria-hidden": "true" });
  tip.hidden = true;
  const voice = element("div", { class: "unseen", "aria-live": "polite" });
  page.body.append(tip, voice);

  /** Attributes that are functions listen to the event of that name. */
  function element(tag: string, attributes: Attributes = {}, ...children: readonly (PageElement | string)[]) {
    const made = page.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "string") made.setAttribute(name, value);
      else made.addEventListener(name, value);
    }
    made.append(...children);
    return made;
  }

  function color(name: string): string {
    return browser.getComputedStyle(page.documentElement).getPropertyValue(name).trim();
  }

  function swatch(state: DayState): PageElement {
    return element("span", { class: `swatch ${state}`, "aria-hidden": "true" });
  }

  function showTip(x: number, y: number, lines: readonly PageElement[]): void {
    tip.replaceChildren(...lines);
    tip.hidden = false;
    const left = x + 16 + tip.offsetWidth > browser.innerWidth ? x - 16 - tip.offsetWidth : x + 16;
    const top = y + 18 + tip.offsetHeight > browser.innerHeight ? y - 12 - tip.offsetHeight : y + 18;
    tip.style.setProperty("transform", `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`);
  }

  function hideTip(): void {
    tip.hidden = true;
  }

  function announce(text: string): void {
    voice.textContent = text;
  }

  function copyButton({ label, spoken, text }: Parameters<Kit["copyButton"]>[0]): PageElement {
    const button = element("button", { class: "copy", type: "button", "aria-label": spoken }, label);
    button.addEventListener("click", async () => {
      const done = await copy(text());
      button.textContent = done ? "Copied ✓" : "Not allowed";
      announce(done ? "copied" : "the browser does not allow copying");
      browser.setTimeout(() => {
        button.textContent = label;
      }, 1600);
    });
    return button;
  }

  async function copy(text: string): Promise<boolean> {
    try {
      if (browser.navigator.clipboard) {
        await browser.navigator.clipboard.writeText(text);
        return true;
      }
    } catch {
      // Refused, as some browsers do for files: the older way may still be allowed.
    }
    const field = element("textarea", { class: "unseen" });
    field.value = text;
    page.body.append(field);
    field.select();
    const done = page.execCommand("copy");
    field.remove();
    return done;
  }

  function showBlocks<B extends ScreenBlock>(root: PageElement, blocks: readonly B[], draw: (block: B) => void): void {
    const always = 30;
    const bySection = new Map<unknown, B>(blocks.map((block) => [block.section, block]));
    const watch = new browser.IntersectionObserver(
      (changes) => {
        for (const { target, isIntersecting } of changes) {
          const block = bySection.get(target);
          if (!block) continue;
          block.isOnScreen = isIntersecting;
          if (isIntersecting) draw(block);
          else block.canvas.width = 0;
        }
      },
      { rootMargin: "400px" },
    );
    root.replaceChildren(...blocks.map((block) => block.section));
    for (const block of blocks) {
      if (blocks.length > always) watch.observe(block.section);
      else block.isOnScreen = true;
    }
  }

  return {
    ...words,
    browser,
    element,
    color,
    swatch,
    showTip,
    hideTip,
    announce,
    showBlocks,
    copyButton,
  };
}
