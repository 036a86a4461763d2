/** The controls of a distribution: sliders with exact number fields, each with words beside it. */

import { h, newId, number } from "./dom.js";
import { OFF } from "./rules.js";
import { t } from "./words.js";

/**
 * @typedef {import("./rules.js").Params} Params
 * @typedef {Params & {order: string}} Settings
 * @typedef {{name: keyof Params, low: number, high: number, step: number, beyond?: boolean}} Slider
 */

/** Temperatures to jump to; the slider's own marks. */
const PRESETS = [0, 0.5, 1, 1.5, 2, Infinity];

/** @type {Slider[]} */
const MAIN = [
  { name: "temperature", low: 0, high: 3, step: 0.01, beyond: true },
  { name: "top_k", low: 0, high: 200, step: 1 },
  { name: "top_p", low: 0.01, high: 1, step: 0.01 },
  { name: "min_p", low: 0, high: 1, step: 0.01 },
  { name: "typical_p", low: 0.01, high: 1, step: 0.01 },
];

/** @type {Slider[]} */
const MORE = [
  { name: "top_n_sigma", low: 0, high: 5, step: 0.05 },
  { name: "epsilon", low: 0, high: 0.2, step: 0.001 },
  { name: "eta", low: 0, high: 0.2, step: 0.001 },
];

/**
 * Return the controls and a function that reads them.
 * @param {Settings} start
 * @param {Record<string, import("./rules.js").Order>} orders
 * @param {(settings: Settings) => void} changed
 * @param {{only?: readonly string[]}} [choice] the names of the sliders to show; all unless given
 * @returns {{element: HTMLElement, settings: () => Settings}}
 */
export function controls(start, orders, changed, choice = {}) {
  const settings = { ...start };
  const shown = (/** @type {Slider} */ s) => !choice.only || choice.only.includes(s.name);
  /** @type {(() => void)[]} */
  const refresh = [];
  const update = () => changed({ ...settings });

  const make = (/** @type {Slider} */ item) => {
    const { element, show } = slider(item, settings[item.name], (value) => {
      settings[item.name] = value;
      update();
    });
    refresh.push(() => show(settings[item.name]));
    return element;
  };

  /** The temperature: its slider with marks to jump to, and what it does in words. */
  const heat = (/** @type {Slider} */ item) => {
    const caption = h("p", { class: "caption", "aria-live": "polite" });
    const marks = PRESETS.map((value) => h("button", { type: "button", class: "mark", onclick: () => {
      settings.temperature = value;
      own.show(value);
      tell();
      update();
    } }, number(value)));
    const own = slider(item, settings.temperature, (value) => {
      settings.temperature = value;
      tell();
      update();
    });
    const tell = () => {
      const at = settings.temperature;
      caption.textContent = t(at === 0 ? "t_zero" : at < 1 ? "t_low" : at === 1 ? "t_one" : at === Infinity ? "t_inf" : "t_high");
      marks.forEach((mark, i) => mark.setAttribute("aria-pressed", String(PRESETS[i] === at)));
    };
    marks.forEach((mark, i) => mark.style.setProperty("--at", String(Math.min(1, PRESETS[i] / sliderEnd(item)))));
    tell();
    refresh.push(() => { own.show(settings.temperature); tell(); });
    own.element.append(h("div", { class: "marks", role: "group", "aria-label": t("t_presets") }, ...marks), caption);
    return own.element;
  };

  const id = newId();
  const select = h("select", { id, "aria-describedby": `${id}-help`, onchange: () => { settings.order = select.value; explain(); update(); } },
    ...Object.keys(orders).map((name) => h("option", { value: name, selected: name === settings.order }, name)));
  const steps = h("p", { class: "note steps" });
  const explain = () => { steps.textContent = orders[settings.order].steps.filter((s) => s in OFF).join(" → "); };
  explain();
  refresh.push(() => { select.value = settings.order; explain(); });

  const reset = h("button", { type: "button", class: "plain", onclick: () => {
    Object.assign(settings, OFF, { order: Object.keys(orders)[0] });
    refresh.forEach((show) => show());
    update();
  } }, t("reset"));

  const more = MORE.filter(shown);
  const opened = more.some((s) => settings[s.name] !== OFF[s.name]);
  const [first, ...others] = MAIN.filter(shown);
  const element = h("div", { class: "controls" },
    h("div", { class: "first" }, heat(first)),
    h("div", { class: "others" }, h("h3", {}, t("truncation")), ...others.map(make),
    h("div", { class: "control" }, h("label", { for: id }, t("order")), select,
      h("p", { class: "help", id: `${id}-help` }, t("order_help")), steps),
    more.length > 0 && h("details", { open: opened }, h("summary", {}, t("more_rules")), ...more.map(make)),
    reset));
  return { element, settings: () => ({ ...settings }) };
}

/**
 * A slider with a number field for exact values; an infinite temperature is typed as "inf" or chosen at the right end.
 * @param {Slider} item
 * @param {number} start
 * @param {(value: number) => void} changed
 */
export function slider(item, start, changed) {
  const id = newId();
  const end = sliderEnd(item);
  const range = h("input", {
    type: "range", id, min: String(item.low), max: String(end), step: String(item.step), "aria-describedby": `${id}-help`,
  });
  const field = h("input", {
    type: "text", inputMode: "decimal", class: "exact", "aria-label": t(item.name), "aria-describedby": `${id}-help`,
    autocomplete: "off", spellcheck: false,
  });
  range.style.setProperty("--one", `${100 / end}%`);
  const show = (/** @type {number} */ value) => {
    range.value = String(value === Infinity ? end : value);
    field.value = value === Infinity ? "∞" : String(value);
    const word = item.name !== "temperature" ? "" : value === 0 ? ` (${t("greedy")})` : value === Infinity ? ` (${t("uniform")})` : "";
    range.setAttribute("aria-valuetext", number(value) + word);
    field.removeAttribute("aria-invalid");
    if (item.name === "temperature") heatOf(element, value);
  };
  range.addEventListener("input", () => {
    const at = Number(range.value);
    // Right of the highest value there is only infinity.
    const value = item.beyond && at > item.high + 9 * item.step ? Infinity : Math.min(at, item.high);
    show(value);
    changed(value);
  });
  field.addEventListener("change", () => {
    const value = parsed(field.value, item);
    if (value === null) {
      field.setAttribute("aria-invalid", "true");
      return;
    }
    show(value);
    changed(value);
  });
  const element = h("div", { class: `control ${item.name}` },
    h("div", { class: "name" }, h("label", { for: id }, t(item.name)), field),
    h("p", { class: "help", id: `${id}-help` }, t(`${item.name}_help`)), range);
  show(start);
  return { element, show };
}

/** Where a slider ends: beyond the highest value, if infinity is there. */
function sliderEnd(/** @type {Slider} */ item) {
  return item.beyond ? item.high + 20 * item.step : item.high;
}

/**
 * Colour an element by a temperature: cold, warm at 1, hot.
 * @param {HTMLElement} element
 * @param {number} temperature
 */
export function heatOf(element, temperature) {
  element.classList.add("heated");
  element.style.setProperty("--low", String(Math.min(1, temperature)));
  element.style.setProperty("--high", String(Math.min(1, Math.max(0, (temperature - 1) / 2))));
}

/**
 * @param {string} text
 * @param {Slider} item
 * @returns {number | null} null if it is no value of this field
 */
function parsed(text, item) {
  const plain = text.trim().replace(",", ".").toLowerCase();
  if (item.beyond && /^(inf(inity)?|∞)$/.test(plain)) return Infinity;
  const value = Number(plain);
  if (plain === "" || !Number.isFinite(value) || value < 0) return null;
  if (["top_p", "typical_p"].includes(item.name) && (value === 0 || value > 1)) return null;
  if (item.name === "min_p" && value > 1) return null;
  if (["epsilon", "eta"].includes(item.name) && value >= 1) return null;
  return item.name === "top_k" && !Number.isInteger(value) ? null : value;
}

/**
 * Return settings as the server reads them.
 * @param {Settings} settings
 */
export function asParams(settings) {
  return { ...settings, temperature: settings.temperature === Infinity ? "inf" : settings.temperature };
}
