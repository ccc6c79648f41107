/** The grid of results: grows while it is scrolled. */

import { button, loading, nothing } from "../controls.js";
import { el, put } from "../dom.js";
import { trouble } from "../trouble.js";
import { createCard } from "./card.js";
import { moveByArrows } from "./keys.js";
import { Pages } from "./pages.js";

const PAGE = 60;
/** How far below the window the next page is asked for. */
const AHEAD = "1200px";

/**
 * Returns `{element, show(request, options), hits()}`. `loaded(query)` is called after each page with what
 * is known of the query, `reset()` empties the filters.
 */
export function createResults({ api, actions, loaded, reset }) {
  const pages = new Pages(api);
  const grid = el("div", { class: "grid", role: "list", "aria-label": "Results" });
  const foot = el("div", { class: "grid-foot" });
  const element = el("div", { class: "results-list" }, grid, foot);
  let options = {};
  moveByArrows(grid);
  const watcher = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) more();
    },
    { rootMargin: AHEAD },
  );

  async function more() {
    const query = pages.current;
    if (!query || query.done || pages.busy) return;
    put(foot, query.hits.length ? loading("Loading more…") : skeleton());
    grid.setAttribute("aria-busy", "true");
    try {
      const hits = await pages.more();
      if (hits === null || query !== pages.current) return;
      append(hits);
      finish(query);
    } catch (error) {
      if (query !== pages.current) return;
      put(foot, trouble(error, again(query, error)));
    } finally {
      if (query === pages.current) grid.removeAttribute("aria-busy");
    }
  }

  /** A cursor that the server no longer takes means that the list has to begin anew. */
  function again(query, error) {
    if (!query.hits.length || error.retriable) return more;
    return () => {
      pages.forget();
      show(query.request, options);
    };
  }

  function append(hits) {
    grid.append(...hits.map((hit) => createCard(hit, { ...options, actions })));
  }

  function finish(query) {
    loaded(query);
    if (query.hits.length === 0 && query.done) put(foot, nothingFound(reset));
    else if (query.done) put(foot, el("p", { class: "hint" }, "That is all."));
    else {
      put(foot, button("Load more", { press: more }));
      // Only crossings of the edge are reported, and the foot may have left and come back between two looks:
      // watched anew, it is looked at once in any case.
      watcher.unobserve(foot);
      watcher.observe(foot);
    }
  }

  function show(request, next) {
    const full = { ...request, page_size: PAGE };
    const same = pages.current?.key === JSON.stringify(full) && options.mode === next.mode;
    options = next;
    if (same) return;
    const query = pages.turnTo(full);
    put(grid);
    append(query.hits);
    scrollTo(0, 0);
    if (query.hits.length || query.done) finish(query);
    else more();
  }

  return { element, show, hits: () => pages.current?.hits ?? [] };
}

function skeleton() {
  const cells = Array.from({ length: 12 }, () => el("div", { class: "card ghost", "aria-hidden": "true" }));
  return [
    el("p", { class: "visually-hidden", role: "status" }, "Searching…"),
    el("div", { class: "grid" }, cells),
  ];
}

function nothingFound(reset) {
  return nothing(
    "Nothing matches",
    "No sample meets all filters. Unsafe and unscored samples are left out while safe mode hides them.",
    button("Reset filters", { kind: "primary", press: reset }),
  );
}
