/** Loads the pages of a query one after another, and keeps those of the last few queries for whoever goes back. */

import { isAbort } from "../api.js";

const KEPT_QUERIES = 8;

export class Pages {
  #api;
  #kept = new Map();
  #abort = null;

  constructor(api) {
    this.#api = api;
    this.current = null;
  }

  /** Turns to a query; returns what is known of it already: `{hits, cursor, answer, done}`. */
  turnTo(request) {
    const key = JSON.stringify(request);
    this.#abort?.abort();
    this.#abort = null;
    const known = this.#kept.get(key) ?? { key, request, hits: [], cursor: "", answer: null, done: false };
    this.#kept.delete(key);
    this.#kept.set(key, known); // the most recent stands last
    while (this.#kept.size > KEPT_QUERIES) this.#kept.delete(this.#kept.keys().next().value);
    this.current = known;
    return known;
  }

  /** Whether a page is on its way. */
  get busy() {
    return this.#abort !== null;
  }

  /**
   * Loads the next page and returns its hits; null if there is none, one is on its way, or the user has turned to
   * another query meanwhile.
   */
  async more() {
    const query = this.current;
    if (!query || query.done || this.busy) return null;
    const abort = (this.#abort = new AbortController());
    try {
      const answer = await this.#api.search(
        "Search",
        { ...query.request, cursor: query.cursor },
        abort.signal,
      );
      const hits = answer.hits ?? [];
      query.hits.push(...hits);
      query.answer ??= answer;
      query.cursor = answer.next_cursor ?? "";
      query.done = !query.cursor;
      return hits;
    } catch (error) {
      if (isAbort(error)) return null;
      throw error;
    } finally {
      if (this.#abort === abort) this.#abort = null;
    }
  }

  /** Forgets a query, because it can no longer be continued. */
  forget() {
    if (this.current) this.#kept.delete(this.current.key);
    this.current = null;
  }
}
