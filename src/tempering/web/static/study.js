/** Studies: the report of a run, renewed while the study runs. */

import { ServerError, ask } from "./api.js";
import { h, showError, showState } from "./dom.js";
import { rate } from "./rate.js";
import * as state from "./state.js";
import { t } from "./words.js";

/** @typedef {{name: string, version: string, error?: string, title: string, samples: number, planned: number}} Run */

const EVERY = 3000;

/**
 * @param {HTMLElement} place
 * @param {import("./app.js").Model} _model
 */
export function show(place, _model) {
  const select = h("select", { id: "run", onchange: () => open(select.value) });
  const bar = h("div", { class: "row" }, h("div", {}, h("label", { for: "run" }, t("run")), select));
  const status = h("p", { class: "note under", role: "status" });
  const body = h("div", {});
  const rating = h("div", {});
  let rated = "";
  let shown = "";
  let timer = 0;

  async function list() {
    if (!place.isConnected) return;
    try {
      const { runs } = await ask("/api/runs");
      const known = /** @type {Run[]} */ (runs);
      bar.hidden = known.length === 0;
      if (!known.length) {
        showState(body, "empty", t("no_runs"));
      } else if (select.options.length !== known.length) {
        const wanted = state.read("run", known[0].name);
        select.replaceChildren(...known.map((run) => h("option", { value: run.name, selected: run.name === wanted }, run.name)));
      }
      const run = known.find((one) => one.name === select.value);
      if (run) follow(run);
    } catch (problem) {
      showError(body, problem, () => void list());
      return;
    }
    timer = window.setTimeout(list, EVERY);
  }

  function open(/** @type {string} */ name) {
    body.replaceChildren();
    body.hidden = false;
    shown = "";
    state.write({ run: name });
    clearTimeout(timer);
    void list();
  }

  /** Show a run; its report is loaded again when it has grown. */
  function follow(/** @type {Run} */ run) {
    if (run.error) {
      status.textContent = "";
      showError(body, new ServerError({ code: "run_unreadable", message: run.error }, 500));
      return;
    }
    const done = run.samples >= run.planned;
    status.textContent = `${t("samples_of", { held: run.samples, planned: run.planned })}: ${done ? t("complete") : t("running")}`;
    if (run.samples && rated !== run.name) {
      rated = run.name;
      // Who rates must not see the report, which says the temperature of every text.
      rate(rating, run.name, () => { body.hidden = true; });
    }
    const now = `${run.name} ${run.version} ${document.documentElement.lang}`;
    // A report takes seconds to make: the next one is asked for only when the last is there.
    if (now === shown || body.querySelector("iframe:not(.ready)")) return;
    shown = now;
    const source = `/api/runs/${encodeURIComponent(run.name)}/report`;
    if (!run.samples) {
      showState(body, "empty", t("no_report"));
      return;
    }
    const old = body.querySelector("iframe");
    const frame = h("iframe", { title: t("report_of", { name: run.name }), src: source, class: "report" });
    const waiting = h("p", { class: "note", role: "status" }, t("loading"));
    frame.addEventListener("load", () => { old?.remove(); waiting.remove(); frame.classList.add("ready"); });
    // The old report stays until the new one is there, so that the page does not flicker.
    if (old) body.append(frame);
    else body.replaceChildren(waiting, frame);
    if (!old) body.append(h("p", { class: "note" }, h("a", { href: source, target: "_blank", rel: "noopener" }, t("open_report")), ` ${t("report_language")}`));
  }

  place.replaceChildren(h("p", { class: "intro" }, t("study_intro")), bar, status, body, rating);
  showState(body, "loading", t("loading"));
  void list();
}
