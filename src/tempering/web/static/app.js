/** The page: which view is shown, in which language, on which model. */

import { ServerError, ask, useKey } from "./api.js";
import { h, number, showError, showState } from "./dom.js";
import * as forks from "./forks.js";
import * as heat from "./heat.js";
import * as next from "./next.js";
import * as state from "./state.js";
import * as study from "./study.js";
import * as text from "./text.js";
import * as tune from "./tune.js";
import { LANGUAGES, language, speak, t } from "./words.js";

/**
 * @typedef {Object} Model
 * @property {string} name
 * @property {string} identity
 * @property {number} vocabulary
 * @property {number} context
 * @property {Record<string, import("./rules.js").Order>} orders
 * @property {string} order
 * @property {string} prompt
 * @property {string} version
 */

/** @type {Record<string, {show: (place: HTMLElement, model: Model) => void}>} */
const VIEWS = { next, text, forks, heat, study, tune };
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const header = /** @type {HTMLElement} */ (document.getElementById("header"));

/** @type {Model | null} */
let model = null;

async function start() {
  speak(state.read("lang", ""));
  frame();
  showState(main, "loading", t("loading"));
  try {
    model = await ask("/api/model");
    open();
  } catch (problem) {
    const error = /** @type {ServerError} */ (problem);
    if (error.status === 401) askKey();
    else showError(main, error, () => void start());
  }
}

/** Draw what stands around a view. */
function frame() {
  const view = current();
  const links = Object.keys(VIEWS).map((name) => h("a", {
    href: `?view=${name}`, "aria-current": name === view && "page",
    onclick: (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      state.go(name);
      open();
      main.focus();
    },
  }, t(name)));
  const choice = h("select", { "aria-label": t("language"), onchange: () => {
    state.write({ lang: choice.value });
    speak(choice.value);
    open();
  } }, ...Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, selected: code === language(), lang: code }, name)));
  const known = model && h("p", { class: "note model" }, t("model_line", {
    name: model.name, vocabulary: number(model.vocabulary, 9), context: number(model.context, 9) }));
  header.replaceChildren(
    h("a", { class: "skip", href: "#main" }, t("skip")),
    h("div", { class: "top" }, h("h1", {}, h("span", { class: "mark", "aria-hidden": "true" }), "tempering"), known, choice),
    h("nav", { "aria-label": t("views") }, ...links));
}

function current() {
  const wanted = state.read("view", "next");
  return wanted in VIEWS ? wanted : "next";
}

function open() {
  if (!model) return;
  const view = current();
  frame();
  document.title = `${t(view)} – tempering`;
  const place = h("div", { class: `view ${view}` });
  main.replaceChildren(h("h2", {}, t(view)), place);
  VIEWS[view].show(place, model);
}

function askKey() {
  const field = h("input", { type: "password", id: "key", autocomplete: "off", required: true });
  main.replaceChildren(h("form", { class: "card", onsubmit: (/** @type {Event} */ event) => {
    event.preventDefault();
    useKey(field.value);
    void start();
  } }, h("p", {}, t("key_needed")), h("label", { for: "key" }, t("key")), field, h("button", {}, t("enter"))));
  field.focus();
}

addEventListener("popstate", () => {
  state.reread();
  speak(state.read("lang", ""));
  open();
});

void start();
