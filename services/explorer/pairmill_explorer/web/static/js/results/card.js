/** A sample in a grid: picture, text, score, and what can be done with it. */

import { button } from "../controls.js";
import { el } from "../dom.js";
import { score } from "../format.js";
import { languageBadge, verdictBadge } from "./badges.js";
import { createPicture } from "./picture.js";

const SIDE = 320;

/**
 * Returns a card. `actions` are `open(sample)`, `alike(sample)` and `combine(sample, weight)`; `measure` is a score to
 * show in place of the cosine with the query.
 */
export function createCard(hit, { dataset, mode, actions, measure }) {
  const { sample } = hit;
  const text = sample.text || "(no text)";
  const open = el("button", {
    type: "button",
    class: "card-open",
    "aria-label": text,
    on: { click: () => actions.open(sample) },
  });
  return el(
    "article",
    { class: "card", role: "listitem", data: { sample: sample.sample_id } },
    el("div", { class: "card-picture" }, createPicture(sample, { dataset, side: SIDE, mode }), open),
    el("p", { class: "card-text", title: text, dir: "auto", lang: sample.language || null }, text),
    el("p", { class: "card-facts" }, facts(hit, measure), languageBadge(sample), verdictBadge(sample)),
    el(
      "div",
      { class: "card-actions" },
      button("", {
        symbol: "alike",
        label: "More like this",
        kind: "small",
        press: () => actions.alike(sample),
      }),
      button("", {
        symbol: "plus",
        label: "Add to the query",
        kind: "small",
        press: () => actions.combine(sample, 1),
      }),
      button("", {
        symbol: "minus",
        label: "Subtract from the query",
        kind: "small",
        press: () => actions.combine(sample, -0.5),
      }),
    ),
  );
}

function facts(hit, measure) {
  if (measure) return el("span", { class: "score", title: measure.label }, score(hit.sample[measure.field]));
  if (hit.score !== undefined)
    return el("span", { class: "score", title: "Cosine with the query" }, score(hit.score));
  return el("span", { class: "score", title: "Similarity of image and text" }, score(hit.sample.similarity));
}
