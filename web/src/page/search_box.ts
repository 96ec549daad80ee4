/** Finding a symbol: a field, what it finds, arrow keys. */

import type { SymbolInfo } from "../core/api.js";
import { found, moved } from "../core/search.js";
import { byId, make } from "./elements.js";

export class SearchBox {
  private readonly dialog = byId("search-dialog", HTMLDialogElement);
  private readonly field = byId("search", HTMLInputElement);
  private readonly list = byId("found", HTMLUListElement);
  private readonly none = byId("found-none", HTMLElement);
  private readonly pick: (symbol: string) => void;
  private symbols: readonly SymbolInfo[] = [];
  private shown: readonly SymbolInfo[] = [];
  private at = 0;

  constructor(pick: (symbol: string) => void) {
    this.pick = pick;
    this.field.addEventListener("input", () => {
      this.at = 0;
      this.refresh();
    });
    this.field.addEventListener("keydown", (event) => {
      this.press(event);
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  open(symbols: readonly SymbolInfo[], current: string): void {
    this.symbols = symbols;
    this.field.value = "";
    this.shown = found(symbols, "");
    this.at = Math.max(
      0,
      this.shown.findIndex((info) => info.symbol === current),
    );
    this.dialog.showModal();
    this.refresh();
  }

  private press(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.at = moved(this.at, step, this.shown.length);
      this.refresh();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const chosen = this.shown[this.at];
      if (chosen !== undefined) this.choose(chosen);
    }
  }

  private refresh(): void {
    this.shown = found(this.symbols, this.field.value);
    this.none.hidden = this.shown.length > 0;
    this.list.replaceChildren(...this.shown.map((info, index) => this.row(info, index)));
    const marked = this.list.children[this.at];
    marked?.scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", marked?.id ?? "");
  }

  private row(info: SymbolInfo, index: number): HTMLElement {
    const selected = String(index === this.at);
    const row = make("li", "", { role: "option", id: `found-${index}`, "aria-selected": selected });
    const hours = info.calendar === "24/7" ? "round the clock" : info.calendar;
    row.append(make("b", info.symbol), make("span", `${info.assetClass} · ${hours}`, { class: "quiet" }));
    row.addEventListener("click", () => {
      this.choose(info);
    });
    return row;
  }

  private choose(info: SymbolInfo): void {
    this.dialog.close();
    this.pick(info.symbol);
  }
}
