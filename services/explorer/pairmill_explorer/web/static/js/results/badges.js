/** Small facts about a sample. */

import { el } from "../dom.js";
import { humanise, languageLabel } from "../fields.js";

/** Returns a verdict with its reason, or only the verdict. */
export function verdictBadge({ verdict, reason }) {
  const text = reason ? humanise(reason) : (verdict ?? "");
  return el(
    "span",
    { class: `badge verdict-${verdict ?? "none"}`, title: reason ? `${verdict}: ${text}` : verdict },
    text,
  );
}

/** Returns a language's code, its name as a tool tip. */
export function languageBadge({ language }) {
  return el("span", { class: "badge", title: languageLabel(language) }, language || "—");
}
