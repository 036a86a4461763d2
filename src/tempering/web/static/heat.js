/** The thermometer: the temperature at which a text reads, with the likelihood that says so. */

import { ask } from "./api.js";
import { h, number, showState, svg } from "./dom.js";
import * as state from "./state.js";
import { t } from "./words.js";

/** @typedef {{reading: Record<string, number | string>, curve: [number, number][], uniform: number}} Answer */

const WIDTH = 640, HEIGHT = 260, LEFT = 52, BOTTOM = 40, TOP = 16, RIGHT = 14, HIGHEST = 3;

/**
 * @param {HTMLElement} place
 * @param {import("./app.js").Model} _model
 */
export function show(place, _model) {
  const before = h("textarea", { id: "before", rows: 1, spellcheck: false, value: state.read("before", "") });
  const text = h("textarea", { id: "text", rows: 7, spellcheck: false, value: state.read("text", "") });
  const result = h("div", {});
  let asking = new AbortController();

  async function read() {
    asking.abort();
    asking = new AbortController();
    const signal = asking.signal;
    // An address holds a few thousand characters; a longer text is not shared by it.
    state.write({ before: before.value, text: text.value.length <= 1500 ? text.value : "" });
    if (!text.value.trim()) {
      showState(result, "empty", t("heat_empty"));
      return;
    }
    showState(result, "loading", t("loading"));
    const slow = window.setTimeout(() => showState(result, "loading", t("slow")), 4000);
    try {
      draw(result, await ask("/api/read", { prompt: before.value, text: text.value }, signal));
    } catch (problem) {
      if (!signal.aborted) showState(result, "error", /** @type {Error} */ (problem).message, read);
    } finally {
      clearTimeout(slow);
    }
  }

  place.replaceChildren(
    h("p", { class: "intro" }, t("heat_intro")),
    h("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void read(); } },
      h("div", { class: "field" }, h("label", { for: "before" }, t("heat_prompt")), before),
      h("div", { class: "field" }, h("label", { for: "text" }, t("heat_text")), text),
      h("div", { class: "field" }, h("button", {}, t("read")))),
    result);
  void read();
}

/**
 * @param {HTMLElement} place
 * @param {Answer} answer
 */
function draw(place, answer) {
  const value = (/** @type {string} */ name) => (answer.reading[name] === "inf" ? Infinity : Number(answer.reading[name]));
  const [best, low, high] = ["temperature", "low", "high"].map(value);
  const shown = { t: number(best), low: number(low), high: number(high), n: value("n") };
  place.replaceChildren(h("section", { class: "card", role: "status" },
    h("p", { class: "lead" }, t("reads_at", shown)),
    h("p", {}, t("between", shown)),
    best === 1 ? "" : h("p", {}, t("gain", { t: shown.t, gain: number(value("gain_bits_per_token"), 2) })),
    picture(answer, best, low, high, t("curve_label", shown)),
    h("p", { class: "note" }, t("heat_note"))));
}

/**
 * @param {Answer} answer
 * @param {number} best
 * @param {number} low
 * @param {number} high
 * @param {string} label
 */
function picture(answer, best, low, high, label) {
  const points = answer.curve.filter(([temperature, l]) => temperature <= HIGHEST && Number.isFinite(l));
  const top = Math.max(...points.map(([, l]) => l));
  const right = points[points.length - 1][1];
  const floor = Math.max(Math.min(...points.map(([, l]) => l)), top - Math.max(0.5, 2 * (top - right)));
  const ceiling = top + 0.06 * (top - floor);
  const x = (/** @type {number} */ v) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.min(v, HIGHEST)) / HIGHEST;
  const y = (/** @type {number} */ v) => TOP + ((HEIGHT - TOP - BOTTOM) * (ceiling - Math.max(v, floor))) / (ceiling - floor);
  const inside = points.filter(([, l], i) => l > floor || (points[i + 1]?.[1] ?? -Infinity) > floor);
  const line = inside.map(([v, l], i) => `${i ? "L" : "M"}${x(v).toFixed(1)} ${y(l).toFixed(1)}`).join("");
  const axis = [0, 0.5, 1, 1.5, 2, 2.5, 3].map((v) => svg("text", { x: x(v), y: HEIGHT - 20, "text-anchor": "middle" }, number(v)));
  const levels = [floor, (floor + top) / 2, top].map((v) =>
    svg("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, number(v)));
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label },
    svg("rect", { class: "band", x: x(low), y: TOP, width: Math.max(1, x(high) - x(low)), height: HEIGHT - TOP - BOTTOM }),
    svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    svg("line", { class: "rule", x1: x(1), x2: x(1), y1: TOP, y2: HEIGHT - BOTTOM, "stroke-dasharray": "3 4" }),
    svg("line", { class: "peak", x1: x(best), x2: x(best), y1: TOP, y2: HEIGHT - BOTTOM }),
    svg("path", { class: "curve", d: line }), ...axis, ...levels,
    svg("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, t("curve_axis")),
    svg("text", { x: LEFT + 4, y: TOP + 6 }, t("curve_y")));
}
