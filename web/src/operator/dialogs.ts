/** The two dialogs: which days an action is for, and the key that it needs. */

import type { Role } from "../core/operator.js";
import { byId } from "../page/elements.js";

export interface Action {
  readonly title: string;
  readonly text: string;
  readonly start: string;
  readonly first: string;
  readonly last: string;
  /** Start it; what is returned is the problem, null where there is none. */
  readonly go: (first: string, last: string) => Promise<string | null>;
}

export class ActionDialog {
  private readonly dialog = byId("action-dialog", HTMLDialogElement);
  private readonly first = byId("action-first", HTMLInputElement);
  private readonly last = byId("action-last", HTMLInputElement);
  private readonly problem = byId("action-problem", HTMLElement);
  private readonly start = byId("action-start", HTMLButtonElement);
  private action: Action | null = null;

  constructor() {
    byId("action-cancel", HTMLElement).addEventListener("click", () => {
      this.dialog.close();
    });
    byId("action-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.go();
    });
  }

  open(action: Action, firstDay: string, lastDay: string): void {
    this.action = action;
    byId("action-heading", HTMLElement).textContent = action.title;
    byId("action-text", HTMLElement).textContent = action.text;
    this.start.textContent = action.start;
    for (const field of [this.first, this.last]) {
      field.min = firstDay;
      field.max = lastDay;
    }
    this.first.value = action.first;
    this.last.value = action.last;
    this.problem.textContent = "";
    this.dialog.showModal();
    this.start.focus();
  }

  private async go(): Promise<void> {
    const first = this.first.value;
    const last = this.last.value;
    this.problem.textContent = this.wrong(first, last);
    if (this.action === null || this.problem.textContent !== "") return;
    this.start.disabled = true;
    const problem = await this.action.go(first, last);
    this.start.disabled = false;
    if (problem === null) this.dialog.close();
    else this.problem.textContent = problem;
  }

  private wrong(first: string, last: string): string {
    const { min, max } = this.first;
    if (first === "" || last === "") return "Both days are needed.";
    if ([first, last].some((day) => day < min || day > max)) return `The dataset's days run from ${min} to ${max}.`;
    return last < first ? "The last day comes before the first." : "";
  }
}

/** What a key is needed for, and the role that it needs. */
export interface Need {
  readonly needed: Role;
  readonly go: () => void;
}

/** A key that somebody enters of his own accord may do everything. */
const ALL: Need = { needed: "admin", go: () => undefined };

export interface KeyEvents {
  /** Try a key; what is returned is the problem, null where it has the role. */
  readonly use: (key: string, needed: Role) => Promise<string | null>;
  readonly forget: () => void;
}

export class KeyDialog {
  private readonly dialog = byId("key-dialog", HTMLDialogElement);
  private readonly key = byId("key", HTMLInputElement);
  private readonly problem = byId("key-problem", HTMLElement);
  private readonly events: KeyEvents;
  private need = ALL;

  constructor(events: KeyEvents) {
    this.events = events;
    byId("key-cancel", HTMLElement).addEventListener("click", () => {
      this.dialog.close();
    });
    byId("key-forget", HTMLElement).addEventListener("click", () => {
      events.forget();
      this.dialog.close();
    });
    byId("key-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.use();
    });
    this.dialog.addEventListener("close", () => {
      this.key.value = "";
    });
  }

  open(has: boolean, said = "", need = ALL): void {
    this.need = need;
    this.problem.textContent = said;
    byId("key-forget", HTMLElement).hidden = !has;
    if (!this.dialog.open) this.dialog.showModal();
    this.key.focus();
  }

  private async use(): Promise<void> {
    const key = this.key.value.trim();
    if (key === "") {
      this.problem.textContent = "Enter the key, as the command printed it.";
      return;
    }
    const problem = await this.events.use(key, this.need.needed);
    if (problem !== null) {
      this.problem.textContent = problem;
      this.key.select();
      return;
    }
    this.dialog.close();
    this.need.go();
  }
}
