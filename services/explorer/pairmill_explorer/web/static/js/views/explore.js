/** Search and its results. */

import { button, select } from "../controls.js";
import { el, putKeepingFocus } from "../dom.js";
import { createActiveFilters } from "../filters/active.js";
import { createFilterPanel } from "../filters/panel.js";
import { counted } from "../format.js";
import { createResults } from "../results/list.js";
import { collapseMessage, queryMessage } from "../requests.js";
import { effectiveMode } from "../safety.js";
import { emptyFilters } from "../state.js";

const COLLAPSE = [
  ["none", "All copies"],
  ["exact", "One of equal images"],
  ["similar", "One of alike images"],
  ["vectors", "One of equal meaning"],
];
const COLLAPSED = {
  none: { phash: null, cosine: null },
  exact: { phash: 0, cosine: null },
  similar: { phash: 6, cosine: null },
  vectors: { phash: null, cosine: 0.97 },
};

/** Returns the view: `{element, show(state), hits(), focusFilters()}`. */
export function createExplore({ store, api, actions, hitsChanged }) {
  const summary = el("p", { class: "summary", role: "status" });
  const collapse = el("span", {});
  const active = createActiveFilters((filters) => store.set({ filters }));
  const results = createResults({
    api,
    actions,
    loaded: (query) => {
      summary.textContent = summarise(store.state, query);
      hitsChanged();
    },
    reset: () => store.set({ filters: { ...emptyFilters(), safe: store.state.filters.safe } }),
  });
  const panel = createFilterPanel({ store, api });
  const save = button("Make a subset", {
    press: () => store.set({ view: "subsets", options: { subset: "new" } }),
  });
  const toolbar = el(
    "div",
    { class: "toolbar" },
    panel.opener,
    summary,
    el("span", { class: "spring" }),
    collapse,
    save,
  );
  const element = el(
    "div",
    { class: "explore" },
    panel.element,
    el("section", { class: "results", "aria-label": "Results" }, toolbar, active.element, results.element),
  );

  function show(state) {
    active.show(state.filters);
    putKeepingFocus(
      collapse,
      select(
        "Near-duplicates",
        COLLAPSE,
        collapseKey(state.collapse),
        (key) => store.set({ collapse: COLLAPSED[key] }),
        { hideLabel: true },
      ),
    );
    const mode = effectiveMode(state.filters.safe);
    const request = searchRequest(state, mode);
    results.show(request, { dataset: state.dataset, mode });
    const counted = JSON.stringify({ ...request, collapse: null });
    if (counted !== shown) panel.show(state);
    shown = counted;
  }

  let shown = "";

  return {
    element,
    show,
    hits: results.hits,
    focusFilters() {
      if (panel.opener.checkVisibility()) panel.opener.click();
      else panel.element.querySelector("input, summary")?.focus();
    },
  };
}

/** A page shows what its user has agreed to see; `show` in an address is no consent. */
function searchRequest(state, mode) {
  const message = queryMessage({ ...state, filters: { ...state.filters, safe: mode } });
  const collapse = collapseMessage(state.collapse);
  return collapse ? { ...message, collapse } : message;
}

function collapseKey(collapse) {
  const found = Object.entries(COLLAPSED).find(
    ([, { phash, cosine }]) => phash === collapse.phash && cosine === collapse.cosine,
  );
  return found ? found[0] : "none";
}

function summarise(state, { answer }) {
  const time = answer?.took?.total_ms ? ` · ${Math.max(1, Math.round(answer.took.total_ms))} ms` : "";
  const order = state.parts.length ? ", nearest first" : "";
  return `${counted(answer?.matching, "sample")}${order}${time}`;
}
