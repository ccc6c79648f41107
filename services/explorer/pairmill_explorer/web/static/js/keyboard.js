/** Keys that work wherever the focus is, but not while something is typed or a dialog is open. */

import { openHelp } from "./help.js";

/** Listens for the keys; `focusQuery()`, `focusFilters()`, `alike(id)` and `combine(id, weight)` are what they do. */
export function listenForKeys({ focusQuery, focusFilters, alike, combine }) {
  const page = { "/": focusQuery, f: focusFilters, "?": openHelp };
  const card = {
    m: alike,
    "+": (id) => combine(id, 1),
    "-": (id) => combine(id, -0.5),
    "−": (id) => combine(id, -0.5),
  };
  document.addEventListener("keydown", (event) => {
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      isTyping(event.target) ||
      document.querySelector("dialog[open]")
    )
      return;
    const sample = event.target.closest?.(".card")?.dataset.sample;
    const act = (sample && card[event.key]) || page[event.key];
    if (!act) return;
    event.preventDefault();
    act(sample);
  });
}

function isTyping(target) {
  return (
    target.matches?.(
      "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]",
    ) ?? false
  );
}
