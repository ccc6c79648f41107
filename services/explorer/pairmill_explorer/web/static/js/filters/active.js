/** The filters that are set, as chips that take them away. */

import { button } from "../controls.js";
import { el, put } from "../dom.js";
import { fieldLabel, valueLabel } from "../fields.js";
import { plain } from "../format.js";
import { activeFields, emptyFilters, withoutField } from "../state.js";

const MOST_VALUES = 3;

/** Returns `{element, show(filters)}`; `change(filters)` gets what is left. `omit` is a field that is not shown. */
export function createActiveFilters(change, { omit = null } = {}) {
  const element = el("ul", { class: "chips active", "aria-label": "Filters that are set" });

  function show(filters) {
    const fields = activeFields(filters).filter((field) => field !== omit);
    const chips = fields.map((field) => {
      const text = `${fieldLabel(field)}: ${filterText(filters, field)}`;
      const remove = button("", {
        symbol: "close",
        label: `Remove ${text}`,
        kind: "quiet small",
        press: () => change(withoutField(filters, field)),
      });
      return el("li", { class: "chip", data: { field } }, el("span", { class: "chip-text" }, text), remove);
    });
    const reset = button("Reset", {
      kind: "quiet small",
      press: () => change({ ...emptyFilters(), safe: filters.safe }),
    });
    put(element, chips.length ? [...chips, el("li", {}, reset)] : []);
  }

  return { element, show };
}

/** Returns what a field is restricted to, in words. */
export function filterText(filters, field) {
  if (field === "text_contains") return `“${filters.text}”`;
  if (field === "fetched_at") return span(filters.from, filters.until);
  const range = filters.ranges[field];
  if (range)
    return span(range.min === null ? "" : plain(range.min), range.max === null ? "" : plain(range.max));
  const values = filters.lists[field].map((value) => valueLabel(field, value));
  return values.length > MOST_VALUES
    ? `${values.slice(0, MOST_VALUES).join(", ")} and ${values.length - MOST_VALUES} more`
    : values.join(", ");
}

function span(low, high) {
  if (!low) return `≤ ${high}`;
  return high ? `${low} – ${high}` : `≥ ${low}`;
}
