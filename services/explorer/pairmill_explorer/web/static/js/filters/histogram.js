/** A distribution, drawn: the whole dataset behind, what the filters admit before it. */

import { svg } from "../dom.js";
import { int } from "../format.js";

const HEIGHT = 40;
const GAP = 0.12;

/**
 * Returns a picture of two lists of counts over the same intervals. Heights are square roots of counts, each list by
 * its own largest, so that rare values can still be seen. `within(interval)` says which intervals are chosen.
 */
export function drawHistogram(whole, current, within = () => true) {
  const intervals = whole.length;
  return svg(
    "svg",
    {
      class: "histogram",
      viewBox: `0 0 ${intervals} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    bars(whole, "bar-whole", () => true),
    bars(current ?? [], "bar-current", within),
  );
}

function bars(counts, kind, within) {
  const heights = counts.map((rows) => Math.sqrt(int(rows)));
  const most = Math.max(...heights, 1);
  return heights.map((height, at) => {
    if (height === 0) return null;
    const tall = Math.max(1.5, (height / most) * HEIGHT);
    return svg("rect", {
      class: within(at) ? kind : `${kind} out`,
      x: at + GAP / 2,
      y: HEIGHT - tall,
      width: 1 - GAP,
      height: tall,
    });
  });
}
