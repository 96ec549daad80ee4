/** Jobs, updated in place: those under way above all else, with a bar that moves and a button to cancel. */

import {
  agoText,
  chartOf,
  isUnderWay,
  jobAbout,
  jobName,
  jobShare,
  jobText,
  jobTone,
  reportLines,
} from "../core/operator.js";
import { formatCount } from "../core/format.js";
import type { Job } from "../core/operations.js";
import { byId, make } from "../page/elements.js";
import { button, chip } from "./parts.js";

/** Jobs that are shown, and failures and days of each. */
const SHOWN = 8;
const FAILURES = 5;
const DAYS = 7;

export class JobList {
  private readonly rows = new Map<string, JobRow>();
  private readonly cancel: (job: Job) => void;

  constructor(cancel: (job: Job) => void) {
    this.cancel = cancel;
  }

  show(jobs: readonly Job[]): void {
    const shown = jobs.slice(0, SHOWN);
    for (const [id, row] of this.rows) {
      if (shown.some((job) => job.id === id)) continue;
      row.item.remove();
      this.rows.delete(id);
    }
    // From the oldest on, so that each new one comes before all others.
    for (const job of [...shown].reverse()) {
      const row = this.rows.get(job.id) ?? new JobRow(job, this.cancel);
      const list = byId(isUnderWay(job) ? "running" : "jobs", HTMLElement);
      if (row.item.parentElement !== list) list.prepend(row.item);
      this.rows.set(job.id, row);
      row.show(job);
    }
    byId("jobs-none", HTMLElement).hidden = !shown.every(isUnderWay);
  }
}

class JobRow {
  readonly item = make("li", "", { class: "job" });
  private readonly head = make("div", "", { class: "head" });
  private readonly bar = make("progress", "", { "aria-label": "How far the job is" });
  private readonly text = make("p", "", { class: "quiet" });
  private readonly trouble = make("p", "", { class: "bad" });
  private readonly failures = make("ul", "", { class: "bad" });
  private readonly days = make("ul", "", { class: "quiet" });
  private readonly chart = make("a", "See it in the chart");
  private readonly end: HTMLButtonElement;

  constructor(job: Job, cancel: (job: Job) => void) {
    this.end = button("Cancel", "End it after the day or batch that is under way", () => {
      cancel(job);
    });
    this.item.dataset["job"] = job.id;
    this.item.append(this.head, this.bar, this.text, this.days, this.chart, this.trouble, this.failures);
  }

  show(job: Job): void {
    const space = make("span", "", { class: "space" });
    const when = make("span", agoText(job.ended ?? job.created, Date.now()), { class: "quiet" });
    const days = make("span", jobAbout(job), { class: "quiet" });
    this.item.dataset["state"] = job.state;
    const end = document.activeElement === this.end;
    this.head.replaceChildren(make("b", jobName(job)), chip(job.state, jobTone(job)), days, space, when, this.end);
    if (end) this.end.focus();
    this.end.hidden = !isUnderWay(job);
    this.end.disabled = job.state === "cancelling";
    this.bar.hidden = !isUnderWay(job);
    const share = jobShare(job);
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
    this.text.textContent = jobText(job);
    this.text.hidden = this.text.textContent === "";
    this.trouble.textContent = job.state === "cancelled" ? "" : (job.error ?? "");
    this.trouble.hidden = this.trouble.textContent === "";
    this.failures.replaceChildren(...failuresOf(job).map((line) => make("li", line)));
    this.showMade(job);
  }

  private showMade(job: Job): void {
    const days = reportLines(job);
    const more = days.length > DAYS ? [`and ${formatCount(days.length - DAYS)} more days`] : [];
    this.days.replaceChildren(...[...days.slice(0, DAYS), ...more].map((line) => make("li", line)));
    const chart = chartOf(job);
    this.chart.hidden = chart === null;
    if (chart !== null) this.chart.href = chart;
  }
}

/** The further failures that a report lists; the first one is told by the error. */
function failuresOf({ report }: Job): readonly string[] {
  const failed: unknown = report?.["failed"];
  if (!Array.isArray(failed)) return [];
  return failed.slice(1, FAILURES).map((one: unknown) => {
    const { day, error } = one as Readonly<Record<string, unknown>>;
    return `${String(day)}: ${String(error)}`;
  });
}
