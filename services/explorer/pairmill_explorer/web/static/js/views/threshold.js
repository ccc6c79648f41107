/** What would be kept at another threshold: counts per language, and examples on both sides of the cut. */

import { isAbort } from "../api.js";
import { button, loading, meter, select } from "../controls.js";
import { el, put, putKeepingFocus } from "../dom.js";
import { HIGHER_IS_BETTER, SCORES, fieldLabel, languageLabel } from "../fields.js";
import { createActiveFilters } from "../filters/active.js";
import { drawHistogram } from "../filters/histogram.js";
import { createScale } from "../filters/scale.js";
import { count, int, percent, plain } from "../format.js";
import { filtersMessage } from "../requests.js";
import { createCard } from "../results/card.js";
import { effectiveMode } from "../safety.js";
import { withoutField } from "../state.js";
import { trouble } from "../trouble.js";

const LEAD =
  "Move the cut and see what it would keep. Nothing is changed: scores are stored, thresholds are views.";
const EXAMPLES = 12;
const PAUSE_MS = 200;

/** Returns the view. */
export function createThreshold({ store, api, actions }) {
  const controls = el("div", { class: "cut-controls" });
  const picture = el("div", { class: "range-picture tall" });
  const slider = el("input", {
    type: "range",
    class: "cut-slider",
    min: 0,
    max: 1,
    step: 1,
    "aria-label": "Threshold",
    on: { input: slide },
  });
  const number = el("input", {
    type: "number",
    class: "input small",
    step: "any",
    "aria-label": "Threshold, exactly",
    on: { change: typed },
  });
  const outcome = el("div", { class: "cut-outcome", "aria-live": "polite" });
  const active = createActiveFilters((filters) => store.set({ filters }));
  const element = el(
    "section",
    { class: "page threshold", "aria-label": "Threshold" },
    el("header", { class: "page-head" }, el("h1", {}, "Threshold"), el("p", { class: "lead" }, LEAD)),
    el(
      "div",
      { class: "card-like" },
      controls,
      active.element,
      picture,
      el("div", { class: "cut-row" }, slider, number),
    ),
    outcome,
  );
  let scale = null;
  let histogram = null;
  let drawn = "";
  let shown = "";
  let abort = null;
  let timer = 0;

  async function show(state) {
    const field = SCORES.includes(state.options.field) ? state.options.field : "similarity";
    const filters = withoutField(state.filters, field);
    showControls(state, field);
    active.show(filters);
    const key = JSON.stringify([state.dataset, field, filters]);
    try {
      if (key !== drawn) await load(state, field, filters, key);
      await cut(state, field, filters);
    } catch (error) {
      if (!isAbort(error))
        put(
          outcome,
          trouble(error, () => show(store.state)),
        );
    }
  }

  async function load(state, field, filters, key) {
    put(outcome, loading());
    const answer = await api.search("GetFacets", {
      dataset: state.dataset,
      filters: filtersMessage(filters),
      fields: [field],
    });
    histogram = (answer.histograms ?? []).find((entry) => entry.field === field);
    const edges = histogram?.edges ?? [];
    scale = edges.length > 1 ? createScale(field, edges) : null;
    slider.max = scale?.last ?? 1;
    drawn = key;
    shown = "";
  }

  async function cut(state, field, filters) {
    if (!scale) {
      put(outcome, el("p", { class: "hint" }, "No sample has this score."));
      put(picture);
      return;
    }
    const value =
      state.options.cut === undefined ? scale.valueAt(Math.round(scale.last / 2)) : Number(state.options.cut);
    slider.value = scale.placeOf(value);
    number.value = plain(value);
    draw(field);
    const key = JSON.stringify([drawn, value]);
    if (key === shown) return;
    shown = key;
    abort?.abort();
    abort = new AbortController();
    const mode = effectiveMode(filters.safe);
    const request = {
      dataset: state.dataset,
      field,
      value,
      filters: filtersMessage({ ...filters, safe: mode }),
      examples: EXAMPLES,
    };
    const answer = await api.search("PreviewThreshold", request, abort.signal);
    put(
      outcome,
      outcomeOf(answer, {
        field,
        value,
        mode,
        dataset: state.dataset,
        actions,
        use: () => use(field, value),
      }),
    );
  }

  function showControls(state, field) {
    const options = SCORES.map((score) => [score, fieldLabel(score)]);
    putKeepingFocus(
      controls,
      select("Score", options, field, (chosen) => store.set({ options: { field: chosen } })),
    );
  }

  function draw(field) {
    const at = Number(slider.value) / (scale.last / histogram.counts.length);
    const higher = HIGHER_IS_BETTER.has(field);
    put(
      picture,
      drawHistogram(histogram.counts, histogram.counts, (interval) =>
        higher ? interval + 1 > at : interval < at,
      ),
    );
    slider.setAttribute("aria-valuetext", plain(scale.valueAt(Number(slider.value))));
  }

  function slide() {
    const value = scale.valueAt(Number(slider.value));
    number.value = plain(value);
    draw(store.state.options.field ?? "similarity");
    clearTimeout(timer);
    timer = setTimeout(() => moveTo(value), PAUSE_MS);
  }

  function typed() {
    if (number.value.trim() !== "") moveTo(Number(number.value));
  }

  function moveTo(value) {
    store.set({ options: { ...store.state.options, cut: String(value) } }, { replace: true });
  }

  function use(field, value) {
    const range = HIGHER_IS_BETTER.has(field) ? { min: value, max: null } : { min: null, max: value };
    const { filters } = store.state;
    store.set({
      view: "explore",
      options: {},
      filters: { ...filters, ranges: { ...filters.ranges, [field]: range } },
    });
  }

  return { element, show };
}

function outcomeOf({ counts = [], above = [], below = [] }, { field, value, mode, dataset, actions, use }) {
  const higher = HIGHER_IS_BETTER.has(field);
  const rows = counts.map((entry) => ({
    ...entry,
    kept: int(higher ? entry.above : entry.below),
    gone: int(higher ? entry.below : entry.above),
    unknown: int(entry.unknown),
  }));
  const kept = rows.reduce((sum, row) => sum + row.kept, 0);
  const all = rows.reduce((sum, row) => sum + row.kept + row.gone + row.unknown, 0);
  const side = (title, samples) =>
    el(
      "section",
      { class: "side", "aria-label": title },
      el("h2", {}, title),
      samples.length
        ? el(
            "div",
            { class: "grid", role: "list" },
            samples.map((sample) =>
              createCard(
                { sample },
                { dataset, mode, actions, measure: { field, label: fieldLabel(field) } },
              ),
            ),
          )
        : el("p", { class: "hint" }, "None."),
    );
  const [inside, outside] = higher ? [above, below] : [below, above];
  return [
    el(
      "p",
      { class: "cut-sum" },
      el("b", {}, count(kept)),
      ` of ${count(all)} would be kept (${percent(kept, all)}) where ${fieldLabel(field).toLowerCase()} is ${higher ? "at least" : "below"} ${plain(value)}.`,
      button("Use as filter", { press: use }),
    ),
    languageTable(rows),
    side("Just kept", inside),
    side("Just left out", outside),
  ];
}

function languageTable(rows) {
  const head = ["Language", "", "Kept", "Left out", "Unknown"].map((text) =>
    el("th", { scope: "col" }, text),
  );
  const body = rows.map((row) => {
    const known = row.kept + row.gone;
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, languageLabel(row.language)),
      el("td", { class: "bar" }, meter(row.kept, known, `${percent(row.kept, known)} kept`, "seg-kept")),
      [row.kept, row.gone, row.unknown].map((rows) => el("td", { class: "number" }, count(rows))),
    );
  });
  return el(
    "div",
    { class: "table-frame" },
    el("table", { class: "languages" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)),
  );
}
