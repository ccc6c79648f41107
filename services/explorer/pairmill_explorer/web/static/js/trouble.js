/** Shows what went wrong: which field, why, and what to do about it. */

import { button } from "./controls.js";
import { el } from "./dom.js";
import { fieldLabel } from "./fields.js";

const REMEDIES = {
  UNAVAILABLE: "It may be starting or overloaded.",
  RESOURCE_EXHAUSTED: "Ask for less, or wait a little.",
  PERMISSION_DENIED: "Your token does not allow this. Ask for one with the role it needs.",
  DEADLINE_EXCEEDED: "It took too long. Narrow the filters, or try again.",
};

/** Returns a box with an error; `again` is offered where the same call may work later. */
export function trouble(error, again) {
  const violations = (error.violations ?? []).map(({ field, description }) =>
    el("li", {}, field && el("b", {}, `${pathLabel(field)}: `), description),
  );
  return el(
    "div",
    { class: "trouble", role: "alert" },
    el("p", { class: "trouble-title" }, error.message),
    violations.length > 0 && el("ul", {}, violations),
    REMEDIES[error.code] && el("p", { class: "hint" }, REMEDIES[error.code]),
    again && (error.retriable ?? true) && button("Try again", { kind: "primary", press: again }),
  );
}

/** Returns `filters.similarity.min` as words. */
function pathLabel(path) {
  return path
    .replace(/^filters\./, "")
    .split(".")
    .map(fieldLabel)
    .join(" › ");
}
