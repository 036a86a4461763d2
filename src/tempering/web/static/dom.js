/** Elements and numbers. Text always becomes a text node: what a model wrote is never read as HTML. */

import { t } from "./words.js";

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown>} Props
 */

/**
 * Make an element. Properties that begin with "on" are listeners; `class`, `for`, `role`, `aria-*` and `data-*` are
 * attributes; others are properties.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (/^(class|for|role|aria-.*|data-.*|lang|dir|list|scope)$/.test(name)) element.setAttribute(name, String(value));
    else Object.assign(element, { [name]: value });
  }
  append(element, ...children);
  return element;
}

/**
 * Make an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  append(element, ...children);
  return element;
}

/**
 * @param {Element} element
 * @param {...Child} children
 */
function append(element, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Characters that control, reorder or hide a line; line ends and tabs are kept. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/**
 * Return text without characters that act on the page around it; each becomes U+FFFD.
 * @param {string} text
 */
export function printable(text) {
  return text.replace(UNSAFE, (c) => (c === "\n" || c === "\t" ? c : "\ufffd"));
}

/**
 * Return a token with its spaces and line ends to be seen.
 * @param {string} token
 * @param {boolean} [end] whether it ends the text
 */
export function visibleToken(token, end = false) {
  if (end) return t("end_token");
  const shown = token.replace(/ /g, "␣").replace(/\n/g, "↵").replace(/\t/g, "⇥");
  return printable(shown) || t("empty_token");
}

/**
 * Return a number in the language of the page.
 * @param {number} value
 * @param {number} [digits] significant ones
 */
export function number(value, digits = 3) {
  if (value === Infinity) return "∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const decimals = size >= 1000 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return new Intl.NumberFormat(document.documentElement.lang, {
    maximumFractionDigits: Math.min(decimals, 6), minimumFractionDigits: 0,
  }).format(value).replace("-", "−");
}

/**
 * Return a probability as a percentage.
 * @param {number} p
 */
export function percent(p) {
  if (p === 0) return "0 %";
  if (p < 0.0001) return `< ${number(0.01)} %`;
  const digits = p >= 0.9995 && p < 1 ? 5 : p >= 0.1 ? 3 : 2;
  return `${number(p * 100, digits)} %`;
}

/**
 * Show that a view works, or that it is empty.
 * @param {Element} place
 * @param {"loading" | "empty"} kind
 * @param {string} text
 */
export function showState(place, kind, text) {
  place.replaceChildren(h("div", { class: `state ${kind}`, role: "status" },
    kind === "loading" && h("span", { class: "spinner", "aria-hidden": "true" }), h("p", {}, text)));
}

/**
 * Show what went wrong, with the server's own sentence, which is English.
 * @param {Element} place
 * @param {unknown} problem
 * @param {(() => void) | null} [again] what the button does
 */
export function showError(place, problem, again = null) {
  const { message, detail } = /** @type {{message: string, detail?: string}} */ (problem);
  const button = again && h("button", { type: "button", class: "plain", onclick: again }, t("try_again"));
  place.replaceChildren(h("div", { class: "state error", role: "alert" },
    h("p", {}, message), detail ? h("p", { class: "note", lang: "en" }, printable(detail)) : "", button));
}

/**
 * A word with its value, as a list of facts shows them.
 * @param {string} name
 * @param {Child} value
 */
export function fact(name, value) {
  return h("div", {}, h("dt", {}, t(name)), h("dd", {}, value));
}

let identifiers = 0;

/** Return an id that is new on the page. */
export function newId() {
  identifiers += 1;
  return `e${identifiers}`;
}
