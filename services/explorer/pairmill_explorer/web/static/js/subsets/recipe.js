/** Turns the form of a subset, and the query and filters it is made from, into a `Recipe`. */

import { collapseMessage, filtersMessage, modalityMessage, partsMessage } from "../requests.js";

/** Columns by whose values samples can be grouped. */
export const GROUPS = [
  ["", "Not grouped"],
  ["language", "Language"],
  ["bucket", "Language bucket"],
  ["host", "Host"],
  ["crawl", "Crawl"],
  ["licence", "Licence"],
  ["cluster_id", "Group of near-duplicates"],
];

/** Something in the form that is no recipe; `violations` as the API's refusals have them. */
export class FormError extends Error {
  constructor(field, description) {
    super("The recipe is not complete.");
    this.violations = [{ field, description }];
    this.retriable = false;
  }
}

/** Returns the recipe; `form` holds the values of its fields as text, by name. Throws FormError. */
export function recipeOf(form, state) {
  const recipe = {
    name: form.name.trim(),
    description: form.description.trim(),
    filters: filtersMessage(state.filters),
    seed: integer(form, "seed") ?? "0",
  };
  if (state.parts.length) Object.assign(recipe, queryOf(form, state));
  else if (form.one_per_cluster) recipe.collapse = { phash_distance: 0 };
  const sampling = samplingOf(form);
  if (sampling) recipe.sampling = sampling;
  const size = integer(form, "size");
  if (size !== null) recipe.size = size;
  return recipe;
}

function queryOf(form, state) {
  const most = integer(form, "max_results");
  const least = number(form, "min_score");
  if (most === null && least === null)
    throw new FormError(
      "max_results",
      "Say how many, or how near they have to be: one of both is needed with a query.",
    );
  const query = { parts: partsMessage(state.parts), modality: modalityMessage(state.modality) };
  if (most !== null) query.max_results = most;
  if (least !== null) query.min_score = least;
  const collapse = collapseMessage(state.collapse);
  return collapse ? { ...query, collapse } : query;
}

function samplingOf(form) {
  if (!form.group_by) return null;
  const most = integer(form, "max_per_group");
  const rest = number(form, "default_weight");
  const weights = weightsOf(form.weights);
  return {
    group_by: form.group_by,
    ...(most === null ? {} : { max_per_group: most }),
    ...(rest === null ? {} : { default_weight: rest }),
    ...(Object.keys(weights).length ? { weights } : {}),
  };
}

/** Reads lines of `value = share`. */
function weightsOf(text) {
  const weights = {};
  for (const line of text.split("\n").filter((each) => each.trim())) {
    const at = line.lastIndexOf("=");
    const share = Number(line.slice(at + 1));
    if (at < 1 || line.slice(at + 1).trim() === "" || !(share >= 0 && share <= 1)) {
      throw new FormError(
        "weights",
        `“${line.trim()}” is not of the form value = share, with a share from 0 to 1.`,
      );
    }
    weights[line.slice(0, at).trim()] = share;
  }
  return weights;
}

/** Returns a whole number of 64 bits as text: JavaScript's own numbers are exact up to 53 bits only. */
function integer(form, name) {
  const text = form[name]?.trim() ?? "";
  if (text === "") return null;
  const value = /^[+-]?\d+$/.test(text) ? BigInt(text.replace("+", "")) : wholeNumber(Number(text));
  if (value === null) throw new FormError(name, "This is not a whole number.");
  if (value !== BigInt.asIntN(64, value))
    throw new FormError(name, "This number is too large: it takes more than 64 bits.");
  return String(value);
}

/** Returns what was written as 1e3 or 20.0, or null where it is not exact. */
function wholeNumber(value) {
  return Number.isSafeInteger(value) ? BigInt(value) : null;
}

function number(form, name) {
  const text = form[name]?.trim() ?? "";
  if (text === "") return null;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new FormError(name, "This is not a number.");
  return value;
}
