/** Holds the state, tells listeners of changes, and keeps it in the address, so that back and forward work. */

import { changed, readState, writeState } from "./state.js";

export class Store {
  #listeners = [];

  constructor(page) {
    this.#page = page;
    page.history.scrollRestoration = "manual";
    this.state = readState(page.location.search, page.location.hash);
    page.addEventListener("popstate", () => {
      this.#become(readState(page.location.search, page.location.hash), page.history.state?.scroll ?? 0);
    });
  }

  #page;

  /** Calls `listener(state, scroll)` after each change; `scroll` is set where the user comes back. */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  /** Changes some fields; `replace` does so without a step in the history. */
  set(change, { replace = false } = {}) {
    const next = changed(this.state, change);
    const address = writeState(next);
    if (address === writeState(this.state)) return;
    const { history } = this.#page;
    if (replace) history.replaceState(history.state, "", address);
    else {
      this.rememberScroll();
      history.pushState({ depth: this.depth + 1 }, "", address);
    }
    this.#become(next);
  }

  /** How many steps of this page lie behind the present one. */
  get depth() {
    return this.#page.history.state?.depth ?? 0;
  }

  /** Notes how far the page is scrolled, for whoever comes back to it. */
  rememberScroll() {
    const { history } = this.#page;
    history.replaceState({ ...history.state, scroll: this.#page.scrollY }, "");
  }

  /** Goes a step back where this page made one, so that closing what was opened leaves no trace. */
  back(otherwise) {
    if (this.depth > 0) this.#page.history.back();
    else this.set(otherwise, { replace: true });
  }

  #become(state, scroll) {
    this.state = state;
    for (const listener of this.#listeners) listener(state, scroll);
  }
}
