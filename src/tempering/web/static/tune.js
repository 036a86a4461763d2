/** Tuning: a recommendation with its picture, and the settings in the form of every engine. */

import { ServerError, ask } from "./api.js";
import { fact, h, number, percent, printable, showError, showState } from "./dom.js";
import * as state from "./state.js";
import { language, t } from "./words.js";

/**
 * @typedef {{name: string, title: string, file: string, text?: string, warnings?: string[], error?: string}} Export
 * @typedef {Object} Tuning
 * @property {string} name
 * @property {string} [error]
 * @property {string} kind
 * @property {string} sentence in English, as are the notes
 * @property {string[]} notes
 * @property {string} goal
 * @property {string} model
 * @property {number | string | null} temperature null where the model fixes it
 * @property {number | null} low
 * @property {number | null} high
 * @property {number} confidence
 * @property {boolean} confirmed
 * @property {number | null} detectable
 * @property {number | null} more
 * @property {number} samples
 * @property {Export[]} exports
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
      showError(body, problem, load);
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
      showError(place, new ServerError({ code: "run_unreadable", message: run.error }, 500));
      body.replaceChildren(bar, place);
      return;
    }
    const waiting = h("p", { class: "note", role: "status" }, t("loading"));
    const frame = h("iframe", { class: "report", title: t("report_of", { name: run.name }), src: `/api/tunings/${encodeURIComponent(run.name)}/report` });
    frame.addEventListener("load", () => { waiting.remove(); frame.classList.add("ready"); });
    body.replaceChildren(bar, answer(run), run.exports.length ? snippets(run.exports) : "",
      h("h3", {}, t("report")), language() === "en" ? "" : h("p", { class: "note" }, t("report_language")), waiting, frame);
  }

  place.replaceChildren(h("p", { class: "intro" }, t("tune_intro")), body);
  void load();
}

/** The answer in the language of the page, and what tempering tune wrote, which is English. */
function answer(/** @type {Tuning} */ run) {
  const shown = { t: run.temperature === "inf" ? "∞" : number(Number(run.temperature)), low: number(run.low ?? 0), high: number(run.high ?? 0) };
  /** @type {[string, string | false][]} */
  const known = [
    ["answer_goal", printable(run.goal)],
    ["answer_interval", run.low !== null && run.high !== null && t("answer_ends", { ...shown, confidence: percent(run.confidence) })],
    ["answer_confirmed", run.temperature !== null && t(run.confirmed ? "answer_yes" : "answer_no")],
    ["answer_detectable", run.detectable !== null && run.detectable > 0 && number(run.detectable)],
    ["answer_more", run.more !== null && run.more > 0 && t("answer_about", { n: number(run.more, 2) })],
    ["answer_spent", number(run.samples, 9)],
    ["answer_model", printable(run.model)],
  ];
  return h("section", { class: "card" },
    h("p", { class: "lead" }, t(`answer_${run.kind.replace("-", "_")}`, shown)),
    h("dl", { class: "facts" }, ...known.filter(([, value]) => value).map(([name, value]) => fact(name, value))),
    h("details", { open: language() === "en" }, h("summary", {}, t("answer_notes")),
      language() === "en" ? "" : h("p", { class: "note" }, t("answer_notes_language")),
      h("div", { lang: "en" }, ...[run.sentence, ...run.notes].map((note) => h("p", {}, printable(note))))));
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
    notes.replaceChildren(...[one.error, ...(one.warnings ?? [])].filter(Boolean).map((note) => h("p", { class: one.error ? "warning" : "note", lang: "en" }, note)),
      one.text === undefined ? "" : h("p", { class: "note" }, t("snippet_file", { file: one.file })));
  }

  choose(state.read("engine", all[0].name));
  return h("section", { class: "card" }, h("h3", {}, t("for_engine")),
    h("div", { class: "row" }, h("div", {}, h("label", { for: "engine" }, t("engine")), select), copy, copied), code, notes);
}
