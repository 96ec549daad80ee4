/** Options of the chart library that depend on the theme or on what is shown. */

import { ColorType, type DeepPartial, TickMarkType, type TimeChartOptions } from "lightweight-charts";

import { formatTick, type TickKind } from "../core/format.js";
import type { Resolution } from "../core/resolutions.js";
import type { Palette } from "./palette.js";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

const KINDS: Readonly<Record<number, TickKind>> = {
  [TickMarkType.Year]: "year",
  [TickMarkType.Month]: "month",
  [TickMarkType.DayOfMonth]: "day",
};

export function frameOptions(palette: Palette): DeepPartial<TimeChartOptions> {
  const crosshair = { color: palette.label, labelBackgroundColor: palette.label } as const;
  return {
    layout: {
      background: { type: ColorType.Solid, color: palette.background },
      textColor: palette.text,
      fontFamily: FONT,
      fontSize: 12,
      // The page has the link itself: the library's own would write a style into the page, which its policy forbids.
      attributionLogo: false,
      panes: { separatorColor: palette.line, separatorHoverColor: palette.line },
    },
    grid: { vertLines: { color: palette.grid }, horzLines: { color: palette.grid } },
    crosshair: { vertLine: crosshair, horzLine: crosshair },
    rightPriceScale: { borderColor: palette.line, entireTextOnly: true },
  };
}

export function scaleOptions(palette: Palette): DeepPartial<TimeChartOptions["timeScale"]> {
  return {
    borderColor: palette.line,
    rightOffset: 4,
    secondsVisible: false,
    // Tens of thousands of bars fit on a screen, drawn as many as it has pixels.
    minBarSpacing: 0.01,
    enableConflation: true,
  };
}

export function tickLabel(
  time: number,
  kind: number,
  labels: { readonly resolution: Resolution; readonly timeZone: string },
): string {
  return formatTick(time * 1000, KINDS[kind] ?? "time", labels.resolution, labels.timeZone);
}
