/** The next token: all its scores, fetched once; every redraw is computed here. */

import { ask } from "./api.js";
import { controls } from "./controls.js";
import { h, number, percent, showState, visibleToken } from "./dom.js";
import { OFF, equivalentTemperature, process, rank } from "./rules.js";
import * as state from "./state.js";
import { t } from "./words.js";

/**
 * @typedef {import("./app.js").Model} Model
 * @typedef {import("./controls.js").Settings} Settings
 * @typedef {import("./rules.js").Ranked} Ranked
 * @typedef {{row: HTMLTableRowElement, before: HTMLElement, after: HTMLElement, beforeText: Text, afterText: Text}} Line
 */

const FIRST_LINES = 24;
const NO_STEPS = { steps: [], joint: [], edge: "reach" };
const FIELDS = /** @type {(keyof import("./rules.js").Params)[]} */ (Object.keys(OFF));

/**
 * Settings as the address has them.
 * @param {Model} model
 * @param {string} [suffix] tells two settings of one page apart
 * @returns {Settings}
 */
export function settingsFromAddress(model, suffix = "") {
  const order = state.read(`order${suffix}`, model.order);
  const settings = { ...OFF, order: order in model.orders ? order : model.order };
  for (const name of FIELDS) settings[name] = Math.max(0, state.readNumber(name + suffix, OFF[name]));
  return settings;
}

/**
 * @param {Settings} settings
 * @param {Model} model
 * @param {string} [suffix]
 */
export function settingsToAddress(settings, model, suffix = "") {
  const defaults = { ...OFF, order: model.order };
  const named = (/** @type {Record<string, string | number>} */ values) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name + suffix, value]));
  state.write(named({ ...settings }), named(defaults));
}

/**
 * @param {HTMLElement} place
 * @param {Model} model
 */
export function show(place, model) {
  let settings = settingsFromAddress(model);
  /** @type {Ranked | null} */
  let row = null;
  /** @type {Map<number, string>} */
  let texts = new Map();
  /** @type {number[]} */
  let ends = [];
  /** @type {Line[]} */
  let lines = [];
  let count = FIRST_LINES;
  /** @type {AbortController} */
  let asking = new AbortController();

  const prompt = h("textarea", { id: "prompt", rows: 3, "aria-describedby": "prompt-help", spellcheck: false,
    value: state.read("prompt", model.prompt) });
  const figure = h("div", { class: "figure" });
  const facts = h("dl", { class: "facts" });
  const words = h("p", { class: "lead", role: "status" });
  const panel = h("section", { class: "card", "aria-label": t("in_words") }, words, facts);
  const own = controls(settings, model.orders, (changed) => {
    settings = changed;
    settingsToAddress(settings, model);
    draw();
  });

  let waiting = 0;
  prompt.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = window.setTimeout(load, 300);
  });

  async function load() {
    state.write({ prompt: prompt.value }, { prompt: model.prompt });
    asking.abort();
    asking = new AbortController();
    if (!prompt.value) {
      row = null;
      panel.hidden = true;
      showState(figure, "empty", t("prompt_empty"));
      return;
    }
    if (!row) showState(figure, "loading", t("loading"));
    const slow = window.setTimeout(() => { if (!row) showState(figure, "loading", t("slow")); }, 3000);
    const signal = asking.signal;
    try {
      const found = await ask("/api/distribution", { prompt: prompt.value }, signal);
      const bytes = Uint8Array.from(atob(found.logits), (c) => c.charCodeAt(0));
      row = rank(new Float32Array(bytes.buffer));
      texts = new Map(found.texts);
      ends = found.ends;
      build();
      draw();
    } catch (problem) {
      if (signal.aborted) return;
      row = null;
      panel.hidden = true;
      showState(figure, "error", /** @type {Error} */ (problem).message, load);
    } finally {
      clearTimeout(slow);
    }
  }

  function take(/** @type {string} */ text) {
    prompt.value += text;
    prompt.focus();
    void load();
  }

  /** Make the table's lines; a redraw only changes widths and numbers. */
  function build() {
    if (!row) return;
    const live = row.z.findIndex((z) => z === -Infinity);
    const all = Math.min(count, texts.size, live < 0 ? row.z.length : live);
    lines = Array.from({ length: all + 1 }, () => line());
    const ranked = row;
    lines.slice(0, all).forEach((one, i) => {
      const id = ranked.ids[i], text = texts.get(id) ?? "", end = ends.includes(id);
      const label = visibleToken(text, end);
      const button = end ? label : h("button", { type: "button", class: "token", title: t("take"),
        "aria-label": `${label}: ${t("take")}`, onclick: () => take(text) }, label);
      one.row.prepend(h("th", { scope: "row" }, button));
    });
    const rest = h("th", { scope: "row", class: "rest" });
    lines[all].row.prepend(rest);
    const table = h("table", { class: "bars" },
      h("thead", {}, h("tr", {}, ...["token", "before", "after"].map((name) => h("th", { scope: "col" }, t(name))))),
      h("tbody", {}, ...lines.map((one) => one.row)));
    const more = all < texts.size && h("button", { type: "button", class: "plain", onclick: () => { count *= 4; build(); draw(); } }, t("show_more"));
    figure.replaceChildren(table, more || "", h("p", { class: "note" }, t("exact_note", { count: number(row.z.length, 9) })));
  }

  function draw() {
    if (!row || !lines.length) return;
    const order = model.orders[settings.order];
    const before = process(row, OFF, NO_STEPS), after = process(row, settings, order);
    const shown = lines.length - 1;
    let restBefore = 0, restAfter = 0, restKept = 0, restCount = 0;
    for (let i = shown; i < row.z.length; i++) {
      if (row.z[i] > -Infinity) restCount++;
      restBefore += Math.exp(before.logp[i]);
      restAfter += Math.exp(after.logp[i]);
      restKept += after.keep[i];
    }
    for (let i = 0; i < shown; i++) {
      fill(lines[i], Math.exp(before.logp[i]), Math.exp(after.logp[i]), after.keep[i] === 1);
    }
    fill(lines[shown], restBefore, restAfter, restKept > 0 || restCount === 0);
    const rest = /** @type {HTMLElement} */ (lines[shown].row.firstElementChild);
    rest.replaceChildren(t("rest", { count: number(restCount, 9) }),
      h("span", { class: "note" }, restKept < restCount ? t("rest_kept", { count: number(restKept, 9) }) : ""));
    tell(after);
  }

  /** @param {import("./rules.js").Processed} after */
  function tell(after) {
    if (!row) return;
    panel.hidden = false;
    const choices = Math.exp(after.entropy), same = equivalentTemperature(row, after.entropy);
    words.textContent = after.kept === 1 ? t("choices_one") : t("choices_words", { choices: number(choices) });
    const acts = after.kept < row.z.length && settings.temperature !== 0;
    const items = {
      entropy: t("nats_bits", { nats: number(after.entropy), bits: number(after.entropy / Math.LN2) }),
      effective: number(choices),
      kept: t("kept_of", { kept: number(after.kept, 9), all: number(row.z.length, 9) }),
      kept_mass: t("kept_mass_of", { mass: percent(after.keptMass) }),
      equivalent: acts ? t("equivalent_words", { t: number(same) }) : t("equivalent_same"),
    };
    facts.replaceChildren(...Object.entries(items).flatMap(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, value)]));
  }

  place.replaceChildren(
    h("p", { class: "intro" }, t("next_intro")),
    h("div", { class: "field" }, h("label", { for: "prompt" }, t("prompt")), prompt,
      h("p", { class: "help", id: "prompt-help" }, t("prompt_help"))),
    h("div", { class: "columns" }, h("div", { class: "side" }, own.element), h("div", { class: "wide" }, panel, figure)),
  );
  panel.hidden = true;
  void load();
}

/** @returns {Line} */
function line() {
  const before = h("div", { class: "bar before" }), after = h("div", { class: "bar after" });
  const beforeText = document.createTextNode(""), afterText = document.createTextNode("");
  const row = h("tr", {},
    h("td", {}, before, h("span", {}, beforeText)), h("td", {}, after, h("span", {}, afterText)));
  return { row, before, after, beforeText, afterText };
}

/**
 * @param {Line} one
 * @param {number} before
 * @param {number} after
 * @param {boolean} kept
 */
function fill(one, before, after, kept) {
  one.before.style.transform = `scaleX(${Math.min(1, before)})`;
  one.after.style.transform = `scaleX(${Math.min(1, after)})`;
  one.beforeText.data = percent(before);
  one.afterText.data = kept ? percent(after) : t("cut");
  one.row.classList.toggle("cut", !kept);
}
