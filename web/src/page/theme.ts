/** Light or dark: what somebody chose, or what the system says. */

import type { Theme } from "../chart/palette.js";

const KEY = "ohlcv-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function currentTheme(): Theme {
  const chosen = kept();
  return chosen ?? (system.matches ? "dark" : "light");
}

/** Apply the theme in force, and tell of every change of the system's. */
export function followTheme(changed: (theme: Theme) => void): void {
  apply();
  system.addEventListener("change", () => {
    apply();
    changed(currentTheme());
  });
}

export function toggleTheme(): Theme {
  const next = currentTheme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  document.documentElement.dataset["theme"] = next;
  return next;
}

function apply(): void {
  document.documentElement.dataset["theme"] = currentTheme();
}

function kept(): Theme | null {
  let found: string | null;
  try {
    found = localStorage.getItem(KEY);
  } catch {
    found = document.documentElement.dataset["theme"] ?? null;
  }
  return found === "light" || found === "dark" ? found : null;
}
