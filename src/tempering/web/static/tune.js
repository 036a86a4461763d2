/** Tuning: a recommendation with its picture, and the settings in the form of every engine. */

import { ask } from "./api.js";
import { h, printable, showState } from "./dom.js";
import * as state from "./state.js";
import { t } from "./words.js";

/**
 * @typedef {{name: string, title: string, file: string, text?: string, warnings?: string[], error?: string}} Export
 * @typedef {{name: string, error?: string, sentence: string, model: string, exports: Export[]}} Tuning
 */

/**
 * @param {HTMLElement} place
 * @param {import("./app.js").Model} _model
 */
export function show(place, _model) {
  const body = h("div", {});

  async function load() {
    showState(body, "loading", t("loading"));
    try {
      const { runs } = await ask("/api/tunings");
      if (runs.length) open(runs, state.read("tuning", runs[0].name));
      else showState(body, "empty", t("no_tunings"));
    } catch (problem) {
      showState(body, "error", /** @type {Error} */ (problem).message, load);
    }
  }

  function open(/** @type {Tuning[]} */ runs, /** @type {string} */ name) {
    const run = runs.find((one) => one.name === name) ?? runs[0];
    state.write({ tuning: run.name }, { tuning: runs[0].name });
    const select = h("select", { id: "tuning", onchange: () => open(runs, select.value) },
      ...runs.map((one) => h("option", { value: one.name, selected: one === run }, one.name)));
    const bar = h("div", { class: "row" }, h("div", {}, h("label", { for: "tuning" }, t("run")), select));
    if (run.error) {
      const place = h("div", {});
      showState(place, "error", run.error);
      body.replaceChildren(bar, place);
      return;
    }
    body.replaceChildren(bar,
      h("section", { class: "card" }, h("p", { class: "lead" }, printable(run.sentence)), h("p", { class: "note" }, printable(run.model))),
      run.exports.length ? snippets(run.exports) : "",
      h("iframe", { class: "report ready", title: t("report_of", { name: run.name }), src: `/api/tunings/${encodeURIComponent(run.name)}/report` }));
  }

  place.replaceChildren(h("p", { class: "intro" }, t("tune_intro")), body);
  void load();
}

/** @param {Export[]} all */
function snippets(all) {
  const code = h("pre", { tabIndex: 0, role: "region", "aria-label": t("snippet") });
  const notes = h("div", {});
  const copied = h("span", { class: "note", role: "status" });
  const copy = h("button", { type: "button", class: "plain", onclick: async () => {
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
      copied.textContent = t("copied");
    } catch {
      getSelection()?.selectAllChildren(code);
      copied.textContent = t("copy_by_hand");
    }
  } }, t("copy"));
  const select = h("select", { id: "engine", onchange: () => choose(select.value) },
    ...all.map((one) => h("option", { value: one.name }, one.title)));

  function choose(/** @type {string} */ name) {
    const one = all.find((e) => e.name === name) ?? all[0];
    select.value = one.name;
    state.write({ engine: one.name }, { engine: all[0].name });
    copied.textContent = "";
    code.hidden = copy.hidden = one.text === undefined;
    code.textContent = one.text ?? "";
    notes.replaceChildren(...[one.error, ...(one.warnings ?? [])].filter(Boolean).map((note) => h("p", { class: one.error ? "warning" : "note" }, note)),
      one.text === undefined ? "" : h("p", { class: "note" }, t("snippet_file", { file: one.file })));
  }

  choose(state.read("engine", all[0].name));
  return h("section", { class: "card" }, h("h3", {}, t("for_engine")),
    h("div", { class: "row" }, h("div", {}, h("label", { for: "engine" }, t("engine")), select), copy, copied), code, notes);
}
