/** The form of a new subset: from the query and filters of the search page, with a live preview. */

import { isAbort } from "../api.js";
import { button, field, loading } from "../controls.js";
import { el, put } from "../dom.js";
import { bytes, count, duration, int } from "../format.js";
import { createPicture } from "../results/picture.js";
import { effectiveMode } from "../safety.js";
import { trouble } from "../trouble.js";
import { describeState } from "./describe.js";
import { GROUPS, recipeOf } from "./recipe.js";

const PAUSE_MS = 500;
const EXAMPLES = 12;

/** Returns the form; `saved(name)` is called once the recipe stands. */
export function createEditor(state, { api, store, saved }) {
  const preview = el("div", { class: "preview", "aria-live": "polite" });
  const wrong = el("div", {});
  const form = el(
    "form",
    { class: "form recipe", on: { submit: (event) => (event.preventDefault(), save()), input: later } },
    formFields(state),
    wrong,
  );
  let abort = null;
  let timer = 0;
  form.append(
    el(
      "div",
      { class: "row" },
      el("button", { type: "submit", class: "button primary" }, "Save recipe"),
      button("Back to search", { press: () => store.set({ view: "explore", options: {} }) }),
    ),
  );
  look();
  return el(
    "div",
    { class: "editor" },
    form,
    el("section", { class: "card-like", "aria-label": "Preview" }, el("h2", {}, "What it cuts now"), preview),
  );

  function later() {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  }

  async function look() {
    abort?.abort();
    abort = new AbortController();
    put(preview, loading("Counting…"));
    try {
      const recipe = recipeOf(values(form), state);
      const request = { dataset: state.dataset, recipe: { ...recipe, name: recipe.name || "unnamed" } };
      const answer = await api.subsets("PreviewSubset", request, abort.signal);
      put(preview, previewOf(answer, state));
    } catch (error) {
      if (!isAbort(error)) put(preview, trouble(error, look));
    }
  }

  async function save() {
    put(wrong);
    mark(form, []);
    try {
      const recipe = recipeOf(values(form), state);
      await api.subsets("SaveSubset", { dataset: state.dataset, recipe });
      saved(recipe.name);
    } catch (error) {
      mark(form, error.violations ?? []);
      put(wrong, trouble(error));
    }
  }
}

function formFields(state) {
  const withQuery = state.parts.length > 0;
  return [
    el("section", {}, el("h2", {}, "Taken from the search page"), describeState(state)),
    field("Name", input({ required: true, maxlength: 80, pattern: "[A-Za-z0-9_.\\-]+" }), {
      name: "name",
      hint: "Letters, digits, - _ and dots.",
    }),
    field("What it is for", input({}), { name: "description" }),
    withQuery &&
      el(
        "div",
        { class: "two" },
        field("At most so many nearest", number({ value: "1000", min: 1, step: 1 }), { name: "max_results" }),
        field("Cosine at least", number({ step: "any", min: -1, max: 1 }), { name: "min_score" }),
      ),
    !withQuery &&
      el(
        "label",
        { class: "check" },
        el("input", { type: "checkbox", name: "one_per_cluster" }),
        "One of each group of near-duplicates",
      ),
    samplingFields(),
    el(
      "div",
      { class: "two" },
      field("At most so many samples", number({ min: 1, step: 1 }), {
        name: "size",
        hint: "A random choice of what is left.",
      }),
      field("Seed", number({ value: "0", step: 1 }), {
        name: "seed",
        hint: "The same seed chooses the same.",
      }),
    ),
  ];
}

function samplingFields() {
  return el(
    "details",
    { class: "facet" },
    el("summary", {}, "Sampling by group"),
    field(
      "Group by",
      el(
        "select",
        { class: "select" },
        GROUPS.map(([value, text]) => el("option", { value }, text)),
      ),
      { name: "group_by" },
    ),
    el(
      "div",
      { class: "two" },
      field("Most per group", number({ min: 1, step: 1 }), { name: "max_per_group" }),
      field("Share of other groups", number({ min: 0, max: 1, step: "any" }), { name: "default_weight" }),
    ),
    field(
      "Shares of single groups",
      el("textarea", { class: "input", rows: 3, placeholder: "en = 0.1\nde = 1" }),
      { name: "weights", hint: "One a line: value = share, 0 to 1." },
    ),
  );
}

function input(attributes) {
  return el("input", { type: "text", class: "input", autocomplete: "off", ...attributes });
}

function number(attributes) {
  return el("input", { type: "number", class: "input", ...attributes });
}

function values(form) {
  const found = Object.fromEntries(new FormData(form));
  return { weights: "", group_by: "", ...found, one_per_cluster: "one_per_cluster" in found };
}

/** Marks the fields that a refusal names. */
function mark(form, violations) {
  const named = new Set(violations.map(({ field: path }) => path.split(".").at(-1)));
  for (const element of form.elements) element.toggleAttribute("aria-invalid", named.has(element.name));
}

function previewOf(answer, state) {
  const mode = effectiveMode(state.filters.safe);
  const fact = (name, text) => el("div", { class: "fact" }, el("dt", {}, name), el("dd", {}, text));
  const without = int(answer.without_image);
  return [
    el(
      "dl",
      { class: "facts" },
      fact("Samples", count(answer.samples)),
      fact("Images", bytes(answer.image_bytes)),
      fact("Export takes about", duration(answer.estimated_seconds)),
      fact("Match the filters", count(answer.matching)),
    ),
    without > 0 &&
      el("p", { class: "hint" }, `Without a stored image: ${count(without)}. A WebDataset leaves these out.`),
    el(
      "div",
      { class: "thumbs" },
      (answer.examples ?? [])
        .slice(0, EXAMPLES)
        .map((sample) => createPicture(sample, { dataset: state.dataset, side: 320, mode })),
    ),
  ];
}
