/** What the keys do. */

import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

const KEYS = [
  ["/", "to the search box"],
  ["Enter", "search; on a result, open it"],
  ["← ↑ → ↓", "from result to result; Home and End to the first and last"],
  ["m", "more like the result that has the focus"],
  ["+  −", "add it to the query, subtract it"],
  ["←  →", "in the detail view: the result before, the next"],
  ["Esc", "close what is open"],
  ["f", "to the filters"],
  ["?", "this list"],
];

/** Opens the list of keys. */
export function openHelp() {
  openDialog(
    "Keyboard",
    [
      el(
        "table",
        { class: "keys" },
        el(
          "tbody",
          {},
          KEYS.map(([keys, text]) =>
            el(
              "tr",
              {},
              el(
                "th",
                { scope: "row" },
                keys.split("  ").map((key) => el("kbd", {}, key)),
              ),
              el("td", {}, text),
            ),
          ),
        ),
      ),
      el(
        "p",
        { class: "hint" },
        "Drop an image anywhere on the page, or paste one, to search with it. The address of the page holds the whole query: copy it to share what you see.",
      ),
    ],
    { kind: "small" },
  );
}
