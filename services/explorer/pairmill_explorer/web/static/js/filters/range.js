/** A range of a number: a histogram with two handles, and two fields for exact ends. */

import { el, put } from "../dom.js";
import { fieldLabel } from "../fields.js";
import { count, int, plain } from "../format.js";
import { drawHistogram } from "./histogram.js";
import { createScale } from "./scale.js";

/** Returns `{element, show(histogram, whole, range)}`; `change(range)` gets `{min, max}` with null for an open end, or null. */
export function createRange(field, change) {
  const name = fieldLabel(field);
  const picture = el("div", { class: "range-picture" });
  const sliders = ["Least", "Most"].map((end, at) =>
    el("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 1,
      class: `range-slider end-${at}`,
      "aria-label": `${end} ${name}`,
      on: { input: slide, change: release },
    }),
  );
  const numbers = ["Least", "Most"].map((end) =>
    el("input", {
      type: "number",
      step: "any",
      class: "input small",
      "aria-label": `${end} ${name}, exactly`,
      on: { change: typed },
    }),
  );
  const note = el("span", { class: "hint" });
  const track = el("div", { class: "range-track" }, sliders);
  const element = el(
    "fieldset",
    { class: "range", data: { field } },
    el("legend", {}, name),
    picture,
    track,
    el(
      "div",
      { class: "range-numbers" },
      numbers[0],
      el("span", { "aria-hidden": "true" }, "–"),
      numbers[1],
      note,
    ),
  );
  let scale = null;
  let counts = { whole: [], current: [] };

  function show(histogram, whole, range) {
    const edges = whole?.edges ?? [];
    scale = edges.length > 1 ? createScale(field, edges) : null;
    counts = { whole: whole?.counts ?? [], current: histogram?.counts ?? [] };
    track.hidden = scale === null;
    const unknown = int(histogram?.unknown);
    note.textContent = unknown && !range ? `${count(unknown)} unknown` : "";
    if (document.activeElement !== numbers[0]) numbers[0].value = range?.min ?? "";
    if (document.activeElement !== numbers[1]) numbers[1].value = range?.max ?? "";
    if (!scale) {
      put(picture, el("p", { class: "hint" }, whole ? "No sample has this number." : ""));
      return;
    }
    numbers[0].placeholder = plain(edges[0]);
    numbers[1].placeholder = plain(edges.at(-1));
    for (const slider of sliders) slider.max = scale.last;
    sliders[0].value = range?.min == null ? 0 : scale.placeOf(range.min);
    sliders[1].value = range?.max == null ? scale.last : scale.placeOf(range.max);
    draw();
  }

  function places() {
    return sliders.map((slider) => Number(slider.value));
  }

  function draw() {
    const [low, high] = places();
    const perInterval = scale.last / counts.whole.length;
    put(
      picture,
      drawHistogram(
        counts.whole,
        counts.current,
        (at) => (at + 1) * perInterval > low && at * perInterval < high,
      ),
    );
    track.style.setProperty("--low", `${(100 * low) / scale.last}%`);
    track.style.setProperty("--high", `${(100 * high) / scale.last}%`);
    sliders[0].setAttribute("aria-valuetext", plain(scale.valueAt(low)));
    sliders[1].setAttribute("aria-valuetext", plain(scale.valueAt(high)));
    // Where both stand at the right end, only the lower handle can still be moved: it has to be on top.
    sliders[0].classList.toggle("on-top", low > scale.last / 2);
  }

  /** While a handle moves: it stops at the other, and the fields show where it is. */
  function slide(event) {
    const [low, high] = places();
    if (low > high) event.target.value = event.target === sliders[0] ? high : low;
    draw();
    const { min, max } = chosen();
    numbers[0].value = min ?? "";
    numbers[1].value = max ?? "";
  }

  function release() {
    const range = chosen();
    change(range.min === null && range.max === null ? null : range);
  }

  function chosen() {
    const [low, high] = places();
    return {
      min: low === 0 ? null : scale.valueAt(low),
      max: high === scale.last ? null : scale.valueAt(high),
    };
  }

  function typed() {
    const [min, max] = numbers.map((input) => (input.value.trim() === "" ? null : Number(input.value)));
    if (min !== null && max !== null && min > max) return change({ min: max, max: min });
    return change(min === null && max === null ? null : { min, max });
  }

  return { element, show };
}
