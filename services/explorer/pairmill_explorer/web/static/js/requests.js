/** Turns the page's state into messages of the API. */

import { LISTS, RANGES } from "./fields.js";

/** Returns `Filters`. */
export function filtersMessage(filters) {
  const message = { safe_mode: `SAFE_MODE_${filters.safe.toUpperCase()}` };
  for (const field of LISTS) if (filters.lists[field]?.length) message[field] = filters.lists[field];
  for (const field of RANGES) if (filters.ranges[field]) message[field] = rangeMessage(filters.ranges[field]);
  if (filters.text) message.text_contains = filters.text;
  if (filters.from || filters.until) message.fetched_at = timesMessage(filters);
  return message;
}

/** Returns `QueryPart`s. */
export function partsMessage(parts) {
  return parts.map(({ kind, value, weight }) => {
    const key = kind === "sample" ? "sample_id" : kind;
    return weight === 1 ? { [key]: value } : { [key]: value, weight };
  });
}

/** Returns the name of a modality in the API. */
export function modalityMessage(modality) {
  return modality === "text" ? "MODALITY_TEXT" : "MODALITY_IMAGE";
}

/** Returns `Collapse`, or undefined if nothing is collapsed. */
export function collapseMessage({ phash, cosine }) {
  if (phash === null && cosine === null) return undefined;
  return { ...(phash === null ? {} : { phash_distance: phash }), ...(cosine === null ? {} : { cosine }) };
}

/** Returns the fields that a query has in requests of several kinds. */
export function queryMessage(state) {
  return {
    dataset: state.dataset,
    parts: partsMessage(state.parts),
    modality: modalityMessage(state.modality),
    filters: filtersMessage(state.filters),
  };
}

function rangeMessage({ min, max }) {
  return { ...(min === null ? {} : { min }), ...(max === null ? {} : { max }) };
}

/** Days are whole days of UTC; the last one is included. */
function timesMessage({ from, until }) {
  return {
    ...(from ? { from: `${from}T00:00:00Z` } : {}),
    ...(until ? { before: new Date(Date.parse(`${until}T00:00:00Z`) + 86_400_000).toISOString() } : {}),
  };
}
