/** Safe mode: what is unsafe or unscored is hidden, then blurred, and shown only to who has asked for it. */

import { ask } from "./dialog.js";
import { recall, remember } from "./memory.js";

export const SAFE_MODES = [
  ["hide", "Hidden"],
  ["blur", "Blurred"],
  ["show", "Shown"],
];
const QUESTION =
  "Samples that the model takes for unsafe, and samples without a score, will be shown as they are. " +
  "This may include violence and nudity. You are asked once per window.";

/** Whether this window's user has agreed to see everything; an address alone cannot. */
export function hasAgreed() {
  return recall("shown", sessionStorage) === "yes";
}

/** Returns the mode that counts: an address that says `show` blurs until the user has agreed. */
export function effectiveMode(mode) {
  return mode === "show" && !hasAgreed() ? "blur" : mode;
}

/** Asks where that is needed; resolves to whether a mode may be set. */
export async function mayUse(mode) {
  if (mode !== "show" || hasAgreed()) return true;
  const agreed = await ask("Show unsafe samples?", QUESTION, "Show them");
  if (agreed) remember("shown", "yes", sessionStorage);
  return agreed;
}
