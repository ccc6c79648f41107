/** A list of values with counts, of which any number can be chosen. */

import { button } from "../controls.js";
import { el, put, putKeepingFocus } from "../dom.js";
import { fieldLabel, valueLabel } from "../fields.js";
import { count, int } from "../format.js";

const FEW = 7;
const MANY = 200;

/** Returns `{element, show(facet, chosen)}`; `change(values)` gets what is chosen. */
export function createFacet(field, change) {
  const list = el("ul", { class: "facet-values" });
  const foot = el("div", { class: "facet-foot" });
  const find = el("input", {
    type: "search",
    class: "input small",
    placeholder: "Find…",
    "aria-label": `Find among ${fieldLabel(field)}`,
    hidden: true,
    on: { input: render },
  });
  let values = [];
  let others = 0;
  let chosen = [];
  let all = false;
  const summary = el("summary", {}, el("span", {}, fieldLabel(field)), el("span", { class: "facet-chosen" }));
  const element = el(
    "details",
    { class: "facet", open: ["verdicts", "languages"].includes(field), data: { field } },
    summary,
    find,
    list,
    foot,
  );

  function show(facet, selection) {
    chosen = selection;
    values = (facet?.values ?? []).map(({ value = "", count: rows }) => ({ value, rows: int(rows) }));
    others = int(facet?.others);
    const known = new Set(values.map(({ value }) => value));
    values.unshift(
      ...chosen.filter((value) => !known.has(value)).map((value) => ({ value, rows: facet ? 0 : null })),
    );
    find.hidden = values.length <= FEW && others === 0;
    summary.lastChild.textContent = chosen.length ? String(chosen.length) : "";
    render();
  }

  function render() {
    const wanted = find.hidden ? "" : find.value.trim().toLowerCase();
    const found = values.filter(({ value }) => valueLabel(field, value).toLowerCase().includes(wanted));
    const few =
      all || wanted
        ? found.slice(0, MANY)
        : found.filter(({ value }, at) => at < FEW || chosen.includes(value));
    putKeepingFocus(list, few.map(row));
    put(foot, footOf(wanted, found.length - few.length));
  }

  function row({ value, rows }) {
    const box = el("input", {
      type: "checkbox",
      checked: chosen.includes(value),
      on: { change: () => toggle(value) },
    });
    box.dataset.value = box.dataset.key = value;
    return el(
      "li",
      { class: rows === 0 ? "empty" : "" },
      el(
        "label",
        {},
        box,
        el("span", { class: "facet-name", title: value }, valueLabel(field, value)),
        el("span", { class: "facet-count" }, rows === null ? "" : count(rows)),
      ),
    );
  }

  function footOf(wanted, left) {
    const typed = find.value.trim();
    const exact = values.some(({ value }) => value === typed);
    return [
      wanted &&
        !exact &&
        others > 0 &&
        button(`Add “${typed}”`, { kind: "quiet small", press: () => toggle(typed) }),
      !wanted &&
        left > 0 &&
        button(`${count(left)} more`, { kind: "quiet small", press: () => ((all = true), render()) }),
      others > 0 && el("span", { class: "hint" }, `${count(others)} rows with rarer values`),
    ];
  }

  function toggle(value) {
    change(chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value]);
  }

  return { element, show };
}
