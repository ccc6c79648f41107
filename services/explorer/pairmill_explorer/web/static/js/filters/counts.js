/** Counts for the filter panel. */

import { LISTS } from "../fields.js";
import { int } from "../format.js";
import { filtersMessage, partsMessage, modalityMessage } from "../requests.js";
import { withoutField } from "../state.js";

const VALUES = 100;

/**
 * Returns `{matching, total, facets, histograms, whole}`, the latter by field. The values of a list in which some are
 * chosen are counted without that choice: otherwise nothing else could be chosen besides. With `depth` only so many
 * first results of the query count.
 */
export async function loadCounts(api, state, depth, signal) {
  const chosen = LISTS.filter((field) => state.filters.lists[field]?.length);
  const [all, ...single] = await Promise.all([
    api.search("GetFacets", facetsMessage(state, state.filters, depth), signal),
    ...chosen.map((field) =>
      api.search(
        "GetFacets",
        { ...facetsMessage(state, withoutField(state.filters, field), depth), fields: [field] },
        signal,
      ),
    ),
  ]);
  const facets = byField(all.facets);
  single.forEach((answer, at) => {
    const found = byField(answer.facets).get(chosen[at]);
    if (found) facets.set(chosen[at], found);
  });
  return {
    matching: int(all.matching),
    total: int(all.total),
    facets,
    histograms: byField(all.histograms),
    whole: byField(all.whole),
  };
}

function facetsMessage(state, filters, depth) {
  const message = { dataset: state.dataset, filters: filtersMessage(filters), values: VALUES };
  if (!depth || state.parts.length === 0) return message;
  return { ...message, depth, parts: partsMessage(state.parts), modality: modalityMessage(state.modality) };
}

function byField(list = []) {
  return new Map(list.map((entry) => [entry.field, entry]));
}
