/** The next token: all its scores, fetched once; every redraw is computed here. */

import { ask } from "./api.js";
import { controls, heatOf } from "./controls.js";
import { fact, h, number, percent, showError, showState, visibleToken } from "./dom.js";
import { OFF, equivalentTemperature, process, rank } from "./rules.js";
import * as state from "./state.js";
import { t } from "./words.js";

/**
 * @typedef {import("./app.js").Model} Model
 * @typedef {import("./controls.js").Settings} Settings
 * @typedef {import("./rules.js").Ranked} Ranked
 * @typedef {import("./rules.js").Processed} Processed
 * @typedef {{row: HTMLTableRowElement, before: HTMLElement, after: HTMLElement, beforeText: Text, afterText: Text}} Line
 */

const FIRST_LINES = 20;
/** Ends that the axis of the bars may have. */
const SCALES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
/** How many tokens the hundred draws name. */
const NAMED = 5;
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
  /** @type {Processed | null} */
  let before = null;
  /** @type {Map<number, string>} */
  let texts = new Map();
  /** @type {number[]} */
  let ends = [];
  /** @type {Line[]} */
  let lines = [];
  let count = FIRST_LINES;
  /** @type {AbortController} */
  let asking = new AbortController();

  const prompt = h("textarea", { id: "prompt", rows: 1, "aria-describedby": "prompt-help", spellcheck: false,
    value: state.read("prompt", model.prompt) });
  const figure = h("div", { class: "figure" });
  const facts = h("dl", { class: "facts" });
  const words = h("p", { class: "lead", role: "status" });
  const draws = h("p", { class: "draws" });
  const panel = h("section", { class: "card", "aria-label": t("in_words") }, words, draws, facts);
  const axis = h("div", { class: "axis", "aria-hidden": "true" }, ...[0, 1, 2].map(() => h("span", {})));
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
      before = process(row, OFF, NO_STEPS);
      texts = new Map(found.texts);
      ends = found.ends;
      build();
      draw();
    } catch (problem) {
      if (signal.aborted) return;
      row = null;
      panel.hidden = true;
      showError(figure, problem, load);
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
    const buttons = lines.slice(0, all).flatMap((one) => [...one.row.querySelectorAll("button")]);
    const rest = h("th", { scope: "row", class: "rest" });
    lines[all].row.prepend(rest);
    const table = h("table", { class: "bars", onkeydown: (/** @type {KeyboardEvent} */ event) => walk(event, buttons) },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("token")), h("th", { scope: "col" }, h("span", { class: "unseen" }, t("chart_label")), axis),
        h("th", { scope: "col", class: "before" }, t("before")), h("th", { scope: "col", class: "after" }, t("after")))),
      h("tbody", {}, ...lines.map((one) => one.row)));
    const more = all < texts.size && h("button", { type: "button", class: "plain", onclick: () => { count *= 4; build(); draw(); } }, t("show_more"));
    figure.replaceChildren(table, more || "", h("p", { class: "note" }, t("exact_note", { count: number(row.z.length, 9) })));
  }

  function draw() {
    if (!row || !before || !lines.length) return;
    const after = process(row, settings, model.orders[settings.order]);
    const shown = lines.length - 1;
    let restBefore = 0, restAfter = 0, restKept = 0, restCount = 0;
    for (let i = shown; i < row.z.length; i++) {
      if (row.z[i] > -Infinity) restCount++;
      restBefore += before.p[i];
      restAfter += after.p[i];
      restKept += after.keep[i];
    }
    const highest = Math.max(before.p[0], after.p[0]);
    const scale = SCALES.find((one) => one >= highest) ?? 1;
    axis.childNodes.forEach((tick, i) => { tick.textContent = percent((scale * i) / 2); });
    for (let i = 0; i < shown; i++) fill(lines[i], before.p[i], after.p[i], after.keep[i] === 1, scale);
    fill(lines[shown], restBefore, restAfter, restKept > 0 || restCount === 0, Infinity);
    heatOf(figure, settings.temperature);
    const rest = /** @type {HTMLElement} */ (lines[shown].row.firstElementChild);
    rest.replaceChildren(t("rest", { count: number(restCount, 9) }),
      h("span", { class: "note" }, restKept < restCount ? t("rest_kept", { count: number(restKept, 9) }) : ""));
    tell(after);
  }

  /** Say what the probabilities mean: of a hundred draws, how many would take which token. */
  function count100(/** @type {Processed} */ after) {
    if (!row) return;
    const named = [], ranked = row;
    let left = 100;
    for (let i = 0; i < ranked.z.length && i < texts.size && named.length < NAMED; i++) {
      const times = Math.round(100 * after.p[i]);
      if (!after.keep[i] || times < 1 || times > left) continue;
      left -= times;
      const id = ranked.ids[i];
      named.push(h("span", { class: "drawn" }, h("span", { class: "name" }, visibleToken(texts.get(id) ?? "", ends.includes(id))), ` ${number(times)}`));
    }
    if (left > 0) named.push(h("span", { class: "drawn others" }, `${t("draws_rest")} ${number(left)}`));
    draws.replaceChildren(t("draws"), " ", ...named);
  }

  /** @param {Processed} after */
  function tell(after) {
    if (!row) return;
    panel.hidden = false;
    count100(after);
    const choices = Math.exp(after.entropy);
    words.textContent = after.kept === 1 ? t("choices_one") : t("choices_words", { choices: number(choices) });
    const acts = after.kept < row.z.length && settings.temperature !== 0;
    const items = {
      entropy: t("nats_bits", { nats: number(after.entropy), bits: number(after.entropy / Math.LN2) }),
      effective: number(choices),
      kept: t("kept_of", { kept: number(after.kept, 9), all: number(row.z.length, 9), mass: percent(after.keptMass) }),
      equivalent: acts ? t("equivalent_words", { t: number(equivalentTemperature(row, after.entropy)) }) : t("equivalent_same"),
    };
    facts.replaceChildren(...Object.entries(items).map(([name, value]) => fact(name, value)));
  }

  place.replaceChildren(
    h("p", { class: "intro" }, t("next_intro")),
    h("div", { class: "field" }, h("label", { for: "prompt" }, t("prompt")),
      h("p", { class: "help", id: "prompt-help" }, t("prompt_help")), prompt),
    h("div", { class: "columns" }, h("div", { class: "side" }, own.element), h("div", { class: "wide" }, panel, figure)),
  );
  panel.hidden = true;
  void load();
}

/** @returns {Line} */
function line() {
  const before = h("div", { class: "bar before" }), after = h("div", { class: "bar after" });
  const beforeText = document.createTextNode(""), afterText = document.createTextNode("");
  const row = h("tr", {}, h("td", { class: "plot", "aria-hidden": "true" }, before, after),
    h("td", { class: "before" }, beforeText), h("td", { class: "after" }, afterText));
  return { row, before, after, beforeText, afterText };
}

/** The arrow keys walk along the tokens. */
function walk(/** @type {KeyboardEvent} */ event, /** @type {HTMLElement[]} */ buttons) {
  const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const steps = /** @type {Record<string, number>} */ ({ ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 });
  const target = at < 0 ? undefined : buttons[steps[event.key]];
  if (!target) return;
  event.preventDefault();
  target.focus();
}

/**
 * @param {Line} one
 * @param {number} before
 * @param {number} after
 * @param {boolean} kept
 * @param {number} scale the probability at the right end; Infinity for no bar, as a sum of many tokens has none
 */
function fill(one, before, after, kept, scale) {
  one.before.style.transform = `scaleX(${Math.min(1, before / scale)})`;
  one.after.style.transform = `scaleX(${Math.min(1, after / scale)})`;
  one.beforeText.data = percent(before);
  one.afterText.data = kept ? percent(after) : t("cut");
  one.row.classList.toggle("cut", !kept);
}
