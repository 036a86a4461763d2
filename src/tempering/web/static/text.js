/** Texts that grow: streamed, coloured by probability, forced, undone, branched, compared under the same noise. */

import { stream } from "./api.js";
import { asParams, controls } from "./controls.js";
import { h, newId, percent, printable, showError, showState, visibleToken } from "./dom.js";
import { settingsFromAddress, settingsToAddress } from "./next.js";
import * as state from "./state.js";
import { t } from "./words.js";

/**
 * @typedef {{token: number, text: string, end: boolean, raw: number | null, processed: number | null}} Alternative
 * @typedef {Alternative & {entropy: number, alternatives: Alternative[], finish: string | null}} Token
 * @typedef {{tokens: Token[], forced: Set<number>, note: string}} Branch
 * @typedef {{element: HTMLElement, write: () => void, stop: () => void, tokens: () => number[]}} Pane
 * @typedef {{prompt: () => string, seed: () => number, maxTokens: () => number, busy: (on: boolean) => void, grown: () => void}} Page
 */

/**
 * @param {HTMLElement} place
 * @param {import("./app.js").Model} model
 */
export function show(place, model) {
  const prompt = h("textarea", { id: "prompt", rows: 1, spellcheck: false, value: state.read("prompt", model.prompt) });
  const seed = h("input", { id: "seed", type: "number", min: "0", step: "1", value: state.read("seed", "0"), "aria-describedby": "seed-help" });
  const limit = h("input", { id: "limit", type: "number", min: "1", max: "400", step: "1", value: state.read("tokens", "60") });
  const compare = h("input", { id: "compare", type: "checkbox", checked: state.read("compare", "") === "1", "aria-describedby": "compare-help" });
  const button = h("button", { type: "button", class: "go", onclick: () => (working > 0 ? panes.forEach((p) => p.stop()) : writeAll()) }, t("generate"));
  const difference = h("p", { class: "note difference", role: "status" });
  const both = h("div", { class: "panes" });
  /** @type {Pane[]} */
  let panes = [];
  let working = 0;

  /** @type {Page} */
  const page = {
    prompt: () => prompt.value,
    seed: () => Math.max(0, Math.trunc(Number(seed.value) || 0)),
    maxTokens: () => Math.min(400, Math.max(1, Math.trunc(Number(limit.value) || 60))),
    busy(on) {
      working += on ? 1 : -1;
      button.textContent = working > 0 ? t("stop") : t("generate");
    },
    grown() {
      if (panes.length < 2) return;
      const [a, b] = panes.map((p) => p.tokens());
      const parts = a.findIndex((token, i) => i < b.length && token !== b[i]);
      const done = working === 0 && a.length > 0 && b.length > 0;
      const same = parts >= 0 ? parts : Math.min(a.length, b.length);
      difference.textContent = parts >= 0 || (done && a.length !== b.length) ? (same ? t("same_until", { n: same }) : t("same_none")) : done ? t("same_all") : "";
    },
  };

  function save() {
    state.write({ prompt: prompt.value, seed: seed.value, tokens: limit.value, compare: compare.checked ? "1" : "" },
      { prompt: model.prompt, seed: "0", tokens: "60" });
  }

  function writeAll() {
    save();
    if (!prompt.value) prompt.focus();
    panes.forEach((p) => p.write());
  }

  function lay() {
    panes.forEach((p) => p.stop());
    panes = compare.checked
      ? [pane(model, page, "", t("setting_a")), pane(model, page, "2", t("setting_b"))]
      : [pane(model, page, "", t("text"))];
    both.classList.toggle("two", compare.checked);
    both.replaceChildren(...panes.map((p) => p.element));
    difference.textContent = "";
  }

  for (const item of [prompt, seed, limit]) item.addEventListener("change", save);
  compare.addEventListener("change", () => { save(); lay(); });
  place.replaceChildren(
    h("p", { class: "intro" }, t("text_intro")),
    h("div", { class: "field" }, h("label", { for: "prompt" }, t("prompt")), prompt),
    h("div", { class: "row" },
      h("div", {}, h("label", { for: "seed" }, t("seed")), seed, h("p", { class: "help", id: "seed-help" }, t("seed_help"))),
      h("div", {}, h("label", { for: "limit" }, t("max_tokens")), limit),
      button,
      h("div", { class: "choice" }, compare, h("label", { for: "compare" }, t("compare")), h("p", { class: "help", id: "compare-help" }, t("compare_help")))),
    legend(), difference, both);
  lay();
  if (state.read("begin", "")) panes[0].write();
}

function legend() {
  return h("p", { class: "legend note" }, `${t("colour_key")}: ${t("unlikely")} `,
    ...[0, 1, 2, 3, 4].map((level) => h("span", { class: `swatch level${level}`, "aria-hidden": "true" })), ` ${t("likely")}`);
}

/**
 * One text with its settings and branches.
 * @param {import("./app.js").Model} model
 * @param {Page} page
 * @param {string} suffix tells its settings apart in the address
 * @param {string} label
 * @returns {Pane}
 */
function pane(model, page, suffix, label) {
  let settings = settingsFromAddress(model, suffix);
  /** @type {Branch[]} */
  let branches = [];
  let current = -1;
  let pinned = -1;
  /** @type {AbortController | null} */
  let writing = null;

  const text = h("div", { class: "prose", role: "group", "aria-label": label });
  const note = h("p", { class: "note", role: "status" });
  const detail = h("section", { class: "card detail", "aria-label": t("alternatives"), hidden: true });
  const tabs = h("div", { class: "chips", role: "group", "aria-label": t("branches") });
  const undo = h("button", { type: "button", class: "plain", hidden: true, onclick: () => {
    branches.splice(current, 1);
    current = branches.length - 1;
    redraw();
  } }, t("undo"));
  const own = controls(settings, model.orders, (changed) => {
    settings = changed;
    settingsToAddress(settings, model, suffix);
  });
  const id = newId();

  function write(/** @type {number[]} */ begin = []) {
    writing?.abort();
    const mine = new AbortController();
    writing = mine;
    /** @type {Branch} */
    const branch = { tokens: [], forced: new Set(begin.length ? [begin.length - 1] : []), note: "" };
    if (current >= 0 && begin.length) branches[current].forced.forEach((at) => { if (at < begin.length) branch.forced.add(at); });
    if (!begin.length) branches = [];
    branches.push(branch);
    current = branches.length - 1;
    if (!suffix) state.write({ begin: begin.join("-") });
    redraw();
    void follow(branch, begin, mine);
  }

  async function follow(/** @type {Branch} */ branch, /** @type {number[]} */ begin, /** @type {AbortController} */ mine) {
    const slow = window.setTimeout(() => { if (!branch.tokens.length) showState(text, "loading", t("slow")); }, 4000);
    page.busy(true);
    if (!page.prompt()) {
      showState(text, "empty", t("prompt_empty"));
    } else {
      showState(text, "loading", t("loading"));
      try {
        const body = { prompt: page.prompt(), begin, params: { ...asParams(settings), seed: page.seed() }, max_tokens: page.maxTokens() };
        for await (const token of stream("/api/write", body, mine.signal)) {
          branch.tokens.push(token);
          if (token.finish) branch.note = t(`finished_${token.finish}`);
          if (branches[current] === branch) grow(branch, branch.tokens.length - 1);
        }
      } catch (problem) {
        if (mine.signal.aborted) branch.note = t("stopped_here");
        else showError(text, problem, () => write(begin));
      }
    }
    clearTimeout(slow);
    page.busy(false);
    if (branches[current] === branch && branch.tokens.length) redraw();
    page.grown();
  }

  /** Add one token to what is shown. */
  function grow(/** @type {Branch} */ branch, /** @type {number} */ at) {
    if (at === 0) text.replaceChildren(h("span", { class: "prompt" }, printable(page.prompt())));
    text.append(tokenButton(branch, at));
    page.grown();
  }

  function redraw() {
    unpin();
    const branch = branches[current];
    if (!branch) showState(text, "empty", t("no_text"));
    else if (branch.tokens.length) branch.tokens.forEach((_, at) => grow(branch, at));
    note.textContent = branch ? [branch.note, branch.tokens.length ? t("tokens_of", { n: branch.tokens.length }) : ""].join(" ") : "";
    undo.hidden = branches.length < 2;
    tabs.replaceChildren(...(branches.length < 2 ? [] : branches.map((_, i) => h("button", {
      type: "button", class: "plain", "aria-pressed": String(i === current), onclick: () => { current = i; redraw(); },
    }, t("branch_n", { n: i + 1 })))));
  }

  function tokenButton(/** @type {Branch} */ branch, /** @type {number} */ at) {
    const token = branch.tokens[at], p = token.processed === null ? 0 : Math.exp(token.processed);
    const said = `${visibleToken(token.text, token.end)}, ${percent(p)}${branch.forced.has(at) ? `, ${t("forced")}` : ""}`;
    return h("button", {
      type: "button", class: `piece level${level(p)}${branch.forced.has(at) ? " forced" : ""}`, "aria-label": said,
      tabIndex: at === 0 ? 0 : -1,
      onmouseenter: () => { if (pinned < 0) tell(branch, at); },
      onfocus: () => { pinned = at; tell(branch, at); },
      onclick: () => { pinned = at; tell(branch, at); },
      onkeydown: (/** @type {KeyboardEvent} */ event) => move(event, at),
    }, token.end ? t("end_token") : printable(token.text));
  }

  /** The arrow keys walk along the text; Tab leaves it. */
  function move(/** @type {KeyboardEvent} */ event, /** @type {number} */ at) {
    const pieces = /** @type {NodeListOf<HTMLElement>} */ (text.querySelectorAll(".piece"));
    const steps = /** @type {Record<string, number>} */ ({ ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: pieces.length - 1 });
    if (event.key === "Escape") unpin();
    const target = pieces[steps[event.key]];
    if (!target) return;
    event.preventDefault();
    pieces.forEach((piece) => { piece.tabIndex = -1; });
    target.tabIndex = 0;
    target.focus();
  }

  function unpin() {
    pinned = -1;
    detail.hidden = true;
  }

  /** Show what else could have stood at a place. */
  function tell(/** @type {Branch} */ branch, /** @type {number} */ at) {
    const token = branch.tokens[at];
    const known = token.alternatives.some((one) => one.token === token.token);
    const rows = (known ? token.alternatives : [...token.alternatives, token]).map((one) => {
      const own = one.token === token.token;
      const name = visibleToken(one.text, one.end);
      const force = own ? h("span", { class: "token" }, name, " ", h("em", {}, branch.forced.has(at) ? t("forced") : t("chosen")))
        : h("button", { type: "button", class: "token", onclick: () => write([...branch.tokens.slice(0, at).map((x) => x.token), one.token]) }, name);
      return h("tr", { class: own ? "own" : "" }, h("th", { scope: "row" }, force),
        ...[one.raw, one.processed].map((l, i) => h("td", { class: i ? "after" : "before" }, gauge(l), l === null ? t("cut") : percent(Math.exp(l)))));
    });
    detail.hidden = false;
    detail.replaceChildren(
      h("h3", {}, t("alternatives")),
      h("table", {}, h("thead", {}, h("tr", {}, ...["token", "raw", "processed"].map((n) => h("th", { scope: "col" }, t(n))))), h("tbody", {}, ...rows)),
      h("button", { type: "button", class: "plain", onclick: unpin }, t("close")));
  }

  redraw();
  return {
    element: h("section", { class: label === t("text") ? "pane single" : "pane", "aria-labelledby": id },
      h("h3", { id }, label),
      h("details", { class: "settings", open: suffix !== "" || matchMedia("(min-width: 52rem)").matches },
        h("summary", {}, t("settings")), own.element),
      h("div", { class: "output" }, h("div", { class: "bar-line" }, tabs, undo), text, note, detail)),
    write: () => write(suffix ? [] : state.read("begin", "").split("-").filter(Boolean).map(Number)),
    stop: () => writing?.abort(),
    tokens: () => branches[current]?.tokens.map((one) => one.token) ?? [],
  };
}

/** A bar as long as a probability is large. */
function gauge(/** @type {number | null} */ logprob) {
  const bar = h("span", { class: "gauge", "aria-hidden": "true" }, h("span", {}));
  /** @type {HTMLElement} */ (bar.firstElementChild).style.transform = `scaleX(${logprob === null ? 0 : Math.exp(logprob)})`;
  return bar;
}

/** Five steps of colour by orders of magnitude. */
function level(/** @type {number} */ p) {
  return p >= 0.5 ? 4 : p >= 0.2 ? 3 : p >= 0.05 ? 2 : p >= 0.01 ? 1 : 0;
}
