/** The thermometer: the temperature at which a text reads, with the likelihood that says so. */

import { ask, stream } from "./api.js";
import { fact, h, number, showError, showState, svg } from "./dom.js";
import * as state from "./state.js";
import { t } from "./words.js";

/** @typedef {{reading: Record<string, number | string>, curve: [number, number][], uniform: number}} Answer */

const WIDTH = 760, HEIGHT = 300, LEFT = 56, BOTTOM = 46, TOP = 34, RIGHT = 16, HIGHEST = 3;
/** What the model writes at when it is to be read. */
const DEMO = { temperature: 0.7, tokens: 150 };

/**
 * @param {HTMLElement} place
 * @param {import("./app.js").Model} model
 */
export function show(place, model) {
  const before = h("textarea", { id: "before", rows: 1, spellcheck: false, value: state.read("before", "") });
  const text = h("textarea", { id: "text", rows: 5, spellcheck: false, value: state.read("text", "") });
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
      if (!signal.aborted) showError(result, problem, read);
    } finally {
      clearTimeout(slow);
    }
  }

  /** Let the model write at a known temperature, as it comes, and read what it wrote. */
  async function demo() {
    asking.abort();
    asking = new AbortController();
    const signal = asking.signal;
    before.value = model.prompt;
    text.value = "";
    showState(result, "loading", t("loading"));
    try {
      const params = { temperature: DEMO.temperature, seed: crypto.getRandomValues(new Uint32Array(1))[0] };
      for await (const token of stream("/api/write", { prompt: model.prompt, params, max_tokens: DEMO.tokens }, signal)) {
        text.value += token.text;
        text.scrollTop = text.scrollHeight;
      }
      if (place.isConnected) await read();
    } catch (problem) {
      if (!signal.aborted) showError(result, problem, demo);
    }
  }

  place.replaceChildren(
    h("p", { class: "intro" }, t("heat_intro")),
    h("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void read(); } },
      h("div", { class: "field" }, h("label", { for: "before" }, t("heat_prompt")), before),
      h("div", { class: "field" }, h("label", { for: "text" }, t("heat_text")), text),
      h("div", { class: "row" }, h("button", {}, t("read")),
        h("button", { type: "button", class: "plain", "aria-describedby": "demo-help", onclick: () => void demo() }, t("heat_demo", { t: number(DEMO.temperature) }))),
      h("p", { class: "note under", id: "demo-help" }, t("heat_demo_help", { t: number(DEMO.temperature) }))),
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
    h("dl", { class: "facts" }, fact("heat_interval", t("heat_ends", shown)),
      fact("heat_tokens", number(shown.n, 9)), fact("heat_gain", t("heat_gain_bits", { gain: number(value("gain_bits_per_token"), 2) }))),
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
  const axis = [0, 0.5, 1, 1.5, 2, 2.5, 3].map((v) => svg("text", { x: x(v), y: HEIGHT - 26, "text-anchor": "middle" }, number(v)));
  const levels = ticksOf(floor, ceiling).flatMap((v) => [
    svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v) }),
    svg("text", { x: LEFT - 8, y: y(v) + 4, "text-anchor": "end" }, number(v))]);
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label }, ...levels,
    svg("rect", { class: "band", x: x(low), y: TOP, width: Math.max(1, x(high) - x(low)), height: HEIGHT - TOP - BOTTOM }),
    svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    svg("line", { class: "rule", x1: x(1), x2: x(1), y1: TOP, y2: HEIGHT - BOTTOM, "stroke-dasharray": "3 4" }),
    svg("line", { class: "peak", x1: x(best), x2: x(best), y1: TOP, y2: HEIGHT - BOTTOM }),
    svg("path", { class: "curve", d: line }), svg("circle", { class: "dot", cx: x(best), cy: y(top), r: 5 }), ...axis,
    svg("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, t("curve_axis")),
    svg("text", { x: 4, y: 14 }, t("curve_y")));
}

/** Round values within a range, four to seven of them. */
function ticksOf(/** @type {number} */ low, /** @type {number} */ high) {
  const raw = (high - low) / 5, size = 10 ** Math.floor(Math.log10(raw));
  const step = size * ([1, 2, 5, 10].find((one) => one * size >= raw) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}
