/** Picking days. */

import { pickedDays, type Range } from "../core/ranges.js";
import { byId } from "./elements.js";

export class Dates {
  private readonly dialog = byId("dates-dialog", HTMLDialogElement);
  private readonly from = byId("dates-from", HTMLInputElement);
  private readonly to = byId("dates-to", HTMLInputElement);
  private readonly problem = byId("dates-problem", HTMLElement);
  private readonly known = byId("dates-known", HTMLElement);

  constructor(pick: (range: Range) => void) {
    byId("dates-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const picked = pickedDays(this.from.value, this.to.value);
      if (typeof picked === "string") {
        this.problem.textContent = picked;
        return;
      }
      this.dialog.close();
      pick(picked);
    });
    byId("dates-cancel", HTMLButtonElement).addEventListener("click", () => {
      this.dialog.close();
    });
  }

  /** Open with the days that are shown; `first` and `last` are the days there are. */
  open(shown: readonly [string, string], first: string, last: string): void {
    for (const field of [this.from, this.to]) {
      field.min = first;
      field.max = last;
    }
    [this.from.value, this.to.value] = shown;
    this.problem.textContent = "";
    this.known.textContent = `The dataset runs from ${first} to ${last}; days are UTC.`;
    this.dialog.showModal();
  }
}
