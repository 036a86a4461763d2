/** The fork tree: one seed's text at every temperature, drawn with its forks at their exact places. */

import { ask } from "./api.js";
import { heatOf, slider } from "./controls.js";
import { h, number, printable, showError, showState } from "./dom.js";
import * as state from "./state.js";
import { t } from "./words.js";

/**
 * @typedef {{low: number, high: number, parent: number | null, begin: number, tokens: number[], text: string, end: string}} Branch
 * @typedef {{branches: Branch[], highest: number, steps: number, separate_steps: number}} Tree
 */

const ROW = 1.35;

/**
 * Return the leaves by temperature, and the path from the first branch to each.
 * @param {Tree} tree
 */
export function leavesOf(tree) {
  const paths = tree.branches.map((branch, index) => {
    const path = [index];
    for (let up = branch.parent; up !== null; up = tree.branches[up].parent) path.unshift(up);
    return path;
  });
  return paths.filter((_, i) => tree.branches[i].end !== "fork")
    .sort((a, b) => tree.branches[a[a.length - 1]].high - tree.branches[b[b.length - 1]].high);
}

/**
 * @param {HTMLElement} place
 * @param {import("./app.js").Model} model
 */
export function show(place, model) {
  const prompt = h("textarea", { id: "prompt", rows: 1, spellcheck: false, value: state.read("prompt", model.prompt) });
  const seed = h("input", { id: "seed", type: "number", min: "0", step: "1", value: state.read("seed", "0") });
  const highest = h("input", { id: "highest", type: "number", min: "0.1", max: "5", step: "0.1", value: state.read("highest", "1.5") });
  const limit = h("input", { id: "limit", type: "number", min: "1", max: "200", step: "1", value: state.read("tokens", "24") });
  const topK = h("input", { id: "top_k", type: "number", min: "0", step: "1", value: state.read("top_k", "0"), "aria-describedby": "forks-rules" });
  const result = h("div", {});
  let asking = new AbortController();

  async function grow() {
    state.write({ prompt: prompt.value, seed: seed.value, highest: highest.value, tokens: limit.value, top_k: topK.value },
      { prompt: model.prompt, seed: "0", highest: "1.5", tokens: "24", top_k: "0" });
    asking.abort();
    asking = new AbortController();
    const signal = asking.signal;
    showState(result, "loading", t("loading"));
    const slow = window.setTimeout(() => showState(result, "loading", t("slow")), 4000);
    try {
      const params = { seed: Number(seed.value) || 0, top_k: Number(topK.value) || 0 };
      const tree = await ask("/api/forks", { prompt: prompt.value, params, max_tokens: Number(limit.value) || 24,
        highest: Number(highest.value) || 1.5 }, signal);
      clearTimeout(slow);
      draw(result, tree, prompt.value);
    } catch (problem) {
      if (!signal.aborted) showError(result, problem, grow);
    } finally {
      clearTimeout(slow);
    }
  }

  const fields = { seed, highest, limit, top_k: topK };
  place.replaceChildren(
    h("p", { class: "intro" }, t("forks_intro")),
    h("div", { class: "field" }, h("label", { for: "prompt" }, t("prompt")), prompt),
    h("form", { class: "row", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); void grow(); } },
      ...Object.entries(fields).map(([name, field]) => h("div", {}, h("label", { for: field.id }, t(name === "limit" ? "max_tokens" : name)), field)),
      h("button", { class: "go" }, t("grow"))),
    h("p", { class: "note under", id: "forks-rules" }, t("forks_rules")), result);
  void grow();
}

/**
 * @param {HTMLElement} place
 * @param {Tree} tree
 * @param {string} prompt
 */
function draw(place, tree, prompt) {
  const leaves = leavesOf(tree);
  const last = (/** @type {number[]} */ path) => tree.branches[path[path.length - 1]];
  let now = Math.min(tree.highest, state.readNumber("at", Math.min(1, tree.highest)));

  const text = h("div", { class: "prose", role: "status" });
  const holds = h("p", { class: "note" });
  const cursor = h("div", { class: "cursor" });
  const boxes = tree.branches.map((branch) => h("div", {
    class: `box ${branch.end}`, title: `T ${number(branch.low, 4)} – ${number(branch.high, 4)}`,
    onclick: () => set((branch.low + branch.high) / 2),
  }, h("span", {}, printable(branch.text) + ({ budget: " …", stop: " ■" }[branch.end] ?? ""))));
  const depth = Math.max(...tree.branches.map((b) => b.begin + b.tokens.length), 1);
  const picture = h("div", { class: "icicle", role: "slider", tabIndex: 0, "aria-label": t("tree_label"), "aria-valuemin": 0,
    "aria-valuemax": tree.highest, onkeydown: (/** @type {KeyboardEvent} */ event) => {
      const by = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -leaves.length, End: leaves.length })[event.key];
      if (!by) return;
      event.preventDefault();
      jump(by);
    } }, ...boxes.map((box) => h("div", { "aria-hidden": "true" }, box)), cursor);
  picture.style.height = `${depth * ROW}rem`;
  tree.branches.forEach((branch, i) => {
    const box = boxes[i].style, share = (/** @type {number} */ x) => `${(100 * x) / tree.highest}%`;
    box.left = share(branch.low);
    box.width = share(branch.high - branch.low);
    box.top = `${branch.begin * ROW}rem`;
    box.height = `${branch.tokens.length * ROW}rem`;
    boxes[i].hidden = branch.tokens.length === 0;
    heatOf(boxes[i], (branch.low + branch.high) / 2);
  });
  const every = [0.1, 0.25, 0.5, 1].find((step) => tree.highest / step <= 6) ?? 1;
  const ticks = h("div", { class: "ticks", "aria-hidden": "true" },
    ...Array.from({ length: Math.floor(tree.highest / every + 1e-9) + 1 }, (_, i) => {
      const tick = h("span", {}, number(i * every));
      tick.style.left = `${(100 * i * every) / tree.highest}%`;
      return tick;
    }));
  const control = slider({ name: "temperature", low: 0, high: tree.highest, step: tree.highest / 1000 }, now, (value) => set(value));

  const jump = (/** @type {number} */ by) => {
    const at = leaves.findIndex((path) => now <= last(path).high);
    const path = leaves[Math.min(leaves.length - 1, Math.max(0, (at < 0 ? leaves.length - 1 : at) + by))];
    set((last(path).low + last(path).high) / 2);
  };

  function set(/** @type {number} */ value) {
    now = Math.min(value, tree.highest);
    control.show(Number(now.toFixed(4)));
    state.write({ at: Number(now.toFixed(4)) }, { at: Math.min(1, tree.highest) });
    const path = leaves.find((one) => now <= last(one).high) ?? leaves[leaves.length - 1];
    const leaf = last(path);
    text.replaceChildren(h("span", { class: "prompt" }, printable(prompt)),
      ...path.map((i, level) => h("span", { class: level % 2 ? "stretch odd" : "stretch" }, printable(tree.branches[i].text))),
      leaf.end === "budget" ? h("span", { class: "note" }, ` … (${t("cut_budget")})`) : "");
    holds.textContent = t("fork_at", { low: number(leaf.low, 6), high: number(leaf.high, 6) });
    boxes.forEach((box, i) => box.classList.toggle("on", path.includes(i)));
    cursor.style.left = `${(100 * now) / tree.highest}%`;
    picture.setAttribute("aria-valuenow", now.toFixed(4));
    picture.setAttribute("aria-valuetext", `T = ${number(now, 4)}. ${holds.textContent}`);
  }

  place.replaceChildren(
    h("div", { class: "card" }, control.element,
      h("div", { class: "row" },
        h("button", { type: "button", class: "plain", onclick: () => jump(-1) }, t("previous_fork")),
        h("button", { type: "button", class: "plain", onclick: () => jump(1) }, t("next_fork"))),
      text, holds),
    picture, ticks, h("p", { class: "axis-name", "aria-hidden": "true" }, t("curve_axis")),
    h("p", { class: "note" }, t("forks_count", { texts: leaves.length, steps: tree.steps, separate: tree.separate_steps })));
  set(now);
}
