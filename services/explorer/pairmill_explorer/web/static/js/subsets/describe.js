/** A recipe's query and filters in words. */

import { el } from "../dom.js";
import { LISTS, RANGES, fieldLabel, humanise, valueLabel } from "../fields.js";
import { filterText } from "../filters/active.js";
import { int, moment, plain } from "../format.js";
import { partName } from "../query/chips.js";
import { activeFields } from "../state.js";

/** Returns what the present query and filters are, as a list. */
export function describeState(state) {
  const parts = state.parts.map(
    (part) =>
      `${part.weight < 0 ? "away from" : "near"} “${partName(part)}”${Math.abs(part.weight) === 1 ? "" : ` (${part.weight})`}`,
  );
  const filters = activeFields(state.filters).map(
    (field) => `${fieldLabel(field)}: ${filterText(state.filters, field)}`,
  );
  return lines([...parts, ...filters, safeText(state.filters.safe)]);
}

/** Returns what a saved recipe is, as a list. */
export function describeRecipe(recipe) {
  const parts = (recipe.parts ?? []).map(
    (part) =>
      `near “${part.text ?? (part.sample_id ? `like ${part.sample_id.slice(0, 8)}…` : "an image or vector")}”${part.weight === undefined ? "" : ` (${part.weight})`}`,
  );
  const filters = recipe.filters ?? {};
  return lines([
    ...parts,
    recipe.min_score !== undefined && `cosine at least ${plain(recipe.min_score)}`,
    recipe.max_results !== undefined && `at most ${int(recipe.max_results)} nearest`,
    ...LISTS.filter((field) => filters[field]?.length).map(
      (field) =>
        `${fieldLabel(field)}: ${filters[field].map((value) => valueLabel(field, value)).join(", ")}`,
    ),
    ...RANGES.filter((field) => filters[field]).map(
      (field) =>
        `${fieldLabel(field)}: ${plain(filters[field].min ?? "")} – ${plain(filters[field].max ?? "")}`,
    ),
    filters.text_contains && `${fieldLabel("text_contains")}: “${filters.text_contains}”`,
    filters.fetched_at &&
      `${fieldLabel("fetched_at")}: ${moment(filters.fetched_at.from)} – ${moment(filters.fetched_at.before)}`,
    recipe.collapse && "near-duplicates left out",
    recipe.sampling?.group_by && `sampled by ${humanise(recipe.sampling.group_by)}`,
    recipe.size !== undefined && `at most ${int(recipe.size)} samples in the end`,
    recipe.seed !== undefined && `seed ${recipe.seed}`,
    safeText((filters.safe_mode ?? "").replace("SAFE_MODE_", "").toLowerCase()),
  ]);
}

function lines(texts) {
  return el(
    "ul",
    { class: "description" },
    texts.filter(Boolean).map((text) => el("li", {}, text)),
  );
}

function safeText(mode) {
  return mode === "blur" || mode === "show"
    ? "unsafe and unscored samples included"
    : "without unsafe and unscored samples";
}
