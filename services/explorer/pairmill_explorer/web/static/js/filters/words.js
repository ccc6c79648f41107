/** The filters that are typed: a text contained, and days. */

import { field } from "../controls.js";
import { el } from "../dom.js";

const PAUSE_MS = 400;
const MOST_CHARACTERS = 200;

/** Returns `{element, show(filters)}`; `change({text})` or `change({from, until})` gets what was typed. */
export function createWordFilters(change) {
  let timer = 0;
  const text = el("input", {
    type: "search",
    class: "input",
    maxlength: MOST_CHARACTERS,
    autocomplete: "off",
    on: {
      input: () => {
        clearTimeout(timer);
        timer = setTimeout(() => change({ text: text.value.trim() }), PAUSE_MS);
      },
    },
  });
  const from = el("input", { type: "date", class: "input", on: { change: days } });
  const until = el("input", { type: "date", class: "input", on: { change: days } });

  function days() {
    change({ from: from.value, until: until.value });
  }

  return {
    text: field("Text contains", text, { name: "text_contains" }),
    dates: el(
      "div",
      { class: "two", data: { field: "fetched_at" } },
      field("Fetched from", from),
      field("until", until),
    ),
    show(filters) {
      if (document.activeElement !== text) text.value = filters.text;
      from.value = filters.from;
      until.value = filters.until;
    },
  };
}
