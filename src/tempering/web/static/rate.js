/** Blind rating: one text after the other, in an order of the rater's own, without its temperature. */

import { ask } from "./api.js";
import { h, printable, showError, showState } from "./dom.js";
import * as state from "./state.js";
import { t } from "./words.js";

/** @typedef {{id: string, prompt: string, example: string, text: string, scores: Record<string, number>}} Rated */

const NAME = "[A-Za-z0-9][A-Za-z0-9_\\-]{0,39}";

/**
 * Show the rating of a run in a place.
 * @param {HTMLElement} place
 * @param {string} run
 * @param {() => void} begun called when the first text is shown
 */
export function rate(place, run, begun) {
  const field = h("input", { id: "rater", type: "text", required: true, pattern: NAME, autocomplete: "off", value: state.read("rater", ""),
    "aria-describedby": "rater-help" });
  const body = h("div", {});
  place.replaceChildren(h("section", { class: "card" }, h("h3", {}, t("rate_title")), h("p", { class: "intro" }, t("rate_intro")),
    h("form", { class: "row", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void start(); } },
      h("div", {}, h("label", { for: "rater" }, t("rater")), field, h("p", { class: "help", id: "rater-help" }, t("rater_help"))),
      h("button", { class: "go" }, t("rate_start"))), body));

  const address = () => `/api/runs/${encodeURIComponent(run)}/ratings/${encodeURIComponent(field.value)}`;

  async function start() {
    state.write({ rater: field.value });
    showState(body, "loading", t("loading"));
    try {
      const sheet = await ask(address());
      begun();
      step(sheet.texts, sheet.criteria);
    } catch (problem) {
      showError(body, problem, start);
    }
  }

  /** Show the first text that is not rated yet. */
  function step(/** @type {Rated[]} */ texts, /** @type {string[]} */ criteria) {
    const one = texts.find((text) => criteria.some((name) => !(name in text.scores)));
    const done = texts.filter((text) => criteria.every((name) => name in text.scores)).length;
    if (!one) {
      showState(body, "empty", t("rate_done", { n: texts.length }));
      return;
    }
    const problem = h("p", { class: "warning", role: "alert", hidden: true });
    const heading = h("h3", { tabIndex: -1 }, t("rate_progress", { at: done + 1, of: texts.length }));
    const form = h("form", { class: "rating", onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      const given = new FormData(form);
      const scores = Object.fromEntries(criteria.map((name) => [name, Number(given.get(name))]));
      try {
        await ask(address(), { id: one.id, scores });
        one.scores = scores;
        step(texts, criteria);
      } catch (found) {
        problem.hidden = false;
        problem.textContent = /** @type {Error} */ (found).message;
      }
    } }, ...criteria.map(question), problem, h("button", {}, t("rate_save")));
    body.replaceChildren(heading,
      h("div", { class: "compare" },
        h("div", {}, h("h3", {}, t("rate_example")), h("p", { class: "prose" }, h("span", { class: "prompt" }, printable(one.prompt)), printable(one.example))),
        h("div", {}, h("h3", {}, t("rate_text")), h("p", { class: "prose" }, h("span", { class: "prompt" }, printable(one.prompt)), printable(one.text)))),
      form);
    heading.focus();
  }
}

/** @param {string} name */
function question(name) {
  return h("fieldset", {}, h("legend", {}, t(`rate_${name}`)), h("p", { class: "help" }, t(`rate_${name}_help`)),
    h("div", { class: "scale" }, ...[1, 2, 3, 4, 5].map((score) =>
      h("label", {}, h("input", { type: "radio", name, value: String(score), required: true }), String(score)))));
}
