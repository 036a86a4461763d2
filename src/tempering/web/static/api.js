/** Requests to the server: JSON, and streams of events. Errors are told by their code, with the server's own sentence. */

import { hasWords, t } from "./words.js";

/** An answer that is an error: its message is in the language of the page, its detail is the server's own sentence. */
export class ServerError extends Error {
  /**
   * @param {{code?: string | null, param?: string | null, message?: string}} said
   * @param {number} status of HTTP; 0 if the server cannot be reached
   */
  constructor(said, status) {
    const param = said.param ?? "", name = `error_${said.code}`;
    super(status === 0 ? t("unreachable") : t(hasWords(name) ? name : "error_other", { param: hasWords(param) ? t(param) : param }));
    this.status = status;
    this.detail = said.message ?? "";
  }
}

let key = "";

/**
 * Send this key from now on; it lives as long as the page does.
 * @param {string} value
 */
export function useKey(value) {
  key = value;
}

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 */
async function answer(path, body, signal) {
  /** @type {Record<string, string>} */
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST", headers, signal, body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (problem) {
    if (signal?.aborted) throw problem;
    throw new ServerError({}, 0);
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  throw new ServerError(said?.error ?? { message: `HTTP ${response.status}` }, response.status);
}

/**
 * @param {string} path
 * @param {unknown} [body] sent as JSON by POST; a GET without it
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function ask(path, body, signal) {
  return (await answer(path, body, signal)).json();
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 */
export async function askText(path, signal) {
  return (await answer(path, undefined, signal)).text();
}

/**
 * Yield the events of a stream.
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<any>}
 */
export async function* stream(path, body, signal) {
  const response = await answer(path, body, signal);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += decoder.decode(value, { stream: true });
    const parts = held.split("\n\n");
    held = /** @type {string} */ (parts.pop());
    for (const part of parts) {
      const record = JSON.parse(part.replace(/^data: /, ""));
      if (record.error) throw new ServerError(record.error, 500);
      yield record;
    }
  }
}
