/** What the pages beside search have in common: they load once for what they show, and say so while they do. */

import { isAbort } from "../api.js";
import { loading } from "../controls.js";
import { el, put } from "../dom.js";
import { trouble } from "../trouble.js";

/**
 * Returns `{element, show(key, load), leave()}`. `load(signal)` returns what is to stand in the page; it is called only if `key`
 * is another than before, and its result dropped if the page has moved on.
 */
export function createPage(title, lead, kind = "") {
  const body = el("div", { class: "page-body" });
  const element = el(
    "section",
    { class: `page ${kind}`.trim(), "aria-label": title },
    el("header", { class: "page-head" }, el("h1", {}, title), el("p", { class: "lead" }, lead)),
    body,
  );
  let shown = null;
  let abort = null;

  async function show(key, load) {
    if (key === shown) return;
    shown = key;
    abort?.abort();
    abort = new AbortController();
    const { signal } = abort;
    if (!body.hasChildNodes()) put(body, loading());
    body.setAttribute("aria-busy", "true");
    try {
      put(body, await load(signal));
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      shown = null;
      put(
        body,
        trouble(error, () => show(key, load)),
      );
    }
    if (!signal.aborted) body.removeAttribute("aria-busy");
  }

  /** Stops what is under way; what comes back to the page sees it anew. */
  function leave() {
    abort?.abort();
    shown = null;
  }

  return { element, show, leave };
}
