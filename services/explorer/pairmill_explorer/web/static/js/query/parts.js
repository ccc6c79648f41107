/** A query's parts: how they are put together, and which of them the search box shows. */

export const MOST_PARTS = 16;

/** Whether a query is one plain text (or nothing), so that the search box alone can show it. */
export function isPlain(parts) {
  return parts.length === 0 || (parts.length === 1 && parts[0].kind === "text" && parts[0].weight === 1);
}

/** Returns the query with a part more; the same part once more only changes its weight. */
export function withPart(parts, part) {
  const rest = parts.filter((other) => other.kind !== part.kind || other.value !== part.value);
  return [...rest, part].slice(-MOST_PARTS);
}

/** Returns the query without the part at an index. */
export function withoutPart(parts, index) {
  return parts.filter((_, at) => at !== index);
}

/** Returns the query with another weight of the part at an index. */
export function withWeight(parts, index, weight) {
  return parts.map((part, at) => (at === index ? { ...part, weight } : part));
}
