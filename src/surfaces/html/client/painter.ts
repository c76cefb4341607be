import type { SpanState } from "../document.ts";
import type { PageCanvas, Paint, Pen } from "./browser.ts";
import type { Kit } from "./kit.ts";

/** Drawing on canvases in the page's colours. */
export interface Painter {
  /** A pen for `canvas` in CSS pixels, the canvas sized and cleared; null when the browser gives none. */
  pen(canvas: PageCanvas, width: number, height: number): Pen | null;
  /** A colour of the page, or its font. */
  color(name: "font" | "ink" | "muted" | "line" | "track" | "accent" | "card" | SpanState): string;
  /** Colour and pattern of a state: colour is never the only sign. */
  fill(state: SpanState): Paint;
  /** Forgets colours, after the page's scheme changed. */
  reset(): void;
}

/** Embedded in the page as text: it may use nothing from outside itself. */
export function painter(kit: Kit): Painter {
  const TILE = 6;
  const { browser } = kit;
  const colors = new Map<string, string>();
  const fills = new Map<SpanState, Paint>();

  function pen(canvas: PageCanvas, width: number, height: number): Pen | null {
    const ratio = browser.devicePixelRatio;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.setProperty("width", `${width}px`);
      canvas.style.setProperty("height", `${height}px`);
    }
    const made = canvas.getContext("2d");
    made?.setTransform(ratio, 0, 0, ratio, 0, 0);
    made?.clearRect(0, 0, width, height);
    return made;
  }

  function color(name: string): string {
    const known = colors.get(name) ?? kit.color(`--${name}`);
    colors.set(name, known);
    return known;
  }

  function fill(state: SpanState): Paint {
    if (state === "covered") return color(state);
    const known = fills.get(state) ?? patternOf(state);
    fills.set(state, known);
    return known;
  }

  function patternOf(state: Exclude<SpanState, "covered">): Paint {
    const tile = browser.document.createElement("canvas");
    tile.width = TILE;
    tile.height = TILE;
    const ink = tile.getContext("2d");
    if (ink === null) return color(state);
    ink.fillStyle = color(state);
    ink.fillRect(0, 0, TILE, TILE);
    ink.strokeStyle = color("card");
    ink.fillStyle = color("card");
    ink.lineWidth = 1.1;
    ink.globalAlpha = 0.55;
    ink.beginPath();
    switch (state) {
      case "gap":
        diagonal(ink, 1);
        break;
      case "refused":
        diagonal(ink, -1);
        break;
      case "failed":
        diagonal(ink, 1);
        diagonal(ink, -1);
        break;
      case "waived":
        ink.moveTo(0, TILE / 2);
        ink.lineTo(TILE, TILE / 2);
        break;
      case "empty":
        ink.globalAlpha = 0.9;
        ink.arc(TILE / 2, TILE / 2, 1.2, 0, 7);
        ink.fill();
        break;
      default:
        state satisfies never;
    }
    ink.stroke();
    return ink.createPattern(tile, "repeat");
  }

  /** A line from corner to corner, and what of its neighbours reaches into the tile. */
  function diagonal(ink: Pen, direction: 1 | -1): void {
    for (const shift of [-TILE, 0, TILE]) {
      ink.moveTo(shift - 1, direction === 1 ? TILE + 1 : -1);
      ink.lineTo(shift + TILE + 1, direction === 1 ? -1 : TILE + 1);
    }
  }

  return {
    pen,
    color,
    fill,
    reset() {
      colors.clear();
      fills.clear();
    },
  };
}
