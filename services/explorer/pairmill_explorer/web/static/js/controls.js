/** Small controls that several parts of the page use. */

import { el, freshId } from "./dom.js";
import { icon } from "./icons.js";

/** Returns a button with a text, an icon, or both; without a text it is named by `label`. */
export function button(text, { symbol, label, kind = "", press, ...rest } = {}) {
  return el(
    "button",
    {
      type: "button",
      class: `button ${kind}`.trim(),
      "aria-label": label,
      title: text ? null : label,
      on: press ? { click: press } : {},
      ...rest,
    },
    symbol && icon(symbol),
    text && el("span", {}, text),
  );
}

/** Returns a labelled select; `options` are `[value, text]`. */
export function select(label, options, value, change, { hideLabel = false } = {}) {
  const id = freshId("select");
  const field = el(
    "select",
    { id, class: "select", data: { key: label }, on: { change: (event) => change(event.target.value) } },
    options.map(([key, text]) => el("option", { value: key, selected: key === value }, text)),
  );
  const name = el("label", { for: id, class: hideLabel ? "visually-hidden" : "label" }, label);
  return el("span", { class: "labelled" }, name, field);
}

/** Returns a row of radio buttons that look like one control; `choices` are `[value, text]`. */
export function segmented(label, choices, value, change) {
  const name = freshId("segmented");
  return el(
    "fieldset",
    { class: "segmented" },
    el("legend", { class: "visually-hidden" }, label),
    choices.map(([key, text]) =>
      el(
        "label",
        {},
        el("input", {
          type: "radio",
          name,
          value: key,
          checked: key === value,
          data: { key: `${label} ${key}` },
          on: { change: () => change(key) },
        }),
        el("span", {}, text),
      ),
    ),
  );
}

/** Returns a labelled field of a form, with a hint below it and a place for what is wrong with it. */
export function field(label, input, { hint, name } = {}) {
  const id = freshId("field");
  input.id = id;
  if (name) input.name = name;
  const notes = [];
  if (hint) notes.push(el("p", { class: "hint", id: `${id}-hint` }, hint));
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return el(
    "div",
    { class: "field", data: name ? { field: name } : {} },
    el("label", { for: id, class: "label" }, label),
    input,
    notes,
  );
}

/** Returns a bar that fills as far as `part` of `whole`. */
export function meter(part, whole, label, kind = "") {
  const share = whole ? Math.max(0, Math.min(1, part / whole)) : 0;
  return el(
    "span",
    { class: `meter ${kind}`.trim(), role: "img", "aria-label": label, title: label },
    el("span", { class: "meter-fill", css: { "--share": `${100 * share}%` } }),
  );
}

/** Returns what stands where something is being loaded. */
export function loading(text = "Loading…") {
  return el(
    "p",
    { class: "loading", role: "status" },
    el("span", { class: "spinner", "aria-hidden": "true" }),
    text,
  );
}

/** Returns what stands where there is nothing, and what to do about it. */
export function nothing(title, text, ...actions) {
  return el(
    "div",
    { class: "nothing" },
    el("h2", {}, title),
    el("p", {}, text),
    el("div", { class: "row" }, actions),
  );
}
