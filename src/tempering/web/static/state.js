/** What a view shows, kept in the address, so that a view can be shared and the browser's history works. */

const known = new URLSearchParams(location.search);

/**
 * @param {string} name
 * @param {string} otherwise
 */
export function read(name, otherwise) {
  return known.get(name) ?? otherwise;
}

/**
 * @param {string} name
 * @param {number} otherwise
 */
export function readNumber(name, otherwise) {
  const text = known.get(name);
  if (text === null) return otherwise;
  const value = text === "inf" ? Infinity : Number(text);
  return Number.isNaN(value) ? otherwise : value;
}

let pending = 0;

/**
 * Write values; one that equals its default is left out, so that an address says only what differs.
 * @param {Record<string, string | number>} values
 * @param {Record<string, string | number>} [defaults]
 */
export function write(values, defaults = {}) {
  for (const [name, value] of Object.entries(values)) {
    if (value === defaults[name] || value === "") known.delete(name);
    else known.set(name, value === Infinity ? "inf" : String(value));
  }
  // Browsers refuse an address that changes a hundred times in a few seconds, as under a slider.
  clearTimeout(pending);
  pending = window.setTimeout(flush, 250);
}

function flush() {
  const query = known.toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

/**
 * Go to another view; the browser's back button returns.
 * @param {string} view
 */
export function go(view) {
  clearTimeout(pending);
  flush();
  known.set("view", view);
  history.pushState(null, "", `?${known}`);
}

/** Take over the address after the browser went back or forward. */
export function reread() {
  for (const name of [...known.keys()]) known.delete(name);
  for (const [name, value] of new URLSearchParams(location.search)) known.set(name, value);
}
