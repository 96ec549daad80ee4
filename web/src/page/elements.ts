/** The page's elements by their ids, and making new ones. */

export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`The page has no ${kind.name} #${id}.`);
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text = "",
  attributes: Readonly<Record<string, string>> = {},
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** A row of buttons of which one is pressed. */
export class Choices<T extends string> {
  private readonly buttons = new Map<T, HTMLButtonElement>();

  constructor(host: HTMLElement, names: readonly T[], title: (name: T) => string, pick: (name: T) => void) {
    for (const name of names) {
      const button = make("button", name, { type: "button", title: title(name), "aria-pressed": "false" });
      button.addEventListener("click", () => {
        pick(name);
      });
      this.buttons.set(name, button);
      host.append(button);
    }
  }

  press(name: T | null): void {
    for (const [own, button] of this.buttons) {
      const pressed = own === name;
      if (pressed && button.getAttribute("aria-pressed") === "false") {
        button.scrollIntoView({ block: "nearest", inline: "nearest" });
      }
      button.setAttribute("aria-pressed", String(pressed));
    }
  }
}
