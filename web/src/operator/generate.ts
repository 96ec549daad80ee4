/**
 * The dialog that orders trades: how many, of which days and symbols, by which laws.
 *
 * What belongs here: its fields. What does not: what an order may be (`core/order`), sending it (`main`).
 */

import type { SymbolInfo } from "../core/api.js";
import { formatCount } from "../core/format.js";
import type { Json } from "../core/json.js";
import type { Operations } from "../core/operations.js";
import { type Law, LAWS, type Limits, openDays, orderOf } from "../core/order.js";
import { byId, make } from "../page/elements.js";

/** Trades that are proposed: enough to be seen, made in a moment. */
const PROPOSED = 10_000;

const LAW_NAMES: Readonly<Record<Law, string>> = { price_model: "Prices", arrivals: "Arrivals", sizes: "Sizes" };

export interface GenerateEvents {
  readonly symbols: () => Promise<readonly SymbolInfo[]>;
  /** Start it; what is returned is the problem, null where there is none. */
  readonly go: (order: Json) => Promise<string | null>;
}

export class GenerateDialog {
  private readonly dialog = byId("generate-dialog", HTMLDialogElement);
  private readonly count = byId("generate-count", HTMLInputElement);
  private readonly first = byId("generate-first", HTMLInputElement);
  private readonly last = byId("generate-last", HTMLInputElement);
  private readonly seed = byId("generate-seed", HTMLInputElement);
  private readonly symbols = byId("generate-symbols", HTMLElement);
  private readonly problem = byId("generate-problem", HTMLElement);
  private readonly start = byId("generate-start", HTMLButtonElement);
  private readonly laws: Readonly<Record<Law, HTMLSelectElement>>;
  private readonly events: GenerateEvents;
  private limits: Limits | null = null;

  constructor(events: GenerateEvents) {
    this.events = events;
    this.laws = {
      price_model: this.chooser("price_model"),
      arrivals: this.chooser("arrivals"),
      sizes: this.chooser("sizes"),
    };
    this.symbols.addEventListener("change", () => {
      this.tellChosen();
    });
    byId("generate-cancel", HTMLElement).addEventListener("click", () => {
      this.dialog.close();
    });
    byId("generate-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.go();
    });
  }

  /** @param most trades that the service makes at a time */
  open(found: Operations, most: number): void {
    const open = openDays(found);
    this.limits = { most, firstDay: found.firstDay, lastDay: found.lastDay };
    byId("generate-most", HTMLElement).textContent = `At most ${formatCount(most)} at a time.`;
    this.count.max = String(most);
    if (this.count.value === "") this.count.value = String(Math.min(PROPOSED, most));
    for (const field of [this.first, this.last]) {
      field.min = found.firstDay;
      field.max = found.lastDay;
    }
    this.first.value = open?.first ?? found.lastDay;
    this.last.value = open?.last ?? found.lastDay;
    this.problem.textContent =
      open === null
        ? "The dataset's last day is proved, so it is closed: trades can be generated of open days only."
        : "";
    this.dialog.showModal();
    this.count.select();
    if (this.symbols.childElementCount === 0) void this.list();
  }

  private async list(): Promise<void> {
    let found: readonly SymbolInfo[];
    try {
      found = await this.events.symbols();
    } catch {
      return; // all of them can be ordered without knowing their names
    }
    this.symbols.replaceChildren(
      ...found.map(({ symbol }) => {
        const label = make("label");
        label.append(make("input", "", { type: "checkbox", value: symbol }), make("span", symbol));
        return label;
      }),
    );
    this.tellChosen();
  }

  private chosen(): readonly string[] {
    return [...this.symbols.querySelectorAll("input")].filter((box) => box.checked).map((box) => box.value);
  }

  private tellChosen(): void {
    const count = this.chosen().length;
    byId("generate-chosen", HTMLElement).textContent = count === 0 ? "all" : formatCount(count);
  }

  private async go(): Promise<void> {
    if (this.limits === null) return;
    const order = orderOf(
      {
        count: this.count.value,
        first: this.first.value,
        last: this.last.value,
        symbols: this.chosen(),
        laws: {
          price_model: this.laws.price_model.value,
          arrivals: this.laws.arrivals.value,
          sizes: this.laws.sizes.value,
        },
        seed: this.seed.value,
      },
      this.limits,
    );
    if (typeof order === "string") {
      this.problem.textContent = order;
      return;
    }
    this.problem.textContent = "";
    this.start.disabled = true;
    const problem = await this.events.go(order);
    this.start.disabled = false;
    if (problem === null) this.dialog.close();
    else this.problem.textContent = problem;
  }

  private chooser(law: Law): HTMLSelectElement {
    const select = make("select", "", { id: `generate-${law}` });
    select.append(make("option", "as the dataset's", { value: "" }), ...LAWS[law].map((name) => make("option", name)));
    const label = make("label", `${LAW_NAMES[law]} `);
    label.append(select);
    this.seed.parentElement?.before(label);
    return select;
  }
}
