/** The filter panel: every filter with live counts. Beside the results on a wide window, a sheet on a narrow one. */

import { isAbort } from "../api.js";
import { button, segmented } from "../controls.js";
import { openDialog } from "../dialog.js";
import { el, put, putKeepingFocus } from "../dom.js";
import { LISTS, RANGES, SCORES } from "../fields.js";
import { count } from "../format.js";
import { SAFE_MODES, mayUse } from "../safety.js";
import { activeFields, emptyFilters } from "../state.js";
import { trouble } from "../trouble.js";
import { loadCounts } from "./counts.js";
import { createFacet } from "./facet.js";
import { createRange } from "./range.js";
import { createWordFilters } from "./words.js";

const DEPTH = 1000;

/** Returns `{element, show(state), opener}`; `opener` is the button that shows the sheet. */
export function createFilterPanel({ store, api }) {
  const facets = new Map(
    LISTS.map((field) => [
      field,
      createFacet(field, (values) => setIn("lists", field, values.length ? values : null)),
    ]),
  );
  const ranges = new Map(
    RANGES.map((field) => [field, createRange(field, (range) => setIn("ranges", field, range))]),
  );
  const words = createWordFilters(set);
  const head = el("p", { class: "panel-count", "aria-live": "polite" });
  const scope = el("div", {});
  const safe = el("div", { class: "field" });
  const wrong = el("div", {});
  const content = el(
    "div",
    { class: "panel" },
    head,
    wrong,
    scope,
    safe,
    words.text,
    layout(facets, ranges),
    words.dates,
    resetRow(),
  );
  const element = el("aside", { class: "filters", "aria-label": "Filters" }, content);
  const opener = button("Filters", {
    symbol: "filter",
    kind: "filter-opener",
    press: () => openSheet(content, element, head),
  });
  let abort = null;
  let depth = 0;
  let shown = null;
  let counted = "";

  function set(change) {
    store.set({ filters: { ...store.state.filters, ...change } });
  }

  function setIn(group, field, value) {
    const entries = { ...store.state.filters[group], [field]: value };
    if (value === null) delete entries[field];
    set({ [group]: entries });
  }

  function resetRow() {
    return button("Reset filters", {
      press: () => set({ ...emptyFilters(), safe: store.state.filters.safe }),
    });
  }

  function showSafe(mode) {
    const choose = async (value) => {
      if (await mayUse(value)) set({ safe: value });
      else showSafe(store.state.filters.safe); // the radio button has moved already
    };
    putKeepingFocus(
      safe,
      el("span", { class: "label" }, "Unsafe and unscored"),
      segmented("Unsafe and unscored samples", SAFE_MODES, mode, choose),
    );
  }

  function showScope(state) {
    const choices = [
      ["0", "All that match"],
      [String(DEPTH), "First 1,000 hits"],
    ];
    const choose = (value) => {
      depth = Number(value);
      if (shown) show(shown);
    };
    const choice = segmented("What the counts count", choices, String(depth), choose);
    putKeepingFocus(
      scope,
      state.parts.length
        ? el("div", { class: "field" }, el("span", { class: "label" }, "Counts of"), choice)
        : [],
    );
  }

  async function show(state) {
    shown = state;
    showSafe(state.filters.safe);
    showScope(state);
    words.show(state.filters);
    showOpener(opener, state.filters);
    // Without a depth the query plays no part: another one leaves all counts as they are.
    const key = JSON.stringify([state.dataset, state.filters, depth && [depth, state.parts, state.modality]]);
    if (key === counted) return;
    counted = key;
    abort?.abort();
    abort = new AbortController();
    const { signal } = abort;
    content.setAttribute("aria-busy", "true");
    try {
      const counts = await loadCounts(api, state, depth, signal);
      put(wrong);
      showCounts(state, counts);
    } catch (error) {
      if (isAbort(error)) return;
      counted = "";
      put(
        wrong,
        trouble(error, () => show(state)),
      );
    }
    content.removeAttribute("aria-busy");
  }

  function showCounts(state, counts) {
    head.textContent = `${count(counts.matching)} of ${count(counts.total)} samples`;
    for (const [field, facet] of facets)
      facet.show(counts.facets.get(field), state.filters.lists[field] ?? []);
    for (const [field, range] of ranges) {
      range.show(counts.histograms.get(field), counts.whole.get(field), state.filters.ranges[field]);
    }
  }

  return { element, opener, show };
}

function layout(facets, ranges) {
  const [verdicts, reasons, languages, ...rest] = [...facets.values()].map(({ element }) => element);
  const sizes = RANGES.filter((field) => !SCORES.includes(field));
  return [
    verdicts,
    reasons,
    languages,
    group("Scores", SCORES, ranges, true),
    group("Size in pixels", sizes, ranges, false),
    rest,
  ];
}

function group(title, fields, ranges, open) {
  return el(
    "details",
    { class: "facet", open },
    el("summary", {}, title),
    fields.map((field) => ranges.get(field).element),
  );
}

function showOpener(opener, filters) {
  const set = activeFields(filters).length;
  opener.querySelector("span").textContent = set ? `Filters (${set})` : "Filters";
}

/** The same elements in a dialog, and back where they were once it is closed: what is typed and open stays. */
function openSheet(content, home, head) {
  const sheet = openDialog("Filters", content, {
    kind: "sheet",
    closed: () => home.append(content),
    actions: [
      button("Show results", {
        kind: "primary wide",
        press: () => sheet.close(),
        "aria-describedby": head.id || null,
      }),
    ],
  });
}
