/**
 * Places on a slider and the numbers they stand for. A slider runs over the intervals of a histogram, each of equal
 * width whatever numbers it spans, so that the handles stand where the bars are drawn.
 */

import { isWhole } from "../fields.js";

/** Places per interval. */
const FINE = 10;

/** Returns `{last, valueAt(place), placeOf(value)}` for ascending edges. */
export function createScale(field, edges) {
  const last = (edges.length - 1) * FINE;
  return { last, valueAt, placeOf };

  function valueAt(place) {
    const at = Math.min(Math.floor(place / FINE), edges.length - 2);
    const width = edges[at + 1] - edges[at];
    const value = edges[at] + (width * (place - at * FINE)) / FINE;
    return isWhole(field) ? Math.round(value) : rounded(value, width / FINE);
  }

  function placeOf(value) {
    if (value <= edges[0]) return 0;
    for (let at = 1; at < edges.length; at += 1) {
      if (value <= edges[at]) {
        const width = edges[at] - edges[at - 1] || 1;
        return Math.round((at - 1 + (value - edges[at - 1]) / width) * FINE);
      }
    }
    return last;
  }
}

/** Rounds to the decimals that a step can tell apart. */
function rounded(value, step) {
  const decimals = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step || 1))));
  return Number(value.toFixed(decimals));
}
