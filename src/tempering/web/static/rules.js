/**
 * The distribution under given settings, as `tempering.sampling` computes it, for one row of logits in the page.
 * Arrays only: knows no page, no text. A browser test holds it to the Python functions.
 */

/**
 * Settings of a draw; names, ranges and "off" values are those of `SamplingParams`. The temperature may be Infinity.
 * @typedef {Object} Params
 * @property {number} temperature
 * @property {number} top_k
 * @property {number} top_p
 * @property {number} min_p
 * @property {number} typical_p
 * @property {number} top_n_sigma
 * @property {number} epsilon
 * @property {number} eta
 */

/**
 * A row of logits by rank: largest first, ties by id.
 * @typedef {Object} Ranked
 * @property {Uint32Array} ids
 * @property {Float64Array} z
 * @property {Uint8Array} live 1 where a token can be drawn at all, 0 where its logit is -Infinity
 */

/**
 * The distribution by rank.
 * @typedef {Object} Processed
 * @property {Float64Array} logp log-probabilities in nats, -Infinity where cut
 * @property {Float64Array} p probabilities
 * @property {Uint8Array} keep 1 where kept
 * @property {number} entropy in nats
 * @property {number} kept how many tokens are kept
 * @property {number} keptMass mass of the kept set at T before truncation
 */

/**
 * How an engine applies the rules: its steps, the rules that see the same probabilities, what top-p does at its edge.
 * @typedef {{steps: readonly string[], joint: readonly string[], edge: string}} Order
 */

/** How far a mass may fall short of a threshold that it equals on paper. */
const TOLERANCE = 1e-12;

/** @type {Params} */
export const OFF = {
  temperature: 1, top_k: 0, top_p: 1, min_p: 0, typical_p: 1, top_n_sigma: 0, epsilon: 0, eta: 0,
};

/**
 * Rank a row of logits.
 * @param {Float32Array} logits
 * @returns {Ranked}
 */
export function rank(logits) {
  const ids = new Uint32Array(logits.length);
  for (let i = 0; i < ids.length; i++) ids[i] = i;
  ids.sort((a, b) => logits[b] - logits[a] || a - b);
  const z = new Float64Array(ids.length), live = new Uint8Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    z[i] = logits[ids[i]];
    live[i] = z[i] > -Infinity ? 1 : 0;
  }
  return { ids, z, live };
}

/**
 * Return log-probabilities over the kept tokens.
 * @param {Float64Array} scores
 * @param {Uint8Array} keep
 */
function logSoftmax(scores, keep) {
  let best = -Infinity;
  for (let i = 0; i < scores.length; i++) if (keep[i] && scores[i] > best) best = scores[i];
  const out = new Float64Array(scores.length);
  let total = 0;
  for (let i = 0; i < scores.length; i++) if (keep[i]) total += Math.exp(scores[i] - best);
  const log = Math.log(total);
  for (let i = 0; i < scores.length; i++) out[i] = keep[i] ? scores[i] - best - log : -Infinity;
  return out;
}

/**
 * Return the entropy in nats.
 * @param {Float64Array} logp
 */
function entropyOf(logp) {
  let total = 0;
  for (let i = 0; i < logp.length; i++) if (logp[i] > -Infinity) total -= Math.exp(logp[i]) * logp[i];
  return Math.max(total, 0);
}

/**
 * Keep the smallest beginning of an order of ranks whose mass reaches a threshold.
 * @param {Float64Array} logp
 * @param {Uint8Array} keep
 * @param {ArrayLike<number>} order
 * @param {number} mass
 * @param {string} [edge] see Order
 */
function prefix(logp, keep, order, mass, edge = "reach") {
  const kept = new Uint8Array(keep.length);
  let total = 0;
  for (let i = 0; i < order.length; i++) {
    total += Math.exp(logp[order[i]]);
    const below = edge === "reach" ? total < mass - TOLERANCE : total <= mass + TOLERANCE;
    if (below || edge !== "drop" || i === 0) kept[order[i]] = 1;
    if (!below) break;
  }
  return kept;
}

/**
 * The ranks of kept tokens, in order.
 * @param {Uint8Array} keep
 */
function ranksOf(keep) {
  const ranks = new Uint32Array(keep.length);
  let count = 0;
  for (let i = 0; i < keep.length; i++) if (keep[i]) ranks[count++] = i;
  return ranks.subarray(0, count);
}

/**
 * The ranks of kept tokens, nearest to the entropy first. Both sides of the entropy are sorted already, so that
 * they only need to be merged: a slider moves without sorting the vocabulary.
 * @param {Float64Array} logp
 * @param {Uint8Array} keep
 */
function byTypicality(logp, keep) {
  const h = entropyOf(logp);
  const ranks = ranksOf(keep);
  const key = (/** @type {number} */ rank) => Math.round(Math.abs(-logp[rank] - h) * 1e12);
  let right = ranks.findIndex((rank) => -logp[rank] >= h);
  if (right < 0) right = ranks.length;
  let left = right - 1;
  const order = new Uint32Array(ranks.length);
  let at = 0;
  while (left >= 0 || right < ranks.length) {
    const leftKey = left >= 0 ? key(ranks[left]) : Infinity;
    const rightKey = right < ranks.length ? key(ranks[right]) : Infinity;
    if (left >= 0 && leftKey <= rightKey) {
      // Equally typical tokens stand by rank; the walk to the left meets them backwards.
      let first = left;
      while (first > 0 && key(ranks[first - 1]) === leftKey) first--;
      for (let i = first; i <= left; i++) order[at++] = ranks[i];
      left = first - 1;
    } else {
      order[at++] = ranks[right++];
    }
  }
  return order;
}

/**
 * Keep the tokens that pass a test, and the best-ranked one in any case.
 * @param {Uint8Array} keep
 * @param {(rank: number) => boolean} passes
 */
function filter(keep, passes) {
  const kept = new Uint8Array(keep.length);
  let first = true;
  for (let i = 0; i < keep.length; i++) {
    if (!keep[i]) continue;
    if (first || passes(i)) kept[i] = 1;
    first = false;
  }
  return kept;
}

/**
 * Each rule from the ranking, the scores so far and what is kept so far to the new kept set.
 * @type {Record<string, (z: Float64Array, scores: Float64Array, keep: Uint8Array, value: number, edge: string) => Uint8Array>}
 */
const RULES = {
  top_k(_z, _scores, keep, k) {
    let count = Math.max(1, k);
    return filter(keep, () => --count > 0);
  },
  top_p(_z, scores, keep, p, edge) {
    return prefix(logSoftmax(scores, keep), keep, ranksOf(keep), p, edge);
  },
  min_p(_z, scores, keep, share) {
    const logp = logSoftmax(scores, keep);
    let best = -Infinity;
    for (let i = 0; i < logp.length; i++) if (logp[i] > best) best = logp[i];
    const least = best + Math.log(share) - TOLERANCE;
    return filter(keep, (i) => logp[i] >= least);
  },
  typical_p(_z, scores, keep, mass) {
    const logp = logSoftmax(scores, keep);
    return prefix(logp, keep, byTypicality(logp, keep), mass);
  },
  top_n_sigma(z, _scores, keep, n) {
    let count = 0, sum = 0, best = -Infinity;
    for (let i = 0; i < z.length; i++) if (keep[i]) { count++; sum += z[i]; best = Math.max(best, z[i]); }
    const mean = sum / count;
    let square = 0;
    for (let i = 0; i < z.length; i++) if (keep[i]) square += (z[i] - mean) ** 2;
    const least = best - n * Math.sqrt(square / count) - TOLERANCE;
    return filter(keep, (i) => z[i] >= least);
  },
  epsilon(_z, scores, keep, least) {
    const logp = logSoftmax(scores, keep);
    const floor = Math.log(least) - TOLERANCE;
    return filter(keep, (i) => logp[i] >= floor);
  },
  eta(_z, scores, keep, least) {
    const logp = logSoftmax(scores, keep);
    const floor = Math.min(Math.log(least), Math.log(least) / 2 - entropyOf(logp));
    return filter(keep, (i) => logp[i] >= floor - TOLERANCE);
  },
};

/**
 * Divide by the temperature, with its limits 0 (the first best) and Infinity (all equal).
 * @param {Float64Array} scores
 * @param {Uint8Array} keep
 * @param {number} temperature
 * @returns {[Float64Array, Uint8Array]}
 */
function temper(scores, keep, temperature) {
  if (temperature === 0) return [scores, filter(keep, () => false)];
  if (temperature === Infinity) return [new Float64Array(scores.length), keep];
  let best = -Infinity;
  for (let i = 0; i < scores.length; i++) if (keep[i]) best = Math.max(best, scores[i]);
  const out = new Float64Array(scores.length);
  for (let i = 0; i < scores.length; i++) out[i] = (scores[i] - best) / temperature;
  return [out, keep];
}

/**
 * Apply every step of an order; each rule sees the probabilities of what the rules before it have kept, and joint
 * rules those before the first of them.
 * @param {Ranked} row
 * @param {Params} params
 * @param {Order} order
 * @returns {Processed}
 */
export function process(row, params, order) {
  let scores = row.z;
  /** @type {Uint8Array} */
  let keep = row.live;
  const settings = /** @type {Record<string, number>} */ (/** @type {unknown} */ (params));
  const off = /** @type {Record<string, number>} */ (/** @type {unknown} */ (OFF));
  /** @type {Uint8Array | null} */
  let beforeJoint = null;
  for (const name of order.steps) {
    if (name === "temperature") {
      [scores, keep] = temper(scores, keep, params.temperature);
    } else if (RULES[name] && settings[name] !== off[name]) {
      const joint = order.joint.includes(name);
      if (joint) beforeJoint ??= keep;
      const seen = joint && beforeJoint ? beforeJoint : keep;
      const found = RULES[name](row.z, scores, seen, settings[name], order.edge);
      const last = keep;
      keep = joint ? found.map((one, i) => one & last[i]) : found;
    }
  }
  const logp = logSoftmax(scores, keep);
  // Where nothing is cut, the kept mass is all of it.
  const whole = keep === row.live ? null : logSoftmax(...temper(row.z, row.live, params.temperature));
  const p = new Float64Array(keep.length);
  let kept = 0, keptMass = 0, entropy = 0;
  for (let i = 0; i < keep.length; i++) {
    if (!keep[i]) continue;
    kept++;
    if (whole) keptMass += Math.exp(whole[i]);
    p[i] = Math.exp(logp[i]);
    if (p[i] > 0) entropy -= p[i] * logp[i];
  }
  return { logp, p, keep, entropy: Math.max(entropy, 0), kept, keptMass: whole ? keptMass : 1 };
}

/**
 * Return the temperature without truncation that has this entropy: 0 for a sure token, Infinity for a uniform row.
 * Newton in log T, kept inside a shrinking bracket; the entropy rises with T at the rate Var(z) / T^2.
 * @param {Ranked} row
 * @param {number} wanted entropy in nats
 */
export function equivalentTemperature(row, wanted) {
  /** @type {(t: number) => [number, number]} */
  const at = (t) => {
    let total = 0, mean = 0, square = 0;
    for (let i = 0; i < row.z.length; i++) {
      const s = (row.z[i] - row.z[0]) / t, w = Math.exp(s);
      if (w === 0) break; // the ranks after it have no weight either
      total += w; mean += w * s; square += w * s * s;
    }
    mean /= total;
    return [Math.log(total) - mean - wanted, square / total - mean * mean];
  };
  let low = Math.log(1e-6), high = Math.log(1e6);
  if (at(1e-6)[0] >= -1e-12) return 0;
  if (at(1e6)[0] <= 1e-12) return Infinity;
  let x = 0;
  for (let i = 0; i < 200; i++) {
    const [excess, slope] = at(Math.exp(x));
    if (excess > 0) high = x; else low = x;
    let next = x - excess / slope;
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (Math.abs(next - x) < 1e-13) return Math.exp(next);
    x = next;
  }
  return Math.exp(x);
}
