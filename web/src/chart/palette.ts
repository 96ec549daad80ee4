/** Colours of the chart in both themes; those of the page are in `page.css`. */

import type { VolumeColors } from "../core/series.js";

export type Theme = "light" | "dark";

export interface Palette {
  readonly background: string;
  readonly text: string;
  readonly grid: string;
  readonly line: string;
  readonly label: string;
  readonly up: string;
  readonly down: string;
  readonly vwap: string;
  readonly volume: VolumeColors;
}

export const PALETTES: Readonly<Record<Theme, Palette>> = {
  light: {
    background: "#ffffff",
    text: "#4a5361",
    grid: "#eef1f5",
    line: "#d5dae2",
    label: "#39424f",
    up: "#0a8f6c",
    down: "#d6374f",
    vwap: "#b4690e",
    volume: { up: "#0a8f6c66", down: "#d6374f66" },
  },
  dark: {
    background: "#10141b",
    text: "#9aa5b5",
    grid: "#1a202a",
    line: "#2a3341",
    label: "#3b4657",
    up: "#26b58a",
    down: "#f0566b",
    vwap: "#e8a33d",
    volume: { up: "#26b58a66", down: "#f0566b66" },
  },
};
